"""The people of a frame: what is refused when they are made, and taking and joining them."""

from __future__ import annotations

import numpy as np
import pytest

from posedata.people import FramePeople, FrameStatus, Origin, concatenate


def people(count: int = 3, **changes) -> FramePeople:
    parts = {
        "boxes": np.arange(count * 4).reshape(count, 4),
        "box_scores": np.linspace(0, 1, count),
        "keypoints": np.arange(count * 34).reshape(count, 17, 2),
        "keypoint_scores": np.full((count, 17), 0.5),
        "track_ids": np.arange(count),
        "origin": np.full(count, Origin.DETECTED),
    }
    return FramePeople(**{**parts, **changes})


def test_parts_become_the_declared_types_and_cannot_be_written_to():
    found = people()
    assert [found.boxes.dtype, found.track_ids.dtype, found.origin.dtype] == [np.float32, np.int64, np.uint8]
    with pytest.raises(ValueError, match="read-only"):
        found.boxes[0] = 1


def test_the_callers_array_stays_writable():
    boxes = np.zeros((2, 4), np.float32)
    FramePeople(boxes=boxes)
    boxes[0] = 1  # still the caller's own


@pytest.mark.parametrize(
    ("parts", "count"),
    [
        ({}, 0),
        ({"boxes": np.zeros((0, 4))}, 0),
        ({"keypoints": np.zeros((0, 19, 2)), "keypoint_scores": np.zeros((0, 19))}, 0),
        ({"boxes": np.zeros((1, 4))}, 1),
        ({"track_ids": np.full(5, -1)}, 5),
    ],
)
def test_empty_and_partial_frames_are_legal(parts, count):
    assert len(FramePeople(**parts)) == count


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"boxes": np.zeros((3, 5))}, r"boxes must have shape \[N, 4\], not \[3, 5\]"),
        ({"boxes": np.zeros(4)}, r"boxes must have shape \[N, 4\], not \[4\]"),
        ({"keypoints": np.zeros((3, 17, 3))}, r"keypoints must have shape \[N, K, 2\]"),
        ({"box_scores": np.zeros(2)}, "box_scores has 2 rows"),
        ({"keypoint_scores": np.zeros((3, 16))}, "16 joints, keypoints 17"),
        ({"keypoints": None}, "keypoint_scores without keypoints"),
        ({"boxes": np.full((3, 4), np.nan)}, "boxes holds a value that is not finite"),
        ({"keypoint_scores": np.full((3, 17), np.inf)}, "keypoint_scores holds a value that is not finite"),
        ({"keypoints": np.full((3, 17, 2), 1e8)}, "keypoints holds a coordinate beyond"),
        ({"origin": np.full(3, 7)}, "origin holds 7"),
    ],
)
def test_what_is_refused(parts, words):
    with pytest.raises(ValueError, match=words):
        people(**parts)


@pytest.mark.parametrize("rows", [np.array([2, 0]), [2, 0], (2, 0)])
def test_take_keeps_the_order_asked_for(rows):
    found = people(status=FrameStatus.SKIPPED).take(rows)
    assert found.track_ids.tolist() == [2, 0]
    assert found.keypoints[:, 0, 0].tolist() == [68, 0]
    assert found.status is FrameStatus.SKIPPED


@pytest.mark.parametrize("rows", [np.zeros(3, bool), np.array([], np.int64), []])
def test_take_nobody(rows):
    found = people().take(rows)
    assert len(found) == 0
    assert found.keypoints.shape == (0, 17, 2)


def test_take_by_mask():
    assert people().take(np.array([True, False, True])).track_ids.tolist() == [0, 2]


def test_concatenate():
    both = concatenate(people(2), people(1, track_ids=np.array([9])))
    assert both.track_ids.tolist() == [0, 1, 9]
    assert both.keypoints.shape == (3, 17, 2)


@pytest.mark.parametrize("empty", [FramePeople(), people(0)])
def test_concatenate_with_nobody_keeps_the_first_ones_status(empty):
    some = people(2, status=FrameStatus.SKIPPED)
    assert len(concatenate(some, empty)) == 2
    assert concatenate(empty, some).status is FrameStatus.OK
    assert concatenate(empty, some).track_ids.tolist() == [0, 1]


def test_concatenate_refuses_different_parts():
    with pytest.raises(ValueError, match="only one of the two has boxes"):
        concatenate(people(2), people(2, boxes=None))
