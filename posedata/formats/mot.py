"""MOTChallenge text: one line a box, `frame,id,left,top,width,height,confidence,-1,-1,-1`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from posedata.atomic import write_atomically
from posedata.boxes import xyxy_to_xywh
from posedata.errors import BadInput
from posedata.formats.exported import ExportSequence, Keep, Tally, choose, file_of
from posedata.formats.fields import MAX_GIVEN
from posedata.skeletons import mapping

_FIELDS = ("frame", "id", "left", "top", "width", "height", "confidence")
MAX_LINE = 4096


def write(sequences: tuple[ExportSequence, ...], folder: Path, keep: Keep, tally: Tally) -> list[Path]:
    """`<sequence>.txt` for each sequence; frames and ids count from 1, people without a track are left out."""
    files = []
    for sequence in sequences:
        path = file_of(folder, sequence.id, ".txt")
        write_atomically(path, _lines(sequence, keep, tally))
        files.append(path)
    return files


def read_boxes(
    path: Path,
) -> Iterator[tuple[int, np.ndarray, float]]:
    """(frame from 0, box [4] xyxy pixels, score) of every line.

    Raises:
        BadInput: a line that is none, naming its number and field.
    """
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(iter(lambda: file.readline(MAX_LINE), b""), 1):
                if raw.strip():
                    yield _box(raw, f"{path}: line {number}")
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror or error})") from None


def _lines(sequence: ExportSequence, keep: Keep, tally: Tally) -> Iterator[bytes]:
    joints = mapping(sequence.skeleton, sequence.skeleton)
    tally.add("sequences", 1)
    for record in sequence.frames():
        tally.add("frames", 1)
        tally.status(record.people)
        chosen = choose(record.people, joints, keep, tally, with_identity=True, with_joints=False)
        for track, box, score in zip(
            chosen.track_ids.tolist(), np.round(xyxy_to_xywh(chosen.boxes), 3).tolist(), chosen.person_scores.tolist()
        ):
            cells = ",".join(repr(value) for value in (*box, score))
            yield f"{record.index + 1},{track + 1},{cells},-1,-1,-1\n".encode()


def _box(raw: bytes, where: str) -> tuple[int, np.ndarray, float]:
    cells = raw.decode("ascii", "replace").replace(",", " ").split()
    if len(cells) < 6:
        raise BadInput(f"{where} has {len(cells)} values; write frame,id,left,top,width,height,confidence")
    values = []
    for name, cell in zip(_FIELDS, cells):
        try:
            value = float(cell)
        except ValueError:
            value = float("nan")
        if not abs(value) <= MAX_GIVEN:
            raise BadInput(f"{where}: {name} is {cell[:40]!r}, not a number of pixels, frames or a score")
        values.append(value)
    if values[0] != int(values[0]) or values[0] < 1:
        raise BadInput(f"{where}: frame is {cells[0]}; write a whole number, the first frame is 1")
    if values[4] <= 0 or values[5] <= 0:
        raise BadInput(f"{where}: width and height are {cells[4]} and {cells[5]}; both must be above 0")
    left, top, width, height = values[2:6]
    score = values[6] if len(values) > 6 else 1.0
    return int(values[0]) - 1, np.array([left, top, left + width, top + height]), score
