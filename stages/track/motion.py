"""How the picture moved from one frame to the next, and moving joints along with it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

_MEDIAN = 5  # cells; the window of the robust local sample
_BLOCK, _NOISE = 16, 25.0  # cells; variance of brightness that counts as noise
_CONSISTENT = (
    0.05,
    1.0,
)  # part of the displacement, and pixels of the field, by which a return trip may miss its start


@dataclass(frozen=True)
class Motion:
    """The flow from a frame to the next one.

    The field may be coarser than the frame: its cells cover the frame evenly, its vectors are in pixels of the frame.
    """

    size: tuple[int, int]  # width, height of the frame, pixels
    field: np.ndarray | None  # [h, w, 2] float32 pixels; None = no motion is known (a frame could not be read)
    trusted: np.ndarray | None = None  # [h, w] bool; None = unchecked
    cut: bool = False  # nothing of the frame before is in this one

    def move(
        self,
        points: np.ndarray,  # [..., 2] pixels
    ) -> np.ndarray:
        """[..., 2] float64, where the points are one frame later; those beside the frame move like its border."""
        if self.field is None:
            return np.asarray(points, np.float64)
        rows, columns = self._cells(points)
        return points + self.field[rows, columns].astype(np.float64)

    def trust(
        self,
        points: np.ndarray,  # [..., 2] pixels
    ) -> np.ndarray:
        """[...] bool, whether the flow at the points led back to them; all where it was not checked."""
        if self.trusted is None:
            return np.ones(points.shape[:-1], bool)
        return self.trusted[self._cells(points)]

    def _cells(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        height, width = self.field.shape[:2]
        columns = np.floor((points[..., 0] + 0.5) * (width / self.size[0]))
        rows = np.floor((points[..., 1] + 0.5) * (height / self.size[1]))
        return np.clip(rows, 0, height - 1).astype(np.intp), np.clip(columns, 0, width - 1).astype(np.intp)


def motion_of(
    flow: np.ndarray,  # [h, w, 2] float32, in pixels of the field; NaN where unknown
    size: tuple[int, int],  # width, height of the frame, pixels
    back: np.ndarray | None = None,  # [h, w, 2] from the later frame to the earlier, to check against
    cut: bool = False,
) -> Motion:
    """The flow made robust: each cell gets the median of its neighbourhood, so that a joint near a limb's edge does
    not take the background's motion from one stray vector, and unknown cells get zero."""
    trusted = None if back is None else _returns(flow, back)
    unknown = ~np.isfinite(flow).all(axis=2)
    if unknown.any():
        flow = np.where(unknown[..., None], np.float32(0), flow)
        trusted = ~unknown if trusted is None else trusted & ~unknown
    height, width = flow.shape[:2]
    scale = size[0] / width, size[1] / height
    smooth = [cv2.medianBlur(np.ascontiguousarray(flow[..., axis]), _MEDIAN) * scale[axis] for axis in (0, 1)]
    return Motion(size, np.stack(smooth, axis=2).astype(np.float32), trusted, cut)


def still(size: tuple[int, int]) -> Motion:
    """No motion known."""
    return Motion(size, None)


def _returns(flow: np.ndarray, back: np.ndarray) -> np.ndarray:
    """[h, w] bool: there and back again ends near the start (Sundaram, Brox, Keutzer, ECCV 2010)."""
    height, width = flow.shape[:2]
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=2).astype(np.float32)
    there = grid + np.nan_to_num(flow)
    home = cv2.remap(back, there[..., 0], there[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    miss = np.linalg.norm(flow + home, axis=2)
    length = np.linalg.norm(flow, axis=2) + np.linalg.norm(home, axis=2)
    inside = (there[..., 0] >= 0) & (there[..., 0] < width) & (there[..., 1] >= 0) & (there[..., 1] < height)
    return inside & (miss <= _CONSISTENT[0] * length + _CONSISTENT[1])


def likeness(
    before: np.ndarray,  # [h, w] uint8 brightness
    after: np.ndarray,  # [h, w] uint8
    flow: np.ndarray,  # [h, w, 2] float32 from before to after, in pixels of these pictures
) -> float:
    """How much of a picture is found in the next one where the flow says, 0..1: low where a cut lies between.

    The mean over small blocks, weighted by their contrast, of the correlation of the brightness; each block's mean is
    taken out, so that fading light does not count, and a pan or a fast person does not, because the flow follows.
    Neighbouring frames of film have 0.75 or more, frames of two scenes 0.55 or less.
    """
    height, width = before.shape
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=2).astype(np.float32)
    there = grid + np.nan_to_num(flow)
    found = cv2.remap(after, there[..., 0], there[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    a, b = _blocks(before), _blocks(found)
    spread_a, spread_b = np.sqrt((a**2).mean(axis=1)), np.sqrt((b**2).mean(axis=1))
    alike = ((a * b).mean(axis=1) + _NOISE) / (spread_a * spread_b + _NOISE)
    weight = np.maximum(spread_a, spread_b) + np.sqrt(_NOISE) / 10
    return float((alike * weight).sum() / weight.sum())


def _blocks(
    picture: np.ndarray,  # [h, w] uint8
) -> np.ndarray:
    """[B, n] float32: square blocks without their means; a rest at the right and below is left out."""
    smooth = cv2.GaussianBlur(picture.astype(np.float32), (0, 0), 1)
    side = min(_BLOCK, *picture.shape)
    rows, columns = picture.shape[0] // side, picture.shape[1] // side
    cut = smooth[: rows * side, : columns * side].reshape(rows, side, columns, side)
    blocks = cut.swapaxes(1, 2).reshape(rows * columns, side * side)
    return blocks - blocks.mean(axis=1, keepdims=True)
