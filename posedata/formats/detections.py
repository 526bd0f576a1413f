"""Boxes that the user brings, matched to the sequences' frames."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from posedata.errors import BadInput
from posedata.formats import coco, mot, posetrack17, posetrack18
from posedata.formats.annotated import annotation_name, first_sequence, read_image_list
from posedata.formats.fields import ImagePeople, as_people
from posedata.jsonio import read_json
from posedata.people import FramePeople
from posedata.record_header import Json
from posedata.sequences import Sequence

Place = tuple[str, int]  # sequence id and frame from 0
_FORMS = "give a COCO results list, a PoseTrack17 or PoseTrack18 file, or MOTChallenge text"


@dataclass(frozen=True)
class Detections:
    """Boxes of the frames that have some, and what was left out."""

    frames: dict[str, dict[int, FramePeople]]  # sequence id -> frame from 0 -> boxes, box_scores, origin
    warnings: tuple[str, ...] = ()


def read_detections(path: Path, sequences: tuple[Sequence, ...]) -> Detections:
    """The boxes of a file in any of the forms; those of unknown images are counted in one warning.

    COCO results name images by the ids in the sequences' annotations (without annotations: by the number that is the
    image's name), or by `file_name` or `image_name`, which may be a sequence's name with `frame` beside. PoseTrack
    files name images by name or id. MOT text belongs to the sequence of the file's name, or to the only one.

    Raises:
        BadInput: naming file, entry and field; or nothing in the file belongs to any sequence.
    """
    places = Places(sequences)
    rows: dict[Place, list[tuple[np.ndarray, float]]] = {}
    unknown, example = 0, ""
    for place, name, box, score in _boxes(path, places):
        if place is None:
            unknown += 1
            example = example or name
        else:
            rows.setdefault(place, []).append((box, score))
    if not rows and unknown:
        raise BadInput(
            f"{path}: none of its {unknown} boxes belongs to an image of the source (the first is of {example}); "
            "check that it was made for this source"
        )
    if not rows:
        raise BadInput(f"{path}: holds no boxes; {_FORMS}")
    frames: dict[str, dict[int, FramePeople]] = {}
    for sequence, frame in sorted(rows):
        frames.setdefault(sequence, {})[frame] = as_people(rows[sequence, frame])
    if not unknown:
        return Detections(frames)
    return Detections(frames, (f"{path}: {unknown} boxes left out, their images are not there ({example})",))


class Places:
    """Where an image lies: by id, by name, by sequence and frame number. What fits several is nowhere."""

    def __init__(self, sequences: tuple[Sequence, ...]) -> None:
        self.sequences = sequences
        self._lengths = {s.id: None if s.frames is None else len(s.frames) for s in sequences}
        self._by_id: dict[int, Place | None] | None = None
        self._by_name: dict[str, Place | None] = {}
        self._by_sequence: dict[str, str | None] = {}
        for sequence in sequences:
            names = {PurePosixPath(sequence.id).name, sequence.path.name, sequence.path.stem}
            if sequence.annotation is not None:
                names.add(annotation_name(sequence.annotation))
            for name in names:
                self._by_sequence[name] = None if name in self._by_sequence else sequence.id
            for number, frame in enumerate(sequence.frames or ()):
                own = frame.name.split("/")
                for name in {frame.name, "/".join(own[-2:]), f"{sequence.path.name}/{own[-1]}", own[-1]}:
                    self._by_name[name] = None if name in self._by_name else (sequence.id, number)
        self._by_sequence |= {sequence.id: sequence.id for sequence in sequences}

    def of_id(self, image: int) -> Place | None:
        """By the annotations' image ids, or the numbers that images are named by; read when first asked for."""
        if self._by_id is None:
            self._by_id = {}
            for sequence in self.sequences:
                for number, own in enumerate(_image_ids(sequence)):
                    if own is not None:
                        self._by_id[own] = None if own in self._by_id else (sequence.id, number)
        return self._by_id.get(image)

    def of_name(self, name: str) -> Place | None:
        """By the name that the source has for it, or its last two parts."""
        parts = name.replace("\\", "/").split("/")
        return self._by_name.get(name) or self._by_name.get("/".join(parts[-2:]))

    def of_frame(self, name: str, frame: int) -> Place | None:
        """By a sequence's name, with or without ending, and the frame's number from 0."""
        sequence = self.sequence(name)
        if sequence is None:
            return None
        length = self._lengths[sequence]
        return None if length is not None and frame >= length else (sequence, frame)

    def sequence(self, name: str) -> str | None:
        """The id of the sequence that a name fits."""
        return self._by_sequence.get(name) or self._by_sequence.get(name.rpartition(".")[0])


def _image_ids(sequence: Sequence) -> Iterator[int | None]:
    if sequence.fault:
        return
    if sequence.annotation is not None:
        yield from (frame.id for frame in first_sequence(read_image_list(sequence.annotation)))
        return
    for frame in sequence.frames or ():
        stem = PurePosixPath(frame.name).stem
        yield int(stem) if stem.isascii() and stem.isdigit() and len(stem) <= 18 else None


def _boxes(path: Path, places: Places) -> Iterator[tuple[Place | None, str, np.ndarray, float]]:
    """(where or None, name for messages, box [4] xyxy pixels, score) of every box."""
    if path.suffix.lower() in (".txt", ".csv"):
        sequence = places.sequence(path.stem)
        if sequence is None and len(places.sequences) == 1:
            sequence = places.sequences[0].id
        for frame, box, score in mot.read_boxes(path):
            place = None if sequence is None else places.of_frame(sequence, frame)
            yield place, f"frame {frame + 1} of {path.stem}", box, score
        return
    content = read_json(path)
    if isinstance(content, list):
        for image, frame, box, score in coco.read_results(content, path):
            if isinstance(image, int):
                place = places.of_id(image)
            else:
                place = places.of_name(image) if frame is None else places.of_frame(image, frame)
            yield place, f"image {image}" if frame is None else f"frame {frame} of {image}", box, score
        return
    for number, image in enumerate(_posetrack(content, path)):
        place = places.of_name(image.name)
        if place is None and image.id is not None:
            place = places.of_id(image.id)
        if place is None and image.name:  # a file named after its sequence, with every frame in order
            place = places.of_frame(annotation_name(path), number)
        for box, score in zip(image.people.boxes, image.people.box_scores):
            yield place, image.name or f"image {image.id}", box, float(score)


def _posetrack(content: Json, path: Path) -> tuple[ImagePeople, ...]:
    if isinstance(content, dict) and "annolist" in content:
        return posetrack17.people_of(content, path)
    if isinstance(content, dict) and "images" in content:
        return posetrack18.people_of(content, path)
    raise BadInput(f"{path}: is in no form that detections are read from; {_FORMS}")
