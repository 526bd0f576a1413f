"""People of COCO-form files: COCO keypoints, PoseTrack18 and 21, and whatever else names its joints in a category."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from configs.recipes import PoseSource
from posedata.errors import BadInput
from posedata.jsonio import read_json
from posedata.paths import inside
from posedata.skeletons import Skeleton
from stages.train.datasets.people import Person, box_of_joints, columns_of, crop_of, in_skeleton

BODY_SHARE = 0.53  # of a box, which a person covers where no area is given (COCO's median)


def read_coco(path: Path, source: PoseSource, skeleton: Skeleton, aspect: float) -> list[Person]:
    """Every annotation that is no crowd.

    As published, boxes are clipped to the picture and people of empty ones left out.

    Raises:
        BadInput: naming file, annotation and field.
    """
    content = load_coco(path)
    root = Path(source.images or path.parent).resolve()
    columns = columns_of(content["categories"][0].get("keypoints", ()), skeleton, path)
    files, sizes = {}, {}
    for image in content["images"]:
        files[image["id"]] = inside(root, image["file_name"], f"{path}: image {image['id']}")
        if image.get("width") and image.get("height"):
            sizes[image["id"]] = (float(image["width"]), float(image["height"]))
    people = []
    for annotation in content["annotations"]:
        if annotation.get("iscrowd") or not any(annotation.get("keypoints") or ()):
            continue
        where = f"{path}: annotation {annotation.get('id')}"
        try:
            image = annotation["image_id"]
            triplets = np.array(annotation["keypoints"], np.float64).reshape(-1, 3)
            if len(triplets) != len(content["categories"][0]["keypoints"]):
                raise ValueError(f"keypoints has {len(triplets)} triplets")
            joints, weights = in_skeleton(triplets, columns)
            box = _box(annotation, source, joints, weights > 0, sizes.get(image))
            file = files[image]
        except (KeyError, TypeError, ValueError) as error:
            raise BadInput(f"{where}: wrong or missing field ({error}); write it as COCO defines it") from None
        if box is None:
            continue
        sides = box[2:] - box[:2]
        area = float(annotation.get("area") or BODY_SHARE * sides.prod())
        head = annotation.get("bbox_head") or (0, 0, 0, 0)
        size = 0.6 * float(np.hypot(head[2], head[3])) or float("nan")
        people.append(Person(file, *crop_of(box, aspect), joints, weights, box, area, size))
    return people


def load_coco(path: Path) -> dict:
    """The file's content, its lists looked at.

    Raises:
        BadInput: it cannot be read or is in another form.
    """
    content = read_json(path)
    for part in ("images", "annotations", "categories"):
        value = content.get(part) if isinstance(content, dict) else None
        if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
            raise BadInput(f"{path}: has no list '{part}' of objects; give a COCO keypoint file")
    if not content["categories"]:
        raise BadInput(f"{path}: 'categories' is empty, so that nobody knows its joints")
    for image in content["images"]:
        if "id" not in image or not isinstance(image.get("file_name"), str):
            raise BadInput(f"{path}: an image has no id or file_name: {str(image)[:80]}")
    return content


def _box(
    annotation: dict,
    source: PoseSource,
    joints: np.ndarray,
    labelled: np.ndarray,
    size: tuple[float, float] | None,  # of the picture
) -> np.ndarray | None:
    """[4] xyxy; None where nothing of it lies in the picture."""
    if source.boxes == "joints" or not annotation.get("bbox"):
        return box_of_joints(joints, labelled) if labelled.any() else None
    x, y, width, height = (float(v) for v in annotation["bbox"])
    right, bottom = size or (np.inf, np.inf)
    x1, y1 = max(0.0, x), max(0.0, y)
    x2, y2 = min(right - 1, x1 + max(0.0, width - 1)), min(bottom - 1, y1 + max(0.0, height - 1))
    if x2 < x1 or y2 < y1 or annotation.get("area", 1) <= 0:
        return None
    return np.array([x1, y1, x2, y2])
