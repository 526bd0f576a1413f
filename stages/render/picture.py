"""Fitting frames of any size into the overlay's picture, with the people in them."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from posedata.people import FramePeople


def picture_size(
    width: int,  # pixels
    height: int,
    max_side: int,  # larger frames are scaled down to this side
) -> tuple[int, int]:
    """Width and height of the overlay: scaled down where too large, and even, as H.264 wants it."""
    scale = min(1.0, max_side / max(width, height))
    return _even(width * scale), _even(height * scale)


def fit(
    image: np.ndarray,  # [h, w, 3] uint8 RGB
    people: FramePeople,  # in the image's pixels
    width: int,  # of the picture
    height: int,
    *,
    enlarge: bool = False,  # else a smaller image stays as large as it is where only a border of one pixel is missing
) -> tuple[np.ndarray, FramePeople]:
    """The image scaled into the top left of a [height, width, 3] picture, and the people moved along.

    A border of one pixel continues the image, a wider one (a frame of another shape) is black. The picture may be the
    image itself where nothing had to be done.
    """
    tall, wide = image.shape[:2]
    scale = min(width / wide, height / tall)
    if not enlarge and 0 <= width - wide <= 1 and 0 <= height - tall <= 1:
        scale = 1.0
    new_wide = min(max(round(wide * scale), 1), width)
    new_tall = min(max(round(tall * scale), 1), height)
    if (new_wide, new_tall) != (wide, tall):
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        image = cv2.resize(image, (new_wide, new_tall), interpolation=method)
        people = _scaled(people, new_wide / wide, new_tall / tall)
    right, below = width - new_wide, height - new_tall
    if right or below:
        border = cv2.BORDER_REPLICATE if max(right, below) <= 1 else cv2.BORDER_CONSTANT
        image = cv2.copyMakeBorder(image, 0, below, 0, right, border)
    elif not image.flags.writeable or not image.flags.c_contiguous:
        image = image.copy()
    return image, people


def dimmed(
    grey: np.ndarray,  # [H, W] uint8
) -> np.ndarray:
    """[H, W, 3] uint8 RGB, half as bright: what is shown where a frame is missing."""
    return cv2.cvtColor(grey // 2, cv2.COLOR_GRAY2RGB)


def _even(side: float) -> int:
    return max(2, 2 * int(np.ceil(round(side) / 2)))


def _scaled(
    people: FramePeople,
    x_scale: float,
    y_scale: float,
) -> FramePeople:
    """Pixel centres lie at whole coordinates, so that a frame's edge, at -0.5, stays where it is."""
    moved = {}
    for name in ("boxes", "keypoints"):
        value = getattr(people, name)
        if value is not None:
            factor = np.resize(np.array([x_scale, y_scale], np.float32), value.shape[-1])
            moved[name] = (value + 0.5) * factor - 0.5
    return replace(people, **moved) if moved else people
