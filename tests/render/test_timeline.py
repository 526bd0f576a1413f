"""The identity timeline: who was there when, and how the picture tells seen, carried and filled-in frames apart."""

from __future__ import annotations

import numpy as np
import pytest

from posedata.people import FramePeople, Origin
from posedata.records import FrameRecord
from stages.render.colours import identity_colour
from stages.render.timeline import MAX_ROWS, CornerTimeline, Stretch, Timeline, draw_timeline, read_timeline

SEEN, CARRIED, FILLED = Origin.DETECTED, Origin.PROPAGATED, Origin.FILLED


def frames(*rows: dict[int, Origin], first: int = 0, step: float = 0.1) -> list[FrameRecord]:
    """One frame for each row of identity -> origin."""
    made = []
    for place, row in enumerate(rows):
        people = FramePeople(
            boxes=np.tile([0.0, 0.0, 9.0, 9.0], (len(row), 1)),
            track_ids=np.array(list(row), np.int64),
            origin=np.array(list(row.values()), np.uint8),
        )
        made.append(FrameRecord(index=first + place, time=place * step, people=people))
    return made


@pytest.mark.parametrize(
    ("rows", "tracks"),
    [
        pytest.param([], {}, id="no frame"),
        pytest.param([{}, {}], {}, id="nobody"),
        pytest.param([{-1: SEEN}], {}, id="nobody with an identity"),
        pytest.param([{4: SEEN}], {4: [Stretch(0, 0, SEEN)]}, id="one frame"),
        pytest.param([{4: SEEN}] * 3, {4: [Stretch(0, 2, SEEN)]}, id="without a gap"),
        pytest.param([{4: SEEN}, {}, {4: SEEN}], {4: [Stretch(0, 0, SEEN), Stretch(2, 2, SEEN)]}, id="a gap"),
        pytest.param(
            [{4: SEEN}, {4: CARRIED}, {4: FILLED}],
            {4: [Stretch(0, 0, SEEN), Stretch(1, 1, CARRIED), Stretch(2, 2, FILLED)]},
            id="each origin a stretch",
        ),
        pytest.param(
            [{7: SEEN}, {2: SEEN, 7: SEEN}],
            {7: [Stretch(0, 1, SEEN)], 2: [Stretch(1, 1, SEEN)]},
            id="two people",
        ),
    ],
)
def test_stretches(rows, tracks):
    timeline = read_timeline(frames(*rows))
    assert timeline.tracks == tracks
    assert list(timeline.tracks) == list(tracks)  # in the order of appearance


def test_the_frames_need_not_begin_at_0():
    timeline = read_timeline(frames({1: SEEN}, {1: SEEN}, first=30))
    assert (timeline.first, timeline.last, timeline.seconds) == (30, 31, pytest.approx(0.1))
    assert timeline.frames_of(1) == 2


def painted(image: np.ndarray, identity: int) -> np.ndarray:
    """[H, W] which pixels have the colour of an identity."""
    return (image == identity_colour(identity)).all(axis=2)


def bar(image: np.ndarray, identity: int) -> np.ndarray:
    """[H, W] the same for the bars alone, without the label at the left."""
    return painted(image, identity)[:, 190:]


def test_a_gap_stays_open_in_the_picture():
    whole = draw_timeline(read_timeline(frames(*[{0: SEEN}] * 100)))
    open_ = draw_timeline(read_timeline(frames(*[{0: SEEN}] * 40, *[{}] * 20, *[{0: SEEN}] * 40)))
    columns = bar(whole, 0).any(axis=0).sum()
    assert bar(open_, 0).any(axis=0).sum() == pytest.approx(columns * 0.8, abs=3)


def test_seen_carried_and_filled_look_different():
    heights = {
        origin: bar(draw_timeline(read_timeline(frames(*[{0: origin}] * 10))), 0).sum(axis=0).max()
        for origin in (SEEN, CARRIED)
    }
    assert 0 < heights[CARRIED] < heights[SEEN]
    filled = bar(draw_timeline(read_timeline(frames(*[{0: FILLED}] * 10))), 0)
    inner = np.flatnonzero(filled.any(axis=0))[1:-1]
    assert (filled[:, inner].sum(axis=0) == 2).all()  # the upper and the lower line of a frame


def test_more_tracks_than_rows_leave_out_the_shortest():
    rows = [dict.fromkeys(range(MAX_ROWS + 3), SEEN), dict.fromkeys(range(3, 300), SEEN)]
    crowd, few = (draw_timeline(read_timeline(frames(*rows[k:]))) for k in (0, 1))
    assert crowd.shape == few.shape
    assert not bar(crowd, 0).any()
    assert bar(crowd, 3).any()


def test_an_empty_timeline_is_a_picture_too():
    image = draw_timeline(Timeline(), title="nothing here")
    assert image.dtype == np.uint8
    assert image.ndim == 3
    assert len(np.unique(image)) > 1


@pytest.mark.parametrize("size", [(640, 360), (64, 48), (16, 16), (3, 3)])
def test_the_corner_shows_the_frame_by_a_line(size):
    timeline = read_timeline(frames(*[dict.fromkeys(range(12), SEEN)] * 50))
    corner = CornerTimeline(timeline, size)
    pictures = []
    for index in (0, 49):
        image = np.zeros((size[1], size[0], 3), np.uint8)
        corner.draw(image, index)
        pictures.append(image)
    assert all((p == 255).all(axis=2).any() for p in pictures)
    if size[0] >= 64:
        assert not pictures[0][: size[1] // 2].any()
        assert (pictures[0] != pictures[1]).any()
