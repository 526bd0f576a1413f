"""What comes out of a sequence: its description, its frames, and the iterator that gives them one at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from posedata.people import FrameStatus


@dataclass(frozen=True)
class VideoInfo:
    """What is known of a sequence before its frames are read."""

    name: str  # file or folder name, never an absolute path
    fps: float | None  # nominal; the frames' times count. None = the frames have no rate
    width: int  # pixels of the first readable frame, after rotation
    height: int


@dataclass(frozen=True)
class Frame:
    """One frame; `image` is None where it could not be decoded."""

    index: int  # from 0, without gaps
    time: float  # seconds since the first frame; rises from frame to frame
    image: np.ndarray | None  # [H, W, 3] uint8 RGB
    status: FrameStatus
    note: str = ""


class FrameSource:
    """Iterates the frames of an open sequence, once.

    `warnings` grows while frames are read, and is whole when the last has come.
    """

    def __init__(
        self,
        info: VideoInfo,
        frames: Iterator[Frame],
        warnings: list[str],
        stopped: threading.Event | None = None,  # `frames` ends soon after this is set
    ) -> None:
        self.info, self._frames, self.warnings = info, frames, warnings
        self._stopped = stopped or threading.Event()

    def stop(self) -> None:
        """Ends the frames, for another thread that is still decoding its way to the first one asked for."""
        self._stopped.set()

    def __iter__(self) -> Iterator[Frame]:
        return self._frames

    def __next__(self) -> Frame:
        return next(self._frames)
