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
from posedata.paths import inside
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
from stages.train.datasets.coco import BODY_SHARE, load_coco
from stages.train.datasets.crops import as_tensor
from stages.train.datasets.people import Images, annotation_files, columns_of, report_missing
from stages.train.samples import Draws

_BORDER = (124, 127, 127)  # BGR
_MIN_JOINTS, _MIN_AREA = 5, 32**2  # of a main person
_APART = 0.3  # of a main person's longer side, between main people


@dataclass(frozen=True)
class Outline:
    """One annotation's shape."""

    shape: object  # COCO's polygons or run lengths, None = the box
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
    for path, file, people, columns in _pictures(source):
        if people and images.there(file):
            scenes += _scenes(file, people, columns, path)
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
    for path, file, people, columns in _pictures(source):
        if len(pictures) == limit:
            break
        if not images.there(file):
            continue
        number = len(pictures)
        pictures[number] = file
        for annotation in people:
            box, triplets, area = _person(annotation, columns, path)
            entry = {"image_id": number, "category_id": 1, "bbox": box.tolist(), "area": area}
            entry |= {"keypoints": triplets.ravel().tolist(), "num_keypoints": int((triplets[:, 2] > 0).sum())}
            truth.append(entry | {"iscrowd": int(bool(annotation.get("iscrowd")))})
    report_missing(images, source, say)
    if not pictures:
        raise BadInput(f"{source.annotations}: not one of its pictures is there; check `images`")
    content = {"images": [{"id": k} for k in pictures], "annotations": truth, "categories": [{"id": 1}]}
    return content, pictures


def _pictures(source: PoseSource) -> Iterator[tuple[Path, Path, list[dict], np.ndarray]]:
    """Of every picture of the source: annotation file, picture file, annotations, places of COCO's joints."""
    for path in annotation_files(source):
        content = load_coco(path)
        root = Path(source.images or path.parent).resolve()
        columns = columns_of(content["categories"][0].get("keypoints", ()), COCO_17, path)
        by_image: dict[object, list[dict]] = {}
        for annotation in content["annotations"]:
            by_image.setdefault(annotation.get("image_id"), []).append(annotation)
        for image in content["images"]:
            file = inside(root, image["file_name"], f"{path}: image {image['id']}")
            yield path, file, by_image.get(image["id"], []), columns


def _person(annotation: dict, columns: np.ndarray, path: Path) -> tuple[np.ndarray, np.ndarray, float]:
    """Box [4] xywh, COCO's joints [17, 3] with its visibility (2 visible, 1 hidden, 0 none), area."""
    try:
        box = np.array(annotation["bbox"], np.float64).reshape(4)
        triplets = np.zeros((len(columns), 3))
        if annotation.get("keypoints"):
            given = np.array(annotation["keypoints"], np.float64).reshape(-1, 3)
            triplets[columns >= 0] = given[columns[columns >= 0]]
        area = float(annotation.get("area") or BODY_SHARE * box[2] * box[3])
        if not (np.isfinite(box).all() and np.isfinite(triplets).all() and np.isfinite(area)):
            raise ValueError("a number is not finite")
    except (KeyError, TypeError, ValueError, IndexError) as error:
        where = f"{path}: annotation {annotation.get('id')}"
        raise BadInput(f"{where}: wrong or missing field ({error}); write it as COCO defines it") from None
    return box, triplets, area


def _scenes(file: Path, annotations: list[dict], columns: np.ndarray, path: Path) -> list[Scene]:
    people, outlines, mains = [], [], []
    for annotation in annotations:
        box, triplets, area = _person(annotation, columns, path)
        crowd = bool(annotation.get("iscrowd"))
        count = int((triplets[:, 2] > 0).sum())
        outlines.append(Outline(annotation.get("segmentation"), box, count > 0 and not crowd, crowd))
        if crowd or count == 0:
            continue
        triplets[:, 2] = np.select([triplets[:, 2] == 2, triplets[:, 2] == 1], [1, 0], ABSENT)
        people.append(triplets)
        centre, side = box[:2] + box[2:] / 2, max(box[2:])
        near = any(np.linalg.norm(centre - c) < _APART * s for c, s, _ in mains)
        if count >= _MIN_JOINTS and area >= _MIN_AREA and not near:
            mains.append((centre, side, box[3]))
    if not mains:
        return []
    parts = parts_of_coco(np.stack(people))
    return [Scene(file, centre, float(height), parts, tuple(outlines)) for centre, _, height in mains]


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
        shape = _shape_mask(outline, size)
        if outline.crowd:
            crowds |= shape & ~people
            continue
        people |= shape
        if not outline.labelled:
            unlabelled |= shape
    seen = ~(unlabelled | crowds)
    return (people | crowds).astype(np.uint8) * 255, seen.astype(np.uint8) * 255


def _shape_mask(outline: Outline, size: tuple[int, int]) -> np.ndarray:
    height, width = size
    mask = np.zeros(size, np.uint8)
    if isinstance(outline.shape, dict):
        from pycocotools import mask as coco

        runs = outline.shape
        if isinstance(runs.get("counts"), list):
            runs = coco.frPyObjects(runs, height, width)
        found = coco.decode(runs)
        return found.astype(bool) if found.shape == size else mask.astype(bool)
    if outline.shape:
        polygons = [np.round(np.array(p, np.float64).reshape(-1, 2)).astype(np.int32) for p in outline.shape]
        for polygon in polygons:
            cv2.fillPoly(mask, [polygon], 1)
        return mask.astype(bool)
    x, y, w, h = outline.box
    mask[max(int(y), 0) : int(np.ceil(y + h)), max(int(x), 0) : int(np.ceil(x + w))] = 1
    return mask.astype(bool)


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
        image = cv2.imread(str(scene.image), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
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
