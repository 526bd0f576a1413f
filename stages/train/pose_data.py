"""Training crops for a top-down network: one person each, joints masked where the source has no label."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch.utils.data import Dataset

from configs.training import PoseTraining, TrainingSet
from posedata.errors import BadInput
from posedata.picture_file import read_picture
from posedata.skeletons import Skeleton
from stages.pose.crop import crop_matrices, crop_rectangles, transform_points
from stages.train.augment import colour, degrade, erase
from stages.train.datasets.annotations import Annotation
from stages.train.datasets.people import columns_of, in_skeleton
from stages.train.samples import Draws, ImageEntry, read_annotations, repeated

_UPPER = ("nose", "eye", "ear", "shoulder", "elbow", "wrist", "head_bottom", "head_top")


@dataclass(frozen=True)
class Person:
    """One labelled person."""

    path: Path
    source: str
    box: np.ndarray  # [4] xyxy, pixels
    keypoints: np.ndarray  # [K, 2] pixels
    weights: np.ndarray  # [K] 0 = not labelled


def read_people(
    source: TrainingSet, skeleton: Skeleton, settings: PoseTraining, say: Callable[[str], None]
) -> list[Person]:
    """Every labelled person of a COCO-form file whose picture is there, joints matched by name.

    Raises:
        BadInput: the file is wrong, or none of its joints belongs to the skeleton.
    """
    content = read_annotations(source, say)
    columns = columns_of(content.joints, skeleton, source.annotations)
    people = []
    for image in content.images:
        for annotation in image.annotations:
            if annotation.crowd:
                continue
            person = _person(image, annotation, columns, settings)
            sides = person.box[2:] - person.box[:2]
            if (person.weights > 0).any() and sides.max() >= settings.min_side:
                people.append(person)
    if not people:
        raise BadInput(f"{source.annotations}: holds no labelled person")
    return people


def _person(
    image: ImageEntry,
    annotation: Annotation,
    columns: np.ndarray,  # [K] of the file's joints, -1 = not there
    settings: PoseTraining,
) -> Person:
    x, y, width, height = annotation.needed_box()
    joints, weights = in_skeleton(annotation.needed_triplets(), columns)
    face = annotation.face(len(columns))
    if annotation.content.get("pseudo"):
        weights *= settings.pseudo_weight
    sure = face[:, 2] >= settings.face_confidence
    for joint in np.flatnonzero(sure & (weights[: len(face)] == 0)):
        joints[joint] = face[joint, :2]
        weights[joint] = settings.face_weight
    return Person(image.path, image.source, np.array([x, y, x + width, y + height]), joints, weights)


class PoseSamples(Dataset):
    """Draw number -> (crop [3, H, W] uint8 RGB, joints [K, 2] crop pixels, weights [K], person or -1 - person).

    The last is negative where the picture could not be read: the crop is then empty and nothing in it weighs.
    """

    def __init__(
        self,
        people: list[Person],
        skeleton: Skeleton,
        size: tuple[int, int],  # height, width
        settings: PoseTraining,
        repeat: dict[str, int] | None,  # None = validation: in order, nothing changed
    ) -> None:
        self.people, self.skeleton, self.size, self.settings = people, skeleton, size, settings
        self.augmented = repeat is not None
        self.draws = Draws(repeated([p.source for p in people], repeat or {}), settings.seed)
        self.upper = np.array([any(part in j for part in _UPPER) for j in skeleton.joints])

    def __len__(self) -> int:
        return len(self.people)

    def __getitem__(self, draw: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, int]:
        number = self.draws.sample(draw) if self.augmented else draw
        person = self.people[number]
        image = picture(person.path)
        if image is None:
            crop, joints, number = np.zeros((*self.size, 3), np.uint8), np.zeros_like(person.keypoints), -1 - number
            weights = np.zeros_like(person.weights)
        elif self.augmented:
            crop, joints, weights = self._augmented(person, image, self.draws.generator(draw))
        else:
            crop, joints, weights = self._plain(person, image)
        return (
            torch.from_numpy(np.ascontiguousarray(crop.transpose(2, 0, 1))),
            torch.from_numpy(joints.astype(np.float32)),
            torch.from_numpy(weights.astype(np.float32)),
            number,
        )

    def _plain(self, person: Person, image: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        height, width = self.size
        centre, size = crop_rectangles(person.box[None], width / height)
        matrix = crop_matrices(centre, size, (width, height))
        crop = cv2.warpAffine(image, matrix[0], (width, height), flags=cv2.INTER_LINEAR)
        return crop, *self._inside(transform_points(person.keypoints[None], matrix)[0], person.weights)

    def _augmented(
        self, person: Person, image: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        height, width = self.size
        settings = self.settings
        box = person.box
        if rng.random() < settings.half_body:
            box = self._half(person, rng)
        centre, size = crop_rectangles(box[None], width / height)
        size *= np.exp(rng.uniform(-settings.scale, settings.scale))
        centre += size * rng.uniform(-0.12, 0.12, 2)
        angle = rng.uniform(-settings.rotation, settings.rotation) if rng.random() < 0.6 else 0.0
        matrix = crop_matrices(centre, size, (width, height), np.array([angle]))
        border = cv2.BORDER_REPLICATE if rng.random() < 0.3 else cv2.BORDER_CONSTANT
        grey = tuple(int(v) for v in rng.integers(0, 256, 3))
        crop = cv2.warpAffine(
            image, matrix[0], (width, height), flags=cv2.INTER_LINEAR, borderMode=border, borderValue=grey
        )
        joints, weights = transform_points(person.keypoints[None], matrix)[0], person.weights
        if rng.random() < 0.5:
            crop = np.ascontiguousarray(crop[:, ::-1])
            joints = joints[self.skeleton.flip_order] * (-1, 1) + (width - 1, 0)
            weights = weights[self.skeleton.flip_order]
        if rng.random() < 0.3:
            other = self.people[int(rng.integers(len(self.people)))] if rng.random() < 0.5 else None
            erase(crop, rng, picture(other.path) if other else None)
        if rng.random() < 0.35:
            crop = degrade(crop, rng)
        if rng.random() < 0.9:
            crop = colour(crop, rng)
        return crop, *self._inside(joints, weights)

    def _half(self, person: Person, rng: np.random.Generator) -> np.ndarray:
        """[4] the box of the labelled joints of the upper or lower body alone, where that leaves enough of them."""
        chosen = self.upper if rng.random() < 0.6 else ~self.upper
        points = person.keypoints[chosen & (person.weights > 0)]
        if len(points) < 4 or len(points) > 0.85 * (person.weights > 0).sum():
            return person.box
        low, high = points.min(axis=0), points.max(axis=0)
        margin = 0.2 * (high - low).max()
        return np.concatenate([low - margin, high + margin])

    def _inside(self, joints: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        height, width = self.size
        inside = ((joints >= 0) & (joints <= (width - 1, height - 1))).all(axis=1)
        return joints, np.where(inside, weights, 0)


def picture(path: Path) -> np.ndarray | None:
    """[H, W, 3] uint8 RGB, as the pixels are stored; None where the file is missing or no picture."""
    image = read_picture(path)
    return None if image is None else cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
