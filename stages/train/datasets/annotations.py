"""COCO-form annotation files for training: read and looked at in one place, for all who need a field."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from posedata.errors import BadInput
from posedata.formats.fields import MAX_GIVEN, numbers
from posedata.jsonio import read_json
from posedata.paths import inside
from stages.train.datasets.outlines import Runs, polygons, run_lengths

_PERSON = "person"  # the category that is taken where there are several


@dataclass(frozen=True)
class Image:
    """A picture that the file lists."""

    id: int | str
    file: Path
    source: str  # what the set's maker says where it is from
    size: tuple[float, float] | None  # width, height; None where the file does not say


@dataclass(frozen=True, slots=True)
class Annotation:
    """A person as the file has them; every field is checked when it is asked for.

    Raises:
        BadInput: from every method, naming file, annotation and field.
    """

    path: Path
    content: dict
    joints: int  # that the category names

    @property
    def where(self) -> str:
        return f"{self.path}: annotation {str(self.content.get('id'))[:40]}"

    @property
    def crowd(self) -> bool:
        value = self.content.get("iscrowd")
        if value is not None and (type(value) not in (int, bool) or value not in (0, 1)):
            raise BadInput(f"{self.where}: iscrowd is {str(value)[:40]!r}; write 0 or 1")
        return bool(value)

    def area(self) -> float | None:
        """Square pixels; None where it is not given."""
        value = self.content.get("area")
        if value is not None and not _is_number(value, MAX_GIVEN**2):
            raise BadInput(f"{self.where}: area is {str(value)[:40]!r}; write square pixels")
        return None if value is None else float(value)

    def box(self) -> np.ndarray | None:
        """[4] xywh, pixels; None where it is not given."""
        box = self._numbers("bbox")
        if box is None:
            return None
        if len(box) != 4 or min(box[2], box[3]) < 0:
            raise BadInput(f"{self.where}: wrong bbox {str(self.content['bbox'])[:60]}; write x, y, width, height")
        return box

    def needed_box(self) -> np.ndarray:
        """[4] xywh, pixels."""
        box = self.box()
        if box is None:
            raise BadInput(f"{self.where}: has no bbox; write x, y, width, height")
        return box

    def triplets(self) -> np.ndarray | None:
        """[J, 3] x, y, 0 where there is no label; None where none are given."""
        flat = self._numbers("keypoints")
        if flat is None:
            return None
        if len(flat) != 3 * self.joints:
            raise BadInput(
                f"{self.where}: wrong or missing keypoints: {len(flat)} numbers, not three for each of the "
                f"{self.joints} joints of the category; write x, y, visibility of each"
            )
        return flat.reshape(-1, 3)

    def needed_triplets(self) -> np.ndarray:
        """[J, 3]"""
        triplets = self.triplets()
        if triplets is None:
            raise BadInput(f"{self.where}: wrong or missing keypoints; write x, y, visibility of each joint")
        return triplets

    def face(
        self,
        most: int,  # joints
    ) -> np.ndarray:
        """[F, 3] x, y, confidence of the first joints, as another network sees them; [0, 3] where it is not given."""
        flat = self._numbers("pseudo_face")
        if flat is None:
            return np.zeros((0, 3))
        if len(flat) % 3 or len(flat) > 3 * most:
            raise BadInput(
                f"{self.where}: wrong pseudo_face of {len(flat)} numbers; "
                f"write x, y, confidence of at most {most} joints"
            )
        return flat.reshape(-1, 3)

    def head(self) -> float:
        """Diagonal of the head's box, pixels; nan where it is not given or empty."""
        box = self._numbers("bbox_head")
        if box is None:
            return float("nan")
        if len(box) != 4:
            raise BadInput(f"{self.where}: wrong bbox_head of {len(box)} numbers; write x, y, width, height")
        return float(np.hypot(box[2], box[3])) or float("nan")

    def outline(
        self,
        size: tuple[float, float] | None,  # width, height of the picture, where known
    ) -> tuple[np.ndarray, ...] | Runs | None:
        """The segmentation; None where it is not given."""
        value = self.content.get("segmentation")
        if value is None or value == []:
            return None
        where = f"{self.where}: segmentation"
        return run_lengths(value, size, where) if isinstance(value, dict) else polygons(value, where)

    def _numbers(self, name: str) -> np.ndarray | None:
        value = self.content.get(name)
        return None if value is None or value == [] else numbers(self.content, name, self.where)


@dataclass(frozen=True)
class CocoFile:
    """The people of a file and the pictures they are in."""

    path: Path
    joints: tuple[str, ...]  # names; empty for a detector's file
    images: dict[int | str, Image]  # in file order
    people: tuple[Annotation, ...]  # in file order, crowds too

    def image(self, person: Annotation) -> Image:
        """The picture that somebody is in."""
        return self.images[person.content["image_id"]]

    def by_image(self) -> Iterator[tuple[Image, tuple[Annotation, ...]]]:
        """Every picture with its people, in file order."""
        of: dict[int | str, list[Annotation]] = {}
        for person in self.people:
            of.setdefault(person.content["image_id"], []).append(person)
        for key, image in self.images.items():
            yield image, tuple(of.get(key, ()))


def read_coco_file(
    path: Path,
    images: Path | None,  # what file names are relative to; None = the folder of the file
) -> CocoFile:
    """The file's people: the annotations of the category `person`, or of the only category.

    Raises:
        BadInput: it cannot be read, is in another form, or its pictures and people do not belong together.
    """
    content = read_json(path)
    for part in ("images", "annotations", "categories"):
        value = content.get(part) if isinstance(content, dict) else None
        if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
            raise BadInput(
                f"{path}: has no list '{part}' of objects and is not in COCO form; give a COCO keypoint file"
            )
    category = _category(content["categories"], path)
    known = _images(content["images"], (images or path.parent).resolve(), path)
    joints = _joints(category, path)
    return CocoFile(path, joints, known, tuple(_people(content, category, known, len(joints), path)))


def _category(categories: list[dict], path: Path) -> dict:
    if not categories:
        raise BadInput(f"{path}: 'categories' is empty, so that nobody knows its joints")
    if len(categories) == 1:
        return categories[0]
    chosen = [c for c in categories if c.get("name") == _PERSON]
    if len(chosen) != 1:
        raise BadInput(
            f"{path}: {len(chosen)} of the {len(categories)} categories are named {_PERSON!r}; name one so"
        )
    return chosen[0]


def _joints(category: dict, path: Path) -> tuple[str, ...]:
    names = category.get("keypoints", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise BadInput(f"{path}: the category's keypoints are {str(names)[:60]!r}; write a list of the joints' names")
    return tuple(names)


def _images(entries: list[dict], root: Path, path: Path) -> dict[int | str, Image]:
    found: dict[int | str, Image] = {}
    for entry in entries:
        if "id" not in entry or not isinstance(entry.get("file_name"), str):
            raise BadInput(f"{path}: an image has no id or file_name: {str(entry)[:80]}")
        key = entry["id"]
        where = f"{path}: image {str(key)[:40]}"
        if type(key) not in (int, str):
            raise BadInput(f"{where}: the id is no whole number; write one")
        if key in found:
            raise BadInput(f"{where}: the id is there twice, so that nobody knows whose the annotations are")
        sides = [_side(entry, name, where) for name in ("width", "height")]
        size = (sides[0], sides[1]) if all(sides) else None
        found[key] = Image(key, inside(root, entry["file_name"], where), str(entry.get("source", "")), size)
    return found


def _side(entry: dict, name: str, where: str) -> float:
    """0 where it is not given."""
    value = entry.get(name)
    if value is not None and not (_is_number(value, MAX_GIVEN) and value >= 0):
        raise BadInput(f"{where}: {name} is {str(value)[:40]!r}; write pixels")
    return float(value or 0)


def _people(
    content: dict, category: dict, known: dict[int | str, Image], joints: int, path: Path
) -> Iterator[Annotation]:
    ids = [c.get("id") for c in content["categories"]]
    only = len(ids) == 1 and ids[0] is None
    for entry in content["annotations"]:
        person = Annotation(path, entry, joints)
        kind = entry.get("category_id", category.get("id") if len(ids) == 1 else None)
        if not only and kind not in ids:
            raise BadInput(f"{person.where}: category_id {str(kind)[:40]} is of no category of the file")
        if not only and kind != category.get("id"):
            continue
        image = entry.get("image_id")
        if type(image) not in (int, str) or image not in known:
            raise BadInput(
                f"{person.where}: image_id {str(image)[:40]} is of no image of the file; write an image's id"
            )
        yield person


def _is_number(value: object, most: float) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and abs(value) <= most
