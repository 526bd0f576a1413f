"""Calmer joints for those who look at them; scores, identities and boxes stay as they are. Never on for scoring.

`one-euro` (Casiez, Roussel, Vogel, CHI 2012) follows without delay: slow joints are smoothed much, fast ones little.
`savgol` (Savitzky and Golay, 1964) fits a parabola to the joint's way around each frame and looks ahead for that.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from posedata.people import FramePeople
from stages.stream import Item

_REACH = 3  # frames to each side that the parabola sees
_DEGREE = 2
_MIN_CUTOFF = 1.0  # Hz; of a joint at rest
_SPEED_CUTOFF = 1.0  # Hz; of the speed itself
_FASTER = 3.0  # Hz by which the cut-off rises when a joint moves its person's height in a second


def smoothed(items: Iterator[Item], kind: str) -> Iterator[Item]:
    """The frames with smoothed joints of everybody who has an identity; `kind` is off, one-euro or savgol.

    A person who was away, if only for a frame, begins anew. With savgol the frames come a few frames later.
    """
    if kind == "one-euro":
        return _one_euro(items)
    return _savgol(items) if kind == "savgol" else items


@dataclass(frozen=True)
class _Filtered:
    """A person's joints after the last frame."""

    index: int  # frame
    time: float  # seconds
    place: np.ndarray  # [K, 2] pixels
    speed: np.ndarray  # [K, 2] pixels a second


def _one_euro(items: Iterator[Item]) -> Iterator[Item]:
    known: dict[int, _Filtered] = {}
    for number, item in enumerate(items):
        people = item.people
        if people.keypoints is None or people.track_ids is None:
            yield item
            continue
        keypoints = people.keypoints.astype(np.float64)
        following: dict[int, _Filtered] = {}
        for row, identity in enumerate(people.track_ids.tolist()):
            if identity < 0:
                continue
            size = max(1.0, float(people.boxes[row, 3] - people.boxes[row, 1]))
            following[identity] = _step(known.get(identity), number, item.time, keypoints[row], size)
            keypoints[row] = following[identity].place
        known = following
        yield replace(item, people=replace(people, keypoints=keypoints))


def _step(
    before: _Filtered | None,
    index: int,
    time: float,
    place: np.ndarray,  # [K, 2] pixels
    size: float,  # of the person, pixels
) -> _Filtered:
    if before is None or before.index != index - 1 or time <= before.time:
        return _Filtered(index, time, place, np.zeros_like(place))
    passed = time - before.time
    share = _share(passed, np.float64(_SPEED_CUTOFF))
    speed = before.speed + share * ((place - before.place) / passed - before.speed)
    pace = np.linalg.norm(speed, axis=1, keepdims=True) / size  # [K, 1] heights a second
    kept = before.place + _share(passed, _MIN_CUTOFF + _FASTER * pace) * (place - before.place)
    return _Filtered(index, time, kept, speed)


def _share(passed: float, cutoff: np.ndarray) -> np.ndarray:
    """How much of a change a low-pass of that cut-off (Hz) lets through in the time that passed (seconds)."""
    return 1 / (1 + 1 / (2 * np.pi * cutoff * passed))


def _savgol(items: Iterator[Item]) -> Iterator[Item]:
    window: deque[Item] = deque()
    current = 0  # place in the window of the frame that comes next
    for item in items:
        window.append(item)
        while len(window) - 1 - current >= _REACH:
            yield _fitted(window, current)
            current += 1
        while current > _REACH:
            window.popleft()
            current -= 1
    for place in range(current, len(window)):
        yield _fitted(window, place)


def _fitted(window: deque[Item], current: int) -> Item:
    """The frame with each joint on the parabola through its own neighbours in time."""
    item = window[current]
    people = item.people
    if people.keypoints is None or people.track_ids is None or not len(people):
        return item
    keypoints = people.keypoints.astype(np.float64)
    for row, identity in enumerate(people.track_ids.tolist()):
        if identity >= 0:
            around = _run(window, current, identity)
            keypoints[row] = _parabola(*around)
    return replace(item, people=replace(people, keypoints=keypoints))


def _run(window: deque[Item], current: int, identity: int) -> tuple[np.ndarray, np.ndarray]:
    """Offsets [n] in frames and joints [n, K, 2] of the person in the unbroken run of frames around the current."""
    offsets, places = [0], [_joints(window[current].people, identity)]
    for step in (-1, 1):
        for offset in range(step, step * (_REACH + 1), step):
            place = current + offset
            joints = _joints(window[place].people, identity) if 0 <= place < len(window) else None
            if joints is None:
                break
            offsets.append(offset)
            places.append(joints)
    return np.array(offsets, np.float64), np.stack(places)


def _joints(people: FramePeople, identity: int) -> np.ndarray | None:
    if people.track_ids is None:
        return None
    rows = np.flatnonzero(people.track_ids == identity)
    return people.keypoints[rows[0]].astype(np.float64) if len(rows) else None


def _parabola(
    offsets: np.ndarray,  # [n] frames from the current
    places: np.ndarray,  # [n, K, 2] pixels
) -> np.ndarray:
    """[K, 2] the fitted place at offset 0; few neighbours get a straight line, or none."""
    degree = min(_DEGREE, len(offsets) - 1)
    powers = offsets[:, None] ** np.arange(degree + 1)
    return np.einsum("n,nkc->kc", np.linalg.pinv(powers)[0], places)
