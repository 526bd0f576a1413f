"""Where parts are: the local maxima of their maps, refined between the pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_MOST = 128  # candidates for a part; a frame has no more people
_RADIUS = 2  # pixels of the box that refines a peak
_ABOVE_AND_BELOW = ((1, 0), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1))  # down, right


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
    maps: np.ndarray,  # [parts, H, W] float32
    threshold: float = 0.1,
    compat: bool = False,  # as published: neighbours that are equal all stay, the refinement swaps x and y
) -> Peaks:
    """Every pixel that none of its eight neighbours exceeds and that reaches the threshold; of equals the first."""
    _, height, width = maps.shape
    maps = np.ascontiguousarray(maps)
    flat = maps.reshape(-1)
    place = _row_maxima(maps, threshold, compat)
    value = flat.take(place)
    part, rows, columns = place // (width * height), place // width % height, place % width
    highest = np.ones(len(place), bool)
    for down, right in _ABOVE_AND_BELOW:
        y, x = rows + down, columns + right
        inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
        other = np.where(inside, flat.take(place + (down * width + right), mode="clip"), -np.inf)
        highest &= value >= other if down == 1 or compat else value > other
    part, rows, columns = part[highest], rows[highest], columns[highest]
    strongest = _strongest(part, maps[part, rows, columns])
    part, rows, columns = part[strongest], rows[strongest], columns[strongest]
    xy, score = refined(maps, columns, rows, part, compat)
    return Peaks(part, xy, score)


def _row_maxima(
    maps: np.ndarray,  # [parts, H, W]
    threshold: float,
    compat: bool,
) -> np.ndarray:
    """[Q] flat places, ascending, that neither neighbour in the row exceeds and that reach the threshold.

    A map at a time: it fits into the processor's cache. That leaves few places for the other neighbours.
    """
    _, height, width = maps.shape
    if width < 2:
        return np.flatnonzero(maps.reshape(-1) >= np.float32(threshold))
    rows = np.arange(height) * width
    found = []
    for number, heat in enumerate(maps):
        flat = heat.reshape(-1)  # as one row: what is found at the border is put right afterwards
        rises = flat[1:] > flat[:-1]
        before = flat[1:] >= flat[:-1] if compat else rises
        inside = np.flatnonzero(before[:-1] > rises[1:]) + 1  # rises, then does not
        inside = inside[flat.take(inside) >= np.float32(threshold)]
        column = inside % width
        inside = inside[(column > 0) & (column < width - 1)]
        last, beside = heat[:, -1], heat[:, -2]
        left = rows[(heat[:, 0] >= heat[:, 1]) & (heat[:, 0] >= np.float32(threshold))]
        right = rows[((last >= beside) if compat else (last > beside)) & (last >= np.float32(threshold))] + width - 1
        found.append(np.sort(np.concatenate([inside, left, right])) + number * heat.size)
    return np.concatenate(found)


def _strongest(part: np.ndarray, value: np.ndarray) -> np.ndarray:
    """[P] bool: the highest `_MOST` of each part; maps of noise must not fill the memory with pairs."""
    kept = np.ones(len(part), bool)
    for number in np.flatnonzero(np.bincount(part) > _MOST) if len(part) else ():
        rows = np.flatnonzero(part == number)
        kept[rows[np.argsort(-value[rows], kind="stable")[_MOST:]]] = False
    return kept


def refined(
    maps: np.ndarray,  # [parts, H, W]
    columns: np.ndarray,  # [P]
    rows: np.ndarray,  # [P]
    part: np.ndarray,  # [P]
    compat: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Positions [P, 2] float64 xy, moved to the centre of mass of a box of 5x5 pixels, and the box's mean [P].

    A box that leaves the map does not count: the peak stays where it is, with its own value.
    """
    height, width = maps.shape[1:]
    xy = np.stack([columns, rows], axis=1).astype(np.float64)
    score = maps[part, rows, columns].astype(np.float64)
    inside = (columns >= _RADIUS) & (columns < width - _RADIUS) & (rows >= _RADIUS) & (rows < height - _RADIUS)
    if not inside.any():
        return xy, score
    steps = np.arange(-_RADIUS, _RADIUS + 1)
    y, x, which = rows[inside], columns[inside], part[inside]
    boxes = maps[which[:, None, None], y[:, None, None] + steps[:, None], x[:, None, None] + steps].astype(np.float64)
    total = boxes.sum(axis=(1, 2))
    safe = np.where(total != 0, total, 1)
    moved = np.stack([(boxes.sum(axis=1) @ steps) / safe, (boxes.sum(axis=2) @ steps) / safe], axis=1)  # x, y
    xy[inside] += moved[:, ::-1] if compat else moved
    score[inside] = boxes.mean(axis=(1, 2))
    return xy, score
