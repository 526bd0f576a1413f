"""Which of a frame's poses stay, and with what score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from posedata.oks import oks_nms, soft_oks_nms
from posedata.people import FramePeople
from stages.pose.recipe import Recipe


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
    people: Sequence[FramePeople],  # of each frame, with boxes
    keypoints: np.ndarray,  # [N, K, 2] of all of them, frame after frame
    scores: np.ndarray,  # [N, K]
    areas: np.ndarray,  # [N] square pixels, of the boxes that were cut out
    sigmas: np.ndarray,  # [K]
    recipe: Recipe,
) -> list[FramePeople]:
    """Each frame's people with joints and scores, the best first, near-copies of others left out."""
    found, start = [], 0
    for frame in people:
        rows = slice(start, start + len(frame))
        start += len(frame)
        posed = replace(frame, keypoints=keypoints[rows], keypoint_scores=scores[rows])
        found.append(_selected(posed, areas[rows], sigmas, recipe))
    return found


def _selected(people: FramePeople, areas: np.ndarray, sigmas: np.ndarray, recipe: Recipe) -> FramePeople:
    scores = rescored(people.keypoint_scores, people.box_scores, recipe.min_joint_score)
    people = replace(people, person_scores=scores)
    if recipe.nms == "none":
        return people.take(np.argsort(-scores, kind="stable"))
    if recipe.nms == "oks":
        return people.take(oks_nms(people.keypoints, scores, areas, sigmas, recipe.oks_nms))
    kept, lowered = soft_oks_nms(people.keypoints, scores, areas, sigmas, recipe.oks_nms)
    people = people.take(kept)
    # the published soft OKS-NMS chooses people but leaves their scores
    return people if recipe.compat else replace(people, person_scores=lowered.astype(np.float32))
