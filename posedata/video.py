"""Frames of a sequence in order, one at a time; and what identifies their content."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson

from posedata.atomic import write_atomically
from posedata.errors import BadInput
from posedata.people import FrameStatus
from posedata.sequences import Sequence

_EDGE = 1 << 20  # bytes hashed at each end of a file


@dataclass(frozen=True)
class VideoInfo:
    """What is known of a sequence before its frames are read."""

    name: str
    fps: float | None
    width: int  # pixels, after rotation
    height: int


@dataclass(frozen=True)
class Frame:
    """One frame; `image` is None where it could not be decoded."""

    index: int
    time: float  # seconds
    image: np.ndarray | None  # [H, W, 3] uint8 RGB
    status: FrameStatus
    note: str = ""


class FrameSource:
    """Iterates the frames; `warnings` grows while reading."""

    def __init__(self, info: VideoInfo, frames: Iterator[Frame], warnings: list[str]) -> None:
        self.info, self._frames, self.warnings = info, frames, warnings

    def __iter__(self) -> Iterator[Frame]:
        return self._frames


@contextmanager
def open_sequence(sequence: Sequence, first: int = 0, last: int | None = None) -> Iterator[FrameSource]:
    """The frames `first` to `last` (inclusive) of a sequence.

    Raises:
        BadInput: nothing of it can be read.
    """
    warnings: list[str] = []
    if sequence.frames is not None:
        yield _images(sequence, first, last, warnings)
        return
    import av

    try:
        container = av.open(str(sequence.path))
    except (OSError, av.FFmpegError) as error:
        raise BadInput(f"{sequence.path}: cannot be read as a video ({error}); convert it or leave it out") from None
    with container:
        if not container.streams.video:
            raise BadInput(f"{sequence.path}: holds no video")
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        frames = _decoded(container, stream, sequence, warnings)
        head = next(frames, None)
        if head is None:
            raise BadInput(f"{sequence.path}: no frame of it can be decoded")
        height, width = head.image.shape[:2]
        fps = float(stream.average_rate) if stream.average_rate else None
        info = VideoInfo(sequence.path.name, fps, width, height)

        def chosen() -> Iterator[Frame]:
            frame: Frame | None = head
            while frame is not None and (last is None or frame.index <= last):
                if frame.index >= first:
                    yield frame
                frame = next(frames, None)

        yield FrameSource(info, chosen(), warnings)


def _decoded(container, stream, sequence: Sequence, warnings: list[str]) -> Iterator[Frame]:  # noqa: ANN001
    import av

    start: float | None = None
    index = 0
    decoder = container.decode(stream)
    while True:
        try:
            picture = next(decoder, None)
        except (av.FFmpegError, OSError) as error:
            warnings.append(f"decoding stopped after frame {index - 1}: {error}")
            return
        if picture is None:
            return
        rate = float(stream.average_rate or 25)
        seconds = picture.time if picture.time is not None else index / rate
        start = seconds if start is None else start
        image = np.rot90(picture.to_ndarray(format="rgb24"), -round(-picture.rotation / 90) % 4)
        yield Frame(index, max(0.0, seconds - start), np.ascontiguousarray(image), FrameStatus.OK)
        index += 1


def _images(sequence: Sequence, first: int, last: int | None, warnings: list[str]) -> FrameSource:
    import cv2

    fps = sequence.fps or 25.0
    size: tuple[int, int] | None = None
    for reference in sequence.frames:
        picture = cv2.imread(str(reference.path))
        if picture is not None:
            size = picture.shape[:2]
            break
    if size is None:
        raise BadInput(f"{sequence.path}: none of its {len(sequence.frames)} frames can be read")

    def frames() -> Iterator[Frame]:
        end = len(sequence.frames) if last is None else min(last + 1, len(sequence.frames))
        for index in range(first, end):
            reference = sequence.frames[index]
            picture = cv2.imread(str(reference.path))
            if picture is None:
                warnings.append(f"frame {index}: {reference.path.name} cannot be read")
                yield Frame(index, index / fps, None, FrameStatus.UNDECODABLE, f"{reference.path.name} cannot be read")
            else:
                yield Frame(index, index / fps, cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), FrameStatus.OK)

    return FrameSource(VideoInfo(sequence.path.name, fps, size[1], size[0]), frames(), warnings)


def input_identity(sequence: Sequence, index_path: Path | None = None) -> str:
    """What identifies the pixels: names, sizes and the hash of both ends of every file."""
    known: dict = {}
    if index_path is not None and index_path.exists():
        try:
            known = orjson.loads(index_path.read_bytes())
        except (OSError, orjson.JSONDecodeError):
            known = {}
    paths = [sequence.path] if sequence.frames is None else [f.path for f in sequence.frames]
    whole = hashlib.sha256()
    changed = False
    for path in paths:
        try:
            stat = path.stat()
        except OSError:
            whole.update(f"{path.name}\0missing\n".encode())
            continue
        stamp = [stat.st_size, stat.st_mtime_ns]
        entry = known.get(str(path))
        if not (isinstance(entry, list) and entry[:2] == stamp):
            entry = [*stamp, _ends(path, stat.st_size)]
            known[str(path)] = entry
            changed = True
        whole.update(f"{path.name}\0{stat.st_size}\0{entry[2]}\n".encode())
    if changed and index_path is not None:
        write_atomically(index_path, orjson.dumps(known))
    return whole.hexdigest()


def _ends(path: Path, size: int) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        digest.update(file.read(_EDGE))
        file.seek(max(_EDGE, size - _EDGE))
        digest.update(file.read(_EDGE))
    return digest.hexdigest()
