"""Figures about whole trajectories: IDF1, fragmentations, mostly tracked and mostly lost; per joint."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from eval.average_precision import mean_known
from eval.clear_mot import candidates, clear_pass, every_frame
from eval.joints import N_JOINTS
from eval.lap import solve
from eval.loading import Matched

MOSTLY_TRACKED = 0.8  # matched in at least this part of its frames
MOSTLY_LOST = 0.2  # in less than this


@dataclass(frozen=True)
class TrajectoryCounts:
    """Counts per joint; adding two adds the counts. A trajectory is one joint of one annotated person."""

    id_true_positives: np.ndarray  # [15] frames explained by the best one-to-one pairing of trajectories
    objects: np.ndarray  # [15] annotated joints
    predictions: np.ndarray  # [15] predicted joints
    switches: np.ndarray  # [15] changes of the partner, all frames counted
    fragmentations: np.ndarray  # [15] gaps between matched stretches
    trajectories: np.ndarray  # [15]
    mostly_tracked: np.ndarray  # [15]
    mostly_lost: np.ndarray  # [15]

    def __add__(self, other: TrajectoryCounts) -> TrajectoryCounts:
        return TrajectoryCounts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


@dataclass(frozen=True)
class TrajectoryTable:
    """Percent; fifteen joints and their total (mean without nan)."""

    idf1: np.ndarray  # [16]
    id_precision: np.ndarray  # [16]
    id_recall: np.ndarray  # [16]


def no_trajectories() -> TrajectoryCounts:
    """Nothing counted."""
    return TrajectoryCounts(*(np.zeros(N_JOINTS, np.int64) for _ in fields(TrajectoryCounts)))


def trajectory_counts(matched: Matched) -> TrajectoryCounts:
    """The counts of one sequence, over every labelled frame."""
    scene, pairs = matched.scene, matched.pairs
    rules = [every_frame(scene)]
    table = candidates([scene], [pairs], rules)
    outcome = clear_pass(table)
    objects, predictions = scene.truth.has.sum(axis=0), scene.found.has.sum(axis=0)
    switches = np.bincount(table.joint[outcome.switch], minlength=N_JOINTS)
    covered = np.zeros(scene.truth.has.shape, bool)
    covered[table.truth_row[outcome.matched], table.joint[outcome.matched]] = True
    fragments, total, tracked, lost = _continuity(scene.truth.track, scene.truth.has, covered)
    return TrajectoryCounts(
        _id_true_positives(matched), objects, predictions, switches, fragments, total, tracked, lost
    )


def trajectory_table(counts: TrajectoryCounts) -> TrajectoryTable:
    """IDF1, ID precision and ID recall."""
    with np.errstate(invalid="ignore", divide="ignore"):
        rows = (
            200.0 * counts.id_true_positives / (counts.objects + counts.predictions),
            100.0 * counts.id_true_positives / counts.predictions,
            100.0 * counts.id_true_positives / counts.objects,
        )
    return TrajectoryTable(*(np.append(row, mean_known(row)) for row in rows))


def _id_true_positives(matched: Matched) -> np.ndarray:
    """[15] frames in which trajectories that belong together under the best pairing are near each other."""
    scene, pairs = matched.scene, matched.pairs
    result = np.zeros(N_JOINTS, np.int64)
    if not len(pairs.truth):
        return result
    truth_ids, truth_id = np.unique(scene.truth.track, return_inverse=True)
    found_ids, found_id = np.unique(scene.found.track, return_inverse=True)
    row, joint = np.nonzero(pairs.match)
    shape = (N_JOINTS, len(truth_ids), len(found_ids))
    place = np.ravel_multi_index((joint, truth_id[pairs.truth[row]], found_id[pairs.found[row]]), shape)
    together = np.bincount(place, minlength=int(np.prod(shape))).reshape(shape)
    for number, overlap in enumerate(together):
        used = overlap[overlap.any(axis=1)][:, overlap.any(axis=0)]
        if used.size:
            result[number] = used[solve(-used.astype(np.float64))].sum()
    return result


def _continuity(
    track: np.ndarray,  # [N]
    has: np.ndarray,  # [N, 15] bool, frames rising
    covered: np.ndarray,  # [N, 15] bool: matched there
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """[15] each: fragmentations, trajectories, mostly tracked, mostly lost."""
    person, joint = np.nonzero(has)
    identity = np.unique(track, return_inverse=True)[1][person] * N_JOINTS + joint
    order = np.argsort(identity, kind="stable")
    identity, hit = identity[order], covered[person, joint][order]
    if not len(identity):
        nothing = np.zeros(N_JOINTS, np.int64)
        return nothing, nothing, nothing, nothing
    starts = np.flatnonzero(np.diff(identity, prepend=-1))
    sizes = np.diff(np.append(starts, len(identity)))
    hits = np.add.reduceat(hit.astype(np.int64), starts)
    # Between the first and the last hit, every hit that follows a miss closes one gap.
    so_far = np.cumsum(hit) - np.repeat(np.cumsum(hits) - hits, sizes)
    resumed = hit & (so_far > 1)
    resumed[1:] &= ~hit[:-1]
    joint_of = identity[starts] % N_JOINTS
    share = hits / sizes
    return (
        np.bincount(identity[resumed] % N_JOINTS, minlength=N_JOINTS),
        np.bincount(joint_of, minlength=N_JOINTS),
        np.bincount(joint_of[share >= MOSTLY_TRACKED], minlength=N_JOINTS),
        np.bincount(joint_of[share < MOSTLY_LOST], minlength=N_JOINTS),
    )
