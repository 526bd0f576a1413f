"""Skeletons as data: joint names, left/right pairs, limbs, OKS sigmas; and one mapping from any to any."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class Skeleton:
    """The joints of one convention, in its order."""

    name: str
    joints: tuple[str, ...]
    limbs: tuple[tuple[str, str], ...]  # what is drawn
    sigmas: tuple[float, ...]  # OKS per-joint constants, one a joint

    def __post_init__(self) -> None:
        if len(self.sigmas) != len(self.joints):
            raise ValueError(f"{self.name}: {len(self.sigmas)} sigmas for {len(self.joints)} joints")
        unknown = {j for limb in self.limbs for j in limb} - set(self.joints)
        if unknown:
            raise ValueError(f"{self.name}: limbs name unknown joints {sorted(unknown)}")

    def __len__(self) -> int:
        return len(self.joints)

    @cached_property
    def flip_pairs(self) -> tuple[tuple[int, int], ...]:
        """(left, right) joint numbers that swap when the image is mirrored."""
        return tuple(
            (self.joints.index(j), self.joints.index(j.replace("left_", "right_", 1)))
            for j in self.joints
            if j.startswith("left_")
        )

    @cached_property
    def flip_order(self) -> np.ndarray:
        """[K] joint numbers of the mirrored person, so that `mirrored = keypoints[:, flip_order]`."""
        order = np.arange(len(self))
        for left, right in self.flip_pairs:
            order[left], order[right] = right, left
        return order

    @cached_property
    def limb_indices(self) -> np.ndarray:
        """[L, 2] joint numbers of the limbs."""
        return np.array([(self.joints.index(a), self.joints.index(b)) for a, b in self.limbs], np.int64)

    @cached_property
    def sigma_array(self) -> np.ndarray:
        """[K] float64 OKS sigmas."""
        return np.array(self.sigmas, np.float64)


# COCO's published sigmas; neck and head top take the values PoseTrack users give them (0.079: a shoulder's).
_SIGMA = {
    "nose": 0.026,
    "eye": 0.025,
    "ear": 0.035,
    "shoulder": 0.079,
    "elbow": 0.072,
    "wrist": 0.062,
    "hip": 0.107,
    "knee": 0.087,
    "ankle": 0.089,
    "head_bottom": 0.079,
    "head_top": 0.079,
    "pelvis": 0.107,
    "thorax": 0.079,
}

_BODY = (
    ("left_shoulder", "right_shoulder"),
    ("left_shoulder", "left_elbow"),
    ("left_elbow", "left_wrist"),
    ("right_shoulder", "right_elbow"),
    ("right_elbow", "right_wrist"),
    ("left_hip", "right_hip"),
    ("left_hip", "left_knee"),
    ("left_knee", "left_ankle"),
    ("right_hip", "right_knee"),
    ("right_knee", "right_ankle"),
)
_TORSO = (("left_shoulder", "left_hip"), ("right_shoulder", "right_hip"))
_FACE = (
    ("nose", "left_eye"),
    ("nose", "right_eye"),
    ("left_eye", "left_ear"),
    ("right_eye", "right_ear"),
)
_NECK = (("nose", "head_bottom"), ("nose", "head_top"))


def _sigma(joint: str) -> float:
    return _SIGMA.get(joint) or _SIGMA[joint.split("_", 1)[1]]


def _skeleton(name: str, joints: str, limbs: tuple[tuple[str, str], ...]) -> Skeleton:
    names = tuple(joints.split())
    return Skeleton(name, names, limbs, tuple(_sigma(j) for j in names))


_COCO = (
    "nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow right_elbow "
    "left_wrist right_wrist left_hip right_hip left_knee right_knee left_ankle right_ankle"
)

COCO_17 = _skeleton("coco-17", _COCO, _BODY + _TORSO + _FACE)
PTRACK_19 = _skeleton("ptrack-19", _COCO + " head_bottom head_top", _BODY + _TORSO + _FACE + _NECK)
MPII_16 = _skeleton(
    "mpii-16",
    "right_ankle right_knee right_hip left_hip left_knee left_ankle pelvis thorax head_bottom head_top "
    "right_wrist right_elbow right_shoulder left_shoulder left_elbow left_wrist",
    (*_BODY, ("pelvis", "thorax"), ("thorax", "head_bottom"), ("head_bottom", "head_top")),
)
POSETRACK_15 = _skeleton(
    "posetrack-15",
    "right_ankle right_knee right_hip left_hip left_knee left_ankle right_wrist right_elbow right_shoulder "
    "left_shoulder left_elbow left_wrist head_bottom nose head_top",
    _BODY + _TORSO + _NECK,
)
POSETRACK_17 = _skeleton(
    "posetrack-17",
    "nose head_bottom head_top left_ear right_ear left_shoulder right_shoulder left_elbow right_elbow "
    "left_wrist right_wrist left_hip right_hip left_knee right_knee left_ankle right_ankle",
    _BODY + _TORSO + _NECK,
)

SKELETONS = {s.name: s for s in (COCO_17, MPII_16, POSETRACK_15, POSETRACK_17, PTRACK_19)}

DERIVED_SCORE = 0.7  # a joint computed from others is less sure than its sources by this factor

# (derived joint, its recipe); a recipe gives a weighted sum of joints, so that all of it is arithmetic on arrays.
# pelvis and thorax are midpoints; the neck (head_bottom) lies between the shoulders; the head's top continues the
# line from the neck through the nose by half of its length (the nose sits about two thirds up the head).
_RECIPES: dict[str, tuple[tuple[tuple[str, float], ...], ...]] = {
    "pelvis": ((("left_hip", 0.5), ("right_hip", 0.5)),),
    "thorax": ((("left_shoulder", 0.5), ("right_shoulder", 0.5)),),
    "head_bottom": (
        (("thorax", 1.0),),
        (("left_shoulder", 0.5), ("right_shoulder", 0.5)),
    ),
    "head_top": (
        (("nose", 1.5), ("head_bottom", -0.5)),
        (("nose", 1.5), ("left_shoulder", -0.25), ("right_shoulder", -0.25)),
    ),
    "nose": (
        (("left_eye", 0.5), ("right_eye", 0.5)),
        (("head_top", 0.6), ("head_bottom", 0.4)),
    ),
}


@dataclass(frozen=True)
class Mapping:
    """How the joints of one skeleton come from another's, as one matrix, with what was derived or is missing."""

    source: Skeleton
    target: Skeleton
    weights: np.ndarray  # [K_target, K_source] float64; a row of zeros where the joint cannot be had
    derived: tuple[str, ...]  # target joints computed from others
    missing: tuple[str, ...]  # target joints that cannot be had

    def apply(
        self,
        keypoints: np.ndarray,  # [N, K_source, 2] pixels
        scores: np.ndarray,  # [N, K_source]
    ) -> tuple[np.ndarray, np.ndarray]:
        """[N, K_target, 2] pixels and [N, K_target] scores; missing joints are (0, 0) with score 0.

        A derived joint has `DERIVED_SCORE` times the lowest score of its sources, or 0 where a source has score 0
        or less (it is then (0, 0), as every joint that is not there).
        """
        out = np.einsum("ts,nsc->ntc", self.weights, keypoints.astype(np.float64))
        used = self.weights != 0
        lowest = np.where(used[None], scores[:, None, :], np.inf).min(axis=2, initial=np.inf)
        factor = np.where(used.sum(axis=1) > 1, DERIVED_SCORE, 1.0)
        exact = np.array([j in self.source.joints for j in self.target.joints])
        factor = np.where(exact, 1.0, factor)
        new_scores = np.where(np.isfinite(lowest), lowest * factor, 0.0)
        derived = ~exact & used.any(axis=1)
        gone = derived[None] & (new_scores <= 0)
        out[gone] = 0
        new_scores[gone] = 0
        return out.astype(np.float32), new_scores.astype(np.float32)


def mapping(source: Skeleton, target: Skeleton) -> Mapping:
    """The mapping by joint names from any skeleton to any other; what it derives stands in `Mapping.derived`."""
    weights = np.zeros((len(target), len(source)))
    derived, missing = [], []
    for row, joint in enumerate(target.joints):
        if joint in source.joints:
            weights[row, source.joints.index(joint)] = 1
            continue
        for recipe in _RECIPES.get(joint, ()):
            if all(j in source.joints for j, _ in recipe):
                for j, weight in recipe:
                    weights[row, source.joints.index(j)] += weight
                derived.append(joint)
                break
        else:
            missing.append(joint)
    return Mapping(source, target, weights, tuple(derived), tuple(missing))
