"""Files that are either whole or not there."""

from __future__ import annotations

import errno
import hashlib
import itertools
import os
import stat
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from posedata.locks import is_at, lock_file


def write_atomically(
    path: Path,
    data: bytes | Iterable[bytes],  # blocks are written one by one, never joined in memory
) -> None:
    """Writes beside the place, brings it to the disk, then renames; the folder is made where it is missing.

    Raises:
        OSError: the disk refuses; nothing is left behind.
    """
    with replacing(path) as part, part.open("wb") as file:
        for block in (data,) if isinstance(data, bytes) else data:
            file.write(block)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path in the same folder for a writer that wants a path; it becomes `path` at the end.

    The temporary file is there, empty and locked: two writers never get the same one, and one that a killed process
    left is used again. On any error, an interruption included, it is deleted and `path` is what it was before.

    Raises:
        OSError: the disk refuses, or nothing was written; nothing is left behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part, lock = _own_part(path)
    try:
        os.utime(part, ns=(0, 0))
        mode = stat.S_IMODE(part.stat().st_mode)
        yield part
        with part.open("r+b") as file:
            state = os.fstat(file.fileno())
            if not state.st_size and not state.st_mtime_ns:
                raise OSError(errno.ENODATA, "nothing was written", str(path))
            os.fsync(file.fileno())
        if stat.S_IMODE(state.st_mode) != mode:  # a writer that put a file of its own there, for its owner alone
            part.chmod(mode)
        part.replace(path)
    except BaseException as error:
        part.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno and error.filename is None:  # a write does not know its file
            raise OSError(error.errno, error.strerror, str(path)) from None
        raise
    finally:
        if lock is not None:
            os.close(lock)  # only now: nobody may write to what is being renamed
    _sync_folder(path.parent)


def _own_part(path: Path) -> tuple[Path, int | None]:
    """An empty file beside `path` that no other process writes, and the handle that holds its lock."""
    # short whatever the name: a name may already be as long as the file system allows
    mark = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:12]
    for number in itertools.count():
        part = path.with_name(f".{mark}.{number}.part")
        try:
            handle = os.open(part, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
        except OSError:
            if os.path.lexists(part):  # somebody else's, or no file at all
                continue
            raise
        try:
            if not lock_file(handle):  # no locks here: a name that nobody else thinks of
                os.close(handle)
                part.unlink(missing_ok=True)
                unique = path.with_name(f".{mark}.{uuid.uuid4().hex[:12]}.part")
                unique.touch(exist_ok=False)
                return unique, None
            if is_at(handle, part):  # else its writer finished in this moment
                os.truncate(handle, 0)  # what a killed process left
                return part, handle
        except BlockingIOError:
            pass
        os.close(handle)
    raise AssertionError("there is always a next number")


def _sync_folder(folder: Path) -> None:
    """Brings a rename to the disk; not every system and file system can, and the file is whole without it."""
    if os.name != "posix":
        return
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
