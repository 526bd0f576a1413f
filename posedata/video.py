"""Frames of a sequence in order, one at a time, whether they lie in a video file or as images."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from posedata.errors import BadInput
from posedata.frames import Frame, FrameSource, VideoInfo
from posedata.identity import input_identity
from posedata.sequence import Sequence

__all__ = ["Frame", "FrameSource", "VideoInfo", "input_identity", "open_sequence"]


@contextmanager
def open_sequence(
    sequence: Sequence,
    first: int = 0,  # number of the first frame to give
    last: int | None = None,  # number of the last, itself given too; None = to the end
) -> Iterator[FrameSource]:
    """The frames `first` to `last` of a sequence, as a context manager that closes what it opened.

    Frames keep their numbers and times whatever `first` is. Opening reads one frame, to know the size; frames before
    `first` are decoded (a video has no other way to count them) but not turned into RGB. One frame at a time is held.
    Pixels are square as stored: a video's sample aspect ratio is not applied, nor is interlacing undone.

    Raises:
        BadInput: the sequence was refused, or nothing of it can be read; the message names the file.
    """
    if sequence.fault:
        raise BadInput(sequence.fault)
    if sequence.frames is None:
        from posedata.video_file import open_video

        with open_video(sequence.path, first, last) as source:
            yield source
        return
    from posedata.image_folder import open_images

    paths = [frame.path for frame in sequence.frames]
    name = sequence.path.resolve().name or sequence.id
    with open_images(name, sequence.path, paths, sequence.fps, first, last) as source:
        yield source
