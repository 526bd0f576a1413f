"""HOTA and trajectory figures against slow, obvious implementations on random scenes."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from poseval_scenes import matched, people, random_matched
from scipy.optimize import linear_sum_assignment

from eval.hota import REACH, hota_sums, hota_table, no_sums
from eval.loading import Matched
from eval.trajectories import trajectory_counts, trajectory_table


def slow_hota(cases: list[Matched], joint: int) -> dict[str, float]:
    """HOTA of one joint, frame by frame and threshold by threshold, as the paper writes it."""
    alphas = np.arange(0.05, 0.99, 0.05)
    rows = []
    frames = []
    for number, case in enumerate(cases):
        for f in range(len(case.scene.frame_names)):
            sides = []
            for side in (case.scene.truth, case.scene.found):
                rows_here = [i for i in range(len(side)) if side.frame[i] == f and side.has[i, joint]]
                sides.append([((number, side.track[i]), side.xy[i, joint]) for i in rows_here])
            frames.append(sides)
    similar = {}
    potential, truths, founds = {}, {}, {}
    for f, (truth, found) in enumerate(frames):
        table = np.array(
            [[max(0.0, 1 - np.linalg.norm(p - q) / 10.0 / REACH) for _, q in found] for _, p in truth]
        ).reshape(len(truth), len(found))
        similar[f] = table
        for t, (g, _) in enumerate(truth):
            truths[g] = truths.get(g, 0) + 1
            for h, (k, _) in enumerate(found):
                union = table[t].sum() + table[:, h].sum() - table[t, h]
                if union > 0:
                    potential[g, k] = potential.get((g, k), 0.0) + table[t, h] / union
        for k, _ in found:
            founds[k] = founds.get(k, 0) + 1
    for alpha in alphas:
        tp = fn = fp = 0
        loc = 0.0
        pairs: list[tuple] = []
        for f, (truth, found) in enumerate(frames):
            value = np.zeros((len(truth), len(found)))
            for t, (g, _) in enumerate(truth):
                for h, (k, _) in enumerate(found):
                    p = potential.get((g, k), 0.0)
                    value[t, h] = p / (truths[g] + founds[k] - p) * similar[f][t, h]
            chosen = zip(*linear_sum_assignment(-value))
            good = [(t, h) for t, h in chosen if similar[f][t, h] >= alpha - 1e-15]
            pairs += [(truth[t][0], found[h][0]) for t, h in good]
            loc += sum(similar[f][t, h] for t, h in good)
            tp, fn, fp = tp + len(good), fn + len(truth) - len(good), fp + len(found) - len(good)
        ass = 0.0
        for g, k in pairs:
            both = pairs.count((g, k))
            ass += both / (truths[g] + founds[k] - both)
        det, ass = tp / max(1, tp + fn + fp), ass / max(1, tp)
        rows.append((np.sqrt(det * ass), det, ass, loc / tp if tp else 1.0))
    return dict(zip(("hota", "det_a", "ass_a", "loc_a"), 100 * np.mean(rows, axis=0)))


@pytest.mark.parametrize("seed", range(3))
def test_random_scenes(seed: int) -> None:
    cases = [random_matched(seed, frames=6, persons=3), random_matched(seed + 50, frames=4, persons=5)]
    table = hota_table(sum((hota_sums(case) for case in cases), no_sums()))
    for joint in (0, 7, 13):
        for name, value in slow_hota(cases, joint).items():
            assert getattr(table, name)[joint] == pytest.approx(value, abs=1e-9), name


def test_frames_without_truth_count_just_what_they_hold() -> None:
    xy = np.zeros((2, 15, 2))
    truth = people([0, 1], [1, 1], xy)
    stray = matched(truth, people([0, 1, 2], [1, 1, 1], np.zeros((3, 15, 2))), 3)
    sums = hota_sums(stray)
    assert (
        (sums.true_positives == 2).all() and (sums.false_positives == 1).all() and (sums.false_negatives == 0).all()
    )


def test_nobody_anywhere_is_nan() -> None:
    nobody = people([], [], np.zeros((0, 15, 2)))
    assert np.isnan(hota_table(hota_sums(matched(nobody, nobody, 2))).hota).all()


@pytest.mark.parametrize("seed", range(3))
def test_idf1_is_the_best_pairing_of_trajectories(seed: int) -> None:
    case = random_matched(seed, frames=6, persons=3)
    truth, found = case.scene.truth, case.scene.found
    counts = trajectory_counts(case)
    joint = 4
    together: dict[tuple[float, float], int] = {}
    for row, (t, f) in enumerate(zip(case.pairs.truth, case.pairs.found)):
        key = (truth.track[t], found.track[f])
        together[key] = together.get(key, 0) + int(case.pairs.match[row, joint])
    ids = [np.unique(truth.track).tolist(), np.unique(found.track).tolist()]
    short, long = sorted(ids, key=len)
    flip = short is not ids[0]
    best = max(
        sum(together.get((b, a) if flip else (a, b), 0) for a, b in zip(short, order))
        for order in permutations(long, len(short))
    )
    assert counts.id_true_positives[joint] == best
    idf1 = trajectory_table(counts).idf1[joint]
    assert idf1 == pytest.approx(200 * best / (truth.has[:, joint].sum() + found.has[:, joint].sum()))


@pytest.mark.parametrize(
    ("hits", "fragments", "tracked", "lost"),
    [
        ("1111111111", 0, 1, 0),
        ("1101111111", 1, 1, 0),
        ("0011111100", 0, 0, 0),
        ("1010101010", 4, 0, 0),
        ("0000000001", 0, 0, 1),
        ("0000000000", 0, 0, 1),
    ],
)
def test_fragments_and_lost_trajectories(hits: str, fragments: int, tracked: int, lost: int) -> None:
    truth = people(list(range(10)), [1] * 10, np.zeros((10, 15, 2)))
    seen = [f for f, hit in enumerate(hits) if hit == "1"]
    found = people(seen, [3] * len(seen), np.zeros((len(seen), 15, 2)))
    counts = trajectory_counts(matched(truth, found, 10))
    assert (counts.trajectories == 1).all() and (counts.fragmentations == fragments).all()
    assert (counts.mostly_tracked == tracked).all() and (counts.mostly_lost == lost).all()
