"""The pose stage: joints for the boxes of every frame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from posedata.people import FramePeople
from stages.pose.estimator import PoseEstimator
from stages.stream import Clock, Item, chunked


class PoseStage:
    """Runs the estimator on the people of a chunk of frames at a time."""

    name = "pose"
    needs_pixels = True

    def __init__(self, estimator: PoseEstimator) -> None:
        self.estimator = estimator

    def run(self, items: Iterator[Item], clock: Clock) -> Iterator[Item]:
        joints = len(self.estimator.skeleton)
        for chunk in chunked(items):
            seen = [i for i in chunk if i.ok and len(i.people)]
            with clock.of(self.name):
                posed = self.estimator.estimate([i.image for i in seen], [i.people for i in seen])
            found = dict(zip((i.index for i in seen), posed))
            for item in chunk:
                yield replace(item, people=found.get(item.index) or without_joints(item.people, joints))


def without_joints(people: FramePeople, joints: int) -> FramePeople:
    """An empty frame with the parts that a posed frame has."""
    return replace(
        people,
        keypoints=np.zeros((0, joints, 2), np.float32),
        keypoint_scores=np.zeros((0, joints), np.float32),
        person_scores=np.zeros(0, np.float32),
    )
