"""COCO keypoints: a data set of the found people, and a results list that `loadRes` takes; boxes in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import numpy as np
import orjson

from posedata.atomic import replacing
from posedata.boxes import area, xywh_to_xyxy, xyxy_to_xywh
from posedata.errors import BadInput
from posedata.formats.annotated import first_sequence, read_image_list
from posedata.formats.exported import ExportSequence, Keep, Tally, choose, say_joints
from posedata.formats.fields import numbers, score_of
from posedata.record_header import Json
from posedata.skeletons import COCO_17, mapping

DATASET, RESULTS = "coco_keypoints.json", "coco_results.json"
# COCO's own order of the limbs, joints counted from 1.
_LINES = (
    *((16, 14), (14, 12), (17, 15), (15, 13), (12, 13), (6, 12), (7, 13), (6, 7), (6, 8), (7, 9)),
    *((8, 10), (9, 11), (2, 3), (1, 2), (1, 3), (2, 4), (3, 5), (4, 6), (5, 7)),
)
_CATEGORY = {
    "id": 1,
    "name": "person",
    "supercategory": "person",
    "keypoints": COCO_17.joints,
    "skeleton": _LINES,
}


def write(sequences: tuple[ExportSequence, ...], folder: Path, keep: Keep, tally: Tally) -> list[Path]:
    """`coco_keypoints.json` (images, annotations, categories) and `coco_results.json` (a list), of all sequences.

    Image ids count from 1 through all sequences; those of a PoseTrack18 annotation stay as they are.

    Raises:
        BadInput: a record or an annotation; two sequences whose annotations share image ids.
    """
    dataset, results = folder / DATASET, folder / RESULTS
    with (
        replacing(dataset) as part,
        replacing(results) as results_part,
        part.open("wb") as file,
        results_part.open("wb") as results_file,
    ):
        ids = _write_images(sequences, file)
        file.write(b'\n],"annotations":[\n')
        results_file.write(b"[\n")
        number = 0
        for sequence, of_sequence in zip(sequences, ids):
            for annotation in _people(sequence, of_sequence, keep, tally):
                comma = b",\n" if number else b""
                number += 1
                file.write(comma + _json({"id": number, **annotation}))
                result = {name: annotation[name] for name in ("image_id", "category_id", "bbox", "score")}
                keypoints = np.array(annotation["keypoints"]).reshape(-1, 3)
                keypoints[:, 2] = annotation["keypoint_scores"]  # in results COCO keeps the scores there
                results_file.write(comma + _json({**result, "keypoints": keypoints.reshape(-1)}))
        file.write(b'\n],"categories":[\n' + orjson.dumps(_CATEGORY) + b"\n]}\n")
        results_file.write(b"\n]\n")
    return [dataset, results]


def read_results(
    content: list[Json],
    path: Path,  # for messages
) -> Iterator[tuple[int | str, int | None, np.ndarray, float]]:
    """(image id, or image name; frame number from 0 or None; box [4] xyxy pixels; score) of every entry.

    Raises:
        BadInput: naming file, entry and field.
    """
    for where, entry, image, frame in result_entries(content, path):
        if "bbox" not in entry:
            raise BadInput(f"{where} has no bbox; write x, y, width, height")
        score = 1.0 if entry.get("score") is None else score_of(entry["score"], f"{where}.score")
        yield image, frame, box_of(entry, where), score


def result_entries(
    content: list[Json],
    path: Path,  # for messages
) -> Iterator[tuple[str, dict[str, Json], int | str, int | None]]:
    """(file and entry for messages; the entry; image id, or image name; frame number from 0 or None) of every entry.

    An entry names its image by `image_id`, or by `file_name` or `image_name` (an image, or a video together with
    `frame`). Entries of another category than the person's, number 1, are left out.

    Raises:
        BadInput: naming file, entry and field.
    """
    for place, entry in enumerate(content):
        where = f"{path}: entry {place}"
        if not isinstance(entry, dict):
            raise BadInput(f"{where} is no object; write image_id, bbox and score for each box")
        if entry.get("category_id", 1) != 1:
            continue
        image = next((entry[name] for name in ("image_id", "file_name", "image_name") if name in entry), None)
        if type(image) not in (int, str):
            raise BadInput(f"{where} names no image; write image_id (a number), or file_name, or image_name")
        frame = entry.get("frame")
        if frame is not None and (type(frame) is not int or frame < 0):
            raise BadInput(f"{where}.frame is {str(frame)[:40]}, not a whole number from 0")
        yield where, entry, image, frame


def box_of(entry: dict[str, Json], where: str) -> np.ndarray:
    """[4] xyxy of an entry's `bbox`.

    Raises:
        BadInput: it is no box of some size.
    """
    box = numbers(entry, "bbox", where)
    if len(box) != 4 or box[2] <= 0 or box[3] <= 0:
        raise BadInput(f"{where}.bbox is {str(entry['bbox'])[:60]}; write x, y, width, height, the last two above 0")
    return xywh_to_xyxy(box)


def _write_images(sequences: tuple[ExportSequence, ...], file: BinaryIO) -> list[dict[int, int]]:
    """Writes the images; frame -> image id of each sequence."""
    ids: list[dict[int, int]] = []
    used: set[int] = set()
    following = 1
    file.write(b'{"images":[\n')
    first = True
    for sequence in sequences:
        names, own = _images(sequence)
        of_sequence: dict[int, int] = {}
        for frame, name in names.items():
            if own is not None:
                image = own[frame]
                if image in used:
                    raise BadInput(f"sequence {sequence.id}: image id {image} of {sequence.annotation} is used twice")
            else:
                while following in used:
                    following += 1
                image = following
            used.add(image)
            of_sequence[frame] = image
            entry = {
                "id": image,
                "file_name": name,
                "width": sequence.video.width,
                "height": sequence.video.height,
                "sequence": sequence.id,
                "frame": frame,
            }
            file.write((b"" if first else b",\n") + orjson.dumps(entry))
            first = False
        ids.append(of_sequence)
    return ids


def _images(sequence: ExportSequence) -> tuple[dict[int, str], list[int] | None]:
    """Frame -> image name, and the images' own ids where the annotation has them."""
    if sequence.annotation is not None:
        listed = first_sequence(read_image_list(sequence.annotation))
        own = [frame.id for frame in listed if frame.id is not None]
        names = {place: frame.name for place, frame in enumerate(listed)}
        for record in sequence.frames():
            if record.index not in names:
                raise BadInput(
                    f"sequence {sequence.id}: the record has frame {record.index}, {sequence.annotation} lists "
                    f"{len(names)} frames; run ptrack on that source again"
                )
        return names, own or None
    frames = [record.index for record in sequence.frames()]
    if sequence.frame_names is not None:
        known = sequence.frame_names
        frames = [*range(len(known)), *(frame for frame in frames if frame >= len(known))]
        base = [PurePosixPath(name).name for name in known]
        return {f: f"{sequence.id}/{base[f] if f < len(base) else f'{f:06d}.jpg'}" for f in frames}, None
    return {frame: f"{sequence.id}/{frame:06d}.jpg" for frame in frames}, None


def _people(
    sequence: ExportSequence, images: dict[int, int], keep: Keep, tally: Tally
) -> Iterator[dict[str, object]]:
    joints = mapping(sequence.skeleton, COCO_17)
    say_joints(sequence, joints, tally)
    tally.add("sequences", 1)
    tally.add("frames", len(images))
    seen = 0
    for record in sequence.frames():
        seen += 1
        tally.status(record.people)
        chosen = choose(record.people, joints, keep, tally, with_identity=False)
        visible = np.concatenate([chosen.keypoints, 2.0 * chosen.present[..., None]], axis=2)
        boxes, areas = np.round(xyxy_to_xywh(chosen.boxes), 3), np.round(area(chosen.boxes), 3)
        for person in range(len(chosen)):
            yield {
                "image_id": images[record.index],
                "category_id": 1,
                "iscrowd": 0,
                "track_id": int(chosen.track_ids[person]),
                "bbox": boxes[person],
                "area": float(areas[person]),
                "score": float(chosen.person_scores[person]),
                "num_keypoints": int(chosen.present[person].sum()),
                "keypoints": visible[person].reshape(-1),
                "keypoint_scores": chosen.scores[person],
            }
    tally.add("frames_padded", len(images) - seen)


def _json(entry: dict[str, object]) -> bytes:
    return orjson.dumps(entry, option=orjson.OPT_SERIALIZE_NUMPY)
