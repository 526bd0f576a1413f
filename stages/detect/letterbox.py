"""Fitting a frame into a detector's input and bringing its boxes back."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

GREY = 114
MULTIPLE = 32


@dataclass(frozen=True)
class Fit:
    """How a frame was scaled; it stands at the top left, the rest is grey."""

    scale_x: float
    scale_y: float
    width: int  # of the frame, pixels
    height: int

    def back(
        self,
        boxes: np.ndarray,  # [N, 4] xyxy, pixels of the input
    ) -> np.ndarray:
        """[N, 4] float32 xyxy in pixels of the frame, clipped to it."""
        scale = np.array([self.scale_x, self.scale_y] * 2)
        moved = (boxes + 0.5) / scale - 0.5  # pixel centres are integers on both sides
        high = np.array([self.width - 1, self.height - 1] * 2)
        return np.clip(moved, 0, high).astype(np.float32)


def input_size(width: int, height: int, long_side: int) -> tuple[int, int]:
    """(height, width) of the network's input for frames of one size: multiples of 32."""
    scale = long_side / max(width, height)
    return tuple(max(1, -(-round(v * scale) // MULTIPLE)) * MULTIPLE for v in (height, width))  # type: ignore[return-value]


def letterbox(
    image: np.ndarray,  # [H, W, 3] uint8 RGB
    long_side: int,
) -> tuple[np.ndarray, Fit]:
    """[h, w, 3] uint8: the frame scaled so that its long side is `long_side`, padded to multiples of 32."""
    height, width = image.shape[:2]
    scale = long_side / max(height, width)
    new_width, new_height = max(1, round(width * scale)), max(1, round(height * scale))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    scaled = cv2.resize(image, (new_width, new_height), interpolation=method)
    canvas_height, canvas_width = input_size(width, height, long_side)
    canvas = np.full((canvas_height, canvas_width, 3), GREY, np.uint8)
    canvas[:new_height, :new_width] = scaled
    return canvas, Fit(new_width / width, new_height / height, width, height)
