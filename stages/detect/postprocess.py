"""From a detector's raw boxes to the boxes of people."""

from __future__ import annotations

import numpy as np

from posedata.boxes import nms

CANDIDATES = 1000  # boxes that take part in the suppression, best first


def select_boxes(
    scores: np.ndarray,  # [A]
    boxes: np.ndarray,  # [A, 4] xyxy, pixels
    min_score: float,
    nms_iou: float,
    max_people: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Scores [N] and boxes [N, 4] after threshold and non-maximum suppression, best first."""
    rows = np.flatnonzero(scores >= min_score)
    rows = rows[np.argsort(-scores[rows], kind="stable")][:CANDIDATES]
    rows = rows[nms(boxes[rows], scores[rows], nms_iou)][:max_people]
    return scores[rows], boxes[rows]
