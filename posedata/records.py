"""Reading a stage's record, frame by frame and with every number checked; and telling whether it is still valid.

`docs/formats.md` describes the file. Writing is `posedata.record_writer.RecordWriter`; the types a record is made of
are re-exported here, so that `from posedata.records import ...` is all that other code needs.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import orjson

from posedata.errors import BadRecord
from posedata.record_header import (
    SCHEMA,
    Header,
    Json,
    ModelRef,
    VideoHeader,
    decode_header,
    header_digest,
    settings_digest,
)
from posedata.record_lines import CLOSING, Footer, FrameRecord, decode_footer, decode_frame
from posedata.record_writer import MAX_LINE, RecordWriter, part_path

__all__ = [
    "NO_RECORD",
    "SCHEMA",
    "Footer",
    "FrameRecord",
    "Header",
    "Json",
    "ModelRef",
    "RecordWriter",
    "VideoHeader",
    "difference",
    "header_digest",
    "iter_frames",
    "part_path",
    "read_ends",
    "read_footer",
    "read_header",
    "record_digest",
    "settings_digest",
    "validity",
]

_TAIL = 1 << 16  # bytes read at first in search of the closing line
NO_RECORD = "there is no record yet"  # the reason that is no news
_REDO = "delete it and run its stage again"


def read_header(path: Path) -> Header:
    """The header of a record; reads its first line only.

    Raises:
        BadRecord: there is no such file, it cannot be read, or it is not a record of this version.
    """
    with _opened(path) as file:
        return _header(path, _line(path, file, 1))


def iter_frames(path: Path) -> Iterator[FrameRecord]:
    """The frames of a complete record in order, one line in memory at a time.

    Raises:
        BadRecord: on reaching damage, with the file, the line, the frame and the field; a record without its closing
            line, or whose counts do not fit its frames, ends in this error too.
    """
    with _opened(path) as file:
        joints = _header(path, _line(path, file, 1)).joints
        number, last, people = 1, -1, 0
        while True:
            number += 1
            line = _line(path, file, number)
            if line.startswith(CLOSING):
                break
            frame = _frame(path, line, number, joints, last)
            last = frame.index
            people += len(frame.people)
            yield frame
        footer = _footer(path, line)
        if file.read(1):
            raise BadRecord(f"{path}: line {number + 1}: there is more after the closing line; {_REDO}")
    for name, found in (("frames", number - 2), ("people", people)):
        if footer.counts[name] != found:
            raise BadRecord(f"{path}: counts.{name} says {footer.counts[name]}, the record holds {found}; {_REDO}")


def read_footer(path: Path) -> Footer:
    """The closing line of a record; reads the file's tail only.

    Raises:
        BadRecord: the record is incomplete or damaged there.
    """
    with _opened(path) as file:
        return _footer(path, _last_line(path, file))


def read_ends(path: Path) -> tuple[Header, Footer]:
    """The header and the closing line of a record, opened once; what lies between is not read.

    Raises:
        BadRecord: there is no such file, or it is damaged there, or incomplete.
    """
    with _opened(path) as file:
        return _header(path, _line(path, file, 1)), _footer(path, _last_line(path, file))


def record_digest(path: Path) -> str:
    """The sha256 of a record's bytes, hexadecimal: equal for byte-identical records, and what `finish` returns.

    Raises:
        BadRecord: the file cannot be read.
    """
    digest = hashlib.sha256()
    with _opened(path) as file:
        try:
            while block := file.read(1 << 20):
                digest.update(block)
        except OSError as error:
            raise _unreadable(path, error) from error
    return digest.hexdigest()


def validity(path: Path, expected: Header) -> str | None:
    """Why the record cannot stand for the one whose header would be `expected`, in words; None where it can.

    Reads the first and the last line only.
    """
    if not os.path.exists(path):
        return NO_RECORD
    try:
        return difference(read_ends(path)[0], expected)
    except BadRecord as error:
        return f"the record is unusable: {error}"


def difference(found: Header, expected: Header) -> str | None:
    """Why a record with the header `found` cannot stand for one with `expected`, in words; None where it can.

    The version of ptrack does not count: only what changes the content.
    """
    for name in ("stage", "sequence", "skeleton"):
        before, after = getattr(found, name), getattr(expected, name)
        if before != after:
            return f"{name} changed: {before} -> {after}"
    if found.input_identity != expected.input_identity:
        return "the input changed"
    if found.settings_digest != expected.settings_digest:
        return f"settings changed: {_settings_difference(found.settings, expected.settings)}"
    if found.model != expected.model:
        names = [model.name if model else "none" for model in (found.model, expected.model)]
        if names[0] == names[1]:
            return f"made by other weights of model {names[0]}"
        return f"made by another model: {names[0]} -> {names[1]}"
    if found.upstream_digest != expected.upstream_digest:
        return "the upstream record changed"
    return None


def _settings_difference(before: Mapping[str, Json], after: Mapping[str, Json]) -> str:
    old, new = _flat(before), _flat(after)
    names = [name for name in sorted(old.keys() | new.keys()) if old.get(name) != new.get(name)]
    changes = [f"{name} {old.get(name, 'unset')} -> {new.get(name, 'unset')}" for name in names]
    more = f" and {len(changes) - 3} more" if len(changes) > 3 else ""
    return ", ".join(changes[:3]) + more


def _flat(settings: Mapping[str, Json], prefix: str = "") -> dict[str, str]:
    """Nested settings as dotted names and their JSON text."""
    flat: dict[str, str] = {}
    for name, value in settings.items():
        if isinstance(value, dict) and value:
            flat.update(_flat(value, f"{prefix}{name}."))
        else:
            flat[prefix + name] = orjson.dumps(value).decode()
    return flat


def _opened(path: Path) -> BinaryIO:
    try:
        return open(path, "rb")
    except FileNotFoundError:
        raise BadRecord(f"{path}: there is no such record; run its stage first") from None
    except (OSError, ValueError) as error:  # ValueError: a path with a null character
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> BadRecord:
    return BadRecord(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})")


def _line(path: Path, file: BinaryIO, number: int) -> bytes:
    try:
        line = file.readline(MAX_LINE + 1)
    except OSError as error:
        raise _unreadable(path, error) from error
    if len(line) > MAX_LINE:
        raise BadRecord(f"{path}: line {number} is longer than {MAX_LINE >> 20} MiB: this is not a ptrack record")
    if not line and number == 1:
        raise BadRecord(f"{path}: the file is empty; {_REDO}")
    if not line.endswith(b"\n"):
        raise BadRecord(f"{path}: line {number}: the record is incomplete (it ends before its closing line); {_REDO}")
    return line


def _last_line(path: Path, file: BinaryIO) -> bytes:
    """The last line, found from the file's end."""
    try:
        size = file.seek(0, 2)
        window = _TAIL
        while True:
            file.seek(max(size - window, 0))
            tail = file.read(window)
            start = tail.rfind(b"\n", 0, -1) + 1
            if start or window >= min(size, MAX_LINE):
                return tail[start:]
            window *= 4
    except OSError as error:
        raise _unreadable(path, error) from error


def _header(path: Path, line: bytes) -> Header:
    try:
        return decode_header(line)
    except ValueError as error:
        raise BadRecord(f"{path}: line 1 is not the header of a ptrack record: {error}; {_REDO}") from None


def _frame(
    path: Path,
    line: bytes,
    number: int,  # of the line, from 1
    joints: int | None,
    last: int,  # index of the frame before, -1 for the first
) -> FrameRecord:
    where = f"{path}: line {number}"
    if last >= 0:
        where += f" (after frame {last})"
    try:
        if last >= 0:
            if not line.startswith(b","):
                raise ValueError("a frame's line must begin with a comma")
            line = line[1:]
        frame = decode_frame(line, joints)
        if frame.index <= last:
            raise ValueError(f"index is {frame.index}, it must be greater than the {last} before it")
    except ValueError as error:
        raise BadRecord(f"{where}: {error}; {_REDO}") from None
    return frame


def _footer(path: Path, line: bytes) -> Footer:
    try:
        return decode_footer(line)
    except ValueError as error:
        raise BadRecord(f"{path}: the last line shows that the record is incomplete: {error}; {_REDO}") from None
