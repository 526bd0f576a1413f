"""From heatmaps to joints: the peak, and where it lies between the cells."""

from __future__ import annotations

import cv2
import numpy as np

DARK_KERNEL = 11  # cells, of the Gaussian that smooths a map before its logarithm is taken


def peaks(
    heatmaps: np.ndarray,  # [N, K, h, w]
) -> tuple[np.ndarray, np.ndarray]:
    """Cells [N, K, 2] int64 xy of the highest value (the first of equals) and the values [N, K] float32."""
    count, joints, height, width = heatmaps.shape
    flat = heatmaps.reshape(count, joints, height * width)
    best = flat.argmax(axis=2)
    value = np.take_along_axis(flat, best[..., None], axis=2)[..., 0]
    return np.stack([best % width, best // width], axis=2), value.astype(np.float32)


def decode_quarter(
    heatmaps: np.ndarray,  # [N, K, h, w]
) -> tuple[np.ndarray, np.ndarray]:
    """Joints [N, K, 2] float64 in cells and scores [N, K]: a quarter cell towards the higher neighbour.

    As Simple Baselines decodes (arXiv 1804.06208, section 2): not in the outermost cells, nor in column or row 1;
    a map without a positive value gives (0, 0).
    """
    count, joints, height, width = heatmaps.shape
    cell, score = peaks(heatmaps)
    x, y = cell[..., 0], cell[..., 1]
    row, column = np.ogrid[:count, :joints]
    inner = (x > 1) & (x < width - 1) & (y > 1) & (y < height - 1)
    cx, cy = np.clip(x, 1, max(width - 2, 1)), np.clip(y, 1, max(height - 2, 1))
    if width > 2 and height > 2:
        slope_x = heatmaps[row, column, cy, cx + 1] - heatmaps[row, column, cy, cx - 1]
        slope_y = heatmaps[row, column, cy + 1, cx] - heatmaps[row, column, cy - 1, cx]
        step = 0.25 * np.sign(np.stack([slope_x, slope_y], axis=2).astype(np.float64))
    else:
        step = np.zeros((count, joints, 2))
    found = cell + np.where(inner[..., None], step, 0)
    return np.where(score[..., None] > 0, found, 0), score


def decode_dark(
    heatmaps: np.ndarray,  # [N, K, h, w], at least 3x3 cells
) -> tuple[np.ndarray, np.ndarray]:
    """Joints [N, K, 2] float64 in cells and scores [N, K]: the top of a Gaussian fitted to the peak.

    DARK (Zhang et al., CVPR 2020, arXiv 1910.06278, section 3.1): the map is smoothed, its logarithm developed to
    the second order around the highest cell. A step of more than a cell, or a saddle, is not believed.
    """
    cell, score = peaks(heatmaps)
    count, joints, height, width = heatmaps.shape
    x, y = np.clip(cell[..., 0], 1, width - 2), np.clip(cell[..., 1], 1, height - 2)
    row, column = np.ogrid[:count, :joints]
    log = np.log(np.maximum(_smoothed(heatmaps), 1e-10))

    def at(dx: int, dy: int) -> np.ndarray:
        return log[row, column, y + dy, x + dx].astype(np.float64)

    middle = at(0, 0)
    gx, gy = (at(1, 0) - at(-1, 0)) / 2, (at(0, 1) - at(0, -1)) / 2
    xx, yy = at(1, 0) - 2 * middle + at(-1, 0), at(0, 1) - 2 * middle + at(0, -1)
    xy = (at(1, 1) - at(-1, 1) - at(1, -1) + at(-1, -1)) / 4
    det = xx * yy - xy**2
    safe = np.where(np.abs(det) > 1e-12, det, 1)
    step = np.stack([-(yy * gx - xy * gy) / safe, -(xx * gy - xy * gx) / safe], axis=2)
    top = (det > 1e-12) & (xx < 0) & (np.abs(step).max(axis=2) <= 1)
    found = np.where(top[..., None], np.stack([x, y], axis=2) + step, cell)
    return np.where(score[..., None] > 0, found, 0), score


def _smoothed(heatmaps: np.ndarray) -> np.ndarray:
    """[N, K, h, w] float32, each map convolved with a Gaussian of `DARK_KERNEL` cells."""
    count, joints, height, width = heatmaps.shape
    flat = heatmaps.astype(np.float32).reshape(-1, height, width)
    out = np.stack([cv2.GaussianBlur(m, (DARK_KERNEL, DARK_KERNEL), 0) for m in flat]) if len(flat) else flat
    return out.reshape(count, joints, height, width)


DECODERS = {"quarter": decode_quarter, "dark": decode_dark}
