"""Whole pictures for SimplePose: everybody's joints, and masks of people with and without labels, from COCO files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch.utils.data import Dataset

from configs.recipes import PoseSource
from posedata.errors import BadInput
from posedata.picture_file import read_picture
from posedata.skeletons import COCO_17
from stages.pose.bottom_up.body import FLIP_PARTS, LIMBS, parts_of_coco
from stages.train.bottom_up_targets import (
    ABSENT,
    LIMB_SIGMA,
    PART_SIGMA,
    STRIDE,
    augmentation_matrix,
    bottom_up_targets,
)
from stages.train.datasets.annotations import Annotation, Image, read_coco_file
from stages.train.datasets.coco import BODY_SHARE
from stages.train.datasets.crops import as_tensor
from stages.train.datasets.outlines import Runs, drawn
from stages.train.datasets.people import Images, annotation_files, columns_of, report_missing
from stages.train.samples import Draws

_BORDER = (124, 127, 127)  # BGR
_MIN_JOINTS, _MIN_AREA = 5, 32**2  # of a main person
_APART = 0.3  # of a main person's longer side, between main people


@dataclass(frozen=True)
class Outline:
    """One annotation's shape."""

    shape: tuple[np.ndarray, ...] | Runs | None  # polygons [M, 2] int32 or run lengths, None = the box
    box: np.ndarray  # [4] xywh
    labelled: bool  # has joints
    crowd: bool


@dataclass(frozen=True)
class Scene:
    """A picture, and the person that the crop is laid around."""

    image: Path
    centre: np.ndarray  # [2] pixels
    height: float  # pixels, of that person
    joints: np.ndarray  # [P, 18, 3] everybody's parts: x, y, 0 hidden, 1 visible, 2 absent
    outlines: tuple[Outline, ...]


@dataclass(frozen=True)
class SceneRecipe:
    """How inputs are made; the defaults are the published ones."""

    side: int  # pixels
    rotation: float = 40.0  # degrees each way
    scale: tuple[float, float] = (0.7, 1.3)
    scale_probability: float = 0.8
    shift: int = 50  # pixels each way
    tint: float = 0.2  # probability of a change of hue, saturation and value
    part_sigma: float = PART_SIGMA  # pixels
    limb_sigma: float = LIMB_SIGMA
    augmented: bool = True


def read_scenes(source: PoseSource, say: Callable[[str], None]) -> list[Scene]:
    """A scene for every main person: with five joints or more, not tiny, apart from the main people before.

    Raises:
        BadInput: naming file and annotation; or nobody is left.
    """
    images, scenes = Images(), []
    for image, people, columns in _pictures(source):
        if people and images.there(image.file):
            scenes += _scenes(image, people, columns)
    report_missing(images, source, say)
    if not scenes:
        raise BadInput(
            f"{source.annotations}: nobody with {_MIN_JOINTS} joints whose picture is there; check `images`"
        )
    return scenes


def read_truth(
    source: PoseSource,
    limit: int | None,  # pictures
    say: Callable[[str], None],
) -> tuple[dict, dict[int, Path]]:
    """What people found in whole pictures are measured by: COCO content of every picture that is there, crowds and
    people without joints included, for who is found there is not wrong; and the pictures by their numbers in it.

    Raises:
        BadInput: naming file and annotation; or no picture is there.
    """
    images, pictures, truth = Images(), {}, []
    for image, people, columns in _pictures(source):
        if len(pictures) == limit:
            break
        if not images.there(image.file):
            continue
        number = len(pictures)
        pictures[number] = image.file
        for annotation in people:
            box, triplets, area = _person(annotation, columns)
            entry = {"image_id": number, "category_id": 1, "bbox": box.tolist(), "area": area}
            entry |= {"keypoints": triplets.ravel().tolist(), "num_keypoints": int((triplets[:, 2] > 0).sum())}
            truth.append(entry | {"iscrowd": int(annotation.crowd)})
    report_missing(images, source, say)
    if not pictures:
        raise BadInput(f"{source.annotations}: not one of its pictures is there; check `images`")
    content = {"images": [{"id": k} for k in pictures], "annotations": truth, "categories": [{"id": 1}]}
    return content, pictures


def _pictures(source: PoseSource) -> Iterator[tuple[Image, tuple[Annotation, ...], np.ndarray]]:
    """Of every picture of the source: the picture, its people, places of COCO's joints."""
    for path in annotation_files(source):
        content = read_coco_file(path, source.images)
        columns = columns_of(content.joints, COCO_17, path)
        for image, people in content.by_image():
            yield image, people, columns


def _person(annotation: Annotation, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Box [4] xywh, COCO's joints [17, 3] with its visibility (2 visible, 1 hidden, 0 none), area."""
    box, given = annotation.needed_box(), annotation.triplets()
    triplets = np.zeros((len(columns), 3))
    if given is not None:
        triplets[columns >= 0] = given[columns[columns >= 0]]
    return box, triplets, annotation.area() or BODY_SHARE * float(box[2] * box[3])


def _scenes(image: Image, annotations: tuple[Annotation, ...], columns: np.ndarray) -> list[Scene]:
    people, outlines, mains = [], [], []
    for annotation in annotations:
        box, triplets, area = _person(annotation, columns)
        crowd = annotation.crowd
        count = int((triplets[:, 2] > 0).sum())
        outlines.append(Outline(annotation.outline(image.size), box, count > 0 and not crowd, crowd))
        if crowd or count == 0:
            continue
        triplets[:, 2] = np.select([triplets[:, 2] == 2, triplets[:, 2] == 1], [1, 0], ABSENT)
        people.append(triplets)
        centre, side = box[:2] + box[2:] / 2, max(box[2:])
        near = any(np.linalg.norm(centre - c) < _APART * s for c, s, _ in mains)
        if count >= _MIN_JOINTS and area >= _MIN_AREA and min(box[2:]) >= 1 and not near:
            mains.append((centre, side, box[3]))
    if not mains:
        return []
    parts = parts_of_coco(np.stack(people))
    return [Scene(image.file, centre, float(height), parts, tuple(outlines)) for centre, _, height in mains]


def people_masks(
    outlines: tuple[Outline, ...],
    size: tuple[int, int],  # height, width
) -> tuple[np.ndarray, np.ndarray]:
    """[height, width] uint8 0 or 255: where people are, and where everybody is labelled.

    People without joints are unlabelled, and so are crowds but for the people drawn before them.
    """
    people, unlabelled = np.zeros(size, bool), np.zeros(size, bool)
    crowds = np.zeros(size, bool)
    for outline in outlines:
        shape = drawn(outline.shape, outline.box, size)
        if outline.crowd:
            crowds |= shape & ~people
            continue
        people |= shape
        if not outline.labelled:
            unlabelled |= shape
    seen = ~(unlabelled | crowds)
    return (people | crowds).astype(np.uint8) * 255, seen.astype(np.uint8) * 255


class SceneSamples(Dataset):
    """Draw number -> (picture [3, S, S] uint8 BGR, targets [50, S/4, S/4], mask [1, S/4, S/4], scene or -1 - scene).

    The last is negative where the picture could not be read; its mask is then empty.
    """

    def __init__(self, scenes: list[Scene], recipe: SceneRecipe, draws: Draws) -> None:
        self.scenes, self.recipe, self.draws = scenes, recipe, draws

    def __len__(self) -> int:
        return len(self.scenes)

    def __getitem__(self, draw: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, int]:
        number = self.draws.sample(draw)
        scene, side = self.scenes[number], self.recipe.side
        cells = side // STRIDE
        image = read_picture(scene.image)
        if image is None:
            empty = torch.zeros(len(LIMBS) + len(FLIP_PARTS) + 2, cells, cells)
            return torch.zeros(3, side, side, dtype=torch.uint8), empty, torch.zeros(1, cells, cells), -1 - number
        matrix, mirrored, image = self._augmented(scene, image, self.draws.generator(draw))
        people, labelled = people_masks(scene.outlines, image.shape[:2])
        picture = cv2.warpAffine(image, matrix, (side, side), flags=cv2.INTER_LINEAR, borderValue=_BORDER)
        people = self._mask(people, matrix, 0)
        labelled = self._mask(labelled, matrix, 255)
        joints = scene.joints.copy()
        joints[..., :2] = joints[..., :2] @ matrix[:, :2].T + matrix[:, 2]
        if mirrored:
            joints = joints[:, FLIP_PARTS]
        targets = bottom_up_targets(joints, LIMBS, people, self.recipe.part_sigma, self.recipe.limb_sigma)
        return as_tensor(picture), torch.from_numpy(targets), torch.from_numpy(labelled[None]), number

    def _augmented(
        self, scene: Scene, image: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, bool, np.ndarray]:
        recipe = self.recipe
        height = scene.height / recipe.side
        if not recipe.augmented:
            return augmentation_matrix(scene.centre, height, recipe.side, 1, 0, np.zeros(2), False), False, image
        mirrored = bool(rng.random() < 0.5)
        angle = rng.uniform(-recipe.rotation, recipe.rotation)
        factor = rng.uniform(*recipe.scale) if rng.random() < recipe.scale_probability else 1.0
        shift = rng.integers(-recipe.shift, recipe.shift + 1, 2)
        if rng.random() < recipe.tint:
            image = tinted(image, rng)
        return (
            augmentation_matrix(scene.centre, height, recipe.side, factor, angle, shift, mirrored),
            mirrored,
            image,
        )

    def _mask(self, mask: np.ndarray, matrix: np.ndarray, border: int) -> np.ndarray:
        side = self.recipe.side
        large = cv2.warpAffine(mask, matrix, (side, side), flags=cv2.INTER_LINEAR, borderValue=border)
        cells = (side // STRIDE, side // STRIDE)
        return cv2.resize(large, cells, interpolation=cv2.INTER_AREA).astype(np.float32) / 255


def tinted(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """[H, W, 3] uint8 with another hue, saturation and value."""
    hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV).astype(np.int16)
    hsv += np.array([rng.integers(-10, 11), rng.integers(-40, 41), rng.integers(-30, 31)], np.int16)
    hsv[..., 0] %= 180
    return cv2.cvtColor(np.clip(hsv, 0, 255).astype(np.uint8), cv2.COLOR_HSV2BGR)
