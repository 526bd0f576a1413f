"""The online tracker: each frame's people get the identities of people seen before, or new ones.

A person is compared with the last few poses of every living track (a queue of past frames, as "Simple Baselines for
Human Pose Estimation and Tracking", arXiv 1804.06208, section 3, proposes for flow similarity); people of high score
choose first, people of low score take what is left (Zhang et al., "ByteTrack", ECCV 2022, arXiv 2110.06864).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace

import numpy as np

from configs.settings import TrackSettings
from posedata.people import FramePeople
from posedata.skeletons import Skeleton
from stages.track.associate import associate
from stages.track.similarity import Poses, similarity


@dataclass(frozen=True)
class _Sighting:
    """A person of a past frame."""

    index: int
    keypoints: np.ndarray  # [K, 2]
    valid: np.ndarray  # [K]
    box: np.ndarray  # [4]


@dataclass
class _Track:
    identity: int
    sightings: deque[_Sighting] = field(default_factory=deque)


class Tracker:
    """Feed it the frames of one sequence in order."""

    def __init__(self, settings: TrackSettings, skeleton: Skeleton) -> None:
        self.settings, self.skeleton = settings, skeleton
        self._tracks: list[_Track] = []
        self._next_identity = 0

    def step(self, index: int, people: FramePeople) -> FramePeople:
        """The people with `track_ids` set; -1 where a person is too unsure to be anybody."""
        settings = self.settings
        self._tracks = [t for t in self._tracks if index - t.sightings[-1].index <= settings.max_age]
        poses = Poses(people.keypoints, people.keypoint_scores > settings.min_joint_score, people.boxes)
        scores = people.person_scores
        identities = np.full(len(people), -1, np.int64)
        free = list(self._tracks)
        for chosen in (
            np.flatnonzero(scores >= settings.high_score),
            np.flatnonzero((scores >= settings.low_score) & (scores < settings.high_score)),
        ):
            free = self._match(index, poses, chosen, free, identities)
        for row in np.flatnonzero((identities < 0) & (scores >= settings.new_track_score)):
            track = _Track(self._next_identity)
            self._next_identity += 1
            self._tracks.append(track)
            identities[row] = track.identity
            self._see(track, index, poses, row)
        return replace(people, track_ids=identities)

    def _match(
        self,
        index: int,
        poses: Poses,
        chosen: np.ndarray,  # [n] rows of people
        free: list[_Track],
        identities: np.ndarray,  # [N], filled in
    ) -> list[_Track]:
        """Matches some people with the free tracks; the tracks that stay free."""
        if not len(chosen) or not free:
            return free
        picked = Poses(poses.keypoints[chosen], poses.valid[chosen], poses.boxes[chosen])
        pairs = associate(self._similarity(picked, free), self.settings.min_similarity, self.settings.assignment)
        for row, column in pairs:
            identities[chosen[row]] = free[column].identity
            self._see(free[column], index, poses, chosen[row])
        taken = set(pairs[:, 1].tolist())
        return [t for k, t in enumerate(free) if k not in taken]

    def _similarity(self, people: Poses, tracks: list[_Track]) -> np.ndarray:
        """[n, T] the best similarity with any pose in a track's queue."""
        past = [s for t in tracks for s in t.sightings]
        others = Poses(
            np.stack([s.keypoints for s in past]), np.stack([s.valid for s in past]), np.stack([s.box for s in past])
        )
        all_pairs = similarity(self.settings.similarity, people, others, self.skeleton.sigma_array)
        starts = np.cumsum([0] + [len(t.sightings) for t in tracks[:-1]])
        return np.maximum.reduceat(all_pairs, starts, axis=1)

    def _see(self, track: _Track, index: int, poses: Poses, row: int) -> None:
        track.sightings.append(_Sighting(index, poses.keypoints[row], poses.valid[row], poses.boxes[row]))
        while len(track.sightings) > self.settings.queue:
            track.sightings.popleft()
