"""The track stage as a whole: confirmation, recovery, stitching, filling."""

import numpy as np
import pytest

from configs.settings import TrackSettings
from posedata.people import FramePeople, FrameStatus
from posedata.skeletons import COCO_17
from stages.stream import Clock, Item
from stages.track.stage import TrackStage
from stages.track.stitch import Sighting, Tracklet, stitch
from tests.stages.test_flow import Counting, shifted, texture
from tests.stages.test_tracker import people

ABSENT = people()


def track(frames: list[FramePeople], images=None, poses_in=None, flow=None, **settings) -> list[FramePeople]:
    items = [Item(i, i / 25, None if images is None else images[i], p) for i, p in enumerate(frames)]
    stage = TrackStage(TrackSettings(**settings), COCO_17, flow, poses_in)
    return [item.people for item in stage.run(iter(items), Clock())]


def ids(frames: list[FramePeople]) -> list[list[int]]:
    return [p.track_ids.tolist() for p in frames]


def test_somebody_seen_once_is_nobody():
    frames = [people((100, 100)), people((103, 100), (400, 100)), people((106, 100)), people((109, 100))]
    assert ids(track(frames)) == [[0], [0, -1], [0], [0]]
    assert ids(track(frames, confirm=0)) == [[0], [0, 1], [0], [0]]


def test_somebody_seen_again_within_the_window_counts_from_the_beginning():
    frames = [people((100, 100)), ABSENT, people((104, 100)), ABSENT, ABSENT, ABSENT]
    assert ids(track(frames, confirm=2)) == [[0], [], [0], [], [], []]
    assert ids(track(frames, confirm=1)) == [[-1], [], [-1], [], [], []]


def test_the_window_counts_the_frames_that_were_looked_at():
    """Detection with a stride: two looks are more than two frames apart."""
    skipped = people(status=FrameStatus.SKIPPED)
    frames = [people((100 + t, 100)) if t % 4 == 0 else skipped for t in range(12)]
    assert ids(track(frames, confirm=1)) == [[0]] * 9 + [[]] * 3


def test_identities_are_counted_without_gaps():
    frames = [people((400, 100)), people((100, 100)), people((103, 100)), people((106, 100))]
    assert ids(track(frames)) == [[-1], [0], [0], [0]]


@pytest.mark.parametrize("frames", [[], [ABSENT], [ABSENT] * 40, [people((50, 50))]])
@pytest.mark.parametrize("offline", [False, True])
def test_empty_and_short_sequences(frames, offline):
    assert [len(p) for p in track(frames, offline=offline)] == [len(p) for p in frames]


def walk(missing: set[int], length: int = 30) -> list[FramePeople]:
    return [ABSENT if t in missing else people((50 + 4 * t, 100)) for t in range(length)]


def test_offline_fills_short_gaps_and_marks_them():
    found = track(walk({10, 11, 12}), offline=True)
    assert ids(found) == [[0]] * 30
    assert [p.origin.tolist() for p in found[9:14]] == [[0], [2], [2], [2], [0]]
    np.testing.assert_allclose(found[11].keypoints, people((94, 100)).keypoints, atol=0.02)


def test_offline_leaves_long_gaps_open():
    found = track(walk(set(range(8, 20))), offline=True, fill_gap=5)
    assert [len(p) for p in found] == [1] * 8 + [0] * 12 + [1] * 10 and found[25].track_ids.tolist() == [0]


def test_offline_stitches_what_the_tracker_lost():
    """Gone for longer than the tracker remembers, back where the way led."""
    frames = walk(set(range(10, 20)), 40)
    apart = track(frames, max_age=5)
    assert apart[0].track_ids.tolist() != apart[-1].track_ids.tolist()
    together = track(frames, max_age=5, offline=True, fill_gap=12)
    assert ids(together) == [[0]] * 40


def test_offline_takes_the_identity_of_very_short_tracks():
    frames = [people((50 + 4 * t, 100), *([(400, 100)] if t in (5, 6) else [])) for t in range(20)]
    assert ids(track(frames))[5] == [0, 1]
    assert ids(track(frames, offline=True, min_track=3))[5] == [0, -1]


def test_nothing_is_drawn_across_a_frame_that_could_not_be_read():
    broken = people(status=FrameStatus.UNDECODABLE)
    frames = [*walk(set(), 6), broken, *walk(set(), 12)[7:]]
    found = track(frames, offline=True)
    assert found[6].status is FrameStatus.UNDECODABLE and len(found[6]) == 0 and found[7].track_ids.tolist() == [0]


def tracklet(identity: int, places: dict[int, tuple[float, float]], scene: int = 0, look=None) -> Tracklet:
    made = Tracklet(identity)
    for index, place in places.items():
        made.add(Sighting(index, people(place), scene), look)
    return made


def test_stitching_is_one_to_one_in_time_and_within_a_scene():
    first = tracklet(0, {t: (100 + t, 100) for t in range(5)})
    heir = tracklet(1, {t: (100 + t, 100) for t in range(8, 12)})
    rival = tracklet(2, {t: (112 + t, 100) for t in range(8, 12)})
    overlapping = tracklet(3, {t: (100 + t, 100) for t in range(3, 9)})
    other_scene = tracklet(4, {t: (100 + t, 100) for t in range(14, 18)}, scene=1)
    assert stitch([first, heir, rival, overlapping, other_scene], 30, 0.3, 0.0) == {0: 0, 1: 0, 2: 2, 3: 3, 4: 4}


def test_a_chain_of_stitched_tracks_is_one_person():
    parts = [tracklet(k, {t: (50 + 2 * t, 100) for t in range(10 * k, 10 * k + 6)}) for k in range(4)]
    assert stitch(parts, 30, 0.3, 0.0) == {0: 0, 1: 0, 2: 0, 3: 0}


def test_of_two_heirs_at_one_place_the_one_of_the_same_colours_is_taken():
    red, blue = np.tile([200.0, 30, 30], 8).astype(np.float32), np.tile([30.0, 30, 200], 8).astype(np.float32)
    parts = [
        tracklet(0, dict.fromkeys(range(5), (100, 100)), look=red),
        tracklet(1, dict.fromkeys(range(8, 12), (96, 100)), look=blue),
        tracklet(2, dict.fromkeys(range(8, 12), (106, 100)), look=red),
    ]
    assert stitch(parts, 30, 0.3, 0.6) == {0: 0, 1: 1, 2: 0}


class Finder:
    """A pose network of the tests: finds a person at the middle of every box, or what it is told."""

    def __init__(self, score: float = 0.9, offset: float = 0.0) -> None:
        self.score, self.offset, self.calls = score, offset, []

    def __call__(self, image, boxes):
        self.calls.append(len(boxes))
        centres = (boxes[:, :2] + boxes[:, 2:]) / 2 + self.offset
        found = people(*centres, score=self.score)
        return found.keypoints, found.keypoint_scores


PICTURES = [shifted(texture(1, 400, 200), 0, 0)] * 30


def recovered(missing: set[int], finder: Finder, **settings) -> list[FramePeople]:
    frames = [ABSENT if t in missing else people((100, 100)) for t in range(12)]
    return track(frames, PICTURES, finder, Counting, **settings)


def test_a_missed_person_is_recovered_and_marked():
    finder = Finder()
    found = recovered({5, 6}, finder)
    assert ids(found) == [[0]] * 12
    assert [p.origin.tolist() for p in found[4:8]] == [[0], [1], [1], [0]]
    assert finder.calls == [1, 1], "looked for only where nobody was matched"


def test_two_missed_people_are_looked_for_at_once():
    frames = [people() if t in (5, 6) else people((60, 100), (300, 100)) for t in range(9)]
    finder = Finder()
    found = track(frames, PICTURES, finder, Counting)
    assert finder.calls == [2, 2] and ids(found) == [[0, 1]] * 9


@pytest.mark.parametrize(
    "finder, settings",
    [
        (Finder(score=0.1), {}),  # nobody is there
        (Finder(offset=60), {}),  # it jumped to someone else
        (Finder(), {"recover": False}),
    ],
)
def test_what_is_not_found_is_not_invented(finder, settings):
    found = recovered({5, 6}, finder, **settings)
    assert [len(p) for p in found[4:8]] == [1, 0, 0, 1] and found[7].track_ids.tolist() == [0]


def test_nobody_is_carried_for_ever():
    found = recovered(set(range(4, 12)), Finder(), recover_frames=3)
    assert [len(p) for p in found] == [1] * 4 + [1] * 3 + [0] * 5


def test_nobody_is_recovered_twice_or_on_top_of_somebody():
    """Two people cross: one hides the other, and the network sees the one in front in both boxes."""

    def frame(t):
        both = [(100 + 10 * t, 100), (220 - 10 * t, 100)]
        return people(both[0]) if 4 <= t <= 8 else people(*both)

    front = [(100 + 10 * t, 100) for t in range(13)]
    index = iter(range(100))

    def finder(image, boxes):
        t = 4 + next(index)
        seen = people(*[front[t]] * len(boxes))
        return seen.keypoints, seen.keypoint_scores

    found = track([frame(t) for t in range(13)], PICTURES, finder, Counting)
    for p in found:
        own = [i for i in p.track_ids.tolist() if i >= 0]
        assert len(own) == len(set(own))
    assert all(len(p) == 1 for p in found[5:8])


def test_nobody_is_looked_for_beside_the_frame():
    leaving = [people((394 + 4 * t, 100)) if t < 6 else ABSENT for t in range(10)]
    finder = Finder()
    track(leaving, PICTURES, finder, Counting)
    assert finder.calls == []


def test_the_same_input_gives_the_same_output():
    def once():
        return track(
            [people((100 + 3 * t, 100)) if t % 4 else ABSENT for t in range(12)], PICTURES, Finder(), Counting
        )

    first, second = once(), once()
    for a, b in zip(first, second):
        np.testing.assert_array_equal(a.keypoints, b.keypoints)
        np.testing.assert_array_equal(a.track_ids, b.track_ids)
