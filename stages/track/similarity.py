"""How alike two poses are, for association: OKS, box IoU, or both."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from posedata.boxes import area, iou
from posedata.oks import oks_matrix


@dataclass(frozen=True)
class Poses:
    """N poses to compare."""

    keypoints: np.ndarray  # [N, K, 2] pixels
    valid: np.ndarray  # [N, K] bool, joints that count
    boxes: np.ndarray  # [N, 4] xyxy, pixels


def similarity(
    kind: str,  # oks | iou | mixed
    people: Poses,
    others: Poses,
    sigmas: np.ndarray,  # [K]
) -> np.ndarray:
    """[N, M] in 0..1. `mixed` is the mean of both, as the PoseTrack fork of Simple Baselines weighs them."""
    boxes = iou(people.boxes.astype(np.float64), others.boxes.astype(np.float64)) if kind != "oks" else None
    if kind == "iou":
        return boxes
    poses = oks_matrix(
        people.keypoints,
        others.keypoints,
        area(people.boxes.astype(np.float64)),
        area(others.boxes.astype(np.float64)),
        sigmas,
        people.valid,
        others.valid,
    )
    return poses if kind == "oks" else (poses + boxes) / 2
