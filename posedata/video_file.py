"""Decoding a video file: in order, upright, in RGB, with the times its container gives.

Nothing the container says is believed but the times and the orientation: how many frames there are is found out by
decoding them, and a file that breaks off gives the frames before the break and a warning.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from posedata.errors import BadInput
from posedata.frames import Frame, FrameSource, VideoInfo
from posedata.people import FrameStatus
from posedata.sequence import printable

# Containers that hold their own frames. Playlists (hls, concat, dash ...) are not among them: a text file that calls
# itself .mp4 must not make ptrack open other files.
_CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegvideo,mpegts,flv,asf,ogg,h264,hevc,m4v,mjpeg,gif,apng,ivf,nut,"
    "mxf,dv,rm,obu,av1,yuv4mpegpipe,wtv,h263,vc1,swf,webp_pipe"
)
_WITH_LENGTH = {"mov", "matroska", "avi"}  # whose headers state the length
_NOMINAL_FPS = 25.0  # where neither the frames nor the container say when a frame is shown
_JITTER = 1.0  # seconds that times may run backwards before this counts as a new beginning
_GAP = 86400.0  # seconds that may lie between two frames
_LEAST_STEP = 0.001  # seconds between frames whose times do not rise
_MOST_FRAMES = 1 << 32  # a larger promise is damage
_BT709, _BT601, _FULL_RANGE = 1, 5, 2  # FFmpeg's numbers
_HDR = {16: "PQ", 18: "HLG"}  # transfer characteristics that 8-bit RGB cannot show


@contextmanager
def open_video(path: Path, first: int, last: int | None) -> Iterator[FrameSource]:
    """The frames `first` to `last` (inclusive, None = to the end) of the file's first video stream.

    Raises:
        BadInput: the file cannot be opened, holds no video, or not one of its frames can be decoded.
    """
    where = printable(str(path))
    with ExitStack() as stack:
        container = stack.enter_context(_container(path, where, stack))
        stream = next((s for s in container.streams.video if not _is_cover(s)), None)
        if stream is None:
            kinds = sorted({s.type for s in container.streams})
            what = f"only {' and '.join(kinds)}" if kinds else "no stream at all"
            raise BadInput(f"{where}: holds no video ({what}); convert it or leave it out")
        # several threads decode damaged pictures differently from run to run, and a record must not depend on that
        stream.thread_type, stream.thread_count = "NONE", 1
        warnings: list[str] = []
        pictures = _Pictures(container, stream, warnings)
        head = next(pictures, None)
        if head is None:
            why = f" ({pictures.failure})" if pictures.failure else ""
            raise BadInput(f"{where}: not one frame of it can be decoded{why}; convert it or leave it out")
        width, height = head.width, head.height
        if _is_lying(_orientation(head)):
            width, height = height, width
        rate = _rate(stream)
        info = VideoInfo(printable(path.name), rate, width, height)
        clock = _Times(stream.time_base, _promised_seconds(container, stream), rate or _NOMINAL_FPS, warnings)
        stopped = threading.Event()
        yield FrameSource(info, _frames(head, pictures, clock, first, last, warnings, stopped), warnings, stopped)


def _container(path: Path, where: str, stack: ExitStack) -> av.container.InputContainer:
    options = {"format_whitelist": _CONTAINERS, "protocol_whitelist": "file"}
    try:
        # an absolute path: "http:x.mp4" is a legal file name, and FFmpeg would take it for an address
        name = os.path.abspath(path)
        if _is_text(name):
            return av.open(name, container_options=options, metadata_errors="replace")
        return av.open(stack.enter_context(path.open("rb")), container_options=options, metadata_errors="replace")
    except (OSError, av.FFmpegError) as error:
        raise BadInput(f"{where}: cannot be read as a video ({_reason(error)}); convert it or leave it out") from None


def _is_text(name: str) -> bool:
    """Whether a file name is valid UTF-8, which FFmpeg wants."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_cover(stream: av.VideoStream) -> bool:
    """Whether a stream is the picture on a song's sleeve."""
    return "attached_pic" in str(getattr(stream, "disposition", ""))


def _reason(error: Exception) -> str:
    """What an exception says, without the paths in it."""
    if isinstance(error, av.EOFError):
        return "it ends before its first frame"
    return getattr(error, "strerror", None) or str(error)


def _rate(stream: av.VideoStream) -> float | None:
    rate = stream.average_rate or stream.guessed_rate
    return float(rate) if rate and 1e-4 < rate < 1e5 else None  # anything else is damage


def _promised_seconds(container: av.container.InputContainer, stream: av.VideoStream) -> float | None:
    """How long the video stream is by its container's header; None where that only guesses, from the file's size."""
    if not set(container.format.name.split(",")) & _WITH_LENGTH:
        return None
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    alone = len(container.streams) == 1  # else the length may be the sound's
    return container.duration / av.time_base if container.duration and alone else None


def promised_frames(path: Path) -> int:
    """How many frames the container's header promises: a guess to balance work by; 0 where it promises nothing."""
    try:
        with ExitStack() as stack:
            container = _container(path, printable(str(path)), stack)
            stream = next((s for s in container.streams.video if not _is_cover(s)), None)
            if stream is None:
                return 0
            seconds = _promised_seconds(container, stream)
            counted = stream.frames or (round(seconds * (_rate(stream) or _NOMINAL_FPS)) if seconds else 0)
            return min(max(0, counted), _MOST_FRAMES)
    except (BadInput, OSError, ValueError, OverflowError, av.FFmpegError):
        return 0  # opening it to decode will say what is wrong


class _Pictures:
    """Decoded pictures in order of display; damage is jumped over, noted, and never ends the reading early."""

    def __init__(self, container: av.container.InputContainer, stream: av.VideoStream, warnings: list[str]) -> None:
        self.failure = ""  # the first thing that went wrong
        self._container, self._stream, self._warnings = container, stream, warnings
        self._given = 0  # pictures decoded
        self._lost_at: list[int] = []  # how many had been given at each piece that could not be decoded
        self._damaged = 0  # pictures that the decoder patched up
        self._last_damaged = self._last_cut = False  # the newest picture, and the newest piece of the file
        self._broken = False  # whether the container itself breaks off
        self._pictures = self._decode()

    def __iter__(self) -> Iterator[av.VideoFrame]:
        return self

    def __next__(self) -> av.VideoFrame:
        return next(self._pictures)

    def _decode(self) -> Iterator[av.VideoFrame]:
        for packet in self._packets():
            try:
                pictures = self._stream.decode(packet)
            except (av.FFmpegError, OSError) as error:
                self._note(error)
                self._lost_at.append(self._given)
                continue
            for picture in pictures:
                self._given += 1
                self._last_damaged = bool(picture.is_corrupt)
                self._damaged += self._last_damaged
                yield picture

    def _packets(self) -> Iterator[av.Packet | None]:
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except (av.FFmpegError, OSError) as error:
                self._note(error)
                self._broken = True
                packet = None
            if packet is None:
                break
            if packet.size:  # an empty one would end the decoder's work before its time
                self._last_cut = packet.is_corrupt
                yield packet
        yield None  # gives the pictures that the decoder still holds

    def _note(self, error: Exception) -> None:
        self.failure = self.failure or _reason(error)

    def warn(self, whole: bool, promised: str = "") -> None:
        """One sentence on all that was lost so far.

        Args:
            whole: all pictures have been asked for, so that what is lost now is the tail.
            promised: how the container's length differs, in words.
        """
        middle = [place for place in self._lost_at if place < self._given]
        parts = []
        if middle:
            parts.append(
                f"{_count(len(middle), 'piece')} of it, the first at frame {middle[0]}, could not be decoded"
            )
        if self._damaged:
            parts.append(f"{_count(self._damaged, 'frame')} came out damaged")
        lost_tail = (
            self._broken or self._last_cut or self._last_damaged or promised or len(middle) < len(self._lost_at)
        )
        if whole and lost_tail:
            parts.append(f"it breaks off after frame {self._given - 1}{promised}")
        if parts:
            why = f" ({self.failure})" if self.failure else ""
            self._warnings.append(f"the video is damaged: {', '.join(parts)}{why}")


def _frames(
    head: av.VideoFrame,
    pictures: _Pictures,
    clock: _Times,
    first: int,
    last: int | None,
    warnings: list[str],
    stopped: threading.Event,
) -> Iterator[Frame]:
    """The frames asked for; only these are turned into RGB."""
    reformatter = VideoReformatter()
    # a frame whose side data was looked at is a cycle in memory: only look where the orientation changes
    turned, rotation = _orientation(head), head.rotation
    size, changed = (head.width, head.height), False
    if (transfer := getattr(head, "color_trc", None)) in _HDR:
        warnings.append(f"its colours are {_HDR[int(transfer)]} (HDR) and are read without tone mapping")
    index = 0
    picture: av.VideoFrame | None = head
    while picture is not None and (last is None or index <= last) and not stopped.is_set():
        seconds = clock.of(picture, index)
        if picture.rotation != rotation:
            turned, rotation = _orientation(picture), picture.rotation
        if not changed and (picture.width, picture.height) != size:
            changed = True
            sizes = f"{picture.width}x{picture.height} where those before are {size[0]}x{size[1]}"
            warnings.append(f"frame {index} is {sizes}; frames are given as they are")
        if index >= first:
            yield Frame(index, seconds, _upright(_rgb(reformatter, picture), turned), FrameStatus.OK)
        index += 1
        picture = next(pictures, None)
    whole = picture is None
    pictures.warn(whole, clock.promised() if whole else "")


class _Times:
    """The frames' times in seconds from the first one, made to rise where the file's do not."""

    def __init__(
        self,
        base: Fraction | None,  # the stream's time base: pictures after the last packet do not bring their own
        length: float | None,  # seconds that the container promises
        rate: float,  # frames a second, where the frames carry no times
        warnings: list[str],
    ) -> None:
        self._base, self._length, self._step, self._warnings = base, length, 1 / rate, warnings
        self._start: float | None = None  # what the file calls the time of the first frame
        self._last: float | None = None
        self._warned = False

    def of(self, picture: av.VideoFrame, index: int) -> float:
        stamp = picture.pts if picture.pts is not None else picture.dts
        following = 0.0 if self._last is None else self._last + self._step
        if stamp is None or self._base is None:
            seconds = following
        else:
            absolute = float(stamp * self._base)
            if self._start is None:
                self._start = absolute - following
            seconds = absolute - self._start
            # the file begins anew in its middle, or a time is damaged
            if self._last is not None and not -_JITTER <= seconds - self._last <= _GAP:
                self._start, seconds = absolute - following, following
                self._warn(index)
        if self._last is not None and seconds <= self._last:
            seconds = self._last + _LEAST_STEP
            self._warn(index)
        self._last = seconds
        return seconds

    def _warn(self, index: int) -> None:
        if not self._warned:
            self._warnings.append(f"the times of the frames jump or do not rise at frame {index}; they were mended")
        self._warned = True

    def promised(self) -> str:
        """What the container says of its length, in words, where the frames end long before."""
        there = 0.0 if self._last is None else self._last + self._step
        if self._length is None or self._length - there <= max(3 * self._step, 0.02 * self._length):
            return ""
        return f", {there:.2f} s of the {self._length:.2f} s that its container promises"


def _rgb(reformatter: VideoReformatter, picture: av.VideoFrame) -> np.ndarray:
    """[H, W, 3] uint8; colour matrix and range are those the frame states, BT.601 where it states none.

    The target's matrix means nothing for RGB, but PyAV before 17 looks at the source's only where the two differ.
    """
    if picture.format.is_rgb or len(picture.format.components) < 3:  # no matrix; grey is full range unless it says so
        return reformatter.reformat(picture, format="rgb24").to_ndarray()
    matrix = int(picture.colorspace)
    converted = reformatter.reformat(
        picture,
        format="rgb24",
        src_colorspace=matrix,
        dst_colorspace=_BT601 if matrix == _BT709 else _BT709,
        src_color_range=int(picture.color_range),
        dst_color_range=_FULL_RANGE,
    )
    return converted.to_ndarray()


def _orientation(picture: av.VideoFrame) -> np.ndarray | None:
    """[2, 2] display matrix of a frame; None = stored upright.

    The matrix takes a stored (x, y), as a row, to the (x, y) where it is to be shown.
    """
    data = picture.side_data.get("DISPLAYMATRIX")
    return None if data is None else np.frombuffer(bytes(data), "=i4")[:9].reshape(3, 3)[:2, :2]


def _is_lying(matrix: np.ndarray | None) -> bool:
    """Whether rows and columns change places."""
    if matrix is None:
        return False
    size = np.abs(matrix.astype(np.int64))
    return bool(size[0, 1] + size[1, 0] > size[0, 0] + size[1, 1])


def _upright(
    image: np.ndarray,  # [H, W, 3] as stored
    matrix: np.ndarray | None,
) -> np.ndarray:
    """The image as it is to be shown: turned by quarters and mirrored; contiguous."""
    if matrix is None:
        return np.ascontiguousarray(image)
    if _is_lying(matrix):
        image = image.transpose(1, 0, 2)
        flip_x, flip_y = matrix[1, 0] < 0, matrix[0, 1] < 0
    else:
        flip_x, flip_y = matrix[0, 0] < 0, matrix[1, 1] < 0
    return np.ascontiguousarray(image[:: -1 if flip_y else 1, :: -1 if flip_x else 1])


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
