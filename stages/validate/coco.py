"""A model's accuracy on COCO-form images: OKS AP of poses, and the detector's person AP where it gives the boxes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
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
from posedata.skeletons import COCO_17, mapping
from stages.validate.subject import Subject, read_picture


@dataclass(frozen=True)
class CocoValidation:
    """What was found and measured; None where there is no truth, or it was not asked for."""

    images: int
    results: list[dict]  # COCO's form, as its server takes them
    poses: KeypointAp | None
    boxes: BoxAp | None  # of the detector


def validate_coco(
    annotations: Path,
    images: Path,
    subject: Subject,
    given: Mapping[int, FramePeople] | None,  # image id -> boxes of a file; None = the annotated or detected ones
    progress: Callable[[], object],
) -> CocoValidation:
    """Runs the model on every image and scores on the 17 COCO joints; test images without annotations get results
    alone.

    Raises:
        BadInput: the annotations are not in COCO keypoint form, or an image cannot be read.
    """
    content = read_json(annotations)
    truth = isinstance(content, dict) and bool(content.get("annotations"))
    if not truth and given is None and subject.needs_boxes and subject.detector is None:
        raise BadInput(f"{annotations}: annotates nobody, there are no boxes; use --own-boxes or --detections FILE")
    to_coco = mapping(subject.skeleton, COCO_17)
    boxes_found: list[dict] = []
    poses_found: list[dict] = []
    count = 0
    for image_id, path, annotated in _entries(content, annotations, images, subject.compat):
        count += 1
        frame = read_picture(path, f"image {image_id} of {annotations}")
        people = subject.boxes(frame, annotated if given is None else given.get(image_id, as_people([])))
        if subject.detector is not None:
            for box, score in zip(xyxy_to_xywh(people.boxes.astype(np.float64)), people.box_scores):
                entry = {"image_id": image_id, "category_id": 1, "bbox": box.tolist(), "score": float(score)}
                boxes_found.append(entry)
        posed = subject.poses(frame, people)
        keypoints, scores = to_coco.apply(posed.keypoints, posed.keypoint_scores)
        poses_found += keypoint_results([image_id] * len(posed), keypoints, scores, posed.person_scores)
        progress()
    return CocoValidation(
        count,
        poses_found,
        evaluate_keypoints(content, poses_found) if truth else None,
        evaluate_boxes(content, boxes_found) if truth and subject.detector is not None else None,
    )


def read_boxes(path: Path, annotations: Path) -> dict[int, FramePeople]:
    """Image id -> boxes of a COCO results file, whose entries name images by id or by file.

    Raises:
        BadInput: the file is no such list, or none of its boxes is of an annotated image.
    """
    content, known = read_json(path), read_json(annotations)
    if not isinstance(content, list):
        raise BadInput(f"{path}: is no list of boxes; give COCO results with image_id, bbox and score")
    images = known.get("images", []) if isinstance(known, dict) else []
    names = {Path(str(i.get("file_name"))).name: i.get("id") for i in images if isinstance(i, dict)}
    ids = set(names.values())
    rows: dict[int, list[tuple[np.ndarray, float]]] = {}
    for image, _, box, score in read_results(content, path):
        number = names.get(Path(image).name) if isinstance(image, str) else image
        if number in ids:
            rows.setdefault(number, []).append((box, score))
    if not rows:
        raise BadInput(f"{path}: none of its {len(content)} boxes is of an image of {annotations}")
    return {image: as_people(found) for image, found in rows.items()}


def _entries(
    content: object, annotations: Path, images: Path, compat: bool
) -> Iterator[tuple[int, Path, FramePeople]]:
    """Image id, file and the annotated people with keypoints, of every image."""
    try:
        boxes: dict[int, list[tuple[np.ndarray, float]]] = {}
        sizes = {image["id"]: (image.get("width"), image.get("height")) for image in content["images"]}
        for annotation in content.get("annotations", ()):
            if annotation.get("num_keypoints", 0) > 0 and not annotation.get("iscrowd", 0):
                box = np.array(annotation["bbox"], np.float64).reshape(4)
                box = _published(box, sizes[annotation["image_id"]]) if compat else box
                boxes.setdefault(annotation["image_id"], []).append((xywh_to_xyxy(box), 1.0))
        for image in content["images"]:
            source = f"{annotations}: image {image['id']}"
            path = inside(images, image["file_name"], source)
            yield image["id"], path, as_people(boxes.get(image["id"], []))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadInput(f"{annotations}: is not in COCO keypoint form (missing or wrong: {error})") from None


def _published(box: np.ndarray, size: tuple[int | None, int | None]) -> np.ndarray:
    """[4] xywh as the published code clips annotated boxes: to the picture, one pixel short."""
    low = np.maximum(box[:2], 0)
    high = low + np.maximum(box[2:] - 1, 0)
    if None not in size:
        high = np.minimum(high, np.array(size, np.float64) - 1)
    return np.concatenate([low, np.maximum(high - low, 0)])
