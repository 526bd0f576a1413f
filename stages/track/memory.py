"""What the tracker remembers of the people it follows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from stages.track.motion import Motion


@dataclass(frozen=True)
class Poses:
    """N poses to compare."""

    keypoints: np.ndarray  # [N, K, 2] pixels
    valid: np.ndarray  # [N, K] bool, joints that count
    boxes: np.ndarray  # [N, 4] xyxy, pixels

    def __len__(self) -> int:
        return len(self.keypoints)

    def take(
        self,
        rows: np.ndarray | slice,  # [M]
    ) -> Poses:
        """The chosen poses."""
        return Poses(self.keypoints[rows], self.valid[rows], self.boxes[rows])


@dataclass
class Track:
    """One person through time."""

    identity: int
    last: int  # frame in which it was seen or recovered last
    seen: Poses  # [q] as they were in their frames, the newest last
    moved: Poses  # [q] the same, carried to the current frame by the flow
    score: float  # of the person when it was last detected, 0..1
    box_score: float  # of that detection, 0..1
    hits: int = 1  # frames in which it was detected
    carried: int = 0  # successive frames in which it was only recovered
    look: np.ndarray | None = None  # [C] colours, see `stages.track.look`

    def see(self, index: int, pose: Poses, queue: int) -> None:
        """Takes in the pose [1] of the current frame; the oldest of more than `queue` goes."""
        self.seen = joined([self.seen, pose], queue)
        self.moved = joined([self.moved, pose], queue)
        self.last = index


def joined(parts: Sequence[Poses], last: int | None = None) -> Poses:
    """The poses of all parts in order, or the last ones of them."""
    rows = slice(None) if last is None else slice(-last, None)
    return Poses(
        np.concatenate([p.keypoints for p in parts])[rows],
        np.concatenate([p.valid for p in parts])[rows],
        np.concatenate([p.boxes for p in parts])[rows],
    )


def move_all(tracks: Sequence[Track], motion: Motion) -> None:
    """Carries every remembered pose one frame on."""
    if not tracks or motion.field is None:
        return
    moved = move_poses(joined([t.moved for t in tracks]), motion)
    start = 0
    for track in tracks:
        track.moved = moved.take(slice(start, start + len(track.moved)))
        start += len(track.moved)


def move_poses(poses: Poses, motion: Motion) -> Poses:
    """The poses one frame later: joints by the flow under them, boxes by the mean of their joints' displacements.

    A joint whose flow is not trusted moves with the trusted ones of its person.
    """
    shift = motion.move(poses.keypoints) - poses.keypoints  # [N, K, 2]
    trusted = motion.trust(poses.keypoints) & poses.valid
    mean = (shift * trusted[..., None]).sum(axis=1) / np.maximum(trusted.sum(axis=1), 1)[:, None]
    follow = ~trusted & trusted.any(axis=1)[:, None] & poses.valid if motion.trusted is not None else None
    if follow is not None:
        shift = np.where(follow[..., None], mean[:, None], shift)
    return replace(poses, keypoints=poses.keypoints + shift, boxes=poses.boxes + np.tile(mean, 2))
