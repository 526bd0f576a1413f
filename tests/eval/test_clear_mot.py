"""CLEAR MOT against motmetrics' accumulator, and the assignment solver against scipy's."""

from __future__ import annotations

import numpy as np
import pytest
from poseval_scenes import matched, people, random_matched
from scipy.optimize import linear_sum_assignment

from eval.clear_mot import every_frame, official_frames
from eval.findings import Findings, ScoringInputError
from eval.lap import SMALL, assignment, solve
from eval.mot_reference import reference_counts
from eval.poseval import sequence_counts

FIELDS = ("misses", "switches", "false_positives", "objects", "detections", "distance", "distance_head")


def both_engines(case, rule) -> tuple:
    ours = sequence_counts([case], rule, Findings())[0]
    return ours, reference_counts(case.scene, case.pairs, rule(case.scene), Findings())


@pytest.mark.parametrize("rule", [official_frames, every_frame])
@pytest.mark.parametrize("grid", [None, 1.0, 5.0], ids=["free", "ties", "many ties"])
@pytest.mark.parametrize("seed", range(4))
def test_random_scenes_count_as_in_motmetrics(seed: int, grid: float | None, rule) -> None:
    ours, theirs = both_engines(random_matched(seed, frames=10, persons=5, grid=grid), rule)
    for field in FIELDS:
        np.testing.assert_allclose(getattr(ours, field), getattr(theirs, field), atol=1e-9, err_msg=field)
    assert ours.detections.sum() > 100  # the scene is about something


def test_several_sequences_at_once_count_as_one_by_one() -> None:
    cases = [random_matched(seed, frames=4 + seed, name=str(seed)) for seed in range(5)]
    together = sequence_counts(cases, official_frames, Findings())
    for case, counts in zip(cases, together):
        alone = sequence_counts([case], official_frames, Findings())[0]
        for field in FIELDS:
            np.testing.assert_allclose(getattr(counts, field), getattr(alone, field), atol=1e-12)


def row_of_people(tracks: list[list[float | None]], step: float = 100.0) -> tuple[list[int], list[float], np.ndarray]:
    """Per frame the track at each of several far-apart places (None = nobody)."""
    frame, track, xy = [], [], []
    for f, places in enumerate(tracks):
        for place, number in enumerate(places):
            if number is not None:
                frame.append(f)
                track.append(number)
                xy.append(np.full((15, 2), step * place))
    return frame, track, np.array(xy)


@pytest.mark.parametrize(
    ("found", "switches", "misses", "false_positives"),
    [
        ([[1, 2], [1, 2], [1, 2]], 0, 0, 0),
        ([[1, 2], [2, 1], [2, 1]], 2, 0, 0),  # both change once
        ([[1, 2], [None, 2], [1, 2]], 0, 1, 0),  # the partner is remembered through the gap
        ([[1, 2], [None, 2], [3, 2]], 1, 1, 0),
        ([[None, 2], [1, 2], [1, 2]], 0, 1, 0),
        ([[1, 2, 9], [1, 2, None], [1, 2, 9]], 0, 0, 2),
        ([[1, None], [None, 1], [1, None]], 0, 3, 0),  # the prediction belongs to two; nobody changes partner
    ],
)
def test_hand_made_scenes(found: list, switches: int, misses: int, false_positives: int) -> None:
    case = matched(people(*row_of_people([[1, 2]] * 3)), people(*row_of_people(found)), 3)
    counts = sequence_counts([case], every_frame, Findings())[0]
    assert (counts.switches == switches).all()
    assert (counts.misses == misses).all()
    assert (counts.false_positives == false_positives).all()


def test_official_rule_leaves_out_the_last_frame_and_fakes_one_sided_ones() -> None:
    truth = people(*row_of_people([[1, 2], [1, 2], [1, 2], [1, 2]]))
    found = people(*row_of_people([[1, 2], [], [1, 2], [7, 8]]))
    counts = sequence_counts([matched(truth, found, 4)], official_frames, Findings())[0]
    assert (counts.objects == 5).all()  # two frames of two people, one fake
    assert (counts.misses == 1).all() and (counts.false_positives == 1).all() and (counts.switches == 0).all()


def test_a_repeated_truth_id_is_left_to_motmetrics() -> None:
    frame, track, xy = row_of_people([[1, 2], [1, 2], [1, 2]])
    later = matched(people(frame, [1, 2, 1, 1, 1, 2], xy), people(frame, track, xy), 3)
    findings = Findings()
    assert (sequence_counts([later], every_frame, findings)[0].objects == 6).all()
    assert [warning.kind for warning in findings.warnings] == ["truth-id-twice"]
    at_once = matched(people(frame, [1, 1, 1, 2, 1, 2], xy), people(frame, track, xy), 3)
    with pytest.raises(ScoringInputError, match="two annotated people"):
        sequence_counts([at_once], every_frame, Findings())


@pytest.mark.parametrize("kind", ["free", "small integers", "mostly forbidden"])
def test_solver_agrees_with_scipy_also_in_ties(kind: str) -> None:
    rng = np.random.default_rng(5)
    for _ in range(400):
        shape = tuple(rng.integers(1, SMALL + 1, 2))
        costs = rng.integers(0, 3, shape).astype(float) if kind == "small integers" else rng.random(shape)
        if kind == "mostly forbidden":
            costs[rng.random(shape) < 0.6] = 1000.0
        for ours, theirs in zip(solve(costs), linear_sum_assignment(costs)):
            np.testing.assert_array_equal(ours, theirs)


def test_assignment_pairs_as_many_as_possible() -> None:
    nan = np.nan
    rows, columns = assignment(np.array([[0.1, 0.4], [0.2, nan]]))
    assert list(zip(rows, columns)) == [(0, 1), (1, 0)]  # dearer than 0-0 alone, but two pairs
    assert len(assignment(np.full((2, 3), nan))[0]) == 0
