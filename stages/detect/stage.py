"""The detect stage: boxes for every frame that is looked at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from posedata.people import FramePeople, FrameStatus
from stages.detect.detector import Detector, no_people
from stages.stream import Clock, Item, chunked


class DetectStage:
    """Boxes from a detector; with a stride the frames between are marked as skipped."""

    name = "detect"
    needs_pixels = True

    def __init__(self, detector: Detector, stride: int) -> None:
        self.detector, self.stride = detector, stride

    def run(self, items: Iterator[Item], clock: Clock) -> Iterator[Item]:
        for chunk in chunked(items):
            looked = [i for i in chunk if i.ok and i.index % self.stride == 0]
            with clock.of(self.name):
                found = dict(zip((i.index for i in looked), self.detector.detect([i.image for i in looked])))
            for item in chunk:
                if item.index in found:
                    yield replace(item, people=found[item.index])
                else:
                    status = FrameStatus.SKIPPED if item.ok else item.people.status
                    yield replace(item, people=replace(no_people(), status=status))


class GivenBoxes:
    """Boxes that a file brought (`--detections`); no network runs."""

    name = "detect"
    needs_pixels = True  # the frames must be read to know which there are

    def __init__(self, frames: Mapping[int, FramePeople]) -> None:
        self.frames = frames

    def run(self, items: Iterator[Item], clock: Clock) -> Iterator[Item]:
        for item in items:
            given = self.frames.get(item.index, no_people()) if item.ok else no_people()
            yield replace(item, people=replace(given, status=item.people.status))
