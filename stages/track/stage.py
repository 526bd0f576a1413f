"""The track stage: identities for posed people, people whom detection missed, and people for frames it skipped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from configs.settings import TrackSettings
from posedata.people import FramePeople, FrameStatus
from posedata.skeletons import Skeleton
from stages.stream import Clock, Item
from stages.track.ahead import Moving, with_motion
from stages.track.confirm import Tracked, confirmed
from stages.track.flow import Flow
from stages.track.look import looks_of
from stages.track.motion import still
from stages.track.offline import looked_back
from stages.track.recovery import PosesIn, recover
from stages.track.smooth import smoothed
from stages.track.stitch import Sighting, between
from stages.track.tracker import Tracker, poses_of


class TrackStage:
    """Flow beside the stages before, then the tracker, then what looks back: confirmation, filling, stitching."""

    name = "track"

    def __init__(
        self,
        settings: TrackSettings,
        skeleton: Skeleton,
        flow: Callable[[], Flow] | None,  # makes one for each sequence; None = no pixels are looked at
        poses_in: PosesIn | None = None,  # estimates poses in boxes; None = nobody is recovered
    ) -> None:
        self.settings, self.skeleton, self.flow, self.poses_in = settings, skeleton, flow, poses_in
        self.needs_pixels = flow is not None

    def run(self, items: Iterator[Item], clock: Clock) -> Iterator[Item]:
        settings = self.settings
        if self.flow is None:
            moving = (Moving(item, None, still((1, 1))) for item in items)
        else:
            moving = with_motion(items, self.flow(), settings.flow_side, settings.flow_check, clock)
        frames = filled_between(confirmed(self._tracked(moving, clock), settings.confirm))
        found = looked_back(frames, settings) if settings.offline else (frame.item for frame in frames)
        return smoothed(found, settings.smooth)

    def _tracked(self, frames: Iterator[Moving], clock: Clock) -> Iterator[Tracked]:
        tracker = Tracker(self.settings, self.skeleton)
        scene = 0
        for number, frame in enumerate(frames):
            with clock.of(self.name):
                if number:
                    tracker.advance(frame.motion)
                    scene += frame.motion.cut
                tracked = self._step(tracker, frame)
            yield Tracked(*tracked, scene)

    def _step(self, tracker: Tracker, frame: Moving) -> tuple[Item, np.ndarray | None]:
        """The frame's item with identities, and the people's colours."""
        item, settings = frame.item, self.settings
        people = item.people
        if not item.ok:
            return replace(item, image=None, people=replace(people, track_ids=np.full(len(people), -1))), None
        colours = frame.picture is not None and (settings.appearance or settings.offline)
        look = partial(looks_of, picture=frame.picture, skeleton=self.skeleton)
        looks = look(poses_of(people, settings.min_joint_score)) if colours else None
        looking = None
        if self.poses_in is not None and settings.recover and item.image is not None:

            def looking(lost, there):
                return recover(item.image, lost, there, self.poses_in, settings, self.skeleton)

        tracked = tracker.step(item.index, people, looks, looking)
        if looks is not None and len(tracked) > len(looks):
            recovered = tracked.take(np.arange(len(looks), len(tracked)))
            looks = np.concatenate([looks, look(poses_of(recovered, settings.min_joint_score))])
        return replace(item, image=None, people=tracked), looks


def filled_between(frames: Iterator[Tracked]) -> Iterator[Tracked]:
    """A frame that detection skipped waits for the next one that was looked at and gets the people between both.

    Nothing is drawn across a cut or a frame that could not be read.
    """
    before: Tracked | None = None  # the last frame that was looked at
    waiting: list[Tracked] = []
    for frame in frames:
        if frame.item.people.status is FrameStatus.SKIPPED:
            waiting.append(frame)
            continue
        yield from (_filled(w, before, frame) for w in waiting)
        yield frame
        waiting = []
        before = frame if frame.item.ok else None
    yield from (_filled(w, before, None) for w in waiting)


def _filled(frame: Tracked, before: Tracked | None, after: Tracked | None) -> Tracked:
    """A skipped frame with the people whom the frames on both sides have, half-way by time; else empty."""
    people = frame.item.people
    nobody = replace(people.take(np.zeros(0, np.int64)), track_ids=np.zeros(0, np.int64))
    if before is None or after is None or not after.item.ok or before.scene != after.scene:
        return replace(frame, item=replace(frame.item, people=nobody), looks=None)
    a, b = _by_identity(before), _by_identity(after)
    rows = [between(a[identity], b[identity], frame.item.index, identity) for identity in sorted(a.keys() & b.keys())]
    found = replace(_stacked(rows), status=FrameStatus.SKIPPED) if rows else nobody
    return replace(frame, item=replace(frame.item, people=found), looks=None)


def _by_identity(frame: Tracked) -> dict[int, Sighting]:
    people = frame.item.people
    return {
        identity: Sighting(frame.item.index, people.take(np.array([row])), frame.scene)
        for row, identity in enumerate(people.track_ids.tolist())
        if identity >= 0
    }


def _stacked(rows: list[FramePeople]) -> FramePeople:
    names = ("boxes", "box_scores", "keypoints", "keypoint_scores", "person_scores", "track_ids", "origin")
    return FramePeople(**{name: np.concatenate([getattr(row, name) for row in rows]) for name in names})
