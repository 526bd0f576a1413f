"""A model's PCKh on MPII's validation people, whose place and size are given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from eval.pckh import Pckh, evaluate_pckh, load_gt_valid
from posedata.errors import BadInput, UsageError
from posedata.formats.fields import numbers
from posedata.jsonio import read_json
from posedata.paths import inside
from posedata.record_header import Json
from posedata.skeletons import MPII_16, mapping
from stages.pose.crop import BOX_PADDING, PIXEL_STD
from stages.pose.estimator import PoseEstimator
from stages.validate.subject import Subject, read_picture

_BATCH = 16  # people


@dataclass(frozen=True)
class MpiiPeople:
    """N people of MPII's JSON, in pixels from 0, ready to be cut out."""

    images: tuple[str, ...]  # file names
    centre: np.ndarray  # [N, 2] float64 pixels
    scale: np.ndarray  # [N, 2] float64 padded, in units of 200 pixels
    joints: np.ndarray  # [N, 16, 2] float64 pixels
    visible: np.ndarray  # [N, 16] bool

    @property
    def boxes(self) -> np.ndarray:
        """[N, 4] xyxy that the padding of a crop turns into the person's scale again."""
        half = self.scale * PIXEL_STD / BOX_PADDING / 2
        return np.concatenate([self.centre - half, self.centre + half], axis=1)


@dataclass(frozen=True)
class MpiiValidation:
    people: int
    pckh: Pckh


def validate_mpii(
    annotations: Path,  # valid.json
    truth: Path,  # gt_valid.mat
    images: Path,
    subject: Subject,
    progress: Callable[[], object],
) -> MpiiValidation:
    """Poses of the annotated people, scored as MPII does.

    Raises:
        UsageError: the model cannot take given people one by one.
        BadInput: a file is not in MPII's form, the two do not fit, or a picture cannot be read.
    """
    if not isinstance(subject.estimator, PoseEstimator):
        raise UsageError("MPII's people are given one by one: validate a top-down model of single frames")
    if truth.exists() and not truth.is_file():  # a pipe would be waited for
        raise BadInput(f"{truth}: is not a regular file; give MPII's gt_valid.mat")
    people, known = read_mpii(annotations), load_gt_valid(truth)
    if len(people.images) != len(known.visible):
        raise BadInput(f"{annotations}: has {len(people.images)} people, {truth} has {len(known.visible)}")
    found = predicted(people, annotations, images, subject, progress)
    return MpiiValidation(len(found), evaluate_pckh(found, known))


def predicted(
    people: MpiiPeople, annotations: Path, images: Path, subject: Subject, progress: Callable[[], object]
) -> np.ndarray:
    """[N, 16, 2] float64 joints in MPII's order, pixels from 0."""
    to_mpii = mapping(subject.skeleton, MPII_16)
    found = np.zeros((len(people.images), len(MPII_16), 2))
    rows = iter(range(len(people.images)))
    while batch := list(islice(rows, _BATCH)):
        names = list(dict.fromkeys(people.images[row] for row in batch))
        pictures = {
            n: read_picture(inside(images, n, str(annotations)), f"image {n} of {annotations}") for n in names
        }
        boxes = [people.boxes[row : row + 1].astype(np.float32) for row in batch]
        joints, scores = subject.estimator.joints_of([pictures[people.images[row]] for row in batch], boxes)
        found[batch] = to_mpii.apply(joints, scores)[0]
        for _ in batch:
            progress()
    return found


def read_mpii(path: Path) -> MpiiPeople:
    """The people of MPII's JSON as Simple Baselines' code brings it into form.

    The place given is the middle of the body's upper part: as published it is moved down by 15 pixels of a person of
    200 and padded by 1.25, unless it is -1, which means that there is none; then counting from 1 becomes from 0.

    Raises:
        BadInput: naming the file, the entry and what is wrong.
    """
    content = read_json(path)
    if not isinstance(content, list) or not content:
        raise BadInput(f"{path}: is no list of people; give MPII's valid.json of the pose estimators")
    people = [_person(entry, f"{path}: [{place}]") for place, entry in enumerate(content)]
    names, centres, sizes, points, seen = zip(*people)
    centre, size, joints = np.array(centres), np.array(sizes), np.array(points)
    visible = np.array(seen) > 0
    known = centre[:, 0] != -1
    centre[known, 1] += 15 * size[known]
    size = np.where(known, size * BOX_PADDING, size)
    return MpiiPeople(names, centre - 1, np.stack([size, size], axis=1), joints - 1, visible)


def _person(entry: Json, where: str) -> tuple[str, np.ndarray, float, np.ndarray, np.ndarray]:
    """Image, centre [2], scale, joints [16, 2] and whether they are visible [16], as the file has them."""
    form = "is not in MPII's form (image, center, scale, joints, joints_vis)"
    if not isinstance(entry, dict) or not isinstance(entry.get("image"), str):
        raise BadInput(f"{where} {form}: it has no text 'image'; give MPII's valid.json of the pose estimators")
    for field in ("center", "scale", "joints", "joints_vis"):
        if field not in entry:
            raise BadInput(f"{where} {form}: it has no '{field}'; write it")
    scale = _vector({"scale": [entry["scale"]]}, "scale", 1, where)[0]
    if scale <= 0:
        raise BadInput(f"{where}.scale is {scale:g}; write the person's height / 200 pixels")
    points = entry["joints"]
    if not isinstance(points, list) or len(points) != len(MPII_16):
        raise BadInput(f"{where}.joints is no list of MPII's {len(MPII_16)} joints; write x and y of each")
    joints = [
        _vector({f"joints[{place}]": point}, f"joints[{place}]", 2, where) for place, point in enumerate(points)
    ]
    seen = entry["joints_vis"]
    plain = [int(v) if isinstance(v, bool) else v for v in seen] if isinstance(seen, list) else seen
    visible = _vector({"joints_vis": plain}, "joints_vis", len(MPII_16), where)
    return entry["image"], _vector(entry, "center", 2, where), scale, np.array(joints), visible


def _vector(entry: dict[str, Json], field: str, length: int, where: str) -> np.ndarray:
    array = numbers(entry, field, where)
    if len(array) != length:
        raise BadInput(f"{where}.{field} has {len(array)} numbers, not {length}; write them all")
    return array
