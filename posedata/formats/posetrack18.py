"""PoseTrack18 files (PoseTrack21's are the same): submissions out, people in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import orjson

from posedata.atomic import replacing
from posedata.boxes import xywh_to_xyxy, xyxy_to_xywh
from posedata.errors import BadInput, PtrackError
from posedata.formats.annotated import image_list
from posedata.formats.exported import Chosen, ExportSequence, Keep, Tally
from posedata.formats.fields import ImagePeople, as_people, numbers, score_of
from posedata.formats.submission import MAX_IDENTITIES, Submission, SubmissionFrame, frames_of, plan
from posedata.jsonio import read_json
from posedata.record_header import Json
from posedata.skeletons import POSETRACK_17

# The joints' names and lines as in the published annotation files.
_LINES = (
    *((16, 14), (14, 12), (17, 15), (15, 13), (12, 13), (6, 12), (7, 13), (6, 7), (6, 8), (7, 9), (8, 10), (9, 11)),
    *((2, 3), (1, 2), (1, 3), (2, 4), (3, 5), (4, 6), (5, 7)),
)
_CATEGORY = {
    "supercategory": "person",
    "id": 1,
    "name": "person",
    "keypoints": POSETRACK_17.joints,
    "skeleton": _LINES,
}


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
                file.writelines(_lines(submission, frames_of(submission, POSETRACK_17, keep, tally), people))
            _check(part, submission, people)
        files.append(path)
    return files, renamed


def read_people(path: Path) -> tuple[ImagePeople, ...]:
    """The people of every image, in the file's order, with boxes from `bbox` or else from the joints.

    Raises:
        BadInput: naming file, entry and field.
    """
    return people_of(read_json(path), path)


def people_of(content: Json, path: Path) -> tuple[ImagePeople, ...]:
    """The people of a file's content; see `read_people`.

    Images that annotations name and the list has not come last, with an empty name.
    """
    images = image_list(content, path)
    rows: dict[int, list[tuple[np.ndarray, float]]] = {frame.id: [] for frame in images}
    for where, entry, image in entries(content, path):
        box = _box(entry, where)
        if box is not None:
            rows.setdefault(image, []).append((box, _score(entry, where)))
    names = {frame.id: frame.name for frame in images}
    return tuple(ImagePeople(names.get(image, ""), image, as_people(found)) for image, found in rows.items())


def entries(content: Json, path: Path) -> Iterator[tuple[str, dict[str, Json], int]]:
    """(file and entry for messages; the entry; image id) of every person.

    Raises:
        BadInput: naming file and entry.
    """
    annotations = content.get("annotations", [])
    if not isinstance(annotations, list):
        raise BadInput(f"{path}: 'annotations' is no list; write one, empty if nobody is there")
    for place, entry in enumerate(annotations):
        where = f"{path}: annotations[{place}]"
        if not isinstance(entry, dict):
            raise BadInput(f"{where} is no object; write one for each person")
        image = entry.get("image_id")
        if type(image) is not int:
            raise BadInput(f"{where}.image_id is {str(image)[:40]}, not a whole number; write that of its image")
        yield where, entry, image


def _lines(
    submission: Submission, frames: Iterable[tuple[SubmissionFrame, Chosen]], people: np.ndarray
) -> Iterator[bytes]:
    yield b'{"images":[\n'
    yield b",\n".join(
        orjson.dumps({"file_name": f.name, "id": f.id, "frame_id": f.id, "nframes": len(submission.frames)})
        for f in submission.frames
    )
    yield b'\n],"annotations":[\n'
    number = 0
    for place, (frame, chosen) in enumerate(frames):
        people[place] = len(chosen)
        joints = np.concatenate([chosen.keypoints, chosen.present[..., None]], axis=2)
        boxes = np.round(xyxy_to_xywh(chosen.boxes), 3)
        for row in range(len(chosen)):
            entry = {
                "id": number + 1,
                "image_id": frame.id,
                "category_id": 1,
                "track_id": int(chosen.track_ids[row]),
                "bbox": boxes[row],
                "score": float(chosen.person_scores[row]),
                "keypoints": joints[row].ravel(),
                "scores": chosen.scores[row],
            }
            yield (b",\n" if number else b"") + orjson.dumps(entry, option=orjson.OPT_SERIALIZE_NUMPY)
            number += 1
    yield b'\n],"categories":[\n' + orjson.dumps(_CATEGORY) + b"\n]}\n"


def _check(path: Path, submission: Submission, people: np.ndarray) -> None:
    """Reads the file again and looks whether it is what was meant."""
    content = read_json(path)
    place = {frame.id: number for number, frame in enumerate(submission.frames)}
    listed = image_list(content, path)
    found = np.zeros(len(people), np.int64)
    seen: set[tuple[int, int]] = set()
    sound = [(f.name, f.id) for f in listed] == [(f.name, f.id) for f in submission.frames]
    for entry in content["annotations"]:
        found[place[entry["image_id"]]] += 1
        seen.add((entry["image_id"], entry["track_id"]))
        sound &= 0 <= entry["track_id"] < MAX_IDENTITIES and len(entry["scores"]) == len(POSETRACK_17)
        sound &= len(entry["keypoints"]) == 3 * len(POSETRACK_17) and None not in entry["keypoints"]
    if not sound or len(seen) != len(content["annotations"]) or not np.array_equal(found, people):
        raise PtrackError(f"sequence {submission.sequence.id}: what was written is not what was meant; try again")


def _box(entry: dict[str, Json], where: str) -> np.ndarray | None:
    """[4] xyxy; None where the person has neither a box nor a joint."""
    if entry.get("bbox") is not None and len(box := numbers(entry, "bbox", where)):
        if len(box) != 4:
            raise BadInput(f"{where}.bbox has {len(box)} numbers; write x, y, width, height")
        if box[2] > 0 and box[3] > 0:
            return xywh_to_xyxy(box)
    keypoints = numbers(entry, "keypoints", where) if entry.get("keypoints") is not None else np.zeros(0)
    if len(keypoints) % 3:
        raise BadInput(f"{where}.keypoints has {len(keypoints)} numbers; write x, y, v for each joint")
    points = keypoints.reshape(-1, 3)
    points = points[(points != 0).any(axis=1), :2]
    return np.concatenate([points.min(axis=0), points.max(axis=0)]) if len(points) else None


def _score(entry: dict[str, Json], where: str) -> float:
    """The person's own score, else the mean of the joints' that are there, else 1."""
    if entry.get("score") is not None:
        return score_of(entry["score"], f"{where}.score")
    scores = numbers(entry, "scores", where) if entry.get("scores") is not None else np.zeros(0)
    scores = scores[scores > 0]
    return float(scores.mean()) if len(scores) else 1.0
