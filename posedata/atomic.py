"""Files that are either whole or not there."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


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

    On any error, an interruption included, the temporary file is deleted and `path` is what it was before.

    Raises:
        OSError: the disk refuses; nothing is left behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # short whatever the name: a name may already be as long as the file system allows
    mark = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:12]
    part = path.with_name(f".{mark}.{os.getpid()}.part")
    try:
        yield part
        with part.open("r+b") as file:
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


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
