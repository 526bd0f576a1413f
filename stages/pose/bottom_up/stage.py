"""The pose stage of a bottom-up model: people straight from the frames, boxes included."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from stages.pose.bottom_up.estimator import BottomUpEstimator, nobody
from stages.stream import Clock, Item


class BottomUpStage:
    """Looks at every frame that can be decoded."""

    name = "pose"
    needs_pixels = True

    def __init__(self, estimator: BottomUpEstimator) -> None:
        self.estimator = estimator

    def run(self, items: Iterator[Item], clock: Clock) -> Iterator[Item]:
        for item in items:
            with clock.of(self.name):
                found = self.estimator.find([item.image])[0] if item.ok else nobody()
            yield replace(item, people=replace(found, status=item.people.status))
