"""Keypoint HOTA: how well joints are found and how well they keep their identity, in one number per joint.

The algorithm is HOTA's (Luiten et al. 2020) on joints as PoseTrack21 defines it: similarity 1 - d / 0.5001 with d
in head sizes, 15 joints, 19 thresholds. Frames without ground truth or without predictions count what they hold.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eval.average_precision import mean_known
from eval.joints import N_JOINTS
from eval.lap import solve
from eval.loading import Matched

ALPHAS = np.arange(0.05, 0.99, 0.05)  # 19 similarity thresholds
REACH = 0.5001  # head sizes at which the similarity is 0
_EPS = np.finfo(np.float64).eps


@dataclass(frozen=True)
class HotaTable:
    """Fifteen joints and their total (mean without nan), percent, mean over the thresholds."""

    hota: np.ndarray  # [16]
    det_a: np.ndarray  # [16]
    ass_a: np.ndarray  # [16]
    loc_a: np.ndarray  # [16]
    det_re: np.ndarray  # [16]
    det_pr: np.ndarray  # [16]
    ass_re: np.ndarray  # [16]
    ass_pr: np.ndarray  # [16]


@dataclass(frozen=True)
class HotaSums:
    """One sequence's sums, [15, 19] joints by thresholds; sums of sequences add up."""

    true_positives: np.ndarray
    false_negatives: np.ndarray
    false_positives: np.ndarray
    association: np.ndarray  # sum over true positives of their association accuracy
    association_recall: np.ndarray
    association_precision: np.ndarray
    similarity: np.ndarray  # sum over true positives

    def __add__(self, other: HotaSums) -> HotaSums:
        return HotaSums(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))


def no_sums() -> HotaSums:
    """Nothing summed."""
    return HotaSums(*(np.zeros((N_JOINTS, len(ALPHAS))) for _ in range(7)))


def hota_sums(matched: Matched) -> HotaSums:
    """The sums of one sequence."""
    scene, pairs = matched.scene, matched.pairs
    truth_id, found_id = (np.unique(side.track, return_inverse=True)[1] for side in (scene.truth, scene.found))
    truths = int(truth_id.max(initial=-1)) + 1
    founds = int(found_id.max(initial=-1)) + 1
    similarity = np.maximum(0.0, 1.0 - np.where(np.isfinite(pairs.distance), pairs.distance, np.inf) / REACH)
    row, joint = np.nonzero(similarity > 0)
    s = similarity[row, joint]
    truth, found = pairs.truth[row], pairs.found[row]
    # How much of each identity pair's presence goes together, over the whole sequence, before anything is matched.
    truth_cell, found_cell = truth * N_JOINTS + joint, found * N_JOINTS + joint
    total = np.bincount(truth_cell, s)[truth_cell] + np.bincount(found_cell, s)[found_cell] - s
    together = (joint * truths + truth_id[truth]) * founds + found_id[found]
    keys, key = np.unique(together, return_inverse=True)
    potential = np.bincount(key, np.where(total > _EPS, s / np.maximum(total, _EPS), 0), minlength=len(keys))
    truth_count, found_count = _counts(truth_id, truths, scene.truth.has), _counts(found_id, founds, scene.found.has)
    key_joint, key_truth, key_found = np.unravel_index(keys, (N_JOINTS, max(truths, 1), max(founds, 1)))
    n_truth, n_found = truth_count[key_truth, key_joint], found_count[key_found, key_joint]
    alignment = potential / (n_truth + n_found - potential)
    chosen = _match(scene.truth.frame[truth], joint, truth, found, alignment[key] * s)
    objects = scene.truth.has.sum(axis=0)[:, None]
    predictions = scene.found.has.sum(axis=0)[:, None]
    sums = [np.zeros((N_JOINTS, len(ALPHAS))) for _ in range(5)]
    for a, alpha in enumerate(ALPHAS):
        right = chosen[s[chosen] >= alpha - _EPS]
        hits = np.bincount(key[right], minlength=len(keys)).astype(np.float64)
        for table, value in zip(
            sums,
            (
                hits,
                hits * hits / np.maximum(1, n_truth + n_found - hits),
                hits * hits / np.maximum(1, n_truth),
                hits * hits / np.maximum(1, n_found),
            ),
        ):
            table[:, a] = np.bincount(key_joint, value, minlength=N_JOINTS)
        sums[4][:, a] = np.bincount(joint[right], s[right], minlength=N_JOINTS)
    positives, association, recall, precision, similar = sums
    return HotaSums(positives, objects - positives, predictions - positives, association, recall, precision, similar)


def hota_table(sums: HotaSums) -> HotaTable:
    """The figures; nan for joints that are neither annotated nor predicted anywhere."""
    tp, fn, fp = sums.true_positives, sums.false_negatives, sums.false_positives
    one = np.maximum(1, tp)
    det_a = tp / np.maximum(1, tp + fn + fp)
    ass_a = sums.association / one
    parts = (
        np.sqrt(det_a * ass_a),
        det_a,
        ass_a,
        np.maximum(1e-10, sums.similarity) / np.maximum(1e-10, tp),
        tp / np.maximum(1, tp + fn),
        tp / np.maximum(1, tp + fp),
        sums.association_recall / one,
        sums.association_precision / one,
    )
    nothing = (tp + fn + fp)[:, 0] == 0
    tables = []
    for part in parts:
        joints = np.where(nothing, np.nan, 100 * part.mean(axis=1))
        tables.append(np.append(joints, mean_known(joints)))
    return HotaTable(*tables)


def _counts(identity: np.ndarray, count: int, has: np.ndarray) -> np.ndarray:
    """[I, 15] in how many frames each identity has each joint."""
    table = np.zeros((count, N_JOINTS))
    np.add.at(table, identity, has)
    return table


def _match(
    frame: np.ndarray,  # [E]
    joint: np.ndarray,  # [E]
    truth: np.ndarray,  # [E] rows
    found: np.ndarray,  # [E] rows
    score: np.ndarray,  # [E] >= 0
) -> np.ndarray:
    """[M] the candidates of the best assignment in each frame and joint: the largest sum of scores."""
    truth_cell, found_cell = truth * N_JOINTS + joint, found * N_JOINTS + joint
    alone = (np.bincount(truth_cell)[truth_cell] == 1) & (np.bincount(found_cell)[found_cell] == 1)
    chosen = [np.flatnonzero(alone)]
    rest = np.flatnonzero(~alone)
    group = frame[rest] * N_JOINTS + joint[rest]
    order = np.argsort(group, kind="stable")
    for members in np.split(rest[order], np.flatnonzero(np.diff(group[order])) + 1):
        if not len(members):
            continue
        rows, row = np.unique(truth[members], return_inverse=True)
        columns, column = np.unique(found[members], return_inverse=True)
        gain = np.zeros((len(rows), len(columns)))
        gain[row, column] = score[members]
        place = np.full(gain.shape, -1, np.int64)
        place[row, column] = members
        best = place[solve(-gain)]
        chosen.append(best[best >= 0])
    return np.concatenate(chosen)
