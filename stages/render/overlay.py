"""Writing the overlay: an H.264 mp4 that every player shows, with the video's own timestamps."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from posedata.atomic import replacing
from posedata.errors import SequenceFailed

TICKS = 90_000  # per second: fine enough for the timestamps of any camera
_NOMINAL_FPS = 25.0  # where the sequence has no rate, or none that makes sense
_LONGEST = 2**31  # ticks that one picture may last (6.6 hours): what mp4 can hold
# OpenCV converts with the matrix of BT.601; the file says so, or players would take large pictures for BT.709.
_COLOURS = "colorprim=smpte170m:transfer=smpte170m:colormatrix=smpte170m"


def read_comment(path: Path) -> str | None:
    """The comment an overlay was written with; None where there is no such file, or it is no video."""
    try:
        with av.open(os.fspath(path)) as container:
            return container.metadata.get("comment")
    except (OSError, ValueError, av.FFmpegError):
        return None


@contextmanager
def overlay_writer(
    path: Path,
    width: int,  # pixels, even
    height: int,  # pixels, even
    *,
    fps: float | None,  # nominal; the timestamps count
    crf: int = 23,
    comment: str = "",  # kept in the file's metadata
    preset: str = "veryfast",  # of x264
) -> Iterator[OverlayWriter]:
    """Encodes pictures of one size. The file gets its name when the context is left without an error.

    Raises:
        SequenceFailed: the encoder is not there, or the disk refuses.
    """
    if width % 2 or height % 2:
        raise ValueError(f"H.264 with 4:2:0 colour needs even sides, not {width}x{height}")
    ours = True  # whether an error comes from writing, and not from what the caller does meanwhile
    try:
        with replacing(path) as part:
            # faststart: the index stands first, so that a browser plays the file while it loads
            container = av.open(os.fspath(part), "w", format="mp4", options={"movflags": "+faststart"})
            try:
                container.metadata["comment"] = comment
                stream = _add_stream(container, path, fps)
                stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
                stream.options = {"crf": str(crf), "preset": preset, "x264-params": _COLOURS}
                stream.codec_context.time_base = Fraction(1, TICKS)
                ours = False
                yield OverlayWriter(path, container, stream)
                ours = True
                for packet in stream.encode():
                    container.mux(packet)
                container.close()
            except BaseException:
                with contextlib.suppress(OSError, ValueError):  # it is removed, well closed or not
                    container.close()
                raise
    except OSError as error:
        if not ours:
            raise
        raise _failed(path, error) from error


class OverlayWriter:
    """Takes the pictures; made by `overlay_writer`."""

    def __init__(
        self,
        path: Path,
        container: av.container.OutputContainer,
        stream: av.VideoStream,
    ) -> None:
        self.retimed = 0  # pictures put one regular step after the last, since their time did not rise, or by hours
        self._path, self._container, self._stream = path, container, stream
        self._step = max(round(TICKS / stream.average_rate), 1)
        self._start: float | None = None
        self._last = -1  # ticks

    def write(
        self,
        image: np.ndarray,  # [H, W, 3] uint8 RGB
        time: float,  # seconds; the first one is the overlay's zero
    ) -> None:
        """Adds a picture.

        Raises:
            SequenceFailed: the disk refuses.
        """
        if self._start is None:
            self._start = time
        ticks = round((time - self._start) * TICKS)
        if not self._last < ticks <= self._last + _LONGEST:
            ticks = self._last + self._step
            self.retimed += 1
        self._last = ticks
        frame = av.VideoFrame.from_ndarray(cv2.cvtColor(image, cv2.COLOR_RGB2YUV_I420), format="yuv420p")
        frame.pts, frame.time_base = ticks, Fraction(1, TICKS)
        try:
            for packet in self._stream.encode(frame):
                self._container.mux(packet)
        except OSError as error:
            raise _failed(self._path, error) from error


def _add_stream(
    container: av.container.OutputContainer,
    path: Path,
    fps: float | None,
) -> av.VideoStream:
    rate = Fraction(fps if fps and 0.01 <= fps <= 1000 else _NOMINAL_FPS).limit_denominator(1001 * 60)
    try:
        return container.add_stream("libx264", rate=rate)
    except ValueError as error:  # PyAV's error for an unknown codec is one
        raise SequenceFailed(
            f"{path}: this build of PyAV has no H.264 encoder (libx264); install PyAV's own wheel: "
            "pip install --force-reinstall av"
        ) from error


def _failed(path: Path, error: OSError) -> SequenceFailed:
    return SequenceFailed(
        f"{path}: cannot be written ({error.strerror or error}); mend that and render again; no record is lost"
    )
