"""How alike people are to tracks, for association."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from posedata.boxes import area, iou
from stages.track.memory import Poses, Track, joined

_FAR = 1.0  # exp(-1 / (2 * (2 * 0.107)**2)) is 2e-5 for the hip, the widest of all joints


def similarity(
    kind: str,  # iou | oks | flow | multi-flow | mixed
    people: Poses,  # [N]
    tracks: Sequence[Track],  # [T]
    sigmas: np.ndarray,  # [K]
) -> np.ndarray:
    """[N, T] in 0..1: the best over a track's remembered poses.

    `iou` compares boxes and `oks` poses where they were seen. The others compare with what the flow carried to this
    frame: `flow` with the newest pose only and `multi-flow` with the whole queue (arXiv 1804.06208, section 3);
    `mixed` is the mean of box IoU and OKS, both carried, over the queue.
    """
    if not len(people) or not tracks:
        return np.zeros((len(people), len(tracks)))
    if kind == "flow":
        past, lengths = joined([t.moved.take(slice(-1, None)) for t in tracks]), [1] * len(tracks)
    else:
        past = joined([t.seen if kind in ("iou", "oks") else t.moved for t in tracks])
        lengths = [len(t.seen) for t in tracks]
    pairs = np.zeros((len(people), len(past)))
    if kind in ("iou", "mixed"):
        pairs += iou(people.boxes, past.boxes)
    if kind != "iou":
        pairs += poses_alike(people, past, sigmas)
    if kind == "mixed":
        pairs /= 2
    return np.maximum.reduceat(pairs, np.cumsum([0, *lengths[:-1]]), axis=1)


def poses_alike(
    people: Poses,  # [N]
    others: Poses,  # [M]
    sigmas: np.ndarray,  # [K]
) -> np.ndarray:
    """[N, M] OKS over the joints that count on both sides, as `posedata.oks.oks_matrix` gives it.

    Only pairs that can be alike are computed: where every joint of one is farther from the other's extent than
    `_FAR` times the person's size, each joint adds less than exp(-10) and the pair counts as 0.
    """
    size = (area(people.boxes)[:, None] + area(others.boxes)) / 2 + np.spacing(1)
    rows, columns = np.nonzero(_gap(people, others) <= _FAR**2 * size)
    alike = np.zeros(size.shape)
    if not len(rows):
        return alike
    delta = people.keypoints[rows] - others.keypoints[columns]  # [P, K, 2]
    delta *= delta
    squared = delta[..., 0] + delta[..., 1]
    squared /= -2 * (2 * sigmas) ** 2 * size[rows, columns, None]
    both = people.valid[rows] & others.valid[columns]
    alike[rows, columns] = (np.exp(squared) * both).sum(axis=1) / np.maximum(both.sum(axis=1), 1)
    return alike


def _gap(people: Poses, others: Poses) -> np.ndarray:
    """[N, M] squared distance of the joints' extents, square pixels; 0 where they touch."""
    (low_a, high_a), (low_b, high_b) = _extent(people), _extent(others)
    apart = np.maximum(low_b[None] - high_a[:, None], low_a[:, None] - high_b[None])
    apart = np.maximum(apart, 0)
    return apart[..., 0] ** 2 + apart[..., 1] ** 2


def _extent(poses: Poses) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest coordinates [N, 2] of all joints, counted or not: never too small."""
    return poses.keypoints.min(axis=1, initial=np.inf), poses.keypoints.max(axis=1, initial=-np.inf)
