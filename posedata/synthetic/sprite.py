"""A figure drawn with soft edges, cut to the picture, with what is known about it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np

from posedata.synthetic.anatomy import Figure, figure
from posedata.synthetic.body import Posed
from posedata.synthetic.camera import Camera
from posedata.synthetic.look import Look
from posedata.synthetic.solids import FAR, DepthPicture, Solid, extent, trace
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
    plain = figure(posed, look, camera)
    whole = solids_extent(plain.drawing.solids)
    left, top = (max(0, math.floor(v) - 1) for v in whole[:2])
    right, bottom = (min(limit, math.ceil(v) + 2) for v, limit in zip(whole[2:], size))
    if left >= right or top >= bottom:
        return None
    fine = _fineness(whole[3] - whole[1], (right - left) * (bottom - top))
    drawn = plain if fine == 1 else figure(posed, look, camera.finer(fine))
    picture = trace(drawn.drawing.solids, left * fine, top * fine, (right - left) * fine, (bottom - top) * fine)
    rgba = shade(picture, drawn.drawing, light)
    if fine > 1:
        rgba = cv2.resize(rgba, (right - left, bottom - top), interpolation=cv2.INTER_AREA)
    else:
        rgba = cv2.GaussianBlur(rgba, (3, 3), 0.6)
    clipped = whole[0] < left or whole[1] < top or whole[2] > right or whole[3] > bottom
    covered = float(rgba[..., 3].sum())
    if covered < 0.5:
        return None
    box = extent(drawn.drawing.head)
    return Sprite(
        rgba=rgba,
        left=left,
        top=top,
        keypoints=plain.joints[:, :2].astype(np.float32),
        open=_open(drawn, picture),
        head_box=np.array([*_coarser(box[:2], fine), *_coarser(box[2:], fine)], np.float32),
        extent=whole,
        pixels=max(_area(plain.drawing.solids, whole), covered) if clipped else covered,
        distance=plain.distance,
    )


def solids_extent(solids: list[Solid]) -> np.ndarray:
    """[4] x1, y1, x2, y2 around all solids."""
    boxes = np.stack([extent(s) for s in solids])
    return np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])


def _fineness(height: float, area: int) -> int:
    """How many times finer than the picture a figure is traced: small ones more, very large ones not at all."""
    if area > 70_000:
        return 1
    return 4 if height < 45 else 3 if height < 90 else 2


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


def _area(solids: list[Solid], whole: np.ndarray) -> float:
    """Pixels of the whole figure, counted on a small picture."""
    factor = _COUNTED_HEIGHT / max(whole[3] - whole[1], whole[2] - whole[0])
    small = [replace(s, matrix=s.matrix / factor, origin=s.origin * factor) for s in solids]
    left, top = np.floor(whole[:2] * factor).astype(int)
    right, bottom = np.ceil(whole[2:] * factor).astype(int) + 1
    return float((trace(small, left, top, right - left, bottom - top).owner != 255).sum()) / factor**2
