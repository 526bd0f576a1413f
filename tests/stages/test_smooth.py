"""Smoothing: calmer joints, in place and on time."""

from dataclasses import replace

import numpy as np
import pytest

from posedata.people import FramePeople
from stages.stream import Item
from stages.track.smooth import smoothed
from tests.stages.test_tracker import people

KINDS = ["one-euro", "savgol"]


def film(places, ids=None, gone=()) -> list[Item]:
    found = []
    for t, place in enumerate(places):
        frame = people() if t in gone else people(place)
        identity = [] if t in gone else [0 if ids is None else ids[t]]
        found.append(Item(t, t / 25, None, replace(frame, track_ids=np.array(identity, np.int64))))
    return found


def centres(items: list[Item]) -> np.ndarray:
    return np.array([i.people.keypoints[0].mean(axis=0) if len(i.people) else [np.nan] * 2 for i in items])


def noisy(length: int, speed: float) -> tuple[list, np.ndarray]:
    rng = np.random.default_rng(0)
    true = np.stack([100 + speed * np.arange(length), np.full(length, 100.0)], axis=1)
    return [tuple(p) for p in true + rng.normal(0, 3, true.shape)], true


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("speed", [0, 2])
def test_noise_becomes_less_and_nobody_lags_behind(kind, speed):
    places, true = noisy(100, speed)
    offset = centres(film([(0, 0)]))[0]
    before = centres(film(places)) - offset - true
    after = centres(list(smoothed(iter(film(places)), kind))) - offset - true
    assert np.sqrt((after[10:] ** 2).mean()) < 0.85 * np.sqrt((before[10:] ** 2).mean())
    assert abs(after[10:, 0].mean()) < 3


@pytest.mark.parametrize("kind", KINDS)
def test_frames_scores_boxes_and_identities_stay(kind):
    before = film([(100 + t, 100) for t in range(20)])
    after = list(smoothed(iter(before), kind))
    assert [i.index for i in after] == list(range(20))
    for a, b in zip(before, after):
        for name in ("boxes", "keypoint_scores", "person_scores", "track_ids", "origin"):
            np.testing.assert_array_equal(getattr(a.people, name), getattr(b.people, name))


def test_a_parabola_stays_what_it_is():
    items = film([(100 + 0.5 * t * t, 100 + 3 * t) for t in range(15)])
    np.testing.assert_allclose(centres(list(smoothed(iter(items), "savgol"))), centres(items), atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_who_was_away_or_became_another_begins_anew(kind):
    jump = [(100, 100)] * 10 + [(300, 100)] * 10
    np.testing.assert_allclose(
        centres(list(smoothed(iter(film(jump, ids=[0] * 10 + [1] * 10)), kind))), centres(film(jump)), atol=1e-3
    )
    away = [*jump[:10], (0, 0), *jump[10:]]
    items = film(away, gone=(10,))
    np.testing.assert_allclose(centres(list(smoothed(iter(items), kind))), centres(items), atol=1e-3)


@pytest.mark.parametrize("kind", [*KINDS, "off"])
def test_empty_sequences_and_people_of_no_track_are_left_alone(kind):
    assert list(smoothed(iter([]), kind)) == []
    nobody = Item(0, 0.0, None, FramePeople())
    stranger = film([(100, 100), (150, 100), (100, 100)], ids=[-1] * 3)
    after = list(smoothed(iter([nobody, *stranger]), kind))
    np.testing.assert_array_equal(centres(after[1:]), centres(stranger))
