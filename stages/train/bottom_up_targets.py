"""What SimplePose's network is taught: maps of limbs, parts and people, and the affine map of its augmentation.

Li et al., arXiv 1911.10529, sections 3.2 and 4; written from measured facts about the published code.
"""

from __future__ import annotations

import cv2
import numpy as np

STRIDE = 4  # input pixels a cell
PART_SIGMA = 9.0  # input pixels
LIMB_SIGMA = 7.0
_FAINT = 0.015  # a Gaussian below is cut off; a limb below becomes `_FAINT_LIMB`
_FAINT_LIMB = 0.01
_LIMB_MARGIN = 4  # input pixels around the box of a limb's ends
ABSENT = 2  # a joint's visibility: 0 hidden, 1 visible, 2 absent


def bottom_up_targets(
    joints: np.ndarray,  # [P, 18, 3] x, y in input pixels, visibility
    limbs: np.ndarray,  # [30, 2] part numbers
    people: np.ndarray,  # [h, w] float32 0..1, where people are
    part_sigma: float = PART_SIGMA,  # input pixels
    limb_sigma: float = LIMB_SIGMA,
) -> np.ndarray:
    """[50, h, w] float32: limbs, parts, the eroded mask of people, the highest of the parts."""
    height, width = people.shape
    maps = np.zeros((len(limbs) + joints.shape[1] + 2, height, width), np.float32)
    _draw_limbs(maps[: len(limbs)], joints.astype(np.float64), limbs, limb_sigma)
    parts = maps[len(limbs) : -2]
    _draw_parts(parts, joints.astype(np.float64), part_sigma)
    maps[-2] = cv2.erode(people, np.ones((3, 3), np.uint8))
    maps[-1] = parts.max(axis=0)
    return np.clip(maps, 0, 1, out=maps)


def _centres(count: int) -> np.ndarray:
    """[count] input pixels that the cells stand for."""
    return np.arange(count) * STRIDE + (STRIDE - 1) / 2


def _draw_parts(
    maps: np.ndarray,  # [18, h, w], written to
    joints: np.ndarray,  # [P, 18, 3]
    sigma: float,
) -> None:
    """Gaussians, of several the highest."""
    reach = int(np.ceil(np.sqrt(-2 * sigma**2 * np.log(_FAINT)) / STRIDE))
    height, width = maps.shape[1:]
    x, y = _centres(width), _centres(height)
    for person in joints:
        for number in np.flatnonzero(person[:, 2] < ABSENT):
            px, py = person[number, :2]
            left, top = round(px / STRIDE) - reach, round(py / STRIDE) - reach
            columns = slice(max(left, 0), max(left + 2 * reach + 1, 0))
            rows = slice(max(top, 0), max(top + 2 * reach + 1, 0))
            across = np.exp(-((x[columns] - px) ** 2) / (2 * sigma**2))
            down = np.exp(-((y[rows] - py) ** 2) / (2 * sigma**2))
            window = maps[number, rows, columns]
            np.maximum(window, down[:, None] * across, out=window, casting="same_kind")


def _draw_limbs(
    maps: np.ndarray,  # [30, h, w], written to
    joints: np.ndarray,  # [P, 18, 3]
    limbs: np.ndarray,  # [30, 2]
    sigma: float,
) -> None:
    """Ridges along the line through both ends, inside the box of the ends; of several the mean."""
    height, width = maps.shape[1:]
    x, y = _centres(width), _centres(height)
    for number, (a, b) in enumerate(limbs):
        count = np.zeros((height, width), np.float32)
        for person in joints:
            if (person[[a, b], 2] >= ABSENT).any():
                continue
            start, along = person[a, :2], person[b, :2] - person[a, :2]
            length = np.hypot(*along)
            if length == 0:
                continue
            ends = person[[a, b], :2]
            low = np.round((ends.min(axis=0) - _LIMB_MARGIN) / STRIDE).astype(int)
            high = np.round((ends.max(axis=0) + _LIMB_MARGIN) / STRIDE).astype(int) + 1
            low, high = np.clip(low, 0, (width, height)), np.clip(high, 0, (width, height))
            columns, rows = slice(low[0], high[0]), slice(low[1], high[1])
            across = along[1] * (start[0] - x[columns]) - along[0] * (start[1] - y[rows, None])
            ridge = np.exp(-((across / (length + 1e-6)) ** 2) / (2 * sigma**2))
            maps[number, rows, columns] += np.where(ridge <= _FAINT, _FAINT_LIMB, ridge)
            count[rows, columns] += 1
        maps[number] /= np.maximum(count, 1)


def augmentation_matrix(
    centre: np.ndarray,  # [2] of the person, pixels
    height: float,  # of the person, as a part of the input's
    side: int,  # of the input, pixels
    factor: float,  # on the person's size
    degrees: float,
    shift: np.ndarray,  # [2] input pixels
    flip: bool,
    target: float = 0.6,  # height of the person in the input before `factor`
) -> np.ndarray:
    """[2, 3] float64 from the picture to the input: the person's centre in the middle, then shifted."""
    scale = target / (height * side / (side - 1)) * factor
    angle = np.deg2rad(degrees)
    linear = scale * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    if flip:
        linear[0] *= -1
    middle = (side - 1) / 2 + np.asarray(shift, np.float64)
    return np.concatenate([linear, (middle - linear @ centre)[:, None]], axis=1)
