"""`decode.py` on the device: the same joints from heatmaps that need not leave it."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from stages.pose.decode import DARK_KERNEL

# as OpenCV derives it from the kernel's size
_DARK_SIGMA = 0.3 * ((DARK_KERNEL - 1) * 0.5 - 1) + 0.8


def decode_quarter(
    heatmaps: torch.Tensor,  # [N, K, h, w] float32, at least 3x3 cells
) -> tuple[torch.Tensor, torch.Tensor]:
    """Joints [N, K, 2] float32 in cells and scores [N, K]; see `decode.decode_quarter`."""
    height, width = heatmaps.shape[2:]
    x, y, score = _peaks(heatmaps)
    inner = (x > 1) & (x < width - 1) & (y > 1) & (y < height - 1)
    cx, cy = x.clamp(1, width - 2), y.clamp(1, height - 2)
    slope = torch.stack(
        [
            _at(heatmaps, cx + 1, cy) - _at(heatmaps, cx - 1, cy),
            _at(heatmaps, cx, cy + 1) - _at(heatmaps, cx, cy - 1),
        ],
        dim=2,
    )
    found = torch.stack([x, y], dim=2) + 0.25 * slope.sign() * inner[..., None]
    return found * (score > 0)[..., None], score


def decode_dark(
    heatmaps: torch.Tensor,  # [N, K, h, w] float32, at least 6x6 cells
) -> tuple[torch.Tensor, torch.Tensor]:
    """Joints [N, K, 2] float32 in cells and scores [N, K]; see `decode.decode_dark`."""
    height, width = heatmaps.shape[2:]
    peak_x, peak_y, score = _peaks(heatmaps)
    x, y = peak_x.clamp(1, width - 2), peak_y.clamp(1, height - 2)
    smooth = _smoothed(heatmaps)

    def at(dx: int, dy: int) -> torch.Tensor:  # float64: differences of neighbours are small
        return _at(smooth, x + dx, y + dy).double().clamp(min=1e-10).log()

    middle, left, right, up, down = at(0, 0), at(-1, 0), at(1, 0), at(0, -1), at(0, 1)
    gx, gy = (right - left) / 2, (down - up) / 2
    xx, yy = right - 2 * middle + left, down - 2 * middle + up
    xy = (at(1, 1) - at(-1, 1) - at(1, -1) + at(-1, -1)) / 4
    det = xx * yy - xy**2
    safe = torch.where(det.abs() > 1e-12, det, torch.ones_like(det))
    step = torch.stack([-(yy * gx - xy * gy) / safe, -(xx * gy - xy * gx) / safe], dim=2)
    top = (det > 1e-12) & (xx < 0) & (step.abs().amax(dim=2) <= 1)
    cell = torch.stack([peak_x, peak_y], dim=2).double()
    found = torch.where(top[..., None], torch.stack([x, y], dim=2) + step, cell)
    return (found * (score > 0)[..., None]).float(), score


def _peaks(heatmaps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """x, y [N, K] int64 of the highest cell (the first of equals) and its value [N, K]."""
    flat, width = heatmaps.flatten(2), heatmaps.shape[3]
    score = flat.amax(dim=2)
    # argmax does not promise which of equals it names
    number = torch.arange(flat.shape[2], device=flat.device)
    best = torch.where(flat == score[..., None], number, flat.shape[2] - 1).amin(dim=2)
    return best % width, best // width, score


def _at(maps: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """[N, K] each map's value at one cell."""
    return maps.flatten(2).gather(2, (y * maps.shape[3] + x)[..., None])[..., 0]


def _smoothed(heatmaps: torch.Tensor) -> torch.Tensor:
    count, joints, height, width = heatmaps.shape
    reach = DARK_KERNEL // 2
    at = torch.arange(-reach, reach + 1, device=heatmaps.device, dtype=torch.float32)
    kernel = torch.exp(-(at**2) / (2 * _DARK_SIGMA**2))
    kernel = kernel / kernel.sum()
    maps = heatmaps.reshape(-1, 1, height, width)
    maps = F.pad(maps, (reach, reach, reach, reach), mode="reflect")
    maps = F.conv2d(F.conv2d(maps, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))
    return maps.reshape(count, joints, height, width)


DECODERS = {"quarter": decode_quarter, "dark": decode_dark}
