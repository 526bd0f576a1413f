"""What is validated: a pose model, and where its boxes come from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from posedata.errors import BadInput
from posedata.people import FramePeople
from posedata.skeletons import Skeleton
from stages.detect.detector import Detector
from stages.pose.bottom_up.estimator import BottomUpEstimator
from stages.pose.estimator import PoseEstimator
from stages.pose.temporal.estimator import WarpEstimator


@dataclass(frozen=True)
class Subject:
    """A pose model; without a detector its boxes are given, or it needs none."""

    estimator: PoseEstimator | WarpEstimator | BottomUpEstimator
    detector: Detector | None = None

    @property
    def skeleton(self) -> Skeleton:
        return self.estimator.skeleton

    @property
    def needs_boxes(self) -> bool:
        return not isinstance(self.estimator, BottomUpEstimator)

    @property
    def compat(self) -> bool:
        """Whether everything is done as the published code does it."""
        return self.estimator.recipe.compat

    def boxes(
        self,
        image: np.ndarray,  # [H, W, 3] uint8 RGB
        given: FramePeople,  # used where there is no detector
    ) -> FramePeople:
        return given if self.detector is None else self.detector.detect([image])[0]

    def poses(
        self,
        image: np.ndarray,  # [H, W, 3] uint8 RGB
        people: FramePeople,  # boxes and scores; not looked at where none are needed
    ) -> FramePeople:
        """The people of one picture, the best first."""
        if isinstance(self.estimator, BottomUpEstimator):
            return self.estimator.find([image])[0]
        return self.estimator.estimate([image], [people])[0]


def read_picture(
    path: Path,
    source: str,  # which entry of which file names it
) -> np.ndarray:
    """[H, W, 3] uint8 RGB, not turned by what its EXIF says: annotations are of the stored pixels.

    Raises:
        BadInput: it cannot be read.
    """
    picture = None
    try:
        if path.is_file():  # a pipe would be waited for
            picture = cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    except (cv2.error, OSError, ValueError, MemoryError):
        pass  # said below
    if picture is None:
        raise BadInput(f"{path}: cannot be read as a picture ({source})")
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
