"""A model's accuracy on COCO-form images: OKS AP of poses, and the detector's person AP where it gives the boxes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from eval.keypoint_ap import BoxAp, KeypointAp, evaluate_boxes, evaluate_keypoints, keypoint_results
from posedata.boxes import xywh_to_xyxy, xyxy_to_xywh
from posedata.errors import BadInput
from posedata.jsonio import read_json
from posedata.people import FramePeople
from posedata.skeletons import COCO_17, mapping
from stages.detect.detector import Detector
from stages.pose.estimator import PoseEstimator


@dataclass(frozen=True)
class Validation:
    """What was measured; None where it was not asked for."""

    images: int
    poses: KeypointAp
    boxes: BoxAp | None  # of the detector


def validate_coco(
    annotations: Path,
    images: Path,
    estimator: PoseEstimator,
    detector: Detector | None,  # None = ground-truth boxes
    progress: Callable[[], None],
) -> Validation:
    """Runs the estimator on ground-truth boxes, or on the detector's, and scores on the 17 COCO joints.

    Raises:
        BadInput: the annotations are not in COCO keypoint form, or an image cannot be read.
    """
    content = read_json(annotations)
    to_coco = mapping(estimator.skeleton, COCO_17)
    boxes_found: list[dict] = []
    poses_found: list[dict] = []
    count = 0
    for image_id, path, truth in _entries(content, annotations, images):
        count += 1
        picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if picture is None:
            raise BadInput(f"{path}: cannot be read as a picture (image {image_id} of {annotations})")
        frame = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
        if detector is None:
            people = FramePeople(boxes=truth, box_scores=np.ones(len(truth), np.float32))
        else:
            people = detector.detect([frame])[0]
            for box, score in zip(xyxy_to_xywh(people.boxes.astype(np.float64)), people.box_scores):
                boxes_found.append(
                    {"image_id": image_id, "category_id": 1, "bbox": box.tolist(), "score": float(score)}
                )
        posed = estimator.estimate([frame], [people])[0]
        keypoints, scores = to_coco.apply(posed.keypoints, posed.keypoint_scores)
        poses_found += keypoint_results([image_id] * len(posed), keypoints, scores, posed.person_scores)
        progress()
    return Validation(
        count,
        evaluate_keypoints(content, poses_found),
        None if detector is None else evaluate_boxes(content, boxes_found),
    )


def _entries(content: object, annotations: Path, images: Path) -> Iterator[tuple[int, Path, np.ndarray]]:
    """Image id, file and ground-truth boxes [N, 4] xyxy of the people with keypoints, of every image."""
    root = images.resolve()
    try:
        boxes: dict[int, list[list[float]]] = {}
        for annotation in content["annotations"]:
            if annotation.get("num_keypoints", 0) > 0 and not annotation.get("iscrowd", 0):
                boxes.setdefault(annotation["image_id"], []).append([float(v) for v in annotation["bbox"]])
        for image in content["images"]:
            path = (root / image["file_name"]).resolve()
            if not path.is_relative_to(root):
                raise BadInput(f"{annotations}: image {image['id']}: file_name {image['file_name']!r} leaves {root}")
            truth = np.array(boxes.get(image["id"], ()), np.float32).reshape(-1, 4)
            yield image["id"], path, xywh_to_xyxy(truth)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadInput(f"{annotations}: is not in COCO keypoint form (missing or wrong: {error})") from None
