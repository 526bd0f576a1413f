"""Poses that the user brings, matched to the sequences' frames; identities in them are left aside."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from posedata.boxes import of_keypoints
from posedata.errors import BadInput
from posedata.formats import coco, posetrack18
from posedata.formats.annotated import annotation_name, image_list
from posedata.formats.detections import Places
from posedata.formats.fields import numbers, score_of
from posedata.jsonio import read_json
from posedata.people import FramePeople, Origin
from posedata.record_header import Json
from posedata.sequences import Sequence
from posedata.skeletons import COCO_17, POSETRACK_15, POSETRACK_17, SKELETONS, Skeleton

_FORMS = "give PoseTrack17 or PoseTrack18 files, or COCO results with keypoints"


@dataclass(frozen=True)
class GivenPoses:
    """Poses of the frames that have some, and what was left out."""

    skeleton: Skeleton
    frames: dict[str, dict[int, FramePeople]]  # sequence id -> frame from 0 -> boxes, keypoints, scores
    digest: str  # sha256 over the files' bytes, hexadecimal
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Pose:
    """One person as a file has them."""

    image: int | str | None  # id or name
    frame: int | None  # of a video that `image` names
    number: int | None  # of the image in a file that is named after its sequence
    points: np.ndarray  # [K, 3] x, y, score; score 0 = the joint is not there
    box: np.ndarray | None  # [4] xyxy
    score: float


def read_poses(path: Path, sequences: tuple[Sequence, ...]) -> GivenPoses:
    """The poses of a file, or of every .json file in a folder; those of unknown images are counted in one warning.

    PoseTrack17 (`annolist`), PoseTrack18 and 21, and COCO results, which name images as `read_detections` says. A
    joint without a score of its own has score 1; a person's score is the mean of its joints' where it has none. A
    person without a box gets that of its joints, 15 % longer.

    Raises:
        BadInput: naming file, entry and field; the files differ in skeleton; or nothing in them belongs here.
    """
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    if not files:
        raise BadInput(f"{path}: holds no .json file; {_FORMS}")
    places, digest = Places(sequences), hashlib.sha256()
    skeleton: Skeleton | None = None
    rows: dict[tuple[str, int], list[_Pose]] = {}
    unknown, example = 0, ""
    for file in files:
        own, poses = _poses(read_json(file), file)
        digest.update(hashlib.sha256(file.read_bytes()).digest())
        if skeleton not in (None, own):
            raise BadInput(f"{file}: has the joints of {own.name}, {files[0].name} those of {skeleton.name}")
        skeleton = own
        for pose in poses:
            place = _place(pose, places, annotation_name(file))
            if place is None:
                unknown += 1
                example = example or f"{file.name}, image {pose.image}"
            else:
                rows.setdefault(place, []).append(pose)
    if not rows:
        what = f"none of its {unknown} poses belongs to an image of the source (the first: {example})"
        raise BadInput(f"{path}: {what if unknown else 'holds no poses'}; {_FORMS} made for this source")
    frames: dict[str, dict[int, FramePeople]] = {}
    for sequence, frame in sorted(rows):
        frames.setdefault(sequence, {})[frame] = _people(rows[sequence, frame])
    warnings = (f"{path}: {unknown} poses left out, their images are not there ({example})",) if unknown else ()
    return GivenPoses(skeleton, frames, digest.hexdigest(), warnings)


def _place(pose: _Pose, places: Places, name: str) -> tuple[str, int] | None:
    """Sequence and frame of a pose: by its image's name or id, else by the file's name and the image's number."""
    found = None
    if isinstance(pose.image, str):
        found = places.of_name(pose.image) if pose.frame is None else places.of_frame(pose.image, pose.frame)
    elif pose.image is not None:
        found = places.of_id(pose.image)
    if found is None and pose.number is not None:
        found = places.of_frame(name, pose.number)
    return found


def _people(poses: list[_Pose]) -> FramePeople:
    points = np.stack([p.points for p in poses])
    around = of_keypoints(points[..., :2], points[..., 2] > 0)
    scores = np.array([p.score for p in poses])
    return FramePeople(
        boxes=np.stack([a if p.box is None else p.box for p, a in zip(poses, around)]),
        box_scores=scores,
        keypoints=points[..., :2],
        keypoint_scores=points[..., 2],
        person_scores=scores,
        origin=np.full(len(poses), Origin.DETECTED, np.uint8),
    )


def _poses(content: Json, path: Path) -> tuple[Skeleton, Iterator[_Pose]]:
    if isinstance(content, list):
        return COCO_17, _of_results(content, path)
    if isinstance(content, dict) and "annolist" in content:
        return POSETRACK_15, _of_2017(content, path)
    if isinstance(content, dict) and "images" in content:
        skeleton = _named_skeleton(content, path)
        return skeleton, _of_2018(content, path, skeleton)
    raise BadInput(f"{path}: is in no form that poses are read from; {_FORMS}")


def _named_skeleton(content: dict[str, Json], path: Path) -> Skeleton:
    """The skeleton that `categories` names; PoseTrack18's where it names no joints."""
    categories = content.get("categories")
    first = categories[0] if isinstance(categories, list) and categories else None
    names = first.get("keypoints") if isinstance(first, dict) else None
    if not names:
        return POSETRACK_17
    for skeleton in SKELETONS.values():
        if isinstance(names, list) and tuple(names) == skeleton.joints:
            return skeleton
    known = ", ".join(SKELETONS)
    raise BadInput(f"{path}: categories[0].keypoints is no skeleton that ptrack knows; those are {known}")


def _of_results(content: list[Json], path: Path) -> Iterator[_Pose]:
    for where, entry, image, frame in coco.result_entries(content, path):
        points = _points(entry, COCO_17, where)
        box = coco.box_of(entry, where) if entry.get("bbox") is not None else None
        if box is not None or (points[:, 2] > 0).any():
            yield _Pose(image, frame, None, points, box, _score(entry, points, where))


def _of_2018(content: dict[str, Json], path: Path, skeleton: Skeleton) -> Iterator[_Pose]:
    number = {image.id: (place, image.name) for place, image in enumerate(image_list(content, path))}
    for where, entry, image in posetrack18.entries(content, path):
        points = _points(entry, skeleton, where)
        box = coco.box_of(entry, where) if entry.get("bbox") else None
        if box is None and not (points[:, 2] > 0).any():
            continue
        place, name = number.get(image, (None, image))
        yield _Pose(name, None, place, points, box, _score(entry, points, where))


def _points(entry: dict[str, Json], skeleton: Skeleton, where: str) -> np.ndarray:
    """[K, 3] x, y, score; the third number of each joint is its score, or its visibility beside `scores`."""
    if entry.get("keypoints") is None:
        raise BadInput(f"{where} has no keypoints; write x, y and score for each of {len(skeleton)} joints")
    points = numbers(entry, "keypoints", where)
    if len(points) != 3 * len(skeleton):
        raise BadInput(f"{where}.keypoints has {len(points)} numbers; {skeleton.name} needs {3 * len(skeleton)}")
    points = points.reshape(-1, 3)
    there = points[:, 2] > 0
    if entry.get("scores"):  # annotations have an empty list
        scores = numbers(entry, "scores", where)
        if len(scores) != len(skeleton):
            raise BadInput(f"{where}.scores has {len(scores)} numbers; {skeleton.name} has {len(skeleton)} joints")
        points[:, 2] = np.where(there | (points[:, :2] != 0).any(axis=1), scores, 0)
    elif there.any() and points[:, 2].max() > 1:  # visibility, 1 or 2, is no score
        points[:, 2] = there
    return np.where(points[:, 2:] > 0, points, 0)


def _of_2017(content: dict[str, Json], path: Path) -> Iterator[_Pose]:
    for place, (image, entry) in enumerate(zip(image_list(content, path), content["annolist"])):
        rects = entry.get("annorect", [])
        where = f"{path}: annolist[{place}].annorect"
        if not isinstance(rects, list) or not all(isinstance(rect, dict) for rect in rects):
            raise BadInput(f"{where} is no list of objects; write one, empty if nobody is there")
        for number, rect in enumerate(rects):
            points = _points_2017(rect, f"{where}[{number}]")
            if (points[:, 2] > 0).any():
                score = _score(rect, points, f"{where}[{number}]")
                yield _Pose(image.name, None, place, points, None, score)


def _points_2017(rect: dict[str, Json], where: str) -> np.ndarray:
    holder = rect.get("annopoints")
    first = holder[0] if isinstance(holder, list) and holder else None
    listed = first.get("point", []) if isinstance(first, dict) else []
    points = np.zeros((len(POSETRACK_15), 3))
    if not isinstance(listed, list):
        raise BadInput(f"{where}.annopoints[0].point is no list; write one object for each joint")
    for number, point in enumerate(listed):
        at = f"{where}.annopoints[0].point[{number}]"
        if not isinstance(point, dict) or not all(point.get(name) for name in ("id", "x", "y")):
            raise BadInput(f"{at} lacks id, x or y; write each as a list of one number")
        joint = numbers(point, "id", at)[0]
        if joint not in range(len(POSETRACK_15)):
            raise BadInput(f"{at}.id is {joint:g}; PoseTrack17 has joints 0 to {len(POSETRACK_15) - 1}")
        score = numbers(point, "score", at)[0] if point.get("score") else 1.0
        points[int(joint)] = numbers(point, "x", at)[0], numbers(point, "y", at)[0], score
    return np.where(points[:, 2:] > 0, points, 0)


def _score(entry: dict[str, Json], points: np.ndarray, where: str) -> float:
    """The person's own score, else the mean of the joints' that are there."""
    value = entry.get("score")
    if value is not None and value != []:
        return score_of(value[0] if isinstance(value, list) else value, f"{where}.score")
    scores = points[points[:, 2] > 0, 2]
    return float(scores.mean()) if len(scores) else 0.0
