"""Reading one JSON file that nobody vouches for."""

from __future__ import annotations

import json
from pathlib import Path

import orjson

from eval.findings import Findings

Json = dict | list | str | int | float | bool | None


def read_json(path: Path, findings: Findings, label: str | None = None) -> Json:
    """The file's content, or None after noting the fault; messages call the file `label` (its path where None).

    Strict JSON is read by orjson. What the official tool's reader takes beyond it (bare NaN and Infinity) is left
    to the standard library, whose message about damage (line and column) is also the clearer one.
    """
    name = label or str(path)
    if not path.is_file():
        what = "is not a regular file" if path.exists() else "does not exist"
        findings.fault("file-missing", f"the file {what}", "give a JSON file", file=name)
        return None
    try:
        data = path.read_bytes()
    except OSError as error:
        findings.fault("file-unreadable", f"cannot be read ({error.strerror})", "check its permissions", file=name)
        return None
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        cause = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        remedy = "the file is empty; write it again" if not data.strip() else "write the file again"
        findings.fault("file-not-json", f"is not valid JSON ({cause})", remedy, file=name)
        return None
