"""Labelled joints of PoseTrack files: read frame by frame, written in PoseTrack18's form with joints added."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import orjson

from posedata.atomic import write_atomically
from posedata.boxes import of_keypoints, xywh_to_xyxy, xyxy_to_xywh
from posedata.errors import BadInput
from posedata.formats.annolist_labels import in_form_of_2018
from posedata.formats.categories import person_category
from posedata.formats.fields import numbers
from posedata.jsonio import read_json
from posedata.record_header import Json
from posedata.sequence import Sequence, frame_number
from posedata.skeletons import POSETRACK_17

_JOINTS = len(POSETRACK_17)
_NAMES = ", ".join(POSETRACK_17.joints)


@dataclass(frozen=True)
class FrameLabels:
    """N labelled people of one frame."""

    boxes: np.ndarray  # [N, 4] float32 xyxy, pixels
    keypoints: np.ndarray  # [N, 17, 2] float32 pixels, PoseTrack's 17 joints
    visible: np.ndarray  # [N, 17] bool, labelled joints
    track_ids: np.ndarray  # [N] int64, -1 = none
    areas: np.ndarray  # [N] float32 square pixels, as labelled; the boxes' where it is not

    def __post_init__(self) -> None:
        count = len(self.boxes)
        tails = {"boxes": (4,), "keypoints": (_JOINTS, 2), "visible": (_JOINTS,), "track_ids": (), "areas": ()}
        for name, tail in tails.items():
            shape = getattr(self, name).shape
            if shape != (count, *tail):
                raise ValueError(f"{name} must have shape {[count, *tail]}, not {list(shape)}")

    def __len__(self) -> int:
        return len(self.boxes)


@dataclass(frozen=True)
class SequenceLabels:
    """The labels of one sequence, and its images as the file lists them."""

    images: tuple[Mapping[str, Json], ...]  # one a frame that the file lists, with `id` and `file_name`
    frames: tuple[int, ...]  # the frame of each image, ascending
    people: Mapping[int, FrameLabels]  # labelled frame -> its people, who may be none
    categories: list[Json]  # of the file, where its people are as they are written; else none


def read_labels(path: Path, sequence: Sequence) -> SequenceLabels:
    """The labels of a sequence from an annotation file.

    The file is in the form of PoseTrack18, which is COCO's, or PoseTrack17. An image is labelled where it says
    `is_labeled`, else where somebody is annotated on it. Its frame is its own `frame`; else its place in the list
    where the file defines the sequence; else the frame of its file's name. People are of the category named person,
    or the only one; their joints are taken by the names that it gives them, in PoseTrack's order where it gives none.

    Raises:
        BadInput: the file is in neither form, or lists images that are no frames of the sequence.
    """
    content = read_json(path)
    if isinstance(content, dict) and "annolist" in content:
        content = in_form_of_2018(content, path)
    if not isinstance(content, dict) or not all(isinstance(content.get(k), list) for k in ("images", "annotations")):
        raise BadInput(
            f"{path}: has no lists 'images' and 'annotations', nor 'annolist'; give labels in the form of COCO, "
            "PoseTrack18 or PoseTrack17"
        )
    category = person_category(content.get("categories"), path)
    order = category.order(POSETRACK_17)
    if (order < 0).all():
        raise BadInput(f"{category.where}.keypoints names none of PoseTrack's joints; those are {_NAMES}")
    images = _images(content["images"], path, sequence)
    of_image: dict[int, list[dict[str, Json]]] = {image["id"]: [] for _, image in images}
    for place, entry in enumerate(content["annotations"]):
        if not isinstance(entry, dict) or type(entry.get("image_id")) is not int:
            raise BadInput(f"{path}: annotations[{place}].image_id is missing or no whole number; write its image's")
        if "category_id" in entry and not category.holds(entry, f"{path}: annotations[{place}]"):
            continue
        if entry["image_id"] in of_image:
            of_image[entry["image_id"]].append({"where": f"{path}: annotations[{place}]", **entry})
    people = {}
    for frame, image in images:
        rows = of_image[image["id"]]
        if image.get("is_labeled", bool(rows)):
            people[frame] = _people(rows, order, len(category.joints or order))
    same = category.id == 1 and category.joints == POSETRACK_17.joints and len(content["categories"]) == 1
    return SequenceLabels(
        tuple(image for _, image in images),
        tuple(f for f, _ in images),
        people,
        content["categories"] if same else [],
    )


def write_labels(
    path: Path,
    labels: SequenceLabels,
    given: Mapping[int, FrameLabels],  # frame -> people as they were labelled
    moved: Iterable[tuple[int, int, FrameLabels, np.ndarray]],  # frame, labelled frame, people, scores [N, 17]
) -> int:
    """Writes all images, and on each the people given there, then those moved there, if from several frames one after
    the other; the number of people written.

    `scores` are those of the joints, 1 for labelled ones, so that poseval can read the file as predictions, too.
    """
    annotations: list[dict[str, object]] = []
    ids = {frame: image["id"] for frame, image in zip(labels.frames, labels.images)}
    came: dict[int, list[tuple[int, FrameLabels, np.ndarray]]] = {}
    for frame, *rest in moved:
        came.setdefault(frame, []).append(tuple(rest))
    images = []
    for frame, image in zip(labels.frames, labels.images):
        there = frame in given or frame in came
        images.append({**image, "is_labeled": there} | ({"frame_id": image["id"]} if "frame_id" not in image else {}))
        if frame in given:
            annotations += _entries(given[frame], given[frame].visible.astype(np.float64), ids[frame], None)
        for source, people, scores in came.get(frame, ()):
            annotations += _entries(people, scores, ids[frame], ids[source])
    for number, entry in enumerate(annotations, 1):
        entry["id"] = number
    category = {"id": 1, "name": "person", "supercategory": "person", "keypoints": POSETRACK_17.joints}
    content = {"images": images, "annotations": annotations, "categories": labels.categories or [category]}
    write_atomically(path, orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY) + b"\n")
    return len(annotations)


def _entries(people: FrameLabels, scores: np.ndarray, image: int, source: int | None) -> Iterable[dict[str, object]]:
    boxes = np.round(xyxy_to_xywh(people.boxes.astype(np.float64)), 3)
    for row in range(len(people)):
        there = people.visible[row]
        points = np.where(there[:, None], np.round(people.keypoints[row].astype(np.float64), 3), 0)
        entry = {
            "image_id": image,
            "category_id": 1,
            "track_id": int(people.track_ids[row]),
            "bbox": boxes[row],
            "area": round(float(people.areas[row]), 3),
            "iscrowd": 0,
            "num_keypoints": int(there.sum()),
            "keypoints": np.concatenate([points, 2.0 * there[:, None]], axis=1).ravel(),
            "scores": np.where(there, np.round(scores[row], 6), 0),
        }
        yield entry if source is None else {**entry, "propagated_from": source}


def _images(entries: list[Json], path: Path, sequence: Sequence) -> list[tuple[int, dict[str, Json]]]:
    """Frame and entry of every image that the file lists, by frame."""
    defines = sequence.annotation is not None and sequence.annotation == path
    names = {PurePosixPath(name).name: frame for frame, name in enumerate(sequence.frame_names or ())}
    found: dict[int, dict[str, Json]] = {}
    ids: set[int] = set()
    for place, entry in enumerate(entries):
        where = f"{path}: images[{place}]"
        if (
            not isinstance(entry, dict)
            or type(entry.get("id")) is not int
            or not isinstance(entry.get("file_name"), str)
        ):
            raise BadInput(f"{where} lacks a number 'id' or a text 'file_name'; write both")
        frame = entry.get("frame")
        if frame is None:
            frame = place if defines else names.get(PurePosixPath(entry["file_name"]).name)
        if frame is None and sequence.frames is None:
            frame = frame_number(entry["file_name"])
        last = None if sequence.frames is None else len(sequence.frames)
        if type(frame) is not int or frame < 0 or (last is not None and frame >= last):
            raise BadInput(f"{where} ({entry['file_name'][:80]!r}) is no frame of {sequence.id}; check the file")
        if entry["id"] in ids:
            raise BadInput(f"{where}.id is {entry['id']} like another image's; number the images apart")
        ids.add(entry["id"])
        if frame in found:
            raise BadInput(f"{where} is the second of frame {frame} of {sequence.id}; write each frame once")
        found[frame] = entry
    return sorted(found.items(), key=lambda pair: pair[0])


def _people(
    rows: list[dict[str, Json]],
    order: np.ndarray,  # [17] the places of PoseTrack's joints among the file's, -1 = it has none
    count: int,  # of the file's joints
) -> FrameLabels:
    keypoints = np.zeros((len(rows), _JOINTS, 2), np.float32)
    visible = np.zeros((len(rows), _JOINTS), bool)
    boxes = np.zeros((len(rows), 4), np.float32)
    ids = np.full(len(rows), -1, np.int64)
    areas = np.zeros(len(rows), np.float32)
    for row, entry in enumerate(rows):
        where = str(entry["where"])
        given = numbers(entry, "keypoints", where) if "keypoints" in entry else np.zeros(0)
        if len(given) != 3 * count:
            raise BadInput(f"{where}.keypoints has {len(given)} numbers, its {count} joints need {3 * count}")
        points = np.where(order[:, None] >= 0, given.reshape(count, 3)[order], 0)
        keypoints[row], visible[row] = points[:, :2], points[:, 2] > 0
        box = numbers(entry, "bbox", where) if entry.get("bbox") is not None else np.zeros(0)
        if len(box) == 4 and box[2] > 0 and box[3] > 0:
            boxes[row] = xywh_to_xyxy(box)
        else:
            boxes[row] = of_keypoints(keypoints[row : row + 1], visible[row : row + 1])[0]
        areas[row] = numbers({"area": [entry["area"]]}, "area", where)[0] if entry.get("area") else 0
        track = entry["track_id"] if type(entry.get("track_id")) is int else -1
        if not -(2**63) <= track < 2**63:
            raise BadInput(f"{where}.track_id is {track}; number people by whole numbers below 2^63")
        ids[row] = track
    some = visible.any(axis=1)
    areas = np.where(areas > 0, areas, (boxes[:, 2:] - boxes[:, :2]).prod(axis=1))
    return FrameLabels(boxes[some], keypoints[some], visible[some], ids[some], areas[some])
