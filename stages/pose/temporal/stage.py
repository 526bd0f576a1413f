"""The pose stage of PoseWarper: it looks two frames back and two ahead."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from stages.pose.stage import without_joints
from stages.pose.temporal.estimator import Scene, WarpEstimator
from stages.pose.temporal.window import REACH, Window, windows
from stages.stream import Clock, Item


class WarpStage:
    """Runs the estimator on the windows of a chunk of frames at a time."""

    name = "pose"
    needs_pixels = True
    look_behind = REACH

    def __init__(self, estimator: WarpEstimator) -> None:
        self.estimator = estimator

    def run(self, items: Iterator[Item], clock: Clock, before: list[Item]) -> Iterator[Item]:
        joints = len(self.estimator.skeleton)
        for chunk in windows(items, before):
            seen = [w for w in chunk if w.item.ok and len(w.item.people)]
            with clock.of(self.name):
                posed = self.estimator.aggregate([_scene(w) for w in seen])
            found = dict(zip((w.item.index for w in seen), posed))
            for window in chunk:
                item = window.item
                yield replace(item, people=found.get(item.index) or without_joints(item.people, joints))


def _scene(window: Window) -> Scene:
    return Scene(window.item.people, tuple(f.image for f in window.frames), tuple(f.index for f in window.frames))
