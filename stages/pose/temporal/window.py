"""Which five frames a frame's poses are aggregated from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from stages.pose.networks.posewarper import FRAME_ORDER
from stages.stream import CHUNK, Item

REACH = max(FRAME_ORDER)  # frames each way


@dataclass(frozen=True)
class Window:
    """A frame and the frames around it, in the network's order."""

    item: Item
    frames: tuple[Item, ...]  # five; the first is the frame itself


def windows(
    items: Iterator[Item],
    before: list[Item],  # up to `REACH` frames that come just before the first item
) -> Iterator[list[Window]]:
    """The windows of one chunk of frames after another, reading `REACH` frames ahead.

    As in the reference a frame beyond either end of the sequence is the end's, and one without a picture is the
    frame itself.
    """
    past, waiting = before[-REACH:] if before else [], list(islice(items, CHUNK + REACH))
    while waiting:
        chunk = waiting[:CHUNK]
        known = [*past, *waiting]
        yield [Window(item, _around(known, len(past) + place)) for place, item in enumerate(chunk)]
        past = [*past, *chunk][-REACH:]
        waiting = waiting[CHUNK:]
        waiting += islice(items, CHUNK + REACH - len(waiting))


def _around(known: list[Item], place: int) -> tuple[Item, ...]:
    """The five frames of `known[place]`; `known` ends with the sequence or `REACH` frames later."""
    own = known[place]
    found = (known[min(max(place + step, 0), len(known) - 1)] for step in FRAME_ORDER)
    return tuple(own if frame.image is None else frame for frame in found)
