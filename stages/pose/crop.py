"""Cutting a person out of a frame for a top-down network, and the way back.

The corners of the crop's rectangle lie on the centres of the crop's corner pixels, and the heatmap's corner cells on
the same corners: unbiased, so that mirroring the crop mirrors the heatmap exactly (Huang et al., "The Devil is in the
Details", CVPR 2020, arXiv 1911.07524).

The published networks were trained with another geometry, in which a crop of W pixels is mapped to W / 2 and the
heatmap's cells lie on multiples of the stride; `published_rectangles` and `published_matrices` give it, since their
weights need it. Source: microsoft/human-pose-estimation.pytorch (MIT), `lib/utils/transforms.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

BOX_PADDING = 1.25
PIXEL_STD = 200.0  # pixels; the unit of the published code's scales


@dataclass(frozen=True)
class Cropping:
    """How N boxes are cut out, and how what is found comes back to the frame."""

    matrices: np.ndarray  # [N, 2, 3] float64 frame pixels -> crop pixels
    areas: np.ndarray  # [N] square pixels, what OKS-NMS takes for the person's size
    back: Callable[[tuple[int, int]], np.ndarray]  # width, height of the heatmaps -> [N, 2, 3] cells -> frame pixels


def cropping(
    boxes: np.ndarray,  # [N, 4] xyxy, pixels
    output: tuple[int, int],  # width, height of the crop
    published: bool,  # as the published networks want it
) -> Cropping:
    """The crops of boxes; one without extent is taken for a pixel."""
    boxes = np.asarray(boxes, np.float64)
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    if published:
        safe = np.concatenate([boxes[:, :2], boxes[:, :2] + np.maximum(sides, 1)], axis=1)
        centre, scale = published_rectangles(safe, output[0] / output[1])
        return Cropping(
            published_matrices(centre, scale, output),
            np.prod(scale * PIXEL_STD, axis=1, dtype=np.float64),
            lambda cells: published_matrices(centre, scale, cells, inverse=True),
        )
    matrices = crop_matrices(*crop_rectangles(boxes, output[0] / output[1]), output)

    def back(cells: tuple[int, int]) -> np.ndarray:
        inverse = invert(matrices)
        step = (np.array(output) - 1) / (np.array(cells) - 1)
        return np.concatenate([inverse[:, :, :2] * step, inverse[:, :, 2:]], axis=2)

    return Cropping(matrices, sides[:, 0] * sides[:, 1], back)


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


def published_rectangles(
    boxes: np.ndarray,  # [N, 4] xyxy, pixels
    aspect: float,  # width / height of the network's input
) -> tuple[np.ndarray, np.ndarray]:
    """Centres [N, 2] float32 pixels and scales [N, 2] float32 in units of `PIXEL_STD`.

    As published, a centre that is exactly -1 in x marks an unknown one, whose scale is not padded.
    """
    boxes = np.asarray(boxes, np.float64)
    width, height = (boxes[:, 2:] - boxes[:, :2]).T
    centre = np.stack([boxes[:, 0] + width * 0.5, boxes[:, 1] + height * 0.5], axis=1).astype(np.float32)
    wide, tall = width > aspect * height, width < aspect * height
    height, width = np.where(wide, width / aspect, height), np.where(tall, height * aspect, width)
    scale = (np.stack([width, height], axis=1) / PIXEL_STD).astype(np.float32)
    padding = np.where(centre[:, :1] == -1, 1, BOX_PADDING).astype(np.float32)
    return centre, scale * padding


def published_matrices(
    centre: np.ndarray,  # [N, 2] pixels of the frame
    scale: np.ndarray,  # [N, 2] in units of PIXEL_STD; only the width's counts
    output: tuple[int, int],  # width, height of the crop, or of the heatmap
    rotation: np.ndarray | None = None,  # [N] degrees
    shift: np.ndarray | None = None,  # [N, 2] of the centre, as parts of the scale
    inverse: bool = False,  # from the output to the frame
) -> np.ndarray:
    """[N, 2, 3] float64 matrices, each through three point pairs in float32 as the published code takes them."""
    count = len(centre)
    angle = np.deg2rad(np.zeros(count) if rotation is None else np.asarray(rotation, np.float64))
    size = np.asarray(scale) * np.float32(PIXEL_STD)
    arm = -0.5 * size[:, 0]
    frame, target = np.zeros((count, 3, 2), np.float32), np.zeros((count, 3, 2), np.float32)
    moved = np.zeros((count, 2)) if shift is None else size * np.asarray(shift)
    frame[:, 0] = centre + moved
    frame[:, 1] = centre + np.stack([-np.sin(angle) * arm, np.cos(angle) * arm], axis=1) + moved
    target[:, 0] = output[0] * 0.5, output[1] * 0.5
    target[:, 1] = output[0] * 0.5, output[1] * 0.5 - output[0] * 0.5
    for points in (frame, target):  # the third stands at a right angle
        side = points[:, 0] - points[:, 1]
        points[:, 2] = points[:, 1] + np.stack([-side[:, 1], side[:, 0]], axis=1)
    source, aim = (target, frame) if inverse else (frame, target)
    rows = np.concatenate([source, np.ones((count, 3, 1), np.float32)], axis=2).astype(np.float64)
    return np.linalg.solve(rows, aim.astype(np.float64)).transpose(0, 2, 1)


def reduction(
    matrix: np.ndarray,  # [2, 3] frame pixels -> crop pixels
) -> int:
    """How many pixels of the frame a side make up one of the crop, where that asks for an average; else 0 or 1."""
    return int(1 / max(np.linalg.norm(matrix[:, 0]), 1e-6) / 1.5)
