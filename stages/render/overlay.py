"""Writing the overlay: an H.264 mp4 that every player shows, with the video's own timestamps."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import cv2
import numpy as np

from posedata.errors import SequenceFailed

TICKS = 90_000  # per second: fine enough for the timestamps of any camera
_NOMINAL_FPS = 25.0  # where the sequence has no rate
# OpenCV converts with the matrix of BT.601; the file says so, or players would take large pictures for BT.709.
_COLOURS = "colorprim=smpte170m:transfer=smpte170m:colormatrix=smpte170m"


def read_comment(path: Path) -> str | None:
    """The comment an overlay was written with; None where there is no such file, or it is no video."""
    try:
        with av.open(os.fspath(path)) as container:
            return container.metadata.get("comment")
    except (OSError, ValueError, av.FFmpegError):
        return None


class OverlayWriter:
    """Encodes pictures of one size; use as a context manager.

    The file gets its name when the context is left without an error, until then it is a hidden part file.

    Raises:
        SequenceFailed: the encoder is not there, or the disk refuses.
    """

    def __init__(
        self,
        path: Path,
        width: int,  # pixels, even
        height: int,  # pixels, even
        *,
        fps: float | None,  # nominal; the timestamps count
        crf: int = 23,
        comment: str = "",  # kept in the file's metadata
        preset: str = "veryfast",  # of x264
    ) -> None:
        if width % 2 or height % 2:
            raise ValueError(f"H.264 with 4:2:0 colour needs even sides, not {width}x{height}")
        self.path = Path(path)
        self.retimed = 0  # pictures whose time did not rise and that were put one step after the one before
        self._part = self.path.with_name(f".{self.path.name}.part")
        self._size = (width, height)
        self._rate = Fraction(fps or _NOMINAL_FPS).limit_denominator(1001 * 60)
        self._comment = comment
        self._options = {"crf": str(crf), "preset": preset, "x264-params": _COLOURS}
        self._start: float | None = None
        self._last = -1  # ticks

    def __enter__(self) -> OverlayWriter:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # faststart: the index stands first, so that a browser plays the file while it loads
            self._container = av.open(os.fspath(self._part), "w", format="mp4", options={"movflags": "+faststart"})
        except OSError as error:
            raise self._failed(error) from error
        try:
            stream = self._container.add_stream("libx264", rate=self._rate)
        except (ValueError, av.FFmpegError) as error:  # PyAV's error for an unknown codec is a ValueError
            self._discard()
            raise SequenceFailed(
                f"{self.path}: this build of PyAV has no H.264 encoder (libx264); install PyAV's own wheel: "
                "pip install --force-reinstall av"
            ) from error
        stream.width, stream.height = self._size
        stream.pix_fmt = "yuv420p"
        stream.options = self._options
        stream.codec_context.time_base = Fraction(1, TICKS)
        self._container.metadata["comment"] = self._comment
        self._stream = stream
        return self

    def write(
        self,
        image: np.ndarray,  # [H, W, 3] uint8 RGB
        time: float,  # seconds; the first one is the overlay's zero
    ) -> None:
        """Adds a picture."""
        if self._start is None:
            self._start = time
        ticks = round((time - self._start) * TICKS)
        if ticks <= self._last:
            ticks = self._last + max(round(TICKS / self._rate), 1)
            self.retimed += 1
        self._last = ticks
        frame = av.VideoFrame.from_ndarray(cv2.cvtColor(image, cv2.COLOR_RGB2YUV_I420), format="yuv420p")
        frame.pts, frame.time_base = ticks, Fraction(1, TICKS)
        try:
            for packet in self._stream.encode(frame):
                self._container.mux(packet)
        except OSError as error:
            raise self._failed(error) from error

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self._discard()
            return
        try:
            for packet in self._stream.encode():
                self._container.mux(packet)
            self._container.close()
            os.replace(self._part, self.path)
        except OSError as failure:
            self._discard()
            raise self._failed(failure) from failure

    def _discard(self) -> None:
        try:
            self._container.close()
        except (OSError, ValueError, av.FFmpegError):
            pass  # what cannot be closed well is removed all the same
        finally:
            self._part.unlink(missing_ok=True)

    def _failed(self, error: OSError) -> SequenceFailed:
        return SequenceFailed(
            f"{self.path}: cannot be written ({error.strerror or error}); mend that and render again, the records "
            "are untouched"
        )
