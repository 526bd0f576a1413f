"""People are somebody only when they were seen twice: a few frames are held back until that is known."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from stages.stream import Item


@dataclass(frozen=True)
class Tracked:
    """A frame whose people have the tracker's identities."""

    item: Item
    looks: np.ndarray | None = None  # [N, C] colours of the people
    scene: int = 0  # counted up by cuts

    def with_ids(
        self,
        identities: np.ndarray,  # [N]
    ) -> Tracked:
        """The same people under these identities."""
        return replace(self, item=replace(self.item, people=replace(self.item.people, track_ids=identities)))


def confirmed(
    frames: Iterator[Tracked],
    window: int,  # frames that were looked at
) -> Iterator[Tracked]:
    """The frames, some of them late, with identities counted from 0 in order of appearance.

    A track counts from a sighting on that is followed by another within the window; a person seen but once, most
    often a mistake of the detector, gets -1. A window of 0 takes everybody at once.
    """
    held: deque[Tracked] = deque()
    public: dict[int, int] = {}  # the tracker's identity -> ours
    looked = 0  # of the frames held
    for frame in frames:
        held.append(frame)
        looked += frame.item.ok
        while looked - held[0].item.ok >= window:  # so many were looked at after it
            looked -= held[0].item.ok
            yield _released(held, public, window)
            if not held:
                break
    while held:
        yield _released(held, public, window)


def _released(held: deque[Tracked], public: dict[int, int], window: int) -> Tracked:
    frame = held.popleft()
    identities = frame.item.people.track_ids
    again = {i for later in held for i in later.item.people.track_ids.tolist()}
    for identity in sorted(identities.tolist()):
        if identity >= 0 and identity not in public and (not window or identity in again):
            public[identity] = len(public)
    return frame.with_ids(np.array([public.get(i, -1) for i in identities.tolist()], np.int64))
