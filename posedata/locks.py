"""Locks between processes: on files that one process writes, and on folders whose small files several change.

The locks are the operating system's (`flock`): they go with the process that holds them, however it ends. Where the
system or the file system has none (Windows, some network drives), work goes on without.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows has no flock
    fcntl = None

# what file systems without locks answer; EBADF: some network drives lock no folder
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EINVAL, errno.EBADF}


def lock_file(handle: int) -> bool:
    """Takes the lock of an open file at once; it goes when the file is closed. False where there are no locks.

    Raises:
        BlockingIOError: another process holds it.
    """
    return fcntl is not None and _flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_at(handle: int, path: Path) -> bool:
    """Whether the open file is still the one of that name: between opening a file and locking it, the process that
    held the lock may have renamed or removed it."""
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except FileNotFoundError:
        return False


@contextmanager
def folder_locked(folder: Path) -> Iterator[None]:
    """For reading, changing and writing a small file of the folder: one process at a time, the others wait.

    Raises:
        OSError: there is no such folder.
    """
    if fcntl is None:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        _flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _flock(handle: int, how: int) -> bool:
    try:
        fcntl.flock(handle, how)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        return False
    return True
