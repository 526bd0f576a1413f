"""Where parts are: the local maxima of their maps, refined between the pixels."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

_RADIUS = 2  # pixels of the box that refines a peak


@dataclass(frozen=True)
class Peaks:
    """P candidates for parts, ordered by part, within a part by row and column."""

    part: np.ndarray  # [P] int64 part numbers, ascending
    xy: np.ndarray  # [P, 2] float64 pixels
    score: np.ndarray  # [P] float64

    def __post_init__(self) -> None:
        count = len(self.part)
        if self.xy.shape != (count, 2) or self.score.shape != (count,):
            raise ValueError(f"{count} parts need xy [{count}, 2] and score [{count}], not {self.xy.shape}")


def find_peaks(
    maps: np.ndarray,  # [H, W, parts] float32
    threshold: float = 0.1,
    compat: bool = False,  # the published refinement, which swaps the offsets of x and y
) -> Peaks:
    """Every pixel that none of its eight neighbours exceeds and that reaches the threshold; equals all stay."""
    # dilation's border never wins, so that a border pixel competes with those that there are
    highest = cv2.dilate(maps, np.ones((3, 3), np.uint8)).reshape(maps.shape)
    rows, columns, part = np.nonzero((maps == highest) & (maps >= threshold))
    order = np.argsort(part, kind="stable")
    rows, columns, part = rows[order], columns[order], part[order]
    xy, score = refined(maps, columns, rows, part, compat)
    return Peaks(part, xy, score)


def refined(
    maps: np.ndarray,  # [H, W, parts]
    columns: np.ndarray,  # [P]
    rows: np.ndarray,  # [P]
    part: np.ndarray,  # [P]
    compat: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Positions [P, 2] float64 xy, moved to the centre of mass of a box of 5x5 pixels, and the box's mean [P].

    A box that leaves the map does not count: the peak stays where it is, with its own value.
    """
    height, width = maps.shape[:2]
    xy = np.stack([columns, rows], axis=1).astype(np.float64)
    score = maps[rows, columns, part].astype(np.float64)
    inside = (columns >= _RADIUS) & (columns < width - _RADIUS) & (rows >= _RADIUS) & (rows < height - _RADIUS)
    if not inside.any():
        return xy, score
    steps = np.arange(-_RADIUS, _RADIUS + 1)
    y, x, which = rows[inside], columns[inside], part[inside]
    boxes = maps[y[:, None, None] + steps[:, None], x[:, None, None] + steps, which[:, None, None]].astype(np.float64)
    total = boxes.sum(axis=(1, 2))
    safe = np.where(total != 0, total, 1)
    moved = np.stack([(boxes.sum(axis=1) @ steps) / safe, (boxes.sum(axis=2) @ steps) / safe], axis=1)  # x, y
    xy[inside] += moved[:, ::-1] if compat else moved
    score[inside] = boxes.mean(axis=(1, 2))
    return xy, score
