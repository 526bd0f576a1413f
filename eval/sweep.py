"""AP and MOTA over score thresholds, for choosing what to submit; the matching work is done once for all of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from eval.ap_samples import ap_samples
from eval.average_precision import average_precision
from eval.clear_mot import Candidates, MotCounts, candidates, clear_pass, mot_table, official_frames
from eval.joints import N_JOINTS
from eval.loading import Matched
from eval.matching import Pairs, assign_by_share
from eval.raw import MISSING_SCORE
from eval.scene import People, Scene

JOINT_STEPS = 20
PERSON_THRESHOLDS = (0.0, 0.1, 0.2, 0.3, 0.5)


@dataclass(frozen=True)
class SweepPoint:
    """The official totals when only joints and people from these scores on are submitted, percent."""

    joint_threshold: float
    person_threshold: float
    ap: float
    mota: float
    motp: float
    precision: float
    recall: float
    joints: int  # predicted joints that are left


@dataclass(frozen=True)
class Sweep:
    """All points, by person threshold, then joint threshold; and which is best for what."""

    points: tuple[SweepPoint, ...]
    best_mota: SweepPoint
    best_ap: SweepPoint


@dataclass(frozen=True)
class _Pool:
    """All sequences as one scene with frame numbers that go on, and the tracking candidates of all of them."""

    scene: Scene
    pairs: Pairs
    usable: np.ndarray  # [F] bool: not the last frame of its sequence
    table: Candidates
    table_row: np.ndarray  # [E] rows of the pooled predictions
    person_score: np.ndarray  # [N]


def sweep(
    matched: list[Matched],
    joint_thresholds: np.ndarray | None = None,  # None = JOINT_STEPS over the range of the scores
    person_thresholds: np.ndarray | None = None,  # None = PERSON_THRESHOLDS, or quantiles outside 0..1
) -> Sweep:
    """Score every combination of thresholds by the official rules.

    A person has its own score where the file gives one, else the mean of its joints' scores. A person none of whose
    joints is left is not submitted. Of equal MOTA (or AP) the lowest thresholds win.
    """
    pool = _pool(matched)
    if joint_thresholds is None:
        joint_thresholds = _grid(pool.scene.found.score[pool.scene.found.has], np.arange(JOINT_STEPS) / JOINT_STEPS)
    if person_thresholds is None:
        person_thresholds = _grid(pool.person_score, np.array(PERSON_THRESHOLDS))
    points = tuple(
        _point(pool, float(joint), float(person)) for person in person_thresholds for joint in joint_thresholds
    )
    return Sweep(
        points,
        max(points, key=lambda point: (_known(point.mota), -point.person_threshold, -point.joint_threshold)),
        max(points, key=lambda point: (_known(point.ap), -point.person_threshold, -point.joint_threshold)),
    )


def _known(value: float) -> float:
    return float("-inf") if value != value else value


def _grid(
    scores: np.ndarray,  # [S]
    shares: np.ndarray,  # [T] 0..1
) -> np.ndarray:
    """[T] thresholds: the shares themselves where scores lie in 0..1, else those quantiles of the scores."""
    known = scores[np.isfinite(scores) & (scores != MISSING_SCORE)]
    if not len(known) or (known.min() >= 0 and known.max() <= 1):
        return shares
    return np.unique(np.quantile(known, shares))


def _point(pool: _Pool, joint_threshold: float, person_threshold: float) -> SweepPoint:
    found = pool.scene.found
    # Written as "not below": a score that is not a number is kept, and everything is kept at the lowest threshold.
    keep = found.has & ~(found.score < joint_threshold) & ~(pool.person_score < person_threshold)[:, None]
    scene = replace(pool.scene, found=replace(found, has=keep))
    match = pool.pairs.match & keep[pool.pairs.found]
    pairs = replace(pool.pairs, match=match)
    annotated = np.maximum(scene.truth.has.sum(axis=1), 1)
    assignment = assign_by_share(scene, pairs, match.sum(axis=1) / annotated[pairs.truth])
    ap = average_precision(ap_samples(scene, assignment))
    mot = mot_table(_counts(pool, keep))
    return SweepPoint(
        joint_threshold,
        person_threshold,
        float(ap.ap[-1]),
        *(float(values[-1]) for values in (mot.mota, mot.motp, mot.precision, mot.recall)),
        int(keep.sum()),
    )


def _counts(pool: _Pool, keep: np.ndarray) -> MotCounts:
    """Counts over all sequences with only the kept joints."""
    truth, found = pool.scene.truth, pool.scene.found
    rows = keep[pool.table_row, pool.table.joint]
    table = Candidates(*(getattr(pool.table, name)[rows] for name in Candidates.__dataclass_fields__))
    outcome = clear_pass(table)
    both = np.zeros((2, len(pool.usable)), bool)
    both[0, truth.frame] = True
    both[1, found.frame[keep.any(axis=1)]] = True
    fed = both.all(axis=0) & pool.usable
    fake = int((pool.usable & ~fed).sum())

    def tally(weights: np.ndarray) -> np.ndarray:
        return np.bincount(table.joint, weights, minlength=N_JOINTS)

    detections = tally(outcome.matched).astype(np.int64)
    objects = truth.has[fed[truth.frame]].sum(axis=0) + fake
    predictions = keep[fed[found.frame]].sum(axis=0) + fake
    return MotCounts(
        objects - detections,
        tally(outcome.switch).astype(np.int64),
        predictions - detections,
        objects,
        detections,
        tally(np.where(outcome.matched, table.cost, 0)),
        tally(table.cost * (1 + outcome.matched + outcome.extra)),
    )


def _pool(matched: list[Matched]) -> _Pool:
    scenes = [m.scene for m in matched]
    lengths = [len(scene.frame_names) for scene in scenes]
    first = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    truth_base = np.concatenate([[0], np.cumsum([len(scene.truth) for scene in scenes])]).astype(np.int64)
    found_base = np.concatenate([[0], np.cumsum([len(scene.found) for scene in scenes])]).astype(np.int64)
    usable = np.ones(first[-1], bool)
    usable[first[1:] - 1] = False
    found = _joined([scene.found for scene in scenes], first)
    pairs = Pairs(
        np.concatenate([m.pairs.truth + base for m, base in zip(matched, truth_base)]),
        np.concatenate([m.pairs.found + base for m, base in zip(matched, found_base)]),
        np.concatenate([m.pairs.distance for m in matched]),
        np.concatenate([m.pairs.match for m in matched]),
    )
    table = candidates(scenes, [m.pairs for m in matched], [official_frames(scene) for scene in scenes])
    names = tuple(name for scene in scenes for name in scene.frame_names)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(found.has, found.score, 0).sum(axis=1) / found.has.sum(axis=1)
    return _Pool(
        scene=Scene("all", names, _joined([scene.truth for scene in scenes], first), found),
        pairs=pairs,
        usable=usable,
        table=table,
        table_row=table.found_row + found_base[table.sequence],
        person_score=np.where(np.isnan(found.person_score), mean, found.person_score),
    )


def _joined(sides: list[People], first: np.ndarray) -> People:
    frame = np.concatenate([side.frame + start for side, start in zip(sides, first)])
    others = [name for name in People.__dataclass_fields__ if name != "frame"]
    return People(frame, *(np.concatenate([getattr(side, name) for side in sides]) for name in others))
