"""What identifies the pixels of a sequence, so that a changed input is noticed and an unchanged one is not read.

The identity is made of names relative to the sequence, sizes, and the hash of both ends of every file: it is the same
wherever the folder lies and whenever its files were touched.
"""

from __future__ import annotations

import hashlib
import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import orjson

from posedata.atomic import write_atomically
from posedata.errors import BadInput
from posedata.locks import folder_locked
from posedata.sequence import Sequence

EDGE = 1 << 20  # bytes hashed at each end of a file
_MAX_INDEX = 256 << 20  # bytes; a larger index is damage


@dataclass(frozen=True)
class _File:
    """One file of a sequence; `size` is None where it is not there."""

    path: Path
    name: str  # relative to the sequence
    size: int | None
    mtime_ns: int


def input_identity(
    sequence: Sequence,
    index_path: Path | None = None,  # where stamps are remembered; None = read every time
) -> str:
    """The sha256, in hexadecimal, of what the sequence's frames are made of.

    Frames that an annotation lists count in its order, those missing on disk too, so a changed list changes the
    identity; the annotation's labels do not. The index is an aid: damaged, foreign, locked or unwritable, it is
    passed over. It maps a sequence's id to a stamp (hash of paths, sizes and times) and the identity it had.

    Raises:
        BadInput: the sequence was refused, or its file cannot be read.
    """
    if sequence.fault:
        raise BadInput(sequence.fault)
    files = _files(sequence)
    stamp = _stamp(files)
    known = _index(index_path).get(sequence.id)
    if isinstance(known, list) and len(known) == 2 and known[0] == stamp and _is_digest(known[1]):
        return known[1]
    identity = _identity(sequence, files)
    if index_path is not None:
        # a work folder that cannot be written to is somebody else's error to report
        with suppress(OSError):
            index_path.parent.mkdir(parents=True, exist_ok=True)
            with folder_locked(index_path.parent):
                entries = _index(index_path)  # again: another process may have written meanwhile
                entries[sequence.id] = [stamp, identity]
                write_atomically(index_path, orjson.dumps(entries))
    return identity


def _files(sequence: Sequence) -> list[_File]:
    if sequence.frames is None:
        return [_file(sequence.path, sequence.path.name)]
    return [_file(frame.path, frame.name) for frame in sequence.frames]


def _file(path: Path, name: str) -> _File:
    try:
        status = path.stat()
    except (OSError, ValueError):
        return _File(path, name, None, 0)
    if not stat.S_ISREG(status.st_mode):
        return _File(path, name, None, 0)
    return _File(path, name, status.st_size, status.st_mtime_ns)


def _stamp(files: list[_File]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(_line(os.path.abspath(file.path), file.name, file.size, file.mtime_ns))
    return digest.hexdigest()


def _identity(sequence: Sequence, files: list[_File]) -> str:
    digest = hashlib.sha256(b"ptrack input 1\n")
    digest.update(b"video\n" if sequence.frames is None else b"frames\n")
    for file in files:
        try:
            ends = None if file.size is None else _ends(file.path, file.size)
        except OSError as error:
            if sequence.frames is None:
                raise BadInput(f"{file.path}: cannot be read ({error.strerror or error}); mend that") from None
            ends = None  # the frame will come out as undecodable
        if ends is None and sequence.frames is None:
            raise BadInput(f"{file.path}: is not there any more, or is no file; put it back")
        digest.update(_line(file.name, file.size, ends))
    return digest.hexdigest()


def _line(*parts: object) -> bytes:
    return b"\0".join(os.fsencode(str(part)) for part in parts) + b"\n"


def _ends(path: Path, size: int) -> str:
    """sha256 of the first and the last `EDGE` bytes, of the whole file where these meet."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        digest.update(file.read(EDGE))
        file.seek(max(EDGE, size - EDGE))
        digest.update(file.read(EDGE))
    return digest.hexdigest()


def _index(path: Path | None) -> dict[str, object]:
    """The entries of the index file; none where it is missing or damaged."""
    if path is None:
        return {}
    try:
        if path.stat().st_size > _MAX_INDEX:
            return {}
        content = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}
    return content if isinstance(content, dict) else {}


def _is_digest(value: object) -> bool:
    return isinstance(value, str) and len(value) == 64 and not set(value) - set("0123456789abcdef")
