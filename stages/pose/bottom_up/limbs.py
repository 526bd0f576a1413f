"""Which parts belong together: limbs between candidates, scored along the line on the limb's map."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stages.pose.bottom_up.body import LIMBS
from stages.pose.bottom_up.peaks import Peaks

_SAMPLES = 20  # at most, on one line
_SURE = 0.8  # part of the samples that must reach the threshold


@dataclass(frozen=True)
class Connections:
    """C accepted limbs, ordered by kind of limb, within a kind by rank."""

    limb: np.ndarray  # [C] int64 rows of LIMBS, ascending
    ends: np.ndarray  # [C, 2] int64 rows of the peaks
    score: np.ndarray  # [C] float64 mean along the line, lowered for very long lines
    length: np.ndarray  # [C] float64 pixels


def find_limbs(
    maps: np.ndarray,  # [H, W, 30] float32
    peaks: Peaks,
    threshold: float = 0.1,
    compat: bool = False,  # lines are long compared with the picture's height, as published, not its longer side
) -> Connections:
    """All pairs of candidates of every limb, scored at once; then each candidate at most once in a kind of limb.

    As published (arXiv 1911.10529, section 3.4): a line must reach the threshold at 80 % of its samples; lines are
    taken by half their score and a quarter of each end's.
    """
    height, width = maps.shape[:2]
    limb, ends = _pairs(peaks)
    start, stop = peaks.xy[ends[:, 0]], peaks.xy[ends[:, 1]]
    length = np.linalg.norm(stop - start, axis=1)
    real = length > 0
    limb, ends, start, stop, length = limb[real], ends[real], start[real], stop[real], length[real]
    values, used = _along(maps, limb, start, stop, length)
    count = used.sum(axis=1)
    side = height if compat else max(height, width)
    with np.errstate(divide="ignore"):
        score = (values * used).sum(axis=1) / count + np.minimum(0.5 * side / length - 1, 0)
    good = ((values > threshold) & used).sum(axis=1) >= _SURE * count
    good &= score > 0
    limb, ends, score, length = limb[good], ends[good], score[good], length[good]
    rank = 0.5 * score + 0.25 * peaks.score[ends[:, 0]] + 0.25 * peaks.score[ends[:, 1]]
    order = np.lexsort((np.arange(len(rank)), -rank, limb))
    limb, ends, score, length = limb[order], ends[order], score[order], length[order]
    taken: set[tuple[int, int, int]] = set()
    kept = []
    for row, (kind, a, b) in enumerate(zip(limb.tolist(), ends[:, 0].tolist(), ends[:, 1].tolist())):
        if (kind, 0, a) not in taken and (kind, 1, b) not in taken:
            taken |= {(kind, 0, a), (kind, 1, b)}
            kept.append(row)
    return Connections(limb[kept], ends[kept], score[kept], length[kept])


def _pairs(peaks: Peaks) -> tuple[np.ndarray, np.ndarray]:
    """Limb numbers [Q] and peak rows [Q, 2] of every pair that a limb could join, A by A."""
    first = np.searchsorted(peaks.part, np.arange(LIMBS.max() + 2))
    kinds, pairs = [], []
    for kind, (a, b) in enumerate(LIMBS):
        rows_a, rows_b = np.arange(first[a], first[a + 1]), np.arange(first[b], first[b + 1])
        pairs.append(np.stack([np.repeat(rows_a, len(rows_b)), np.tile(rows_b, len(rows_a))], axis=1))
        kinds.append(np.full(len(pairs[-1]), kind))
    return np.concatenate(kinds), np.concatenate(pairs)


def _along(
    maps: np.ndarray,  # [H, W, 30]
    limb: np.ndarray,  # [Q]
    start: np.ndarray,  # [Q, 2] pixels
    stop: np.ndarray,  # [Q, 2] pixels
    length: np.ndarray,  # [Q] pixels
) -> tuple[np.ndarray, np.ndarray]:
    """Values [Q, 20] at even steps from start to stop, at the nearest pixels; and which of the 20 there are."""
    count = np.minimum(np.round(length + 1).astype(np.int64), _SAMPLES)
    number = np.arange(_SAMPLES)
    used = number < count[:, None]
    step = (stop - start) / np.maximum(count - 1, 1)[:, None]
    points = start[:, None] + number[:, None] * step[:, None]
    last = (number == count[:, None] - 1) & (count[:, None] > 1)
    points = np.where(last[..., None], stop[:, None], points)  # the end itself, not the sum of the steps
    pixels = np.round(np.where(used[..., None], points, start[:, None])).astype(np.int64)
    x, y = np.clip(pixels[..., 0], 0, maps.shape[1] - 1), np.clip(pixels[..., 1], 0, maps.shape[0] - 1)
    return maps[y, x, limb[:, None]].astype(np.float64), used
