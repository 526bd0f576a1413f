"""What people look like, cheaply: the colours along their trunk and limbs, for look-alikes and re-entry."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from posedata.skeletons import Skeleton
from stages.track.flow import Picture
from stages.track.memory import Poses

_PARTS = (  # (joints of one end, joints of the other): samples lie between the means of both ends
    (("left_shoulder", "right_shoulder"), ("left_hip", "right_hip")),
    (("left_shoulder",), ("left_hip",)),
    (("right_shoulder",), ("right_hip",)),
    (("left_hip",), ("left_knee",)),
    (("right_hip",), ("right_knee",)),
    (("left_knee",), ("left_ankle",)),
    (("right_knee",), ("right_ankle",)),
    (("nose",), ("left_shoulder", "right_shoulder")),
)
_PLACES = np.array([0.2, 0.4, 0.6, 0.8])
_SPREAD = 40.0  # of 255: a mean distance of colours at which two people are half unlike


def looks_of(
    poses: Poses,  # [N]
    picture: Picture,
    skeleton: Skeleton,
) -> np.ndarray:
    """[N, 3 * parts] float32: the median colour of each part, 0..255; NaN where its joints do not count."""
    looks = np.full((len(poses), len(_PARTS), 3), np.nan, np.float32)
    height, width = picture.colours.shape[:2]
    scale = np.array([width / picture.size[0], height / picture.size[1]])
    for part, ends in enumerate(_PARTS):
        joints = [[skeleton.joints.index(j) for j in end if j in skeleton.joints] for end in ends]
        if not all(joints):
            continue
        there = poses.valid[:, joints[0]].all(axis=1) & poses.valid[:, joints[1]].all(axis=1)
        a, b = (poses.keypoints[:, end].mean(axis=1) for end in joints)
        samples = a[:, None] + (b - a)[:, None] * _PLACES[:, None]  # [N, places, 2]
        cells = np.floor((samples + 0.5) * scale).astype(np.intp)
        columns, rows = np.clip(cells[..., 0], 0, width - 1), np.clip(cells[..., 1], 0, height - 1)
        colours = np.median(picture.colours[rows, columns], axis=1)  # [N, 3]
        looks[there, part] = colours[there]
    return looks.reshape(len(poses), 3 * len(_PARTS))


def looks_alike(
    looks: np.ndarray,  # [N, C]
    others: Sequence[np.ndarray | None],  # [T] of [C]
) -> np.ndarray:
    """[N, T] in 0..1 over the parts that both have; 0.5 where they have none in common.

    Brightness counts half: light changes, clothes do not.
    """
    nothing = np.full(looks.shape[1], np.nan, np.float32)
    theirs = np.array([nothing if o is None else o for o in others], np.float32).reshape(len(others), looks.shape[1])
    difference = looks[:, None].reshape(len(looks), 1, -1, 3) - theirs.reshape(1, len(others), -1, 3)
    bright = difference.mean(axis=-1, keepdims=True)
    distance = np.sqrt(((difference - bright) ** 2).sum(axis=-1) + (bright[..., 0] / 2) ** 2 * 3)  # [N, T, parts]
    both = np.isfinite(distance)
    mean = np.where(both, distance, 0).sum(axis=-1) / np.maximum(both.sum(axis=-1), 1)
    return np.where(both.any(axis=-1), np.exp2(-mean / _SPREAD), 0.5)


def blended(
    before: np.ndarray | None,  # [C]
    now: np.ndarray,  # [C]
    share: float = 0.1,  # of the newer one
) -> np.ndarray:
    """[C] the running mean of a person's colours; what only one of the two has stays."""
    if before is None:
        return now
    mixed = (1 - share) * before + share * now
    return np.where(np.isnan(before), now, np.where(np.isnan(now), before, mixed))
