"""Average precision per joint over all frames of all sequences, as poseval computes it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eval.joints import N_JOINTS


@dataclass(frozen=True)
class Samples:
    """S predicted joints with their verdicts, in the order of sequences, frames and predictions."""

    joint: np.ndarray  # [S] int64
    score: np.ndarray  # [S] float64
    right: np.ndarray  # [S] bool
    annotated: np.ndarray  # [15] int64 annotated joints


@dataclass(frozen=True)
class ApTable:
    """Fifteen joints and their total (mean without nan), percent."""

    ap: np.ndarray  # [16]
    precision: np.ndarray  # [16] of all predictions, without a score threshold
    recall: np.ndarray  # [16] likewise


@dataclass(frozen=True)
class ApRange:
    """What ties of scores leave open: the figures with wrong ones first and with right ones first."""

    worst: ApTable
    best: ApTable
    mixed: int  # groups of equal scores that hold both right and wrong joints


def join_samples(parts: list[Samples]) -> Samples:
    """The samples of several sequences as one pool."""
    if not parts:
        return Samples(np.zeros(0, np.int64), np.zeros(0), np.zeros(0, bool), np.zeros(N_JOINTS, np.int64))
    return Samples(
        np.concatenate([part.joint for part in parts]),
        np.concatenate([part.score for part in parts]),
        np.concatenate([part.right for part in parts]),
        np.sum([part.annotated for part in parts], axis=0),
    )


def average_precision(samples: Samples) -> ApTable:
    """The official figures; predictions of equal score come in together, so that no order of the input matters.

    The official tool orders equal scores by numpy's unstable sort, which differs between machines; its value lies
    between this one (the lowest that any order gives) and the highest, which `average_precision_range` has too.
    """
    return average_precision_range(samples).worst


def average_precision_range(samples: Samples) -> ApRange:
    """The lowest and the highest figures over all orders of equal scores.

    Missing numbers (nan) count as the best scores, because the official sort puts them there.
    """
    worst, best = np.zeros((2, 3, N_JOINTS + 1))
    mixed = 0
    by_joint = np.argsort(samples.joint, kind="stable")
    ends = np.cumsum(np.bincount(samples.joint, minlength=N_JOINTS))
    for joint, (start, end) in enumerate(zip(np.concatenate([[0], ends[:-1]]), ends)):
        rows = by_joint[start:end]
        if not len(rows):
            continue
        score, right = samples.score[rows], samples.right[rows]
        falling = np.where(np.isnan(score), -np.inf, -score)
        order = np.argsort(falling)
        ties = _mixed_ties(falling[order], right[order])
        if ties:
            order = np.lexsort((right, falling))  # wrong ones first
        worst[:, joint] = best[:, joint] = _figures(right[order], int(samples.annotated[joint]))
        if ties:
            best[:, joint] = _figures(right[np.lexsort((~right, falling))], int(samples.annotated[joint]))
        mixed += ties
    for table in (worst, best):
        table[:, N_JOINTS] = [mean_known(values[:N_JOINTS]) for values in table]
    return ApRange(ApTable(*worst), ApTable(*best), mixed)


def _mixed_ties(
    falling: np.ndarray,  # [S] sorted
    right: np.ndarray,  # [S] bool
) -> int:
    """How many groups of equal scores hold both right and wrong ones."""
    new = np.ones(len(falling), bool)
    new[1:] = falling[1:] != falling[:-1]
    if new.all():
        return 0
    starts = np.flatnonzero(new)
    hits, sizes = np.add.reduceat(right.astype(np.int64), starts), np.diff(np.append(starts, len(falling)))
    return int(((hits > 0) & (hits < sizes)).sum())


def _figures(
    right: np.ndarray,  # [S] bool, best score first
    annotated: int,
) -> tuple[float, float, float]:
    """AP, last precision and last recall, percent."""
    hits = np.cumsum(right)
    with np.errstate(invalid="ignore"):
        recall = hits / np.float64(annotated)
    precision = hits / np.arange(1, len(hits) + 1)
    return _voc_ap(recall, precision) * 100, precision[-1] * 100, recall[-1] * 100


def _voc_ap(
    recall: np.ndarray,  # [S] rising
    precision: np.ndarray,  # [S]
) -> float:
    """The area under the monotone envelope of the curve (all points, PASCAL VOC)."""
    envelope = np.maximum.accumulate(np.concatenate([[0.0], precision, [0.0]])[::-1])[::-1]
    steps = np.concatenate([[0.0], recall, [1.0]])
    change = np.flatnonzero(~(steps[1:] == steps[:-1])) + 1
    return float(np.sum((steps[change] - steps[change - 1]) * envelope[change]))


def mean_known(
    values: np.ndarray,  # [N]
) -> float:
    """The mean of the values that are not nan; nan where there is none."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")
