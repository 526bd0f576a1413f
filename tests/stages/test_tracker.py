"""Association and the online tracker: identities as a user would expect them."""

import itertools

import numpy as np
import pytest

from configs.settings import TrackSettings
from posedata.people import FramePeople, FrameStatus, Origin
from posedata.skeletons import COCO_17
from stages.stream import Clock, Item
from stages.track.associate import associate
from stages.track.stage import TrackStage
from stages.track.tracker import Tracker


def people(*places: tuple[float, float], score: float = 0.9, status: FrameStatus = FrameStatus.OK) -> FramePeople:
    """Standing people of 40 x 120 pixels around the given centres."""
    grid = np.stack(np.meshgrid(np.linspace(-15, 15, 4), np.linspace(-55, 55, 5)), axis=-1).reshape(-1, 2)[:17]
    centres = np.array(places, np.float32).reshape(-1, 2)
    count = len(centres)
    return FramePeople(
        boxes=np.hstack([centres - (20, 60), centres + (20, 60)]).reshape(count, 4),
        box_scores=np.full(count, score),
        keypoints=(centres[:, None] + grid[None]).reshape(count, 17, 2),
        keypoint_scores=np.full((count, 17), score),
        person_scores=np.full(count, score),
        origin=np.zeros(count),
        status=status,
    )


def follow(frames: list[FramePeople], **settings) -> list[list[int]]:
    tracker = Tracker(TrackSettings(**settings), COCO_17)
    return [tracker.step(i, frame).track_ids.tolist() for i, frame in enumerate(frames)]


@pytest.mark.parametrize("similarity", ["oks", "iou", "mixed"])
@pytest.mark.parametrize("assignment", ["hungarian", "greedy"])
def test_two_walkers_keep_their_identities(similarity, assignment):
    frames = [people((50 + 3 * t, 100), (300 - 3 * t, 100)) for t in range(20)]
    assert follow(frames, similarity=similarity, assignment=assignment) == [[0, 1]] * 20


def test_identities_do_not_depend_on_the_order_of_the_input():
    rng = np.random.default_rng(3)
    tracker = Tracker(TrackSettings(), COCO_17)
    by_place = []
    for t in range(10):
        order = rng.permutation(3)
        places = np.array([(50 + 2 * t, 100), (150, 100 + t), (260 - 2 * t, 110)])[order]
        ids = tracker.step(t, people(*places)).track_ids
        by_place.append([int(ids[np.flatnonzero(order == k)[0]]) for k in range(3)])
    assert all(ids == by_place[0] for ids in by_place) and len(set(by_place[0])) == 3


@pytest.mark.parametrize("gap, back", [(0, True), (10, True), (30, False)])
def test_a_person_who_was_gone_is_taken_up_again_until_max_age(gap, back):
    frames = [people((100, 100)), *[people()] * gap, people((104, 100))]
    first, *_, last = follow(frames, max_age=20)
    assert (first == last) is back


def test_a_frame_without_people_is_empty_and_legal():
    assert follow([people(), people()]) == [[], []]


def test_an_unsure_person_begins_no_track_but_continues_one():
    frames = [people((100, 100), score=0.3), people((100, 100)), people((101, 100), score=0.3)]
    assert follow(frames, high_score=0.5, new_track_score=0.5, low_score=0.2) == [[-1], [0], [0]]


def test_nobody_below_the_low_score_gets_an_identity():
    frames = [people((100, 100)), people((100, 100), score=0.1)]
    assert follow(frames, low_score=0.2) == [[0], [-1]]


def test_never_one_identity_twice_in_a_frame():
    rng = np.random.default_rng(0)
    frames = [people(*rng.uniform(80, 160, (rng.integers(0, 9), 2))) for _ in range(40)]
    for ids in follow(frames, min_similarity=0.05):
        taken = [i for i in ids if i >= 0]
        assert len(taken) == len(set(taken))


@pytest.mark.parametrize("seed", range(5))
def test_hungarian_is_the_best_of_all_allowed_matchings(seed):
    rng = np.random.default_rng(seed)
    similarity = rng.random((4, 5))
    pairs = associate(similarity, 0.3)
    total = sum(similarity[r, c] for r, c in pairs)
    gated = np.where(similarity >= 0.3, similarity, 0)
    best = max(sum(gated[r, c] for r, c in enumerate(p)) for p in itertools.permutations(range(5), 4))
    assert total == pytest.approx(best)
    assert all(similarity[r, c] >= 0.3 for r, c in pairs)


def test_greedy_takes_the_best_pair_first_even_where_that_costs_the_sum():
    similarity = np.array([[0.9, 0.8], [0.85, 0.1]])
    assert associate(similarity, 0.05, "greedy").tolist() == [[0, 0], [1, 1]]
    assert sorted(associate(similarity, 0.05).tolist()) == [[0, 1], [1, 0]]


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0)])
def test_nobody_to_match(shape):
    assert associate(np.zeros(shape), 0.2).shape == (0, 2)


def test_skipped_frames_are_filled_in_between_and_marked():
    skipped = people(status=FrameStatus.SKIPPED)
    frames = [people((100, 100)), skipped, skipped, people((112, 100)), skipped]
    items = [Item(i, i / 25, None, p) for i, p in enumerate(frames)]
    out = [item.people for item in TrackStage(TrackSettings(), COCO_17).run(iter(items), Clock())]
    assert [p.track_ids.tolist() for p in out] == [[0], [0], [0], [0], []]
    assert out[1].boxes[0] == pytest.approx((84, 40, 124, 160)) and out[2].boxes[0] == pytest.approx(
        (88, 40, 128, 160)
    )
    assert out[1].origin.tolist() == [Origin.FILLED] and out[1].status is FrameStatus.SKIPPED
