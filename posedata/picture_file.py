"""Single picture files that may be missing or damaged."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np

STORED = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION  # as the pixels are stored, which annotations are of


def read_picture(path: Path, flags: int = STORED) -> np.ndarray | None:
    """[H, W, 3] uint8 BGR; None where there is no file, or one that is no picture or beyond what OpenCV takes."""
    if not os.path.isfile(path):  # a pipe would be waited for
        return None
    try:
        return cv2.imread(str(path), flags)
    except cv2.error:  # more pixels than OpenCV allows
        return None
