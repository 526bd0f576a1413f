"""What a sequence is, and which names and files count in a folder that somebody else filled."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

VIDEO_SUFFIXES = frozenset(
    (
        *(".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts", ".wmv", ".flv"),
        *(".3gp", ".ogv", ".gif", ".y4m", ".vob", ".mjpeg", ".h264"),
    )
)
IMAGE_SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".jp2", ".ppm", ".pgm"))
ASSUMED_FPS = 25.0  # of frames in a folder, which say nothing of their rate
WORK_MARK = "work.json"  # a folder with this file is ptrack's own output
_JUNK = frozenset(("thumbs.db", "desktop.ini", "__macosx"))
_MAX_DEPTH = 32


@dataclass(frozen=True, slots=True)
class FrameRef:
    """One frame that is a file; it need not exist."""

    path: Path
    name: str  # as the annotation names it, else relative to the sequence's folder; '/' between folders


@dataclass(frozen=True)
class Sequence:
    """A video, or a list of frames, to be worked on as one."""

    id: str  # relative, '/' between folders, no '..', printable; the work goes to a folder of this name
    path: Path  # the video file, or the folder of the frames
    frames: tuple[FrameRef, ...] | None = None  # None = a video file
    annotation: Path | None = None  # the ground truth that defined the frames
    fps: float | None = None  # of frames; None for videos, which know it, and for unrelated images
    fault: str = ""  # why it cannot be used; opening it raises this

    @property
    def frame_names(self) -> tuple[str, ...] | None:
        """The names of the frames; None for a video file."""
        return None if self.frames is None else tuple(f.name for f in self.frames)


def natural_key(text: str) -> tuple:
    """Sorts frame2 before frame10; names that differ in zeros alone keep a fixed order."""
    parts = re.split(r"([0-9]+)", text)
    return tuple(int(p) if i % 2 else p for i, p in enumerate(parts)), text


def frame_number(name: str) -> int | None:
    """The last number in a file's name: 12 for `frame_00012.jpg`."""
    numbers = re.findall(r"[0-9]+", os.path.splitext(name.rpartition("/")[2])[0])
    return int(numbers[-1]) if numbers and len(numbers[-1]) <= 18 else None


def printable(name: str) -> str:
    """The name as text that every JSON file and terminal can hold."""
    text = os.fsencode(name).decode("utf-8", "backslashreplace").replace("\\", "_")
    return "".join(c if c.isprintable() else "_" for c in text)


def is_video(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in VIDEO_SUFFIXES


def is_image(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES


@dataclass(frozen=True)
class Folder:
    """One folder's own content, hidden and junk files left out, in natural order."""

    path: Path
    parts: tuple[str, ...]  # names from the top of the walk
    files: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()  # what could not be looked at, in words

    @property
    def videos(self) -> tuple[str, ...]:
        return tuple(n for n in self.files if is_video(n))

    @property
    def images(self) -> tuple[str, ...]:
        return tuple(n for n in self.files if is_image(n))


def walk(top: Path, depth: int = _MAX_DEPTH) -> Iterator[Folder]:
    """The folder and those below it in natural order.

    Links are followed (large data sets are often linked together), but each folder is visited once, so that a link
    to a folder above it does no harm. ptrack's own work folders are left out, the top excepted.
    """
    yield from _walk(top, (), depth, {os.path.realpath(top)})


def _walk(path: Path, parts: tuple[str, ...], depth: int, seen: set[str]) -> Iterator[Folder]:
    folder = list_folder(path, parts)
    if parts and WORK_MARK in folder.files:
        return
    yield folder
    for name in folder.folders if depth else ():
        real = os.path.realpath(path / name)
        if real not in seen:
            seen.add(real)
            yield from _walk(path / name, (*parts, name), depth - 1, seen)


def list_folder(path: Path, parts: tuple[str, ...] = ()) -> Folder:
    """A folder's content; what cannot be looked at, the folder itself included, stands in `faults`."""
    files, folders, faults = [], [], []
    try:
        for entry in os.scandir(path):
            if entry.name.startswith(".") or entry.name.lower() in _JUNK:
                continue
            try:
                if entry.is_dir():
                    folders.append(entry.name)
                elif entry.is_file():  # not so pipes, devices, and links that lead nowhere
                    files.append(entry.name)
                elif entry.is_symlink() and not os.path.exists(entry.path):
                    if is_video(entry.name) or is_image(entry.name):
                        files.append(entry.name)  # fails by its name when it is opened: it must not be passed over
                    else:
                        faults.append(f"{path / entry.name} is a link that leads nowhere")
            except OSError as error:  # a link that leads to itself
                faults.append(f"{path / entry.name} cannot be read ({error.strerror})")
    except OSError as error:
        faults.append(f"{path} cannot be listed ({error.strerror})")
    return Folder(
        path,
        parts,
        tuple(sorted(files, key=natural_key)),
        tuple(sorted(folders, key=natural_key)),
        tuple(sorted(faults)),
    )
