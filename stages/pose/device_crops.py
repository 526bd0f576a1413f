"""Crops cut on the device: each frame is uploaded once, as bytes; what `cut` does on the CPU with OpenCV."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from stages.pose.crop import invert, reduction

_MOST = 8  # samples a side of a crop's pixel, where a large person is averaged


@dataclass(frozen=True)
class DeviceFrames:
    """Frames of any sizes, their pixels one after another."""

    pixels: torch.Tensor  # [P, 3] uint8 RGB
    start: torch.Tensor  # [F] int64, each frame's first pixel
    width: torch.Tensor  # [F] int64
    height: torch.Tensor  # [F] int64


def upload(
    images: Sequence[np.ndarray],  # each [H, W, 3] uint8 RGB
    device: torch.device,
) -> DeviceFrames:
    """The frames on the device."""
    parts = [torch.from_numpy(np.ascontiguousarray(i)).reshape(-1, 3).to(device, non_blocking=True) for i in images]
    counts = np.array([i.shape[0] * i.shape[1] for i in images], np.int64)
    start = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64)
    sizes = np.array([i.shape[1::-1] for i in images], np.int64)
    numbers = torch.from_numpy(np.concatenate([start[:, None], sizes], axis=1)).to(device, non_blocking=True)
    return DeviceFrames(torch.cat(parts), numbers[:, 0], numbers[:, 1], numbers[:, 2])


def device_crops(
    frames: DeviceFrames,
    owner: np.ndarray,  # [N] frame of each crop
    matrices: np.ndarray,  # [N, 2, 3] frame pixels -> crop pixels
    size: tuple[int, int],  # width, height of the crops
    compat: bool = False,  # sampled however small the person becomes, as published
) -> torch.Tensor:
    """[N, 3, H, W] float32 of 0..255, whole numbers, channels last; outside the frame black."""
    device = frames.pixels.device
    times = np.ones(len(owner), np.int64)
    if not compat:
        times = np.minimum([max(reduction(m), 1) for m in matrices], _MOST)
    back = invert(matrices).astype(np.float32)
    found = torch.empty((len(owner), size[1], size[0], 3), device=device)
    for factor in np.unique(times):
        rows = np.flatnonzero(times == factor)
        where = torch.from_numpy(owner[rows]).to(device, non_blocking=True)
        sampled = _sampled(frames, where, torch.from_numpy(back[rows]).to(device), size, int(factor))
        found[torch.from_numpy(rows).to(device)] = sampled
    return found.permute(0, 3, 1, 2)


def _sampled(
    frames: DeviceFrames,
    owner: torch.Tensor,  # [N] int64
    back: torch.Tensor,  # [N, 2, 3] crop pixels -> frame pixels
    size: tuple[int, int],
    times: int,  # samples a side of each crop pixel, which are averaged
) -> torch.Tensor:
    """[N, H, W, 3] float32, by bilinear interpolation."""
    u = (torch.arange(size[0] * times, device=back.device) + 0.5) / times - 0.5
    v = (torch.arange(size[1] * times, device=back.device) + 0.5) / times - 0.5
    a = back[:, :, None, None, :]  # [N, 2, 1, 1, 3]
    xy = a[..., 0] * u + a[..., 1] * v[:, None] + a[..., 2]  # [N, 2, h, w]
    low = xy.floor()
    part = xy - low
    corner = low.long()
    width, height, start = (n[owner][:, None, None] for n in (frames.width, frames.height, frames.start))
    total: torch.Tensor | None = None
    for dy in (0, 1):
        y = corner[:, 1] + dy
        share_y = part[:, 1] if dy else 1 - part[:, 1]
        for dx in (0, 1):
            x = corner[:, 0] + dx
            share = share_y * (part[:, 0] if dx else 1 - part[:, 0])
            inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
            index = torch.where(inside, start + y * width + x, start)
            value = frames.pixels[index].float() * (share * inside)[..., None]
            total = value if total is None else total.add_(value)
    if times > 1:
        total = F.avg_pool2d(total.permute(0, 3, 1, 2), times).permute(0, 2, 3, 1)
    return total.round_()
