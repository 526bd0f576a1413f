"""Frames on their way through the stages: each stage turns one stream of items into another.

A stage pulls from the stage before it, so that only a few chunks of frames are ever in memory, and may look ahead by
pulling further before it yields. Frames are processed in fixed chunks, counted from the first frame; a network batch
never spans two chunks, so a resumed run computes the same numbers as an undisturbed one.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol

import numpy as np

from posedata.people import FramePeople, FrameStatus
from posedata.record_lines import decode_frame, encode_frame

CHUNK = 16  # frames


@dataclass(frozen=True)
class Item:
    """One frame between two stages."""

    index: int
    time: float  # seconds
    image: np.ndarray | None  # [H, W, 3] uint8 RGB; None where undecodable or no longer needed
    people: FramePeople  # carries the frame's status
    note: str = ""

    @property
    def ok(self) -> bool:
        """Whether the frame was decoded and is looked at."""
        return self.people.status is FrameStatus.OK


@dataclass
class Clock:
    """Seconds spent, by name; also counts frames and people for progress bars."""

    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] += time.perf_counter() - began


class Stage(Protocol):
    """A step of the pipeline over one sequence."""

    name: str
    needs_pixels: bool

    def run(self, items: Iterator[Item], clock: Clock) -> Iterator[Item]:
        """The same frames in the same order, with what the stage adds."""
        ...


def look_behind(stage: Stage) -> int:
    """How many frames before the first one a stage wants to see with their pictures, when a run is taken up.

    Such a stage has a `look_behind`, and gets these frames, fewer at the beginning, as a third argument of `run`.
    """
    return getattr(stage, "look_behind", 0)


def chunked(items: Iterator[Item]) -> Iterator[list[Item]]:
    """The items in chunks. A resumed stream begins where a chunk began, so the chunks are those of the first run."""
    while chunk := list(islice(items, CHUNK)):
        yield chunk


def as_recorded(item: Item, joints: int | None) -> FramePeople:
    """The people as they will be read back from the record: rounded, so that a later stage sees the same numbers
    whether it runs at once or from the record."""
    return decode_frame(encode_frame(item.index, item.time, item.people), joints).people
