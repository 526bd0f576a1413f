"""One rendered picture with everything that is known about it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from posedata.skeletons import PTRACK_19


@dataclass(frozen=True)
class SyntheticFrame:
    """A rendered picture and its exact ground truth; N people, joints in the order of `PTRACK_19`.

    Pixel centres lie at integer coordinates. People without a single pixel inside the picture have no row.
    """

    image: np.ndarray  # [H, W, 3] uint8 RGB
    keypoints: np.ndarray  # [N, 19, 2] float32 xy, pixels; joints outside the picture keep their true place
    visibility: np.ndarray  # [N, 19] uint8: 0 outside the picture, 1 hidden by the body itself or by others, 2 seen
    covered: np.ndarray  # [N, 19] bool: hidden by somebody or something else (then visibility is 1)
    boxes: np.ndarray  # [N, 4] float32 xyxy: the figure inside the picture, hidden parts included
    visible_fraction: np.ndarray  # [N] float32: pixels seen / all pixels of the figure, also those outside
    head_boxes: np.ndarray  # [N, 4] float32 xyxy around the skull, not clipped
    track_ids: np.ndarray  # [N] int64
    ignore_regions: tuple[np.ndarray, ...]  # each [P, 2] float32 polygon, pixels

    def __post_init__(self) -> None:
        if self.image.ndim != 3 or self.image.shape[2] != 3 or self.image.dtype != np.uint8:
            raise ValueError(f"image must be [H, W, 3] uint8, not {list(self.image.shape)} {self.image.dtype}")
        count, joints = len(self.track_ids), len(PTRACK_19)
        shapes = {
            "keypoints": ((count, joints, 2), np.float32),
            "visibility": ((count, joints), np.uint8),
            "covered": ((count, joints), np.bool_),
            "boxes": ((count, 4), np.float32),
            "visible_fraction": ((count,), np.float32),
            "head_boxes": ((count, 4), np.float32),
            "track_ids": ((count,), np.int64),
        }
        for name, (shape, dtype) in shapes.items():
            value = getattr(self, name)
            if value.shape != shape or value.dtype != dtype:
                raise ValueError(
                    f"{name} must be {list(shape)} {np.dtype(dtype)}, not {list(value.shape)} {value.dtype}"
                )

    def __len__(self) -> int:
        """The number of people."""
        return len(self.track_ids)
