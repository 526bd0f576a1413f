"""Association and the online tracker: identities as a user would expect them."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from configs.settings import TrackSettings
from posedata.boxes import area
from posedata.oks import oks_matrix
from posedata.people import FramePeople, FrameStatus, Origin
from posedata.skeletons import COCO_17
from stages.stream import Clock, Item
from stages.track.associate import associate
from stages.track.memory import Poses
from stages.track.motion import Motion
from stages.track.similarity import poses_alike
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


@pytest.mark.parametrize("similarity", ["iou", "oks", "flow", "multi-flow", "mixed"])
@pytest.mark.parametrize("assignment", ["hungarian", "greedy"])
def test_two_walkers_keep_their_identities(similarity, assignment):
    frames = [people((50 + 3 * t, 100), (300 - 3 * t, 100)) for t in range(20)]
    assert follow(frames, similarity=similarity, assignment=assignment) == [[0, 1]] * 20


def test_identities_stay_with_their_people_when_the_order_changes():
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


@pytest.mark.parametrize("similarity", ["iou", "oks", "flow", "multi-flow", "mixed"])
@pytest.mark.parametrize("order", range(3))
def test_every_person_has_the_same_identity_whatever_the_order_of_the_input(similarity, order):
    def ids_by_place(seed: int) -> list[dict[tuple, int]]:
        rng = np.random.default_rng(7)
        shuffle = np.random.default_rng(seed)
        tracker = Tracker(TrackSettings(similarity=similarity), COCO_17)
        found = []
        for t in range(12):
            frame = people(*rng.uniform(0, 400, (6, 2)).round(1))  # they jump about: many births and close calls
            frame = frame.take(shuffle.permutation(6)) if seed else frame
            tracked = tracker.step(t, frame)
            found.append({tuple(b): i for b, i in zip(tracked.boxes.tolist(), tracked.track_ids.tolist())})
        return found

    assert ids_by_place(order + 1) == ids_by_place(0)


@pytest.mark.parametrize("count", [0, 1, 100])
@pytest.mark.parametrize("queue", [1, 8])
def test_any_number_of_people_and_any_queue(count, queue):
    places = np.stack(np.meshgrid(np.arange(10) * 60, np.arange(10) * 150), axis=-1).reshape(-1, 2)[:count]
    frames = [people(*(places + (3 * t, 0))) for t in range(5)]
    found = follow(frames, queue=queue)
    assert all(ids == found[0] and sorted(ids) == list(range(count)) for ids in found)


def test_flow_carries_a_person_to_where_he_is_looked_for():
    """Somebody who runs 60 pixels a frame is lost without flow and kept with it."""
    frames = [people((50 + 60 * t, 100)) for t in range(6)]
    tracker = Tracker(TrackSettings(similarity="multi-flow"), COCO_17)
    field = np.full((20, 50, 2), (60, 0), np.float32)
    ids = []
    for t, frame in enumerate(frames):
        if t:
            tracker.advance(Motion((500, 200), field))
        ids += tracker.step(t, frame).track_ids.tolist()
    assert ids == [0] * 6
    assert follow(frames, similarity="oks") != [[0]] * 6


def test_a_cut_ends_every_track():
    tracker = Tracker(TrackSettings(), COCO_17)
    before = tracker.step(0, people((100, 100), (200, 100))).track_ids.tolist()
    tracker.advance(Motion((400, 200), np.zeros((10, 20, 2), np.float32), cut=True))
    after = tracker.step(1, people((100, 100), (200, 100))).track_ids.tolist()
    assert not set(before) & set(after) and -1 not in after


def test_likeness_is_oks():
    rng = np.random.default_rng(1)

    def crowd(count):
        corner = rng.uniform(0, 400, (count, 2))
        boxes = np.concatenate([corner, corner + rng.uniform(40, 120, (count, 2))], axis=1)
        keypoints = rng.uniform(0, 400, (count, 1, 2)) + rng.uniform(0, 80, (count, 17, 2))
        return Poses(keypoints, rng.random((count, 17)) < 0.8, boxes)

    a, b = crowd(12), crowd(15)
    sigmas = COCO_17.sigma_array
    expected = oks_matrix(a.keypoints, b.keypoints, area(a.boxes), area(b.boxes), sigmas, a.valid, b.valid)
    np.testing.assert_allclose(poses_alike(a, b, sigmas), expected, atol=3e-5)


def test_a_near_copy_of_somebody_tracked_begins_no_track():
    frames = [people((100, 100)), people((100, 100), (101, 100))]
    assert follow(frames) == [[0], [0, -1]] and follow(frames, copy_oks=1.0) == [[0], [0, 1]]


def test_people_whose_box_is_too_unsure_are_nobody():
    low = people((100, 100), (200, 100))
    low = replace(low, box_scores=np.array([0.6, 0.4]))
    assert follow([low, low], min_box_score=0.5) == [[0, -1], [0, -1]]


def test_scores_that_are_no_numbers_are_refused():
    with pytest.raises(ValueError, match="not finite"):
        people((100, 100), score=float("nan"))


def test_look_alikes_are_told_apart_by_nothing_and_others_by_their_colours():
    """Two people swap places between two frames; only their colours tell."""
    red, blue = np.tile([200.0, 30, 30], 8).astype(np.float32), np.tile([30.0, 30, 200], 8).astype(np.float32)
    here = people((100, 100), (130, 100))
    for weight, expected in ((0.0, [0, 1]), (0.7, [1, 0])):
        tracker = Tracker(TrackSettings(appearance=weight, min_similarity=0.01), COCO_17)
        assert tracker.step(0, here, np.stack([red, blue])).track_ids.tolist() == [0, 1]
        assert tracker.step(1, here, np.stack([blue, red])).track_ids.tolist() == expected


def test_a_frame_without_people_is_empty_and_legal():
    assert follow([people(), people()]) == [[], []]


def test_an_unsure_person_begins_no_track_but_continues_one():
    frames = [people((100, 100), score=0.3), people((100, 100)), people((101, 100), score=0.3)]
    assert follow(frames, min_box_score=0, high_score=0.5, new_track_score=0.5, low_score=0.2) == [[-1], [0], [0]]


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
    out = [item.people for item in TrackStage(TrackSettings(confirm=0), COCO_17, None).run(iter(items), Clock())]
    assert [p.track_ids.tolist() for p in out] == [[0], [0], [0], [0], []]
    assert out[1].boxes[0] == pytest.approx((84, 40, 124, 160)) and out[2].boxes[0] == pytest.approx(
        (88, 40, 128, 160)
    )
    assert out[1].origin.tolist() == [Origin.FILLED] and out[1].status is FrameStatus.SKIPPED
