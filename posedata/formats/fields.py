"""Reading the fields of people that somebody else wrote, with errors that name them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from posedata.errors import BadInput
from posedata.people import MAX_COORDINATE, FramePeople, Origin
from posedata.record_header import Json

MAX_GIVEN = MAX_COORDINATE / 2  # pixels; a corner plus a side is still a coordinate


@dataclass(frozen=True)
class ImagePeople:
    """The people of one image."""

    name: str  # as the file has it
    id: int | None  # of a PoseTrack18 image
    people: FramePeople  # boxes, box_scores, origin


def numbers(
    entry: dict[str, Json],
    name: str,
    where: str,  # file and entry, for messages
) -> np.ndarray:
    """[N] float64 of a list of finite numbers.

    Raises:
        BadInput: it is no such list.
    """
    value = entry[name]
    if not isinstance(value, list) or not set(map(type, value)) <= {int, float}:
        raise BadInput(f"{where}.{name} is no list of numbers; write plain numbers")
    try:
        array = np.array(value, np.float64)
    except OverflowError:
        array = np.array([np.inf])
    if len(array) and not np.abs(array).max() <= MAX_GIVEN:  # nan is not either
        raise BadInput(f"{where}.{name} holds a number beyond {MAX_GIVEN:g}; write pixels")
    return array


def score_of(value: Json, where: str) -> float:
    """One finite number.

    Raises:
        BadInput: it is none; `where` names file, entry and field.
    """
    if type(value) not in (int, float) or not math.isfinite(value) or abs(value) > MAX_GIVEN:
        raise BadInput(f"{where} is {str(value)[:40]}, not a finite number; write a score, 0..1")
    return float(value)


def as_people(
    rows: list[tuple[np.ndarray, float]],  # box [4] xyxy pixels, and score
) -> FramePeople:
    """Detected people; empty where there are no rows."""
    return FramePeople(
        boxes=np.array([box for box, _ in rows], np.float32).reshape(-1, 4),
        box_scores=np.array([score for _, score in rows], np.float32),
        origin=np.full(len(rows), Origin.DETECTED, np.uint8),
    )
