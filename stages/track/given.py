"""Tracking poses that the user brings (`--poses`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from posedata.people import FramePeople
from stages.stream import Clock, Item
from stages.track.stage import TrackStage


class GivenTrackStage:
    """The tracker over given poses: the frames come from the source, the people from a file."""

    name = "track"
    needs_pixels = True  # the frames must be read to know which there are

    def __init__(self, stage: TrackStage, frames: Mapping[int, FramePeople], joints: int) -> None:
        self._stage, self._frames = stage, frames
        self._nobody = FramePeople(
            boxes=np.zeros((0, 4)),
            box_scores=np.zeros(0),
            keypoints=np.zeros((0, joints, 2)),
            keypoint_scores=np.zeros((0, joints)),
            person_scores=np.zeros(0),
            origin=np.zeros(0),
        )

    def run(self, items: Iterator[Item], clock: Clock) -> Iterator[Item]:
        return self._stage.run((self._with_people(item) for item in items), clock)

    def _with_people(self, item: Item) -> Item:
        people = self._frames.get(item.index, self._nobody) if item.ok else self._nobody
        return replace(item, people=replace(people, status=item.people.status))
