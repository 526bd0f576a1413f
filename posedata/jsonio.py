"""Reading JSON that somebody else wrote."""

from __future__ import annotations

from pathlib import Path

import orjson

from posedata.errors import BadInput
from posedata.record_header import Json

MAX_BYTES = 4 << 30


def read_json(path: Path) -> Json:
    """The content of a JSON file; bare NaN and Infinity are not JSON and are refused.

    Raises:
        BadInput: the file is missing, unreadable, too large or no JSON.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise BadInput(f"{path}: is {size >> 20} MiB; ptrack reads JSON up to {MAX_BYTES >> 20} MiB")
        return orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError as error:
        raise BadInput(f"{path}: is not JSON (line {error.lineno}, column {error.colno}: {error.msg})") from None
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from None
