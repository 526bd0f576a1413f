"""The frame lines and the closing line of a record: arrays to bytes and back, the same bytes every time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import orjson

from posedata.people import FramePeople, FrameStatus, Origin
from posedata.record_header import parse_object, require_integer, require_keys, require_number, require_text, shown

COORDINATE_DECIMALS = 2  # pixels
SCORE_DECIMALS = 6
TIME_DECIMALS = 6  # seconds
CLOSING = b"],"  # how the closing line begins

# Field -> decimals; the order is the order in the line.
_PARTS = {
    "boxes": COORDINATE_DECIMALS,
    "box_scores": SCORE_DECIMALS,
    "keypoints": COORDINATE_DECIMALS,
    "keypoint_scores": SCORE_DECIMALS,
    "person_scores": SCORE_DECIMALS,
    "track_ids": None,
    "origin": None,
}
_REQUIRED = {"index", "time", "status", "people"}
_ALLOWED = _REQUIRED | {"note"} | set(_PARTS)
_STATUS_NAMES = {status.name.lower(): status for status in FrameStatus}
_FLOAT32_MAX = float(np.finfo(np.float32).max) * (1 + 2**-26)  # what still rounds to a finite float32


@dataclass(frozen=True)
class FrameRecord:
    """One frame of a record; `note` says what a reader of the record should know about it."""

    index: int  # from 0, the frame's place in the sequence
    time: float  # seconds from the sequence's beginning
    people: FramePeople
    note: str = ""


@dataclass(frozen=True)
class Footer:
    """A record's closing line; a record that has one is complete."""

    counts: Mapping[str, int]  # frames, people, and what the stage counted besides
    warnings: tuple[str, ...]
    complete: bool


def encode_frame(
    index: int,
    time: float,  # seconds
    people: FramePeople,
    note: str = "",
) -> bytes:
    """One frame as JSON without a line end.

    Coordinates are rounded to 0.01 pixel and scores to 1e-6, so that what is read back and written again gives the
    same bytes (float32 holds every rounded number apart, or holds fewer digits than the rounding keeps).
    """
    content: dict[str, object] = {
        "index": require_integer("index", index, 0),
        "time": round(require_number("time", time), TIME_DECIMALS) + 0.0,
        "status": people.status.name.lower(),
        "people": len(people),
    }
    for name, decimals in _PARTS.items():
        value = getattr(people, name)
        if value is None:
            continue
        if decimals is not None:
            # + 0.0: a minus zero is written as zero
            value = np.round(value.astype(np.float64), decimals) + 0.0
        elif name == "origin":
            value = value.astype(np.int64)
        if name == "keypoints":
            value = value.reshape(len(people), 2 * value.shape[1])
        content[name] = value
    if note:
        content["note"] = require_text("note", note)
    return orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)


def decode_frame(
    line: bytes,
    joints: int | None,  # of the header's skeleton; None where the record holds no poses
) -> FrameRecord:
    """The frame in a line, without the comma before it.

    Raises:
        ValueError: the line is not a frame; the message names the field.
    """
    content = parse_object(line)
    require_keys("the frame", content, _REQUIRED, _ALLOWED)
    index = require_integer("index", content["index"], 0)
    time = require_number("time", content["time"])
    status = content["status"]
    if not isinstance(status, str) or status not in _STATUS_NAMES:
        raise ValueError(f"status must be one of {', '.join(_STATUS_NAMES)}, not {shown(status)}")
    count = require_integer("people", content["people"], 0)
    note = require_text("note", content["note"]) if "note" in content else ""
    if joints is None and ("keypoints" in content or "keypoint_scores" in content):
        raise ValueError("keypoints are given where the header names no skeleton")
    # numpy takes true among numbers for 1; only a line that has the word needs the slow look
    look_for_bool = b"true" in line or b"false" in line
    width = joints or 0
    shapes = {"boxes": (4,), "keypoints": (2 * width,), "keypoint_scores": (width,)}
    parts = {
        name: _numbers(content[name], name, (count, *shapes.get(name, ())), look_for_bool)
        for name in _PARTS
        if name in content
    }
    if "keypoints" in parts:
        parts["keypoints"] = parts["keypoints"].reshape(count, width, 2)
    for name, least, most in (("track_ids", -1, 2**53), ("origin", 0, int(max(Origin)))):
        if name in parts:
            parts[name] = _whole(parts[name], name, least, most)
    if count and not parts:
        raise ValueError(f"people is {count} where the frame has none of {', '.join(_PARTS)}")
    return FrameRecord(index, time, FramePeople(**parts, status=_STATUS_NAMES[status]), note)


def encode_footer(counts: Mapping[str, int], warnings: tuple[str, ...]) -> bytes:
    """The closing line, with its line end."""
    texts = [text.encode("utf-8", "replace").decode() for text in warnings]  # a file's name may be no UTF-8
    content = {"counts": dict(counts), "warnings": texts, "complete": True}
    return CLOSING + orjson.dumps(content)[1:] + b"\n"


def decode_footer(line: bytes) -> Footer:
    """The footer in a record's last line.

    Raises:
        ValueError: the line is not a closing line; the message names the field.
    """
    if not line.startswith(CLOSING) or not line.endswith(b"\n"):
        raise ValueError("the closing line is missing or cut off")
    content = parse_object(b"{" + line[len(CLOSING) :].rstrip(b"\r\n"))
    fields = {"counts", "warnings", "complete"}
    require_keys("the closing line", content, fields, fields)
    counts, warnings = content["counts"], content["warnings"]
    if not isinstance(counts, dict):
        raise ValueError(f"counts must be an object, not {shown(counts)}")
    for name, value in counts.items():
        require_integer(f"counts.{shown(name)[1:-1]}", value, 0)
    for name in ("frames", "people"):
        if name not in counts:
            raise ValueError(f"counts lacks the field {name!r}")
    if not isinstance(warnings, list) or not all(isinstance(text, str) for text in warnings):
        raise ValueError("warnings must be a list of texts")
    if content["complete"] is not True:
        raise ValueError(f"complete must be true, not {shown(content['complete'])}")
    return Footer(counts, tuple(warnings), True)


def _numbers(
    value: object,
    name: str,
    shape: tuple[int, ...],
    look_for_bool: bool,
) -> np.ndarray:
    """The JSON lists as an array of that shape, of whatever number type; ValueError otherwise."""
    if not isinstance(value, list):
        raise ValueError(f"{name} must be a list, not {shown(value)}")
    if len(value) != shape[0]:
        raise ValueError(f"{name} has {len(value)} rows for {shape[0]} people")
    if not value:
        return np.zeros(shape, np.float64)
    if len(shape) == 2:
        for row, inner in enumerate(value):
            if not isinstance(inner, list) or len(inner) != shape[1]:
                got = f"{len(inner)}" if isinstance(inner, list) else shown(inner)
                raise ValueError(f"{name} row {row} must hold {shape[1]} numbers, not {got}")
    if look_for_bool and any(isinstance(v, bool) for row in value for v in (row if len(shape) == 2 else [row])):
        raise ValueError(f"{name} must hold numbers only, not true or false")
    try:
        array = np.array(value)
    except ValueError:  # a list where a number should be
        raise ValueError(f"{name} must hold numbers only") from None
    if array.shape != shape or array.dtype.kind not in "iuf":  # texts and nulls give another kind
        raise ValueError(f"{name} must hold numbers only")
    if array.size and not np.abs(array.astype(np.float64)).max() <= _FLOAT32_MAX:
        raise ValueError(f"{name} holds a number that is too large")
    return array


def _whole(
    array: np.ndarray,
    name: str,
    least: int,
    most: int,
) -> np.ndarray:
    if array.size and (array.dtype.kind == "f" or array.min() < least or array.max() > most):
        raise ValueError(f"{name} must hold whole numbers from {least} to {most}")
    return array.astype(np.int64)
