"""The online tracker: each frame's people get the identities of people seen before, or new ones.

A person is compared with the last few poses of every living track, carried to the current frame by optical flow
(Xiao, Wu, Wei, "Simple Baselines for Human Pose Estimation and Tracking", arXiv 1804.06208, section 3); people of
high score choose first, people of low score take what is left (Zhang et al., "ByteTrack", ECCV 2022, arXiv
2110.06864).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from configs.settings import TrackSettings
from posedata.people import FramePeople, concatenate
from posedata.skeletons import Skeleton
from stages.track.associate import associate
from stages.track.look import blended, looks_alike
from stages.track.memory import Poses, Track, move_all
from stages.track.motion import Motion
from stages.track.recovery import Recovered
from stages.track.similarity import poses_alike, similarity

Recover = Callable[[list[Track], Poses], Recovered | None]
"""Looks for people where these tracks must be now; given are the poses of who is there."""


@dataclass(frozen=True)
class _Frame:
    """One frame's people as they are matched; `identities` is filled in."""

    index: int
    poses: Poses  # [N]
    scores: np.ndarray  # [N] of the people
    box_scores: np.ndarray  # [N]
    looks: np.ndarray | None  # [N, C]
    identities: np.ndarray  # [N] int64, -1 = none yet


class Tracker:
    """Feed it the frames of one sequence in order: `advance` before each but the first, then `step`."""

    def __init__(self, settings: TrackSettings, skeleton: Skeleton) -> None:
        self.settings, self.skeleton = settings, skeleton
        self.tracks: list[Track] = []
        self._next_identity = 0
        self._before = -1  # the last frame that was looked at

    def advance(self, motion: Motion) -> None:
        """Goes on to the next frame; a cut ends every track."""
        if motion.cut:
            self.tracks = []
        move_all(self.tracks, motion)

    def step(
        self,
        index: int,
        people: FramePeople,
        looks: np.ndarray | None = None,  # [N, C] colours of the people
        recover: Recover | None = None,
    ) -> FramePeople:
        """The people with `track_ids` set (-1: too unsure to be anybody), and after them the recovered."""
        settings = self.settings
        self.tracks = [t for t in self.tracks if index - t.last <= settings.max_age]
        poses, scores = poses_of(people, settings.min_joint_score), people.person_scores
        identities = np.full(len(people), -1, np.int64)
        box_scores = scores if people.box_scores is None else people.box_scores
        frame = _Frame(index, poses, scores, box_scores, looks, identities)
        boxed = box_scores >= settings.min_box_score
        high = np.flatnonzero(boxed & (scores >= settings.high_score))
        low = np.flatnonzero(boxed & (scores >= settings.low_score) & (scores < settings.high_score))
        free = self._match(frame, high, self.tracks)
        waiting = self._match(frame, low, [t for t in free if index - t.last <= settings.low_age])
        found = self._recover(frame, waiting, recover)
        self._begin(frame)
        self._before = index
        people = replace(people, track_ids=identities)
        return people if found is None else concatenate(people, found)

    def _match(
        self,
        frame: _Frame,
        chosen: np.ndarray,  # [n] rows of people
        free: list[Track],
    ) -> list[Track]:
        """Matches some people with the free tracks; the tracks that stay free."""
        if not len(chosen) or not free:
            return free
        settings = self.settings
        alike = similarity(settings.similarity, frame.poses.take(chosen), free, self.skeleton.sigma_array)
        gate = alike >= settings.min_similarity
        if settings.appearance and frame.looks is not None:
            own = looks_alike(frame.looks[chosen], [t.look for t in free])
            alike = alike * (1 - settings.appearance) + own * settings.appearance
        pairs = associate(np.where(gate, alike, 0), 0, settings.assignment)
        for row, column in pairs:
            self._see(free[column], frame, chosen[row])
        taken = set(pairs[:, 1].tolist())
        return [t for k, t in enumerate(free) if k not in taken]

    def _see(self, track: Track, frame: _Frame, row: int) -> None:
        frame.identities[row] = track.identity
        track.see(frame.index, frame.poses.take(slice(row, row + 1)), self.settings.queue)
        track.score, track.box_score = float(frame.scores[row]), float(frame.box_scores[row])
        track.carried, track.hits = 0, track.hits + 1
        if frame.looks is not None:
            track.look = blended(track.look, frame.looks[row])

    def _recover(self, frame: _Frame, free: list[Track], recover: Recover | None) -> FramePeople | None:
        """The people found by flow of those tracks that were there in the last frame; None where there is nobody."""
        settings = self.settings
        lost = [t for t in free if t.last == self._before and t.hits > 1 and t.carried < settings.recover_frames]
        if recover is None or not lost:
            return None
        found = recover(lost, frame.poses.take(frame.identities >= 0))
        if found is None:
            return None
        poses = poses_of(found.people, settings.min_joint_score)
        for row, track in enumerate(found.tracks):
            track.see(frame.index, poses.take(slice(row, row + 1)), settings.queue)
            track.carried += 1
        return replace(found.people, track_ids=np.array([t.identity for t in found.tracks], np.int64))

    def _begin(self, frame: _Frame) -> None:
        """New tracks for unmatched people who are sure enough and no near-copy of somebody who has an identity.

        The surest begins first, whatever the order of the input.
        """
        settings = self.settings
        sure = (frame.scores >= settings.new_track_score) & (frame.box_scores >= settings.min_box_score)
        new = np.flatnonzero((frame.identities < 0) & sure)
        order = np.lexsort((*frame.poses.boxes[new].T, -frame.scores[new]))
        for row in new[order]:
            pose = frame.poses.take(slice(row, row + 1))
            others = frame.poses.take(frame.identities >= 0)
            if poses_alike(pose, others, self.skeleton.sigma_array).max(initial=0) > self.settings.copy_oks:
                continue
            track = Track(
                self._next_identity, frame.index, pose, pose, float(frame.scores[row]), float(frame.box_scores[row])
            )
            if frame.looks is not None:
                track.look = frame.looks[row]
            self._next_identity += 1
            frame.identities[row] = track.identity
            self.tracks.append(track)


def poses_of(people: FramePeople, min_joint_score: float) -> Poses:
    """The people as the tracker compares them."""
    return Poses(
        people.keypoints.astype(np.float64),
        people.keypoint_scores > min_joint_score,
        people.boxes.astype(np.float64),
    )
