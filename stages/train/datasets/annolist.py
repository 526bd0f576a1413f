"""People of PoseTrack17 files (`annolist`)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from configs.recipes import PoseSource
from posedata.errors import BadInput
from posedata.formats.fields import MAX_GIVEN
from posedata.jsonio import read_json
from posedata.paths import inside
from posedata.skeletons import POSETRACK_15, Skeleton
from stages.train.datasets.people import Person, box_of_joints, columns_of, crop_of, in_skeleton


def read_annolist(path: Path, source: PoseSource, skeleton: Skeleton, aspect: float) -> list[Person]:
    """Everybody with a labelled joint; boxes go around the joints, since the files hold boxes of heads only.

    Raises:
        BadInput: naming file, frame and person.
    """
    content = read_json(path)
    frames = content.get("annolist") if isinstance(content, dict) else None
    if not isinstance(frames, list):
        raise BadInput(f"{path}: has no list 'annolist'; give a PoseTrack17 annotation file")
    root = Path(source.images or path.parent).resolve()
    columns = columns_of(POSETRACK_15.joints, skeleton, path)
    people = []
    for place, frame in enumerate(frames):
        where = f"{path}: annolist[{place}]"
        try:
            image = frame["image"][0] if isinstance(frame["image"], list) else frame["image"]
            file = inside(root, image["name"], where)
            for rect in frame.get("annorect", []):
                triplets, head = _joints(rect)
                joints, weights = in_skeleton(triplets, columns)
                if not weights.any():
                    continue
                box = box_of_joints(joints, weights > 0)
                area = float((box[2:] - box[:2]).prod())
                people.append(Person(file, *crop_of(box, aspect), joints, weights, box, area, head))
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            raise BadInput(f"{where}: wrong or missing field ({error}); write it as PoseTrack17 does") from None
    return people


def _joints(rect: dict) -> tuple[np.ndarray, float]:
    """[15, 3] x, y, labelled; and the head's size in pixels, nan where no head box is given."""
    triplets = np.zeros((len(POSETRACK_15), 3))
    for points in rect.get("annopoints") or []:
        for point in points["point"]:
            number, x, y = (_number(point, k) for k in ("id", "x", "y"))
            if number not in range(len(triplets)):
                raise ValueError(f"id is {number:g}; joints are numbered 0..{len(triplets) - 1}")
            triplets[int(number)] = x, y, 1
    if any(rect.get(k) is None for k in ("x1", "y1", "x2", "y2")):
        return triplets, float("nan")
    x1, y1, x2, y2 = (_number(rect, k) for k in ("x1", "y1", "x2", "y2"))
    return triplets, 0.6 * float(np.hypot(x2 - x1, y2 - y1))


def _number(entry: dict, name: str) -> float:
    """A field that is a number, or a list of it."""
    value = entry[name]
    value = value[0] if isinstance(value, list) else value
    if type(value) not in (int, float) or not abs(value) <= MAX_GIVEN:
        raise ValueError(f"{name} is {str(value)[:40]!r}, not a number up to {MAX_GIVEN:g}")
    return float(value)
