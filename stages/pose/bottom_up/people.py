"""From limbs to people: SimplePose's greedy assembly (arXiv 1911.10529, section 3.4)."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from stages.pose.bottom_up.body import LIMBS, PARTS
from stages.pose.bottom_up.limbs import Connections
from stages.pose.bottom_up.peaks import Peaks

_LONGER = 16.0  # a limb may be this many times as long as the person's longest so far
_ALIKE = 0.7  # a limb that joins two people must reach this part of their weakest limb
_FEWEST = 2  # parts of a person
_MEAN = 0.45  # of a person's total over its parts
_NONE = -1


@dataclass
class _Body:
    """A person while it grows: the peak of each part, the limb that brought it, and the sums."""

    peak: list[int] = field(default_factory=lambda: [_NONE] * len(PARTS))
    limb: list[float] = field(default_factory=lambda: [-1.0] * len(PARTS))
    total: float = 0.0
    count: int = 0
    longest: float = 0.0


@dataclass(frozen=True)
class People:
    """N assembled people."""

    peak: np.ndarray  # [N, 18] int64 rows of the peaks, -1 = not found
    limb: np.ndarray  # [N, 18] float64 score of the limb that brought the part, -1 = none
    total: np.ndarray  # [N] float64 sum of peak and limb scores
    count: np.ndarray  # [N] int64 parts
    longest: np.ndarray  # [N] float64 pixels, the longest limb

    @property
    def score(self) -> np.ndarray:
        """[N] as published: 1 - 1 / total."""
        return 1 - 1 / self.total


def assemble(
    connections: Connections,
    peaks: Peaks,
    remove_conflicts: bool = False,  # a part that two people claim is taken from the one that is less sure of it
) -> People:
    """Takes the limbs one after another; each begins a person, adds a part to one, or joins two."""
    bodies: list[_Body] = []
    worth = peaks.score.tolist()
    rows = zip(
        connections.limb.tolist(),
        connections.ends.tolist(),
        connections.score.tolist(),
        connections.length.tolist(),
    )
    parts_of = LIMBS.tolist()
    for kind, (peak_a, peak_b), score, length in rows:
        a, b = parts_of[kind]
        owners = [p for p in bodies if p.peak[a] == peak_a or p.peak[b] == peak_b]
        if not owners:
            body = _Body(total=worth[peak_a] + worth[peak_b] + score, count=2, longest=length)
            body.peak[a], body.peak[b] = peak_a, peak_b
            body.limb[a] = body.limb[b] = score
            bodies.append(body)
        elif len(owners) == 1:
            _extend(owners[0], b, peak_b, score, length, worth)
        elif _overlap(*owners[:2]):
            if remove_conflicts:
                _settle(*owners[:2], (a, peak_a), (b, peak_b), score, worth)
        elif _joins(*owners[:2], score, length):
            bodies.remove(_join(*owners[:2], score, length))
    kept = [p for p in bodies if p.count >= _FEWEST and p.total / p.count >= _MEAN]
    return People(
        np.array([p.peak for p in kept], np.int64).reshape(-1, len(PARTS)),
        np.array([p.limb for p in kept], np.float64).reshape(-1, len(PARTS)),
        np.array([p.total for p in kept], np.float64),
        np.array([p.count for p in kept], np.int64),
        np.array([p.longest for p in kept], np.float64),
    )


def _extend(body: _Body, part: int, peak: int, score: float, length: float, worth: list[float]) -> None:
    """Gives a person the limb's second end, if it lacks that part, or is less sure of the one it has."""
    own = body.peak[part]
    if own == peak:
        if body.limb[part] > score:
            return
    elif body.limb[part] >= score or _LONGER * body.longest <= length:
        return
    if own == _NONE:
        body.count += 1
    else:
        body.total -= worth[own] + body.limb[part]
    body.peak[part], body.limb[part] = peak, score
    body.total += worth[peak] + score
    body.longest = max(body.longest, length)


def _overlap(first: _Body, second: _Body) -> bool:
    return any(x != _NONE and y != _NONE for x, y in zip(first.peak, second.peak))


def _joins(first: _Body, second: _Body, score: float, length: float) -> bool:
    weakest = min(s for s in (*first.limb, *second.limb) if s >= 0)
    return score >= _ALIKE * weakest and _LONGER * first.longest > length


def _join(first: _Body, second: _Body, score: float, length: float) -> _Body:
    """Adds the second person to the first, who has none of its parts; the second is left over."""
    for part, peak in enumerate(second.peak):
        if peak != _NONE:
            first.peak[part], first.limb[part] = peak, second.limb[part]
    first.count += second.count
    first.total += second.total + score
    first.longest = max(length, first.longest)
    return second


def _settle(
    first: _Body,
    second: _Body,
    end_a: tuple[int, int],  # part and peak
    end_b: tuple[int, int],
    score: float,
    worth: list[float],
) -> None:
    """The limb joins two people who cannot be one: the less sure of them loses its end, unless both are surer."""
    own, other = (end_a, end_b) if end_a[1] in first.peak else (end_b, end_a)
    part_1, part_2 = own[0], other[0]
    if score < first.limb[part_1] and score < second.limb[part_2]:
        return
    body, part = (second, part_2) if first.limb[part_1] > second.limb[part_2] else (first, part_1)
    body.total -= worth[body.peak[part]] + body.limb[part]
    body.peak[part], body.limb[part] = _NONE, -1.0
    body.count -= 1
