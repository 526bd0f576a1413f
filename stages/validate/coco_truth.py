"""COCO keypoint annotations as they are scored: checked whole before a model runs, the joints in COCO's order."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eval.findings import Findings
from eval.keypoint_ap import check_person
from posedata.errors import BadInput
from posedata.formats.categories import PersonCategory, person_category
from posedata.formats.fields import numbers, score_of
from posedata.jsonio import read_json
from posedata.paths import inside
from posedata.record_header import Json
from posedata.skeletons import COCO_17

_LARGEST = 2**63  # of the numbers of images


@dataclass(frozen=True)
class CocoTruth:
    """Images and the people annotated on them."""

    path: Path
    images: tuple[dict[str, Json], ...]  # each with a number `id` of its own and a text `file_name`
    people: tuple[dict[str, Json], ...]  # annotations of the category on these images, `keypoints` [51]
    category: int

    @property
    def content(self) -> dict[str, Json]:
        """In COCO's form, with people alone."""
        return {
            "images": list(self.images),
            "annotations": list(self.people),
            "categories": [{"id": self.category, "name": "person"}],
        }


def read_truth(
    path: Path,
    images: Path,  # the folder that file names begin in
) -> CocoTruth:
    """The annotations of a COCO file; test images have none. Joints are taken by the names that the category gives
    them, in COCO's order where it gives none; joints that COCO does not have are left out.

    Raises:
        BadInput: naming file, entry and field.
    """
    content = read_json(path)
    if not isinstance(content, dict) or not isinstance(content.get("images"), list):
        raise BadInput(f"{path}: is not in COCO keypoint form (no list 'images'); give a COCO annotation file")
    annotations = content.get("annotations")
    if annotations is None:
        annotations = []
    if not isinstance(annotations, list):
        raise BadInput(f"{path}: 'annotations' is no list; write one object for each person")
    listed = _images(content["images"], path, images)
    if not annotations:
        return CocoTruth(path, listed, (), person_category(content.get("categories"), path).id)
    if not content.get("categories"):
        raise BadInput(f"{path}: has no list 'categories', so that nobody knows which annotations are people's")
    category = person_category(content["categories"], path)
    return CocoTruth(path, listed, _people(annotations, category, listed, path), category.id)


def _images(entries: list[Json], path: Path, folder: Path) -> tuple[dict[str, Json], ...]:
    first: dict[int, int] = {}
    for place, entry in enumerate(entries):
        where = f"{path}: images[{place}]"
        if not isinstance(entry, dict):
            raise BadInput(f"{where} is no object; write id and file_name for each image")
        number, name = entry.get("id"), entry.get("file_name")
        if type(number) is not int or not -_LARGEST <= number < _LARGEST:
            raise BadInput(f"{where}.id is {str(number)[:40]!r}, not a whole number; number the images")
        if number in first:
            raise BadInput(f"{where}.id is {number} like that of images[{first[number]}]; number the images apart")
        first[number] = place
        if not isinstance(name, str):
            raise BadInput(f"{where}.file_name is {str(name)[:40]!r}, not a file's name; write it")
        inside(folder, name, f"{where}.file_name")
        for side in ("width", "height"):
            if entry.get(side) is not None:
                score_of(entry[side], f"{where}.{side}")
    return tuple(entries)


def _people(
    entries: list[Json], category: PersonCategory, images: tuple[dict[str, Json], ...], path: Path
) -> tuple[dict[str, Json], ...]:
    """The annotations of the category on listed images; like pycocotools, those on other images are passed over."""
    order = category.order(COCO_17)
    if lacking := [joint for joint, place in zip(COCO_17.joints, order) if place < 0]:
        raise BadInput(
            f"{category.where}.keypoints lacks {', '.join(lacking[:3])}{' ...' if len(lacking) > 3 else ''}, which "
            "COCO's figures count; give COCO's joints, or validate PoseTrack's files with --dataset posetrack"
        )
    count = len(order) if category.joints is None else len(category.joints)
    ids = {image["id"] for image in images}
    findings, mine = Findings(), []
    for place, entry in enumerate(entries):
        where = f"annotations[{place}]"
        if not isinstance(entry, dict):
            raise BadInput(f"{path}: {where} is no object; write one for each person")
        if not category.holds(entry, f"{path}: {where}"):
            continue
        check_person(entry, count, str(path), where, findings)
        mine.append((place, entry))
    findings.raise_faults()
    there = [(place, entry) for place, entry in mine if entry["image_id"] in ids]
    if mine and not there:
        raise BadInput(
            f"{path}: none of its {len(mine)} annotations of people is on one of its images; check the ids"
        )
    for place, entry in there:
        numbers(entry, "bbox", f"{path}: annotations[{place}]")
    same = np.array_equal(order, np.arange(count))
    return tuple(entry if same else _in_order(entry, order) for _, entry in there)


def _in_order(entry: dict[str, Json], order: np.ndarray) -> dict[str, Json]:
    triplets = np.array(entry["keypoints"], np.float64).reshape(-1, 3)
    chosen = triplets[order]
    more = {} if len(chosen) == len(triplets) else {"num_keypoints": int((chosen[:, 2] > 0).sum())}
    return {**entry, "keypoints": chosen.ravel().tolist(), **more}
