"""A figure drawn with soft edges, cut to the picture, with what is known about it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from posedata.synthetic.anatomy import Figure, figure
from posedata.synthetic.body import Posed
from posedata.synthetic.camera import Camera
from posedata.synthetic.look import Look
from posedata.synthetic.solids import FAR, DepthPicture, Solid, extents, scaled, trace
from posedata.synthetic.surface import Light, shade

_COUNTED_HEIGHT = 72.0  # pixels at which the area of a cut-off figure is measured


@dataclass(frozen=True)
class Sprite:
    """A drawn figure; what lies outside the picture is not drawn."""

    rgba: np.ndarray  # [H, W, 4] float32 premultiplied, 0..1
    left: int  # pixel of the picture where the sprite's first column lies
    top: int
    keypoints: np.ndarray  # [19, 2] float32 pixels
    open: np.ndarray  # [19] bool: inside the picture and not hidden by the body itself
    head_box: np.ndarray  # [4] float32 xyxy
    extent: np.ndarray  # [4] xyxy of the whole figure, not clipped
    pixels: float  # of the whole figure, also those outside the picture
    distance: float  # metres from the camera


def draw_figure(
    posed: Posed,
    look: Look,
    camera: Camera,
    light: Light,
    size: tuple[int, int],  # width, height of the picture
) -> Sprite | None:
    """The figure; None where nothing of it lies inside the picture."""
    fine = _fineness(posed, camera, size)
    drawn = figure(posed, look, camera.finer(fine))
    whole = _coarser(solids_extent(drawn.drawing.solids), fine)
    left, top = (max(0, math.floor(v) - 1) for v in whole[:2])
    right, bottom = (min(limit, math.ceil(v) + 2) for v, limit in zip(whole[2:], size))
    if left >= right or top >= bottom:
        return None
    picture = trace(drawn.drawing.solids, left * fine, top * fine, (right - left) * fine, (bottom - top) * fine)
    rgba = shade(picture, drawn.drawing, light)
    if fine > 1:
        rgba = cv2.resize(rgba, (right - left, bottom - top), interpolation=cv2.INTER_AREA)
    else:
        rgba = cv2.GaussianBlur(rgba, (3, 3), 0.6)
    if rgba[..., 3].sum() < 0.5:
        return None
    clipped = whole[0] < left or whole[1] < top or whole[2] > right or whole[3] > bottom
    covered = float((rgba[..., 3] > 0.5).sum())
    return Sprite(
        rgba=rgba,
        left=left,
        top=top,
        keypoints=_coarser(drawn.joints[:, :2], fine).astype(np.float32),
        open=_open(drawn, picture),
        head_box=_coarser(extents([drawn.drawing.head])[0], fine).astype(np.float32),
        extent=whole,
        pixels=max(_area(drawn.drawing.solids, whole, fine), covered) if clipped else covered,
        distance=drawn.distance,
    )


def solids_extent(solids: list[Solid]) -> np.ndarray:
    """[4] x1, y1, x2, y2 around all solids."""
    boxes = extents(solids)
    return np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])


def _fineness(posed: Posed, camera: Camera, size: tuple[int, int]) -> int:
    """How many times finer than the picture a figure is traced: small ones more, very large ones not at all."""
    view, _ = camera.project(posed.points, 1.0)
    low, high = view[:, :2].min(axis=0), view[:, :2].max(axis=0)
    shown = np.maximum(np.minimum(high, size) - np.maximum(low, 0), 0)
    if shown[0] * shown[1] > 45_000:
        return 1
    tall = max(high - low)
    return 4 if tall < 40 else 3 if tall < 80 else 2


def _coarser(values: np.ndarray, fine: int) -> np.ndarray:
    return (values + 0.5) / fine - 0.5


def _open(drawn: Figure, picture: DepthPicture) -> np.ndarray:
    """[19] whether each joint lies in the traced part with nothing of the body far before it."""
    columns = np.round(drawn.joints[:, 0]).astype(int) - picture.left
    rows = np.round(drawn.joints[:, 1]).astype(int) - picture.top
    height, width = picture.owner.shape
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    front = picture.nearness[np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)]
    return inside & (front > FAR) & (front - drawn.joints[:, 2] <= drawn.cover)


def _area(solids: list[Solid], whole: np.ndarray, fine: int) -> float:
    """Picture pixels of the whole figure, counted on a small picture."""
    factor = _COUNTED_HEIGHT / max(whole[3] - whole[1], whole[2] - whole[0])
    small = [scaled(s, factor / fine) for s in solids]
    box = solids_extent(small)
    left, top = np.floor(box[:2]).astype(int)
    right, bottom = np.ceil(box[2:]).astype(int) + 1
    return float((trace(small, left, top, right - left, bottom - top).owner != 255).sum()) / factor**2
