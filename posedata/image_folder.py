"""Frames that lie as one image file each: read one at a time, upright, 8 bit RGB, whatever they were."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

from posedata.errors import BadInput
from posedata.frames import Frame, FrameSource, VideoInfo
from posedata.people import FrameStatus
from posedata.sequence import printable

_MAX_BYTES = 1 << 30  # of one image file


class _Unreadable(Exception):
    """Why an image cannot be had, in words that follow its name."""


@contextmanager
def open_images(
    name: str, place: Path, paths: list[Path], fps: float | None, first: int, last: int | None
) -> Iterator[FrameSource]:
    """The frames `first` to `last` (inclusive, None = to the end); an unreadable one is UNDECODABLE and noted.

    Args:
        name: what to call the sequence.
        place: the folder that errors name.
        paths: the files, one a frame.
        fps: frames a second; None = they have no rate, and a frame's time is its number.

    Raises:
        BadInput: not one of the files can be read as an image.
    """
    size: tuple[int, int] | None = None
    why = ""
    for path in paths:
        try:
            size = read_image(path).shape[:2]
            break
        except _Unreadable as error:
            why = why or printable(f"{path.name} {error}")
    if size is None:
        what = f"none of its {len(paths)} images can be read; the first: {why}" if paths else "lists no images"
        raise BadInput(f"{printable(str(place))}: {what}")
    warnings: list[str] = []
    info = VideoInfo(printable(name), fps, size[1], size[0])
    yield FrameSource(info, _frames(paths, fps or 1.0, size, first, last, warnings), warnings)


def _frames(
    paths: list[Path], fps: float, size: tuple[int, int], first: int, last: int | None, warnings: list[str]
) -> Iterator[Frame]:
    end = len(paths) if last is None else min(last + 1, len(paths))
    lost, other_size, place = 0, False, 0
    for index in range(max(first, 0), end):
        name = printable(paths[index].name)
        try:
            image = read_image(paths[index])
        except _Unreadable as error:
            lost += 1
            if lost == 1:
                opening, place = f"frame {index}: {name} {error}", len(warnings)
                warnings.append(opening)
            else:
                warnings[place] = f"{opening} ({lost} frames in all cannot be had)"
            yield Frame(index, index / fps, None, FrameStatus.UNDECODABLE, f"{name} {error}")
            continue
        if image.shape[:2] != size and not other_size:
            other_size = True
            height, width = image.shape[:2]
            warnings.append(f"frame {index}: {name} is {width}x{height}, the first image is {size[1]}x{size[0]}")
        yield Frame(index, index / fps, image, FrameStatus.OK)


def read_image(path: Path) -> np.ndarray:
    """[H, W, 3] uint8 RGB: EXIF orientation applied, 16 bit scaled to 8, grey repeated, alpha left out."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise _Unreadable("is not a file")
        if status.st_size > _MAX_BYTES:
            raise _Unreadable(f"is {status.st_size >> 20} MiB, too large for one image")
        data = path.read_bytes()
    except FileNotFoundError:
        raise _Unreadable("is missing") from None
    except (OSError, ValueError) as error:
        raise _Unreadable(f"cannot be read ({getattr(error, 'strerror', None) or error})") from None
    if not data:
        raise _Unreadable("is empty")
    if _is_cut_jpeg(data):
        raise _Unreadable("is cut short")
    try:
        image = _decoded(data)
    except (cv2.error, MemoryError):
        image = None
    if image is None or image.dtype != np.uint8 or image.ndim != 3:
        raise _Unreadable("cannot be read as an image")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _decoded(data: bytes) -> np.ndarray | None:
    """OpenCV's image or None; what it would tell the terminal is in the frame's note already."""
    logging = getattr(cv2.utils, "logging", cv2)  # OpenCV 4 has the two functions in cv2 itself
    level = logging.getLogLevel()
    logging.setLogLevel(0)  # silent
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    finally:
        logging.setLogLevel(level)


def _is_cut_jpeg(data: bytes) -> bool:
    """Whether a JPEG lacks its end: some decoders fill the rest with grey and say nothing.

    Neither marker occurs inside coded pixels, so the last scan of a whole file has an end behind it.
    """
    return data[:2] == b"\xff\xd8" and data.rfind(b"\xff\xd9") < data.rfind(b"\xff\xda")
