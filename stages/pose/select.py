"""Which of a frame's poses stay, and with what score."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from posedata.oks import oks_nms, soft_oks_nms
from posedata.people import FramePeople


def rescored(
    joint_scores: np.ndarray,  # [N, K]
    box_scores: np.ndarray,  # [N]
    min_joint_score: float,  # joints above count
) -> np.ndarray:
    """[N] box score times the mean of the joints that count; 0 where none does (Simple Baselines)."""
    counts = joint_scores > min_joint_score
    mean = (joint_scores * counts).sum(axis=1) / np.maximum(counts.sum(axis=1), 1)
    return mean * box_scores


def select(
    people: FramePeople,  # with boxes, keypoints and their scores
    areas: np.ndarray,  # [N] square pixels, of the boxes that were cut out
    sigmas: np.ndarray,  # [K]
    *,
    min_joint_score: float,
    nms: str,  # oks, soft-oks or none
    threshold: float,
    compat: bool = False,  # soft OKS-NMS chooses people but leaves their scores, as published
) -> FramePeople:
    """The people rescored, the best first, near-copies of others left out."""
    scores = rescored(people.keypoint_scores, people.box_scores, min_joint_score)
    people = replace(people, person_scores=scores)
    if nms == "none":
        return people.take(np.argsort(-scores, kind="stable"))
    if nms == "oks":
        return people.take(oks_nms(people.keypoints, scores, areas, sigmas, threshold))
    kept, lowered = soft_oks_nms(people.keypoints, scores, areas, sigmas, threshold)
    people = people.take(kept)
    return people if compat else replace(people, person_scores=lowered.astype(np.float32))
