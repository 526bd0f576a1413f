"""Which parts belong together: limbs between candidates, scored along the line on the limb's map."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from stages.pose.bottom_up.body import LIMBS
from stages.pose.bottom_up.peaks import Peaks

_SAMPLES = 20  # at most, on one line
_SURE = 0.8  # part of the samples that must reach the threshold
_FIRST = np.arange(2, _SAMPLES, 3)  # samples that are looked at first


@dataclass(frozen=True)
class Connections:
    """C accepted limbs, ordered by kind of limb, within a kind by rank."""

    limb: np.ndarray  # [C] int64 rows of LIMBS, ascending
    ends: np.ndarray  # [C, 2] int64 rows of the peaks
    score: np.ndarray  # [C] float64 mean along the line, lowered for very long lines
    length: np.ndarray  # [C] float64 pixels


@dataclass(frozen=True)
class _Lines:
    """Q lines between candidates that may be limbs."""

    limb: np.ndarray  # [Q] int64
    ends: np.ndarray  # [Q, 2] int64 rows of the peaks
    start: np.ndarray  # [Q, 2] pixels
    stop: np.ndarray  # [Q, 2] pixels
    length: np.ndarray  # [Q] pixels
    count: np.ndarray  # [Q] int64 samples

    def take(self, rows: np.ndarray) -> _Lines:
        return _Lines(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})


def find_limbs(
    maps: np.ndarray,  # [30, H, W] float32
    peaks: Peaks,
    threshold: float = 0.1,
    compat: bool = False,  # lines are long compared with the picture's height, as published, not its longer side
) -> Connections:
    """All pairs of candidates of every limb, scored at once; then each candidate at most once in a kind of limb.

    As published (arXiv 1911.10529, section 3.4): a line must reach the threshold at 80 % of its samples; lines are
    taken by half their score and a quarter of each end's.
    """
    height, width = maps.shape[1:]
    lines = _lines(peaks)
    # a few samples tell most wrong pairs: too many of them below the threshold are too many of all
    values, used = _along(maps, lines, _FIRST)
    lines = lines.take(((values <= threshold) & used).sum(axis=1) <= (1 - _SURE) * lines.count + 1e-9)
    values, used = _along(maps, lines, np.arange(_SAMPLES))
    limb, ends, length, count = lines.limb, lines.ends, lines.length, lines.count
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


def _lines(peaks: Peaks) -> _Lines:
    """Every pair of candidates that a limb could join, A by A; not those that lie in one place."""
    first = np.searchsorted(peaks.part, np.arange(LIMBS.max() + 2))
    kinds, pairs = [], []
    for kind, (a, b) in enumerate(LIMBS):
        rows_a, rows_b = np.arange(first[a], first[a + 1]), np.arange(first[b], first[b + 1])
        pairs.append(np.stack([np.repeat(rows_a, len(rows_b)), np.tile(rows_b, len(rows_a))], axis=1))
        kinds.append(np.full(len(pairs[-1]), kind))
    ends = np.concatenate(pairs)
    start, stop = peaks.xy[ends[:, 0]], peaks.xy[ends[:, 1]]
    length = np.linalg.norm(stop - start, axis=1)
    count = np.minimum(np.round(length + 1).astype(np.int64), _SAMPLES)
    return _Lines(np.concatenate(kinds), ends, start, stop, length, count).take(length > 0)


def _along(
    maps: np.ndarray,  # [30, H, W]
    lines: _Lines,  # Q
    numbers: np.ndarray,  # [S] which of a line's samples
) -> tuple[np.ndarray, np.ndarray]:
    """Values [Q, S] of the lines' maps at even steps from start to stop, nearest pixels; and which of them exist."""
    _, height, width = maps.shape
    count = lines.count[:, None]
    used = numbers < count
    at_end = (numbers == count - 1) & (count > 1)  # the end itself, not the sum of the steps
    pixels = []
    for axis, size in ((0, width), (1, height)):
        start, stop = lines.start[:, None, axis], lines.stop[:, None, axis]
        points = start + np.where(used, numbers, 0) * ((stop - start) / np.maximum(count - 1, 1))
        pixels.append(np.clip(np.rint(np.where(at_end, stop, points)), 0, size - 1).astype(np.int64))
    place = (lines.limb[:, None] * height + pixels[1]) * width + pixels[0]
    return maps.reshape(-1)[place].astype(np.float64), used
