"""Cutting a person out of a frame for a top-down network, and the way back.

The corners of the crop's rectangle lie on the centres of the crop's corner pixels, and the heatmap's corner cells on
the same corners: unbiased, so that mirroring the crop mirrors the heatmap exactly (Huang et al., "The Devil is in the
Details", CVPR 2020, arXiv 1911.07524).
"""

from __future__ import annotations

import numpy as np

BOX_PADDING = 1.25


def crop_rectangles(
    boxes: np.ndarray,  # [N, 4] xyxy, pixels
    aspect: float,  # width / height of the network's input
    padding: float = BOX_PADDING,
) -> tuple[np.ndarray, np.ndarray]:
    """Centres [N, 2] and sizes [N, 2] (width, height), float64 pixels: the box grown to the aspect, then padded."""
    boxes = np.asarray(boxes, np.float64)
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    width, height = np.maximum(boxes[:, 2:] - boxes[:, :2], 1).T
    width, height = np.maximum(width, height * aspect), np.maximum(height, width / aspect)
    return centre, np.stack([width, height], axis=1) * padding


def crop_matrices(
    centre: np.ndarray,  # [N, 2] pixels of the frame
    size: np.ndarray,  # [N, 2] width, height, pixels of the frame
    output: tuple[int, int],  # width, height of the crop
    rotation: np.ndarray | None = None,  # [N] degrees, the person turned clockwise in the crop
) -> np.ndarray:
    """[N, 2, 3] float64 affine matrices from frame pixels to crop pixels."""
    centre = np.asarray(centre, np.float64)
    angle = np.zeros(len(centre)) if rotation is None else np.deg2rad(rotation)
    scale = (np.array(output, np.float64) - 1) / size  # [N, 2]
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.stack([np.stack([cos, -sin], axis=-1), np.stack([sin, cos], axis=-1)], axis=-2)  # [N, 2, 2]
    linear = scale[:, :, None] * turn
    target = (np.array(output, np.float64) - 1) / 2
    offset = target - np.einsum("nij,nj->ni", linear, centre)
    return np.concatenate([linear, offset[:, :, None]], axis=2)


def transform_points(
    points: np.ndarray,  # [N, K, 2]
    matrices: np.ndarray,  # [N, 2, 3]
) -> np.ndarray:
    """[N, K, 2] float64, each row's points through its matrix."""
    return np.einsum("nij,nkj->nki", matrices[:, :, :2], points) + matrices[:, None, :, 2]


def invert(
    matrices: np.ndarray,  # [N, 2, 3]
) -> np.ndarray:
    """[N, 2, 3] the inverse affine maps."""
    linear = np.linalg.inv(matrices[:, :, :2])
    return np.concatenate([linear, -linear @ matrices[:, :, 2:]], axis=2)
