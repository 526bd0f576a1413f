"""Where results go, tried before the work that makes them."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from posedata.errors import UsageError


def try_file(path: Path, option: str = "--out") -> None:
    """Makes the folder of a file that is to be written, and looks whether files can be written there.

    Raises:
        UsageError: they cannot, or a folder has the file's name.
    """
    with writing(path, option):
        try:
            is_folder = stat.S_ISDIR(path.stat().st_mode)
        except FileNotFoundError:
            is_folder = False
    if is_folder:
        raise UsageError(f"{option} {path}: is a folder; name a file")
    _try(path.parent, path, option)


def try_folder(folder: Path, option: str = "--out") -> None:
    """Makes a folder, and looks whether files can be written there.

    Raises:
        UsageError: they cannot.
    """
    _try(folder, folder, option)


def _try(folder: Path, named: Path, option: str) -> None:
    with writing(named, option):
        folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".", suffix=".part", dir=folder)
        os.close(handle)
        os.unlink(name)


@contextmanager
def writing(path: Path, option: str = "--out") -> Iterator[None]:
    """What the disk refuses becomes a sentence about the option.

    Raises:
        UsageError: it refuses.
    """
    try:
        yield
    except OSError as error:
        why = error.strerror or error
        raise UsageError(f"{option} {path}: cannot be written ({why}); choose another {option}") from None
