"""What the channels of SimplePose's maps mean (arXiv 1911.10529).

Of the network's 50 channels the first 30 are limbs, the next 18 parts, then the person mask and the maximum over the
parts.
"""

from __future__ import annotations

import numpy as np

from posedata.skeletons import COCO_17

_PARTS = (
    "nose head_bottom right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist right_hip "
    "right_knee right_ankle left_hip left_knee left_ankle right_eye left_eye right_ear left_ear"
)
_LIMBS = (
    "1-0 1-14 1-15 1-16 1-17 0-14 0-15 14-16 15-17 1-2 2-3 3-4 1-5 5-6 6-7 "
    "1-8 8-9 9-10 1-11 11-12 12-13 0-2 0-5 2-8 8-12 5-11 11-9 16-2 17-5 8-11"
)
PARTS = tuple(_PARTS.split())
NECK = 1  # the mean of the shoulders; not among COCO's joints
LIMBS = np.array([limb.split("-") for limb in _LIMBS.split()], np.int64)  # [30, 2] part numbers
FLIP_PARTS = np.array([0, 1, 5, 6, 7, 2, 3, 4, 11, 12, 13, 8, 9, 10, 15, 14, 17, 16])  # in the mirror
FLIP_LIMBS = np.array(
    [0, 2, 1, 4, 3, 6, 5, 8, 7, 12, 13, 14, 9, 10, 11, 18, 19, 20, 15, 16, 17, 22, 21, 25, 26, 23, 24, 28, 27, 29]
)
PART_OF_COCO = np.array([PARTS.index(joint) for joint in COCO_17.joints])  # [17]


def parts_of_coco(
    keypoints: np.ndarray,  # [N, 17, 3] x, y, visibility: 0 hidden, 1 visible, 2 absent
) -> np.ndarray:
    """[N, 18, 3] the parts; the neck lies between the shoulders, absent where one is, else as visible as the less
    visible one."""
    parts = np.zeros((len(keypoints), len(PARTS), 3), keypoints.dtype)
    parts[:, PART_OF_COCO] = keypoints
    right, left = parts[:, PARTS.index("right_shoulder")], parts[:, PARTS.index("left_shoulder")]
    absent = (right[:, 2] == 2) | (left[:, 2] == 2)
    parts[:, NECK, :2] = np.where(absent[:, None], 0, (right[:, :2] + left[:, :2]) / 2)
    parts[:, NECK, 2] = np.where(absent, 2, np.minimum(right[:, 2], left[:, 2]))
    return parts
