"""The track stage: identities for posed people, and people for the frames that detection skipped."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from configs.settings import TrackSettings
from posedata.people import FramePeople, FrameStatus, Origin
from posedata.skeletons import Skeleton
from stages.stream import Clock, Item
from stages.track.tracker import Tracker


class TrackStage:
    """Runs the tracker; a skipped frame waits for the next one that was looked at and is filled in between."""

    name = "track"
    needs_pixels = False

    def __init__(self, settings: TrackSettings, skeleton: Skeleton) -> None:
        self.settings, self.skeleton = settings, skeleton

    def run(self, items: Iterator[Item], clock: Clock) -> Iterator[Item]:
        tracker = Tracker(self.settings, self.skeleton)
        before: Item | None = None  # the last frame that was looked at
        waiting: list[Item] = []
        for item in items:
            if item.people.status is FrameStatus.SKIPPED:
                waiting.append(item)
                continue
            with clock.of(self.name):
                tracked = replace(item, people=tracker.step(item.index, item.people))
                filled = [fill(w, before, tracked) for w in waiting]
            yield from filled
            yield tracked
            waiting = []
            before = tracked if item.ok else None  # nothing is drawn across a frame that could not be read
        for item in waiting:
            yield fill(item, before, None)


def fill(item: Item, before: Item | None, after: Item | None) -> Item:
    """A skipped frame with the people whom the frames on both sides have, half-way by time; else empty."""
    if before is None or after is None or not after.ok:
        none = np.zeros(0, np.int64)
        return replace(item, people=replace(item.people.take(none), track_ids=none))
    first, second = before.people, after.people
    shared = np.intersect1d(first.track_ids[first.track_ids >= 0], second.track_ids)
    a = first.take(np.array([np.flatnonzero(first.track_ids == i)[0] for i in shared], np.int64))
    b = second.take(np.array([np.flatnonzero(second.track_ids == i)[0] for i in shared], np.int64))
    share = (item.index - before.index) / (after.index - before.index)
    people = FramePeople(
        boxes=_between(a.boxes, b.boxes, share),
        box_scores=np.minimum(a.box_scores, b.box_scores),
        keypoints=_between(a.keypoints, b.keypoints, share),
        keypoint_scores=np.minimum(a.keypoint_scores, b.keypoint_scores),
        person_scores=np.minimum(a.person_scores, b.person_scores),
        track_ids=a.track_ids,
        origin=np.full(len(a), Origin.FILLED, np.uint8),
        status=FrameStatus.SKIPPED,
    )
    return replace(item, people=people)


def _between(a: np.ndarray, b: np.ndarray, share: float) -> np.ndarray:
    return a * (1 - share) + b * share
