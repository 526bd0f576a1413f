"""Motion computed ahead of the tracker, in a thread beside the networks."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from stages.stream import CHUNK, Clock, Item
from stages.track.flow import Flow, Picture, motion_between, picture_of
from stages.track.motion import Motion, still

_AHEAD_BYTES = 96 << 20  # of frames that wait for their turn


@dataclass(frozen=True)
class Moving:
    """A frame with the motion that led to it."""

    item: Item
    picture: Picture | None  # None without an image
    motion: Motion  # from the frame before


def with_motion(
    items: Iterator[Item],
    flow: Flow,
    long_side: int,  # pixels of the small pictures
    check: bool,  # whether the flow back is computed too
    clock: Clock,
) -> Iterator[Moving]:
    """The frames with their motion, each pair of neighbours once.

    A chunk of frames is taken from the stage before in advance, where memory allows; while that stage works on the
    next chunk, the thread works on the pairs of this one. A frame that could not be read has no motion, nor has the
    one after it.
    """
    waiting: deque[tuple[Item, Future[tuple[Picture | None, Motion]]]] = deque()
    with ThreadPoolExecutor(1, "flow") as executor:
        worker = _Worker(flow, long_side, check, clock)
        for item in items:
            waiting.append((item, executor.submit(worker.step, item)))
            if len(waiting) > _room(item):
                yield _next(waiting)
        while waiting:
            yield _next(waiting)


class _Worker:
    """Remembers the last small picture; used by one thread."""

    def __init__(self, flow: Flow, long_side: int, check: bool, clock: Clock) -> None:
        self.flow, self.long_side, self.check, self.clock = flow, long_side, check, clock
        self._before: Picture | None = None

    def step(self, item: Item) -> tuple[Picture | None, Motion]:
        if item.image is None:
            self._before = None
            return None, still((1, 1))
        began = time.perf_counter()
        picture = picture_of(item.image, item.index, self.long_side)
        if self._before is None:
            motion = still(picture.size)
        else:
            motion = motion_between(self.flow, self._before, picture, self.check)
        self._before = picture
        self.clock.seconds["flow"] += time.perf_counter() - began
        return picture, motion


def _room(item: Item) -> int:
    """How many frames may wait."""
    size = 1 if item.image is None else item.image.nbytes
    return max(1, min(CHUNK, _AHEAD_BYTES // size))


def _next(waiting: deque[tuple[Item, Future[tuple[Picture | None, Motion]]]]) -> Moving:
    item, future = waiting.popleft()
    picture, motion = future.result()
    return Moving(item, picture, motion)
