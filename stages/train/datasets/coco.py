"""People of COCO-form files: COCO keypoints, PoseTrack18 and 21, and whatever else names its joints in a category."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from configs.recipes import PoseSource
from posedata.skeletons import Skeleton
from stages.train.datasets.annotations import Annotation, read_coco_file
from stages.train.datasets.people import Person, box_of_joints, columns_of, crop_of, in_skeleton

BODY_SHARE = 0.53  # of a box, which a person covers where no area is given (COCO's median)


def read_coco(path: Path, source: PoseSource, skeleton: Skeleton, aspect: float) -> list[Person]:
    """Every annotation that is no crowd.

    As published, boxes are clipped to the picture and people of empty ones left out.

    Raises:
        BadInput: naming file, annotation and field.
    """
    content = read_coco_file(path, source.images)
    columns = columns_of(content.joints, skeleton, path)
    people = []
    for annotation in content.people:
        triplets = None if annotation.crowd else annotation.triplets()
        if triplets is None or not triplets.any():
            continue
        joints, weights = in_skeleton(triplets, columns)
        image, given = content.image(annotation), annotation.area()
        box = _box(annotation, given, source, joints, weights > 0, image.size)
        head = 0.6 * annotation.head()
        if box is None:
            continue
        area = given or BODY_SHARE * float((box[2:] - box[:2]).prod())
        people.append(Person(image.file, *crop_of(box, aspect), joints, weights, box, area, head))
    return people


def _box(
    annotation: Annotation,
    area: float | None,
    source: PoseSource,
    joints: np.ndarray,
    labelled: np.ndarray,
    size: tuple[float, float] | None,  # of the picture
) -> np.ndarray | None:
    """[4] xyxy; None where nothing of it lies in the picture."""
    given = None if source.boxes == "joints" else annotation.box()
    if given is None:
        return box_of_joints(joints, labelled) if labelled.any() else None
    x, y, width, height = given.tolist()  # faster than numbers of numpy
    right, bottom = size or (np.inf, np.inf)
    x1, y1 = max(0.0, x), max(0.0, y)
    x2, y2 = min(right - 1, x1 + max(0.0, width - 1)), min(bottom - 1, y1 + max(0.0, height - 1))
    if x2 < x1 or y2 < y1 or (area is not None and area <= 0):
        return None
    return np.array([x1, y1, x2, y2])
