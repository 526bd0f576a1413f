"""Finding people whom the detector missed: last frame's joints, moved by the flow, say where to look.

Xiao, Wu, Wei, "Simple Baselines for Human Pose Estimation and Tracking", arXiv 1804.06208, section 3: boxes around
the moved joints, 15 % longer, are merged with the detected ones, and the pose network runs on them. Here a box is
looked at only where no detection was matched with its person, and what is found must be near what was expected.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from configs.settings import TrackSettings
from posedata.boxes import area, clip, iou, nms, of_keypoints
from posedata.people import FramePeople, Origin
from posedata.skeletons import Skeleton
from stages.track.memory import Poses, Track, joined
from stages.track.similarity import poses_alike

PosesIn = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""image [H, W, 3] uint8 RGB, boxes [n, 4] xyxy -> joints [n, K, 2] pixels, scores [n, K]."""

_MIN_JOINTS = 3
_MIN_SIDE = 8.0  # pixels
_MIN_INSIDE = 0.4  # part of a box that must lie in the frame


@dataclass(frozen=True)
class Recovered:
    """People found again, with the track of each."""

    people: FramePeople  # [n]
    tracks: list[Track]  # [n]


def recover(
    image: np.ndarray,  # [H, W, 3] uint8 RGB
    lost: Sequence[Track],  # seen in the frame before, not found in this one
    there: Poses,  # [N] people of this frame who have an identity
    poses_in: PosesIn,
    settings: TrackSettings,
    skeleton: Skeleton,
) -> Recovered | None:
    """The people found where the lost tracks must be now; None where nobody is.

    Nobody is looked for where somebody who was detected stands (box IoU), nor where the box has left the frame.
    What the network finds is dropped when it is unsure, not like the pose that was expected (it drifted off, or
    jumped over to someone else), or like somebody who is there already.
    """
    lost = [t for t in lost if t.moved.valid[-1].sum() >= _MIN_JOINTS]
    if not lost:
        return None
    expected = joined([t.moved.take(slice(-1, None)) for t in lost])
    boxes = of_keypoints(expected.keypoints, expected.valid)
    scores = np.array([t.score for t in lost])
    rows = _places(boxes, scores, there.boxes, image.shape[1::-1], settings.recover_iou)
    if not len(rows):
        return None
    keypoints, joint_scores = poses_in(image, boxes[rows])
    counts = joint_scores > settings.min_joint_score
    sure = (joint_scores * counts).sum(axis=1) / np.maximum(counts.sum(axis=1), 1)
    found = Poses(keypoints.astype(np.float64), counts, boxes[rows].astype(np.float64))
    sigmas = skeleton.sigma_array
    near = np.diag(poses_alike(found, expected.take(rows), sigmas))
    copy = poses_alike(found, there, sigmas).max(axis=1, initial=0)
    good = (sure >= settings.recover_score) & (near >= settings.recover_oks) & (copy <= settings.copy_oks)
    good &= counts.sum(axis=1) >= _MIN_JOINTS
    good &= ~_twice(found, sure, sigmas, settings.copy_oks)
    if not good.any():
        return None
    chosen = np.flatnonzero(good)
    tracks = [lost[rows[k]] for k in chosen]
    box_scores = np.array([t.box_score for t in tracks])
    people = FramePeople(
        boxes=boxes[rows][chosen],
        box_scores=box_scores,
        keypoints=keypoints[chosen],
        keypoint_scores=joint_scores[chosen],
        person_scores=sure[chosen] * box_scores,
        origin=np.full(len(chosen), Origin.PROPAGATED, np.uint8),
    )
    return Recovered(people, tracks)


def _places(
    boxes: np.ndarray,  # [n, 4] where people are expected
    scores: np.ndarray,  # [n]
    taken: np.ndarray,  # [N, 4] boxes of people who are there
    size: tuple[int, int],  # width, height of the frame
    max_iou: float,
) -> np.ndarray:
    """[m] rows of the boxes that are worth a look, in their order."""
    sides = boxes[:, 2:] - boxes[:, :2]
    inside = area(clip(boxes, *size)) / np.maximum(area(boxes), 1)
    free = iou(boxes.astype(np.float64), taken).max(axis=1, initial=0) <= max_iou
    good = np.flatnonzero((sides >= _MIN_SIDE).all(axis=1) & (inside >= _MIN_INSIDE) & free)
    return np.sort(good[nms(boxes[good], scores[good], max_iou)])


def _twice(
    poses: Poses,  # [n]
    sure: np.ndarray,  # [n]
    sigmas: np.ndarray,  # [K]
    copy_oks: float,
) -> np.ndarray:
    """[n] bool: the poses that a surer one repeats."""
    alike = poses_alike(poses, poses, sigmas) > copy_oks
    order = np.argsort(-sure, kind="stable")
    repeated = np.zeros(len(sure), bool)
    for place, row in enumerate(order):
        repeated[row] = any(alike[row, other] and not repeated[other] for other in order[:place])
    return repeated
