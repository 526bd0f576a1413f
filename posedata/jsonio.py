"""JSON that somebody else wrote, read with errors that say where; and JSON for others, written strictly."""

from __future__ import annotations

import math
from pathlib import Path

import orjson

from posedata.errors import BadInput
from posedata.record_header import Json

MAX_BYTES = 1 << 30  # a file of this size needs about ten times as much memory
_BOM = b"\xef\xbb\xbf"  # some Windows programs put it first
_NOT_NUMBERS = (b"NaN", b"nan", b"Infinity", b"-Infinity", b"inf", b"-inf")


def read_json(path: Path, max_bytes: int = MAX_BYTES) -> Json:
    """The content of a JSON file.

    Bare NaN and Infinity are not JSON and are refused, as are numbers that are beyond float64. (The scoring part
    has its own reader, because the official evaluator accepts NaN.)

    Raises:
        BadInput: the file is missing, no regular file, unreadable, too large or not JSON; with line and column.
    """
    try:
        if path.exists() and not path.is_file():
            raise BadInput(f"{path}: is not a regular file; give a JSON file")
        size = path.stat().st_size
        if size > max_bytes:
            raise BadInput(f"{path}: is {size >> 20} MiB; ptrack reads JSON up to {max_bytes >> 20} MiB")
        data = path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a path with a null character
        raise BadInput(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from None
    return parse_json(data, str(path))


def parse_json(data: bytes, where: str) -> Json:
    """The content of a JSON text; `where` stands first in the error.

    Raises:
        BadInput: the text is not JSON; with line and column.
    """
    if data.startswith(_BOM):
        data = data[len(_BOM) :]
    if not data.strip():
        raise BadInput(f"{where}: is empty; write it again")
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        # the position counts characters, which differ from bytes only where the text is not ASCII
        ahead = data[error.pos : error.pos + 10] if data.isascii() else b""
        if ahead.startswith(_NOT_NUMBERS):
            raise BadInput(f"{where}: {place}: NaN and Infinity are not JSON; write numbers, or null") from None
        raise BadInput(f"{where}: is not valid JSON ({place}: {error.msg}); write the file again") from None


def dumps(value: Json) -> bytes:
    """Compact JSON.

    Raises:
        ValueError: it holds NaN or infinity (which orjson would write as null), or something that JSON has not.
    """
    _refuse_not_finite(value, "$")
    try:
        return orjson.dumps(value)
    except TypeError as error:
        raise ValueError(f"cannot be written as JSON: {error}") from None


def _refuse_not_finite(value: Json, where: str) -> None:
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{where} is {value}, which JSON has not")
    elif isinstance(value, dict):
        for key, inner in value.items():
            _refuse_not_finite(inner, f"{where}.{key}")
    elif isinstance(value, (list, tuple)):
        for number, inner in enumerate(value):
            _refuse_not_finite(inner, f"{where}[{number}]")
