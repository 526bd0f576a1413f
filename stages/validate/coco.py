"""A model's accuracy on COCO-form images: OKS AP of poses, and the detector's person AP where it gives the boxes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eval.keypoint_ap import BoxAp, KeypointAp, evaluate_boxes, evaluate_keypoints, keypoint_results
from posedata.boxes import xywh_to_xyxy, xyxy_to_xywh
from posedata.errors import BadInput
from posedata.formats.coco import read_results
from posedata.formats.fields import as_people
from posedata.jsonio import read_json
from posedata.paths import inside
from posedata.people import FramePeople
from posedata.record_header import Json
from posedata.skeletons import COCO_17, mapping
from stages.validate.coco_truth import CocoTruth
from stages.validate.subject import Subject, read_picture


@dataclass(frozen=True)
class CocoValidation:
    """What was found and measured; None where there is no truth, or it was not asked for."""

    images: int
    results: list[dict]  # COCO's form, as its server takes them
    poses: KeypointAp | None
    boxes: BoxAp | None  # of the detector


def validate_coco(
    truth: CocoTruth,
    images: Path,
    subject: Subject,
    given: Mapping[int, FramePeople] | None,  # image id -> boxes of a file; None = the annotated or detected ones
    progress: Callable[[], object],
) -> CocoValidation:
    """Runs the model on every image and scores on the 17 COCO joints; test images without annotations get results
    alone.

    Raises:
        BadInput: nobody is annotated and there are no other boxes, or an image cannot be read.
    """
    if not truth.people and given is None and subject.needs_boxes and subject.detector is None:
        raise BadInput(f"{truth.path}: annotates nobody, there are no boxes; use --own-boxes or --detections FILE")
    to_coco = mapping(subject.skeleton, COCO_17)
    annotated = _annotated(truth, subject.compat)
    boxes_found: list[dict] = []
    poses_found: list[dict] = []
    for place, image in enumerate(truth.images):
        number, where = image["id"], f"{truth.path}: images[{place}].file_name"
        frame = read_picture(inside(images, image["file_name"], where), f"image {number} of {truth.path}")
        boxes = annotated if given is None else given
        people = subject.boxes(frame, boxes.get(number, as_people([])))
        if subject.detector is not None:
            for box, score in zip(xyxy_to_xywh(people.boxes.astype(np.float64)), people.box_scores):
                entry = {"image_id": number, "category_id": truth.category, "bbox": box.tolist()}
                boxes_found.append({**entry, "score": float(score)})
        posed = subject.poses(frame, people)
        keypoints, scores = to_coco.apply(posed.keypoints, posed.keypoint_scores)
        poses_found += keypoint_results([number] * len(posed), keypoints, scores, posed.person_scores, truth.category)
        progress()
    content, name = truth.content, str(truth.path)
    return CocoValidation(
        len(truth.images),
        poses_found,
        evaluate_keypoints(content, poses_found, name=name) if truth.people else None,
        evaluate_boxes(content, boxes_found, name=name) if truth.people and subject.detector is not None else None,
    )


def read_boxes(path: Path, truth: CocoTruth) -> dict[int, FramePeople]:
    """Image id -> boxes of a COCO results file, whose entries name images by id or by file.

    Raises:
        BadInput: the file is no such list, or none of its boxes is of an annotated image.
    """
    content = read_json(path)
    if not isinstance(content, list):
        raise BadInput(f"{path}: is no list of boxes; give COCO results with image_id, bbox and score")
    content = [_of_person_1(entry, truth.category) for entry in content]
    ids = {image["id"] for image in truth.images}
    names = {Path(image["file_name"]).name: image["id"] for image in truth.images}
    names |= {image["file_name"]: image["id"] for image in truth.images}
    rows: dict[int, list[tuple[np.ndarray, float]]] = {}
    for image, _, box, score in read_results(content, path):
        number = names.get(image, names.get(Path(image).name)) if isinstance(image, str) else image
        if number in ids:
            rows.setdefault(number, []).append((box, score))
    if not rows:
        raise BadInput(f"{path}: none of its {len(content)} boxes is of an image of {truth.path}")
    return {image: as_people(found) for image, found in rows.items()}


def _of_person_1(entry: Json, category: int) -> Json:
    """An entry whose people are category 1, as the reader of results has them."""
    if category == 1 or not isinstance(entry, dict) or "category_id" not in entry:
        return entry
    return {**entry, "category_id": 1 if entry["category_id"] == category else None}


def _annotated(truth: CocoTruth, compat: bool) -> dict[int, FramePeople]:
    """Image id -> the annotated people with keypoints."""
    sizes = {image["id"]: (image.get("width"), image.get("height")) for image in truth.images}
    boxes: dict[int, list[tuple[np.ndarray, float]]] = {}
    for person in truth.people:
        if person["num_keypoints"] > 0 and not person.get("iscrowd", 0):
            box = np.array(person["bbox"], np.float64)
            box = _published(box, sizes[person["image_id"]]) if compat else box
            boxes.setdefault(person["image_id"], []).append((xywh_to_xyxy(box), 1.0))
    return {image: as_people(found) for image, found in boxes.items()}


def _published(box: np.ndarray, size: tuple[int | None, int | None]) -> np.ndarray:
    """[4] xywh as the published code clips annotated boxes: to the picture, one pixel short."""
    low = np.maximum(box[:2], 0)
    high = low + np.maximum(box[2:] - 1, 0)
    if None not in size:
        high = np.minimum(high, np.array(size, np.float64) - 1)
    return np.concatenate([low, np.maximum(high - low, 0)])
