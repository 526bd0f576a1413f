"""PoseTrack17 files (`annolist`): submissions out, people in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import orjson

from posedata.atomic import replacing
from posedata.errors import BadInput, PtrackError
from posedata.formats.annotated import image_list
from posedata.formats.exported import Chosen, ExportSequence, Keep, Tally
from posedata.formats.fields import ImagePeople, as_people, numbers, score_of
from posedata.formats.submission import MAX_IDENTITIES, Submission, SubmissionFrame, frames_of, plan
from posedata.jsonio import read_json
from posedata.record_header import Json
from posedata.skeletons import POSETRACK_15

_CORNERS = ("x1", "y1", "x2", "y2")


def write(
    sequences: tuple[ExportSequence, ...], folder: Path, keep: Keep, tally: Tally
) -> tuple[list[Path], dict[str, str]]:
    """One file a sequence, and the names that sequences got which are no PoseTrack sequences.

    Raises:
        BadInput: a record, an annotation, or what a submission cannot hold; names the sequence.
    """
    submissions, renamed = plan(sequences)
    files = []
    for submission in submissions:
        path = folder / f"{submission.name}.json"
        people = np.zeros(len(submission.frames), np.int64)
        with replacing(path) as part:
            with part.open("wb") as file:
                file.writelines(_lines(frames_of(submission, POSETRACK_15, keep, tally), people))
            _check(part, submission, people)
        files.append(path)
    return files, renamed


def read_people(path: Path) -> tuple[ImagePeople, ...]:
    """The people of every image, in the file's order.

    A box goes around x1..y2 and all joints: x1..y2 are the head's box in annotations and often the person's in
    results, and either way the union is the person.

    Raises:
        BadInput: naming file, entry and field.
    """
    return people_of(read_json(path), path)


def people_of(content: Json, path: Path) -> tuple[ImagePeople, ...]:
    """The people of a file's content; see `read_people`."""
    images = image_list(content, path)
    found = []
    for place, (frame, entry) in enumerate(zip(images, content["annolist"])):
        where = f"{path}: annolist[{place}]"
        rects = entry.get("annorect", [])
        if not isinstance(rects, list) or not all(isinstance(rect, dict) for rect in rects):
            raise BadInput(f"{where}.annorect is no list of objects; write one, empty if nobody is there")
        rows = [_person(rect, f"{where}.annorect[{number}]") for number, rect in enumerate(rects)]
        found.append(ImagePeople(frame.name, None, as_people([row for row in rows if row is not None])))
    return tuple(found)


def _lines(frames: Iterable[tuple[SubmissionFrame, Chosen]], people: np.ndarray) -> Iterator[bytes]:
    yield b'{"annolist":[\n'
    for place, (frame, chosen) in enumerate(frames):
        people[place] = len(chosen)
        entry = {
            "image": [{"name": frame.name}],
            "imgnum": [frame.number],
            "annorect": [_rect(chosen, row) for row in range(len(chosen))],
        }
        yield (b",\n" if place else b"") + orjson.dumps(entry)
    yield b"\n]}\n"


def _rect(chosen: Chosen, row: int) -> dict[str, object]:
    points = [
        {
            "id": [joint],
            "x": [float(chosen.keypoints[row, joint, 0])],
            "y": [float(chosen.keypoints[row, joint, 1])],
            "score": [float(chosen.scores[row, joint])],
        }
        for joint in np.flatnonzero(chosen.present[row]).tolist()
    ]
    return {
        **{corner: [float(value)] for corner, value in zip(_CORNERS, chosen.boxes[row])},
        "score": [float(chosen.person_scores[row])],
        "track_id": [int(chosen.track_ids[row])],
        "annopoints": [{"point": points}],
    }


def _check(path: Path, submission: Submission, people: np.ndarray) -> None:
    """Reads the file again and looks whether it is what was meant."""
    content = read_json(path)
    listed = image_list(content, path)
    sound = [f.name for f in listed] == [f.name for f in submission.frames]
    found = []
    for entry in content["annolist"]:
        tracks = [rect["track_id"][0] for rect in entry["annorect"]]
        points = [rect["annopoints"][0]["point"] for rect in entry["annorect"]]
        sound &= len(set(tracks)) == len(tracks) and all(0 <= track < MAX_IDENTITIES for track in tracks)
        sound &= all(None not in (p["x"][0], p["y"][0], p["score"][0]) for person in points for p in person)
        found.append(len(tracks))
    if not sound or found != people.tolist():
        raise PtrackError(f"sequence {submission.sequence.id}: what was written is not what was meant; try again")


def _person(rect: dict[str, Json], where: str) -> tuple[np.ndarray, float] | None:
    """Box [4] xyxy and score; None where the person has neither a box nor a joint."""
    corners = []
    if all(rect.get(name) for name in _CORNERS):
        low_high = np.concatenate([numbers(rect, name, where)[:1] for name in _CORNERS]).reshape(2, 2)
        if (low_high[1] > low_high[0]).all():
            corners.append(low_high)
    scores = []
    holder = rect.get("annopoints")
    first = holder[0] if isinstance(holder, list) and holder else None
    points = first.get("point", []) if isinstance(first, dict) else []
    if not isinstance(points, list):
        raise BadInput(f"{where}.annopoints[0].point is no list; write one object for each joint")
    for number, point in enumerate(points):
        at = f"{where}.annopoints[0].point[{number}]"
        if not isinstance(point, dict) or not point.get("x") or not point.get("y"):
            raise BadInput(f"{at} has no x or y; write each as a list of one number")
        corners.append(np.concatenate([numbers(point, "x", at)[:1], numbers(point, "y", at)[:1]])[None])
        if point.get("score"):
            scores.append(numbers(point, "score", at)[0])
    if not corners:
        return None
    around = np.concatenate(corners)
    if rect.get("score"):
        value = rect["score"]
        score = score_of(value[0] if isinstance(value, list) else value, f"{where}.score")
    else:
        score = float(np.mean(scores)) if scores else 1.0
    return np.concatenate([around.min(axis=0), around.max(axis=0)]), score
