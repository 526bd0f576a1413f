"""People cut out of labelled pictures along their skeletons, to stand before other pictures.

No outline is known, so that flesh of a usual width is laid around the bones and the edge is soft.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from configs.training import TrainingSet
from posedata.errors import BadInput
from posedata.skeletons import PTRACK_19
from posedata.synthetic.sprite import Sprite
from stages.train.datasets.people import columns_of, in_skeleton
from stages.train.pose_data import picture
from stages.train.samples import read_annotations

_LIMBS = (  # joints of a side, flesh around the bone in torso lengths
    ("shoulder", "elbow", 0.13),
    ("elbow", "wrist", 0.11),
    ("hip", "knee", 0.18),
    ("knee", "ankle", 0.13),
)
_ENDS = (("wrist", 0.14), ("ankle", 0.17))  # hands and feet
_TRUNK = 0.12  # flesh around the trunk
_HEAD = 0.62  # radius, of the way from neck to crown
_SOFT = 0.025  # of the edge
_SMALLEST = 8  # pixels that the limbs must span
_TRIES = 2  # to find somebody upright: acrobats are frequent in pose data and seldom in the world
_NEEDED = [
    PTRACK_19.joints.index(name)
    for name in ("head_bottom", "head_top", *(f"{side}_{end}" for side in ("left", "right") for end in (
        "shoulder", "elbow", "wrist", "hip", "knee", "ankle"
    )))
]  # fmt: skip


@dataclass(frozen=True)
class Cutout:
    """A person whose limbs are all labelled."""

    path: Path
    keypoints: np.ndarray  # [19, 2] pixels; joints without a label are nan

    @property
    def stands(self) -> bool:
        """Whether the neck is above the hips, and these above the ankles."""
        at = dict(zip(PTRACK_19.joints, self.keypoints[:, 1]))
        hips = (at["left_hip"] + at["right_hip"]) / 2
        return bool(at["head_bottom"] < hips < min(at["left_ankle"], at["right_ankle"]))


def read_cutouts(source: TrainingSet, say: Callable[[str], None]) -> list[Cutout]:
    """The people of a COCO-form file that can be cut out.

    Raises:
        BadInput: the file is wrong, or holds nobody with all limbs labelled.
    """
    content = read_annotations(source, say)
    columns = columns_of(content.joints, PTRACK_19, source.annotations)
    found = []
    for image in content.images:
        for annotation in image.annotations:
            joints, labelled = in_skeleton(annotation.needed_triplets(), columns)
            points = np.where(labelled[:, None] > 0, joints, np.nan)
            limbs = points[_NEEDED]
            if np.isfinite(limbs).all() and np.ptp(limbs, axis=0).max() >= _SMALLEST:
                found.append(Cutout(image.path, points))
    if not found:
        raise BadInput(f"{source.annotations}: holds nobody with neck, crown and all limbs labelled to be cut out")
    return found


def outline(
    keypoints: np.ndarray,  # [19, 2] pixels
    size: tuple[int, int],  # width, height
) -> np.ndarray:
    """[H, W] float32 0..1, how much of each pixel is the person."""
    at = dict(zip(PTRACK_19.joints, keypoints))
    trunk = np.array([at["left_shoulder"], at["right_shoulder"], at["right_hip"], at["left_hip"]])
    torso = _scale(at)
    mask = np.zeros(size[::-1], np.uint8)

    def thick(width: float) -> int:
        return max(2, round(2 * width * torso))

    hull = cv2.convexHull(trunk.astype(np.float32)).round().astype(np.int32)
    cv2.fillConvexPoly(mask, hull, 255)
    cv2.polylines(mask, [hull], True, 255, thick(_TRUNK))
    for side in ("left", "right"):
        for first, second, width in _LIMBS:
            cv2.line(mask, _pixel(at[f"{side}_{first}"]), _pixel(at[f"{side}_{second}"]), 255, thick(width))
        for end, width in _ENDS:
            cv2.circle(mask, _pixel(at[f"{side}_{end}"]), max(1, round(width * torso)), 255, -1)
    neck, crown = at["head_bottom"], at["head_top"]
    cv2.line(mask, _pixel(neck), _pixel((at["left_shoulder"] + at["right_shoulder"]) / 2), 255, thick(_TRUNK))
    radius = _HEAD * float(np.linalg.norm(crown - neck))
    cv2.circle(mask, _pixel((neck + crown) / 2), max(2, round(radius)), 255, -1)
    return cv2.GaussianBlur(mask, (0, 0), max(0.6, _SOFT * torso)).astype(np.float32) / 255


def _scale(at: dict[str, np.ndarray]) -> float:
    """Length of the trunk in pixels, or what the longest bone says where the trunk points to the camera."""
    shoulders = (at["left_shoulder"] + at["right_shoulder"]) / 2
    hips = (at["left_hip"] + at["right_hip"]) / 2
    bones = [np.linalg.norm(at[f"{s}_{a}"] - at[f"{s}_{b}"]) for s in ("left", "right") for a, b, _ in _LIMBS]
    return float(max(np.linalg.norm(shoulders - hips), 1.1 * max(bones)))


def _pixel(point: np.ndarray) -> tuple[int, int]:
    return round(float(point[0])), round(float(point[1]))


def random_sprite(
    cutouts: Sequence[Cutout],
    rng: np.random.Generator,
    size: tuple[int, int],  # width, height of the picture
    tall: float,  # pixels that somebody standing would measure there
) -> Sprite | None:
    """Somebody anywhere in the picture; None where nothing of the person lies inside, or the person's own picture
    cannot be read."""
    chosen = cutouts[int(rng.integers(len(cutouts)))]
    for _ in range(_TRIES):
        if chosen.stands:
            break
        chosen = cutouts[int(rng.integers(len(cutouts)))]
    source = picture(chosen.path)
    if source is None:
        return None
    image = source.astype(np.float32) / np.float32(255)
    alpha = outline(chosen.keypoints, image.shape[1::-1])
    rgba = np.dstack([image * alpha[..., None], alpha])
    torso = _scale(dict(zip(PTRACK_19.joints, chosen.keypoints)))
    zoom = 0.3 * tall / torso * rng.uniform(0.85, 1.15)
    stretch = np.array([zoom * np.exp(rng.normal(0, 0.05)), zoom])
    sides = np.maximum(np.round(stretch * image.shape[1::-1]), 2).astype(int)
    rgba = cv2.resize(
        rgba, tuple(int(v) for v in sides), interpolation=cv2.INTER_AREA if zoom < 1 else cv2.INTER_LINEAR
    )
    points = (chosen.keypoints + 0.5) * (sides / image.shape[1::-1]) - 0.5
    if rng.random() < 0.5:
        rgba = rgba[:, ::-1]
        points = points[PTRACK_19.flip_order] * (-1, 1) + (sides[0] - 1, 0)
    middle = np.nanmean(points, axis=0)
    offset = np.round(rng.uniform((0, 0), size) - middle).astype(int)
    return _sprite(rgba, points, offset, size, tall)


def _sprite(
    rgba: np.ndarray,  # [h, w, 4]
    points: np.ndarray,  # [19, 2] in it
    offset: np.ndarray,  # [2] where its first pixel goes
    size: tuple[int, int],
    tall: float,
) -> Sprite | None:
    height, width = rgba.shape[:2]
    low = np.maximum(0, -offset)
    high = np.minimum((width, height), np.array(size) - offset)
    if (low >= high).any() or rgba[low[1] : high[1], low[0] : high[0], 3].max() < 0.5:
        return None
    placed = (points + offset).astype(np.float32)
    filled = rgba[..., 3] > 0.5
    rows, columns = np.flatnonzero(filled.any(axis=1)), np.flatnonzero(filled.any(axis=0))
    extent = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float64) + np.tile(offset, 2)
    neck, crown = (placed[PTRACK_19.joints.index(name)] for name in ("head_bottom", "head_top"))
    radius = _HEAD * np.linalg.norm(crown - neck)
    return Sprite(
        rgba=np.ascontiguousarray(rgba[low[1] : high[1], low[0] : high[0]]),
        left=int(offset[0] + low[0]),
        top=int(offset[1] + low[1]),
        keypoints=np.nan_to_num(placed, nan=-1e4),  # a joint without a label lies outside every picture
        open=np.isfinite(placed).all(axis=1),
        head_box=np.concatenate([(neck + crown) / 2 - radius, (neck + crown) / 2 + radius]).astype(np.float32),
        extent=extent,
        pixels=float(filled.sum()),
        distance=1000 / tall,
    )
