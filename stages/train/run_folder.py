"""A run folder belongs to one training at a time."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from posedata.errors import UsageError
from posedata.locks import lock_file

# the loader processes of a run that was killed hold its lock until they have noticed
_PATIENCE, _PAUSE = 20.0, 0.2  # seconds


@contextmanager
def alone_in(run_dir: Path, patience: float = _PATIENCE) -> Iterator[None]:
    """The run folder, made where it is missing, while no other training works in it.

    Raises:
        UsageError: another one does, or the folder cannot be written.
    """
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        if not os.access(run_dir, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise UsageError(f"{run_dir}: cannot be written ({error.strerror}); give another --run") from None
    if os.name == "nt":  # folders cannot be opened there
        yield
        return
    handle = os.open(run_dir, os.O_RDONLY)
    try:
        _locked(handle, run_dir, time.monotonic() + patience)
        yield
    finally:
        os.close(handle)


def _locked(handle: int, run_dir: Path, until: float) -> None:
    while True:
        try:
            lock_file(handle)
            return
        except BlockingIOError:
            if time.monotonic() >= until:
                raise UsageError(f"{run_dir}: another training is at work in it; give another --run") from None
            time.sleep(_PAUSE)
