"""The identity timeline: one row a track, with its gaps, and which parts were carried or filled in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from posedata.people import Origin
from posedata.records import FrameRecord
from stages.render.colours import Colour, identity_colour, shade
from stages.render.draw import draw_text, text_extent

MAX_ROWS = 200
_ROW, _BAR = 18, 11  # pixels
_LETTERS = 9.0
_GROUND, _GRID, _INK, _CURSOR = (32, 32, 32), (70, 70, 70), (225, 225, 225), (255, 255, 255)
_MARGIN = 10
_LABEL_WIDTH = 190


@dataclass(frozen=True)
class Stretch:
    """Successive frames of one track with one origin."""

    first: int
    last: int  # inclusive
    origin: Origin


@dataclass
class Timeline:
    """The stretches of every track, by identity in order of appearance; memory grows with their number, not with the
    frames."""

    tracks: dict[int, list[Stretch]] = field(default_factory=dict)
    first: int = 0  # frame
    last: int = -1
    seconds: float = 0.0  # from the first frame to the last

    def frames_of(self, identity: int) -> int:
        """How many frames the track is there."""
        return sum(s.last - s.first + 1 for s in self.tracks[identity])


def read_timeline(frames: Iterable[FrameRecord]) -> Timeline:
    """Reads a record of tracks once; people of no track do not count."""
    timeline = Timeline()
    began = None
    for frame in frames:
        if began is None:
            began, timeline.first = frame.time, frame.index
        timeline.last, timeline.seconds = frame.index, frame.time - began
        people = frame.people
        if people.track_ids is None:
            continue
        origins = np.zeros(len(people), np.uint8) if people.origin is None else people.origin
        for identity, origin in zip(people.track_ids.tolist(), origins.tolist()):
            if identity >= 0:
                _extend(timeline.tracks.setdefault(identity, []), frame.index, Origin(origin))
    return timeline


def _extend(stretches: list[Stretch], index: int, origin: Origin) -> None:
    if stretches and stretches[-1].last == index - 1 and stretches[-1].origin is origin:
        stretches[-1] = Stretch(stretches[-1].first, index, origin)
    else:
        stretches.append(Stretch(index, index, origin))


def draw_timeline(
    timeline: Timeline,
    width: int = 1400,
    title: str = "",  # ASCII
) -> np.ndarray:
    """[H, width, 3] uint8 RGB: bars from the first frame to the last, at most MAX_ROWS tracks, the longest.

    Seen people have a full bar, carried ones (by flow) a bar of half the height, filled-in ones an empty frame; a
    gap is a thin line.
    """
    shown, left_out = _rows(timeline)
    top = text_extent("0", _LETTERS)[1] * 2 + 2 * _MARGIN
    height = top + _ROW * max(1, len(shown)) + 2 * _MARGIN + text_extent("0", _LETTERS)[1]
    image = np.full((height, width, 3), _GROUND, np.uint8)
    draw_text(image, title, _MARGIN // 2, _MARGIN // 2, _LETTERS + 2, _INK, _GROUND)
    area = (_LABEL_WIDTH, top, width - _MARGIN, top + _ROW * max(1, len(shown)))
    _draw_axis(image, timeline, area)
    for row, identity in enumerate(shown):
        y = top + row * _ROW
        stretches = timeline.tracks[identity]
        label = f"#{identity}   {stretches[0].first}-{stretches[-1].last}   {timeline.frames_of(identity)} frames"
        draw_text(image, label, _MARGIN // 2, y - 2, _LETTERS, identity_colour(identity), _GROUND)
        _draw_bars(image, timeline, identity, area[0], area[2], y + (_ROW - _BAR) // 2, _BAR)
    words = "full: seen    half: carried by flow    frame: filled in    line: gap"
    if left_out:
        words += f"    ({left_out} shorter tracks are not shown)"
    if not shown:
        words = "nobody has an identity"
    draw_text(image, words, _LABEL_WIDTH - _MARGIN, area[3] + _MARGIN, _LETTERS, _INK, _GROUND)
    return image


class CornerTimeline:
    """A small timeline for the overlay's lower right corner, with a line at the frame that is shown."""

    def __init__(
        self,
        timeline: Timeline,
        size: tuple[int, int],  # width and height of the picture, pixels
    ) -> None:
        self._timeline = timeline
        wide, tall = max(2, size[0] // 3), max(2, size[1] // 4)
        shown, _ = _rows(timeline, max(1, tall // 4))
        step = max(3, min(10, tall // max(1, len(shown))))
        self._picture = np.full((step * len(shown) + 4, wide, 3), _GROUND, np.uint8)
        for row, identity in enumerate(shown):
            _draw_bars(self._picture, timeline, identity, 2, wide - 2, 2 + row * step, step - 1)

    def draw(
        self,
        image: np.ndarray,  # [H, W, 3] uint8 RGB, drawn into
        index: int,  # of the frame
    ) -> None:
        tall, wide = self._picture.shape[:2]
        view = image[-tall:, -wide:]
        own = self._picture[-view.shape[0] :, -view.shape[1] :]
        view[:] = view // 4 + own // 4 * 3
        x = _place(self._timeline, index, 2, wide - 2)
        view[:, min(x, view.shape[1] - 1)] = _CURSOR


def _rows(timeline: Timeline, most: int = MAX_ROWS) -> tuple[list[int], int]:
    """The identities shown, in order of appearance, and how many are not."""
    longest = sorted(timeline.tracks, key=timeline.frames_of, reverse=True)[:most]
    chosen = set(longest)
    return [identity for identity in timeline.tracks if identity in chosen], len(timeline.tracks) - len(chosen)


def _place(timeline: Timeline, index: int, left: int, right: int) -> int:
    """The pixel column where a frame begins."""
    frames = max(1, timeline.last - timeline.first + 1)
    return left + (index - timeline.first) * (right - left) // frames


def _draw_axis(
    image: np.ndarray,
    timeline: Timeline,
    area: tuple[int, int, int, int],  # left, top, right, bottom
) -> None:
    left, top, right, bottom = area
    frames = timeline.last - timeline.first + 1
    per_frame = timeline.seconds / (frames - 1) if frames > 1 else 0.0
    tall = text_extent("0", _LETTERS)[1]
    for index in _ticks(timeline.first, timeline.last, max(2, (right - left) // 160)):
        x = _place(timeline, index, left, right)
        image[top:bottom, x] = _GRID
        label = f"{index}  {(index - timeline.first) * per_frame:.1f} s"
        draw_text(image, label, x, top - tall, _LETTERS, _INK, _GROUND)


def _ticks(first: int, last: int, count: int) -> list[int]:
    """About `count` round frame numbers."""
    span = max(1, last - first + 1)
    raw = span / count
    power = 10 ** max(0, int(np.floor(np.log10(max(raw, 1)))))
    step = next((s * power for s in (1, 2, 5, 10) if s * power >= raw), 10 * power)
    return [i for i in range(first - first % step, last + 1, step) if i >= first]


def _draw_bars(
    image: np.ndarray,
    timeline: Timeline,
    identity: int,
    left: int,
    right: int,
    top: int,
    height: int,
) -> None:
    colour = identity_colour(identity)
    stretches = timeline.tracks[identity]
    middle = top + height // 2
    start = _place(timeline, stretches[0].first, left, right)
    end = _place(timeline, stretches[-1].last + 1, left, right)
    image[middle, start:end] = shade(colour, -0.5)
    for stretch in stretches:
        a = _place(timeline, stretch.first, left, right)
        b = max(a + 1, _place(timeline, stretch.last + 1, left, right))
        _draw_bar(image[top : top + height, a:b], stretch.origin, colour)


def _draw_bar(view: np.ndarray, origin: Origin, colour: Colour) -> None:
    if origin is Origin.PROPAGATED:
        quarter = view.shape[0] // 4
        view[quarter : view.shape[0] - quarter] = colour
    elif origin is Origin.FILLED:
        view[[0, -1]] = colour
        view[:, [0, -1]] = colour
    else:
        view[:] = colour
