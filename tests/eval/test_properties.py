"""What must hold for any scene: perfect predictions, order, false positives; strict, sweep and official agree."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from poseval_scenes import matched, people, random_matched, write_scene

from eval.ap_samples import ap_samples
from eval.average_precision import Samples, average_precision, average_precision_range
from eval.clear_mot import every_frame, mot_table, official_frames
from eval.findings import Findings
from eval.hota import hota_sums, hota_table
from eval.loading import Matched, Thresholds, load_all
from eval.poseval import evaluate, score, sequence_counts
from eval.scene import People
from eval.sources import pair_files
from eval.strict import strict_score
from eval.sweep import sweep

hypothesis = pytest.importorskip("hypothesis")
st = hypothesis.strategies
seeds = st.integers(0, 2**20)
some = hypothesis.settings(max_examples=25, deadline=None, derandomize=True)


def official(case: Matched) -> tuple[np.ndarray, np.ndarray]:
    result = evaluate([case], Findings())
    return result.ap.ap, result.mot.mota


def shuffled(side: People, rng: np.random.Generator) -> People:
    """The same people in another order within their frames, under other ids."""
    order = np.lexsort((rng.random(len(side)), side.frame))
    ids = np.unique(side.track)
    renamed = dict(zip(ids.tolist(), rng.permutation(len(ids)).tolist()))
    taken = side.take(order)
    return replace(taken, track=np.array([renamed[t] for t in taken.track.tolist()], np.float64))


@some
@hypothesis.given(seeds)
def test_perfect_predictions_give_100(seed: int) -> None:
    truth = random_matched(seed, frames=6).scene.truth
    hypothesis.assume(truth.has.all(axis=1).any())
    case = matched(truth, replace(truth, score=np.random.default_rng(seed).random(truth.score.shape)), 6)
    counts = sequence_counts([case], every_frame, Findings())[0]
    annotated = truth.has.any(axis=0)
    assert (average_precision(ap_samples(case.scene, case.assignment)).ap[:15][annotated] == 100).all()
    table = mot_table(counts)
    for values in (table.mota, table.motp, table.precision, table.recall, hota_table(hota_sums(case)).hota):
        np.testing.assert_allclose(values[:15][annotated], 100, atol=1e-9)


@some
@hypothesis.given(seeds, st.booleans())
def test_order_of_people_and_names_of_tracks_change_nothing(seed: int, tied_scores: bool) -> None:
    # People are apart: of two equally good candidates the official rules take the first one, by design.
    scene = random_matched(seed, apart=True).scene
    found = replace(scene.found, score=np.round(scene.found.score, 1)) if tied_scores else scene.found
    case = matched(scene.truth, found, 8)
    rng = np.random.default_rng(seed)
    other = matched(shuffled(scene.truth, rng), shuffled(found, rng), 8)
    for left, right in zip(official(case), official(other)):
        np.testing.assert_allclose(left, right, atol=1e-9)
    left, right = (hota_table(hota_sums(m)).hota for m in (case, other))
    np.testing.assert_allclose(left, right, atol=1e-9, equal_nan=True)


def test_order_of_files_changes_nothing(tmp_path: Path) -> None:
    cases = [random_matched(seed) for seed in range(3)]
    for order, name in (((0, 1, 2), "a"), ((2, 0, 1), "b")):
        for place, number in enumerate(order):
            write_scene(tmp_path / name, cases[number], f"00000{place}_mpii_test")
    first, second = (score(tmp_path / name / "pred", tmp_path / name / "gt") for name in "ab")
    np.testing.assert_allclose(first.ap.ap, second.ap.ap, atol=1e-9)
    np.testing.assert_allclose(first.mot.mota, second.mot.mota, atol=1e-9)


@some
@hypothesis.given(seeds, st.integers(0, 7))
def test_a_false_positive_never_raises_mota(seed: int, frame: int) -> None:
    case = random_matched(seed)
    found = case.scene.found
    # The official rule is only comparable where the frame has predictions already: it fakes counts where it has none.
    rule = official_frames if (found.frame == frame).any() else every_frame
    stray = people([frame], [777], np.full((1, 15, 2), 5000.0))
    rows = np.argsort(np.concatenate([found.frame, stray.frame]), kind="stable")
    joined = People(
        *(np.concatenate([getattr(found, n), getattr(stray, n)])[rows] for n in People.__dataclass_fields__)
    )
    more = matched(case.scene.truth, joined, 8)
    before, after = (mot_table(sequence_counts([c], rule, Findings())[0]).mota for c in (case, more))
    assert (after <= before + 1e-9).all()


@some
@hypothesis.given(seeds)
def test_ties_lie_between_their_bounds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    joint, right = rng.integers(0, 15, 300), rng.random(300) < 0.5
    annotated = np.bincount(joint[right], minlength=15) + 3
    tied = np.round(rng.random(300), 1)
    bounds = average_precision_range(Samples(joint, tied, right, annotated))
    broken = average_precision(Samples(joint, tied + rng.random(300) * 1e-6, right, annotated))
    assert bounds.mixed > 0
    assert (bounds.worst.ap <= broken.ap + 1e-9).all() and (broken.ap <= bounds.best.ap + 1e-9).all()


def test_strict_is_official_where_there_is_nothing_to_correct() -> None:
    """Everybody is always seen: only the last frame is corrected, and it is like the others."""
    frame, track = [0, 0, 1, 1, 2, 2], [1, 2, 1, 2, 1, 2]
    xy = np.array([np.full((15, 2), 100.0 * t) for t in track])
    case = matched(people(frame, track, xy), people(frame, track, xy + 1.0), 3)
    strict = strict_score([case], [case], Findings())
    ap, mota = official(case)
    np.testing.assert_allclose(strict.ap.ap, ap)
    np.testing.assert_allclose(strict.mot.mota, mota)
    assert (strict.counts.objects == 6).all()


def test_strict_corrects_what_it_names() -> None:
    xy = np.zeros((4, 15, 2))
    has = np.ones((4, 15), bool)
    has[:, 0] = False  # right ankle: annotated nowhere, predicted
    truth = people([0, 0, 1, 2], [1, 2, 1, 1], xy + np.array([0, 300, 0, 0])[:, None, None], has)
    found = people([0, 2], [1, 5], xy[:2])  # nobody in frame 1, another identity in the last
    case = matched(truth, found, 3)
    ours = evaluate([case], Findings())
    strict = strict_score([case], [case], Findings())
    assert np.isnan(strict.mot.mota[0]) and np.isnan(strict.ap.ap[0])
    assert ours.counts.objects[0] == 1  # the fake pair gives the ankle an object
    assert (strict.counts.objects[1:] == 4).all() and (strict.counts.switches[1:] == 1).all()
    assert strict.mot.motp[-1] == 100 and not np.isnan(strict.mot.mota[-1])
    assert len(strict.corrections) == 6


@pytest.mark.parametrize(("joint", "person"), [(0.0, 0.0), (0.35, 0.0), (0.5, 0.4), (0.9, 0.5), (2.0, 0.0)])
def test_each_point_of_a_sweep_is_what_scoring_the_rest_gives(joint: float, person: float, tmp_path: Path) -> None:
    cases = [random_matched(seed, frames=9) for seed in range(2)]
    for number, case in enumerate(cases):
        write_scene(tmp_path, case, f"00000{number}_mpii_test")
    files = pair_files(tmp_path / "pred", tmp_path / "gt", Findings())
    everything = [loaded.official for loaded in load_all(files, Findings(), 1)]
    point = sweep(everything, np.array([joint]), np.array([person])).points[0]
    # People here have no score of their own: leave them out by hand, by the mean of their joints.
    kept = []
    for m in everything:
        found = m.scene.found
        mean = (found.score * found.has).sum(axis=1) / found.has.sum(axis=1)
        has = found.has & (found.score >= joint) & (mean >= person)[:, None]
        rows = has.any(axis=1)
        kept.append(matched(m.scene.truth, replace(found, has=has).take(rows), 9))
    result = evaluate(kept, Findings())
    for value, table in ((point.ap, result.ap.ap), (point.mota, result.mot.mota), (point.motp, result.mot.motp)):
        np.testing.assert_allclose(value, table[-1], atol=1e-9)
    if person == 0:
        loaded = load_all(files, Findings(), 1, Thresholds(keypoint_score=joint))
        filtered = evaluate([part.official for part in loaded], Findings())
        np.testing.assert_allclose(point.mota, filtered.mot.mota[-1], atol=1e-9)


def test_the_sweep_names_the_best_threshold() -> None:
    case = random_matched(3, frames=12)
    found = case.scene.found
    right = case.assignment.match
    scored = replace(found, score=np.where(right, 0.8, 0.3))
    result = sweep([matched(case.scene.truth, scored, 12)])
    assert 0.3 < result.best_mota.joint_threshold <= 0.8
    assert result.best_mota.mota == max(point.mota for point in result.points)
