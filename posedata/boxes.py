"""Boxes as arrays: xyxy in pixels, vectorised."""

from __future__ import annotations

import numpy as np


def xywh_to_xyxy(
    boxes: np.ndarray,  # [N, 4] x, y, width, height
) -> np.ndarray:
    """[N, 4] xyxy of the same dtype."""
    boxes = np.asarray(boxes)
    return np.concatenate([boxes[..., :2], boxes[..., :2] + boxes[..., 2:]], axis=-1)


def xyxy_to_xywh(
    boxes: np.ndarray,  # [N, 4] xyxy
) -> np.ndarray:
    """[N, 4] x, y, width, height of the same dtype."""
    boxes = np.asarray(boxes)
    return np.concatenate([boxes[..., :2], boxes[..., 2:] - boxes[..., :2]], axis=-1)


def area(
    boxes: np.ndarray,  # [N, 4] xyxy
) -> np.ndarray:
    """[N] areas in square pixels; an inside-out box has area 0."""
    sides = np.maximum(boxes[..., 2:] - boxes[..., :2], 0)
    return sides[..., 0] * sides[..., 1]


def iou(
    a: np.ndarray,  # [N, 4] xyxy
    b: np.ndarray,  # [M, 4] xyxy
    inclusive: bool = False,  # a box holds its last pixel too, so that it is one longer, as in older code
) -> np.ndarray:
    """[N, M] intersection over union; 0 where both are empty."""
    if inclusive:
        one = np.array([0, 0, 1, 1], np.float32)
        a, b = a + one, b + one
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    sides = np.maximum(high - low, 0)
    inter = sides[..., 0] * sides[..., 1]
    union = area(a)[:, None] + area(b)[None] - inter
    return np.divide(inter, union, out=np.zeros_like(inter, dtype=np.result_type(inter, np.float32)), where=union > 0)


def clip(
    boxes: np.ndarray,  # [N, 4] xyxy
    width: int,
    height: int,
) -> np.ndarray:
    """[N, 4] the parts of the boxes inside a frame of that size (0 .. size - 1)."""
    limits = np.array([width - 1, height - 1] * 2, boxes.dtype)
    return np.clip(boxes, 0, limits)


def nms(
    boxes: np.ndarray,  # [N, 4] xyxy
    scores: np.ndarray,  # [N]
    threshold: float,  # IoU above which the lower-scored box goes
    inclusive: bool = False,  # see iou
) -> np.ndarray:
    """[M] kept row numbers, best score first; equal scores keep their input order."""
    order = np.argsort(-np.asarray(scores), kind="stable")
    overlap = iou(boxes, boxes, inclusive)
    alive = np.ones(len(order), bool)
    keep = []
    for i in order:
        if alive[i]:
            keep.append(i)
            alive &= overlap[i] <= threshold
    return np.array(keep, np.int64)


def of_keypoints(
    keypoints: np.ndarray,  # [N, K, 2] pixels
    valid: np.ndarray,  # [N, K] bool
    extend: float = 0.15,  # total lengthening of each side, as a part of its length
) -> np.ndarray:
    """[N, 4] float32 boxes around the valid joints, lengthened evenly to both sides; zeros without a joint."""
    inf = np.float32(np.inf)
    low = np.where(valid[..., None], keypoints, inf).min(axis=1, initial=inf)
    high = np.where(valid[..., None], keypoints, -inf).max(axis=1, initial=-inf)
    some = valid.any(axis=1)
    low, high = np.where(some[:, None], low, 0), np.where(some[:, None], high, 0)
    margin = (high - low) * (extend / 2)
    return np.concatenate([low - margin, high + margin], axis=1).astype(np.float32)
