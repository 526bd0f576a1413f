"""Object keypoint similarity (OKS) of COCO, vectorised, and the non-maximum suppression that uses it."""

from __future__ import annotations

import numpy as np


def oks_matrix(
    a: np.ndarray,  # [N, K, 2] pixels
    b: np.ndarray,  # [M, K, 2] pixels
    area_a: np.ndarray,  # [N] square pixels
    area_b: np.ndarray,  # [M] square pixels
    sigmas: np.ndarray,  # [K]
    valid_a: np.ndarray | None = None,  # [N, K] bool; None = all
    valid_b: np.ndarray | None = None,  # [M, K] bool; None = all
) -> np.ndarray:
    """[N, M] float64 mean over the joints valid on both sides of exp(-d^2 / (2 s)^2 / mean area / 2).

    A pair without a common valid joint has similarity 0. The variance (2 sigma)^2 and the mean of both areas are
    those of the OKS-NMS of Simple Baselines (microsoft/human-pose-estimation.pytorch, MIT).
    """
    valid_a = np.ones(a.shape[:2], bool) if valid_a is None else valid_a
    valid_b = np.ones(b.shape[:2], bool) if valid_b is None else valid_b
    delta = a[:, None].astype(np.float64) - b[None].astype(np.float64)
    squared = (delta**2).sum(axis=-1)  # [N, M, K]
    mean_area = (area_a[:, None].astype(np.float64) + area_b[None]) / 2 + np.spacing(1)
    similarity = np.exp(-squared / (2 * sigmas) ** 2 / mean_area[..., None] / 2)
    both = valid_a[:, None] & valid_b[None]
    count = both.sum(axis=-1)
    return np.where(both, similarity, 0).sum(axis=-1) / np.maximum(count, 1)


def oks_nms(
    keypoints: np.ndarray,  # [N, K, 2] pixels
    scores: np.ndarray,  # [N]
    areas: np.ndarray,  # [N] square pixels
    sigmas: np.ndarray,  # [K]
    threshold: float = 0.9,
    valid: np.ndarray | None = None,  # [N, K] bool, joints that count; None = all
    compat: bool = False,  # the published code asks only the weaker pose whether a joint counts
) -> np.ndarray:
    """[M] kept row numbers, best score first: a pose goes when its OKS with a better one is above `threshold`."""
    similarity = oks_matrix(keypoints, keypoints, areas, areas, sigmas, None if compat else valid, valid)
    order = np.argsort(-np.asarray(scores), kind="stable")
    alive = np.ones(len(order), bool)
    keep = []
    for i in order:
        if alive[i]:
            keep.append(i)
            alive &= similarity[i] <= threshold
    return np.array(keep, np.int64)


def soft_oks_nms(
    keypoints: np.ndarray,  # [N, K, 2] pixels
    scores: np.ndarray,  # [N]
    areas: np.ndarray,  # [N] square pixels
    sigmas: np.ndarray,  # [K]
    threshold: float = 0.9,
    most: int = 20,  # poses kept
) -> tuple[np.ndarray, np.ndarray]:
    """[M] kept row numbers, best first, and their scores [M] as they were when picked.

    After each pick the scores of the rest fall by exp(-OKS^2 / threshold). Source:
    leoxiaobin/deep-high-resolution-net.pytorch (MIT), `lib/nms/nms.py`, which gives the rows alone.
    """
    similarity = oks_matrix(keypoints, keypoints, areas, areas, sigmas)
    left = np.array(scores, np.float64)
    rest = np.arange(len(left))
    kept, final = [], []
    while len(rest) and len(kept) < most:
        at = int(left[rest].argmax())
        best, rest = rest[at], np.delete(rest, at)
        kept.append(best)
        final.append(left[best])
        left[rest] *= np.exp(-(similarity[best, rest] ** 2) / threshold)
    return np.array(kept, np.int64), np.array(final)
