"""How alike people are to tracks, for association."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from posedata.boxes import area, iou
from posedata.oks import oks_matrix
from stages.track.memory import Poses, Track, joined


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
    """[N, M] OKS over the joints that count on both sides."""
    return oks_matrix(
        people.keypoints,
        others.keypoints,
        area(people.boxes),
        area(others.boxes),
        sigmas,
        people.valid,
        others.valid,
    )
