"""The labels of PoseTrack17 files (`annolist`), brought to PoseTrack18's form."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from posedata.errors import BadInput
from posedata.formats.annotated import image_list
from posedata.formats.fields import numbers
from posedata.record_header import Json
from posedata.skeletons import POSETRACK_15, POSETRACK_17

_PLACES = [POSETRACK_17.joints.index(joint) for joint in POSETRACK_15.joints]


def in_form_of_2018(content: dict[str, Json], path: Path) -> dict[str, Json]:
    """Images and annotations of the file's content; images are numbered from 1, as PoseTrack17's frames are.

    An image is labelled where the file says so or somebody is there. People have no boxes: the file has those of
    their heads. An annotation's `where` is its place in the file, for messages.

    Raises:
        BadInput: naming file, frame and person.
    """
    listed = image_list(content, path)
    images, annotations = [], []
    for place, (frame, entry) in enumerate(zip(listed, content["annolist"])):
        where = f"{path}: annolist[{place}]"
        rects = entry.get("annorect") or []
        if not isinstance(rects, list) or not all(isinstance(rect, dict) for rect in rects):
            raise BadInput(f"{where}.annorect is no list of objects; write one, empty if nobody is there")
        labelled = _single(entry.get("is_labeled")) == 1 or bool(rects)
        ids = {"id": place + 1, "frame_id": place + 1, "nframes": len(listed)}
        images.append({"file_name": frame.name, **ids, "is_labeled": labelled})
        for number, rect in enumerate(rects):
            at = f"{where}.annorect[{number}]"
            person = {"image_id": place + 1, "keypoints": _keypoints(rect, at), "where": at}
            annotations.append({**person, "track_id": _single(rect.get("track_id"))})
    return {"images": images, "annotations": annotations}


def _keypoints(rect: dict[str, Json], where: str) -> list[float]:
    """[51] x, y, v of PoseTrack's 17 joints; v is 2 for every point that is there."""
    triplets = np.zeros((len(POSETRACK_17), 3))
    holder = rect.get("annopoints")
    first = holder[0] if isinstance(holder, list) and holder else holder
    points = first.get("point", []) if isinstance(first, dict) else []
    if not isinstance(points, list):
        raise BadInput(f"{where}.annopoints[0].point is no list; write one object for each joint")
    for number, point in enumerate(points):
        at = f"{where}.annopoints[0].point[{number}]"
        if not isinstance(point, dict) or not all(point.get(key) for key in ("id", "x", "y")):
            raise BadInput(f"{at} has no id, x or y; write each as a list of one number")
        joint = _single(point["id"])
        if type(joint) is not int or not 0 <= joint < len(POSETRACK_15):
            raise BadInput(f"{at}.id is {str(joint)[:40]!r}, not a joint's number from 0 to {len(POSETRACK_15) - 1}")
        x, y = (numbers(point, key, at)[0] for key in ("x", "y"))
        triplets[_PLACES[joint]] = x, y, 2
    return triplets.ravel().tolist()


def _single(value: Json) -> Json:
    """What a list of one holds, as PoseTrack17 writes every number."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value
