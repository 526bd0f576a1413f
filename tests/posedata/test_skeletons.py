"""Skeletons as data, and the mapping from any to any."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from posedata.skeletons import (
    COCO_17,
    DERIVED_SCORE,
    MPII_16,
    POSETRACK_15,
    POSETRACK_17,
    PTRACK_19,
    SKELETONS,
    Skeleton,
    mapping,
)

LIMB_JOINTS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
BODY = {f"{side}_{part}" for side in ("left", "right") for part in LIMB_JOINTS}
# A standing person, x to the right and y down, as seen from the front: the person's left is on the right.
PERSON = {
    "nose": (50, 30),
    "left_eye": (53, 27),
    "right_eye": (47, 27),
    "left_ear": (57, 29),
    "right_ear": (43, 29),
    "left_shoulder": (65, 50),
    "right_shoulder": (35, 50),
    "left_elbow": (70, 75),
    "right_elbow": (30, 75),
    "left_wrist": (72, 98),
    "right_wrist": (28, 98),
    "left_hip": (60, 110),
    "right_hip": (40, 110),
    "left_knee": (61, 150),
    "right_knee": (39, 150),
    "left_ankle": (62, 190),
    "right_ankle": (38, 190),
    "head_bottom": (50, 46),
    "head_top": (50, 12),
    "pelvis": (50, 110),
    "thorax": (50, 50),
}


def of(skeleton: Skeleton) -> np.ndarray:
    """[1, K, 2] the standing person."""
    return np.array([[PERSON[j] for j in skeleton.joints]], np.float32)


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=SKELETONS)
def test_a_skeleton_is_consistent(skeleton):
    assert len(set(skeleton.joints)) == len(skeleton) == int(skeleton.name.rpartition("-")[2])
    assert (skeleton.sigma_array > 0).all()
    assert skeleton.limb_indices.max() < len(skeleton)
    order = skeleton.flip_order
    assert (order[order] == np.arange(len(skeleton))).all()
    mirrored = [skeleton.joints[i] for i in order]
    swap = {"left": "right", "right": "left"}
    expected = [
        f"{swap[j.split('_')[0]]}_{j.split('_', 1)[1]}" if j.split("_")[0] in swap else j for j in skeleton.joints
    ]
    assert mirrored == expected


def test_published_orders():
    """Spot checks of the orders that files rely on."""
    assert COCO_17.joints[:3] == ("nose", "left_eye", "right_eye")
    assert COCO_17.joints[-1] == "right_ankle"
    assert MPII_16.joints[6:10] == ("pelvis", "thorax", "head_bottom", "head_top")
    assert POSETRACK_15.joints[0] == "right_ankle"
    assert POSETRACK_15.joints[12:] == ("head_bottom", "nose", "head_top")
    assert POSETRACK_17.joints[:5] == ("nose", "head_bottom", "head_top", "left_ear", "right_ear")
    assert PTRACK_19.joints[:17] == COCO_17.joints
    # COCO's published constants
    assert COCO_17.sigmas[:2] == (0.026, 0.025)
    assert COCO_17.sigmas[-1] == 0.089


def test_sigmas_and_limbs_must_fit():
    with pytest.raises(ValueError, match="1 sigmas for 2 joints"):
        Skeleton("x", ("a", "b"), (), (0.1,))
    with pytest.raises(ValueError, match="unknown joints"):
        Skeleton("x", ("a",), (("a", "b"),), (0.1,))


@pytest.mark.parametrize("pair", list(itertools.product(SKELETONS, SKELETONS)), ids="->".join)
def test_any_to_any(pair):
    source, target = (SKELETONS[name] for name in pair)
    found = mapping(source, target)
    scores = np.random.default_rng(0).uniform(0.3, 1, (1, len(source))).astype(np.float32)
    points, new = found.apply(of(source), scores)
    assert points.shape == (1, len(target), 2)
    for number, joint in enumerate(target.joints):
        if joint in source.joints:  # by name, untouched
            assert points[0, number].tolist() == list(PERSON[joint])
            assert new[0, number] == scores[0, source.joints.index(joint)]
        elif joint in found.missing:
            assert points[0, number].tolist() == [0, 0]
            assert new[0, number] == 0
        else:
            assert joint in found.derived
            assert np.abs(points[0, number] - PERSON[joint]).max() < 15
            assert 0 < new[0, number] <= DERIVED_SCORE * scores.max() + 1e-6
    assert set(found.missing) | set(found.derived) == set(target.joints) - set(source.joints)
    assert not BODY & set(found.missing)


def test_what_cannot_be_had_is_said():
    assert mapping(MPII_16, COCO_17).missing == ("left_eye", "right_eye", "left_ear", "right_ear")
    assert mapping(COCO_17, POSETRACK_15).missing == ()
    assert mapping(COCO_17, POSETRACK_15).derived == ("head_bottom", "head_top")
    assert mapping(PTRACK_19, POSETRACK_17).derived == ()


def test_a_joint_of_unsure_sources_is_less_sure_or_not_there():
    found = mapping(COCO_17, POSETRACK_15)
    scores = np.full((2, 17), 0.8, np.float32)
    scores[0, COCO_17.joints.index("left_shoulder")] = 0.5
    scores[1, COCO_17.joints.index("left_shoulder")] = 0
    points, new = found.apply(np.concatenate([of(COCO_17)] * 2), scores)
    neck = POSETRACK_15.joints.index("head_bottom")
    assert new[:, neck].tolist() == pytest.approx([0.5 * DERIVED_SCORE, 0])
    assert points[1, neck].tolist() == [0, 0]


def test_joints_that_are_there_keep_a_score_of_zero_and_their_place():
    """Only derived joints vanish with their sources; a stored joint is the file's own business."""
    points, new = mapping(COCO_17, PTRACK_19).apply(of(COCO_17), np.zeros((1, 17), np.float32))
    assert points[0, :17].tolist() == of(COCO_17)[0].tolist()
    assert new.tolist() == [[0] * 19]


def test_nobody():
    points, scores = mapping(COCO_17, MPII_16).apply(np.zeros((0, 17, 2)), np.zeros((0, 17)))
    assert (points.shape, scores.shape) == ((0, 16, 2), (0, 16))


def test_mirroring_a_pose_swaps_left_and_right():
    mirrored = of(COCO_17).copy()
    mirrored[..., 0] = 100 - mirrored[..., 0]
    swapped = mirrored[:, COCO_17.flip_order]
    left, right = (COCO_17.joints.index(f"{side}_wrist") for side in ("left", "right"))
    assert swapped[0, left].tolist() == [72, 98]
    assert swapped[0, right].tolist() == [28, 98]
