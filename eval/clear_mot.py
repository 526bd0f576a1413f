"""CLEAR MOT for each joint: matches, switches, misses and false positives, over all sequences at once."""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import pairwise

import numpy as np

from eval.average_precision import mean_known
from eval.joints import N_JOINTS
from eval.lap import assignment
from eval.matching import Pairs
from eval.scene import Scene


@dataclass(frozen=True)
class MotCounts:
    """Counts per joint; adding two adds the counts."""

    misses: np.ndarray  # [15] int64
    switches: np.ndarray  # [15] int64
    false_positives: np.ndarray  # [15] int64
    objects: np.ndarray  # [15] int64 annotated joints
    detections: np.ndarray  # [15] int64 matches and switches
    distance: np.ndarray  # [15] float64 summed distance of the detections, head sizes
    distance_head: np.ndarray  # [15] float64 the sum that the official tool forms with motmetrics >= 1.2

    def __add__(self, other: MotCounts) -> MotCounts:
        return MotCounts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


@dataclass(frozen=True)
class MotTable:
    """Fifteen joints and their total (mean without nan), percent."""

    mota: np.ndarray  # [16]
    motp: np.ndarray  # [16] classic: each detection's distance once (motmetrics 1.0.2)
    motp_head: np.ndarray  # [16] with the double counting of motmetrics >= 1.2
    precision: np.ndarray  # [16]
    recall: np.ndarray  # [16]


@dataclass(frozen=True)
class MotFrames:
    """What one sequence feeds to the accumulators.

    The official rule leaves the last frame out, and where a frame has people on one side only (or on none) it
    feeds one object and one prediction that cannot match, per joint, whatever was there.
    """

    fed: np.ndarray  # [F] bool: frames whose people count
    fake: np.ndarray  # [F] bool: frames that count as one miss and one false positive per joint


def official_frames(scene: Scene) -> MotFrames:
    """The frames by the official rule."""
    count = len(scene.frame_names)
    both = np.zeros((2, count), bool)
    both[0, scene.truth.frame] = True
    both[1, scene.found.frame] = True
    used = np.arange(count) < count - 1
    fed = both.all(axis=0) & used
    return MotFrames(fed, used & ~fed)


def every_frame(scene: Scene) -> MotFrames:
    """Every frame with just what it holds."""
    count = len(scene.frame_names)
    return MotFrames(np.ones(count, bool), np.zeros(count, bool))


@dataclass(frozen=True)
class Candidates:
    """E pairs of joints near enough to match, of many sequences, by step, then row of truth, found and joint.

    `truth_joint` and `found_joint` number the (identity, joint) pairs, `group` the (sequence, frame, joint).
    """

    step: np.ndarray  # [E] int64 frame within the sequence
    sequence: np.ndarray  # [E] int64
    joint: np.ndarray  # [E] int64
    truth_row: np.ndarray  # [E] int64 row of the scene's truth
    found_row: np.ndarray  # [E] int64 row of its predictions
    truth_joint: np.ndarray  # [E] int64
    found_joint: np.ndarray  # [E] int64
    truth_rank: np.ndarray  # [E] int64 place among the frame's annotated people that have the joint
    found_rank: np.ndarray  # [E] int64 the same of the predictions
    truth_count: np.ndarray  # [E] int64 how many those are
    found_count: np.ndarray  # [E] int64
    cost: np.ndarray  # [E] float64 head sizes


@dataclass(frozen=True)
class Outcome:
    """What became of the candidates."""

    matched: np.ndarray  # [E] bool
    switch: np.ndarray  # [E] bool, among the matched
    extra: np.ndarray  # [E] int64 how often motmetrics >= 1.2 lists the distance besides RAW and MATCH/SWITCH


def candidates(
    scenes: list[Scene],
    pairs: list[Pairs],
    frames: list[MotFrames],
) -> Candidates:
    """The table that `clear_pass` walks through."""
    parts: list[tuple[np.ndarray, ...]] = []
    truth_base = found_base = 0
    for number, (scene, pair, rule) in enumerate(zip(scenes, pairs, frames)):
        near = pair.match & scene.found.has[pair.found] & rule.fed[scene.truth.frame[pair.truth]][:, None]
        row, joint = np.nonzero(near)
        truth, found = pair.truth[row], pair.found[row]
        truth_id, n_truth = _identities(scene.truth.track)
        found_id, n_found = _identities(scene.found.track)
        truth_rank, truth_count = _ranks(scene.truth.has, scene.truth.frame)
        found_rank, found_count = _ranks(scene.found.has, scene.found.frame)
        order = np.lexsort((joint, found, truth))  # truth rows are in frame order
        truth, found, joint, row = truth[order], found[order], joint[order], row[order]
        parts.append(
            (
                scene.truth.frame[truth],
                np.full(len(row), number),
                joint,
                truth,
                found,
                (truth_base + truth_id[truth]) * N_JOINTS + joint,
                (found_base + found_id[found]) * N_JOINTS + joint,
                truth_rank[truth, joint],
                found_rank[found, joint],
                truth_count[truth, joint],
                found_count[found, joint],
                pair.distance[row, joint],
            )
        )
        truth_base += n_truth
        found_base += n_found
    if not parts:
        empty = np.zeros(0, np.int64)
        return Candidates(*([empty] * 11), np.zeros(0))
    columns = [np.concatenate(column) for column in zip(*parts)]
    order = np.argsort(columns[0], kind="stable")
    return Candidates(*(column[order] for column in columns))


def clear_pass(table: Candidates) -> Outcome:
    """CLEAR MOT as py-motmetrics does it, one step of all sequences at a time.

    A person keeps last time's partner while both are there and near; the rest is matched by the largest, then
    cheapest assignment. What was paired is remembered without a time limit.

    Source: Bernardin & Stiefelhagen 2008; cheind/py-motmetrics (MIT), `MOTAccumulator.update`.
    """
    count = len(table.cost)
    matched, switch, extra = np.zeros(count, bool), np.zeros(count, bool), np.zeros(count, np.int64)
    if not count:
        return Outcome(matched, switch, extra)
    partner = np.full(int(table.truth_joint.max()) + 1, -1, np.int64)  # of each annotated (identity, joint)
    owner = np.full(int(table.found_joint.max()) + 1, -1, np.int64)  # to whom a prediction was last newly given
    seen = np.zeros(len(owner), bool)  # predictions that were matched before
    truth_taken, found_taken = np.zeros(len(partner), bool), np.zeros(len(owner), bool)
    bounds = np.flatnonzero(np.diff(table.step, prepend=-1, append=-1))
    for start, end in pairwise(bounds.tolist()):
        truth, found = table.truth_joint[start:end], table.found_joint[start:end]
        kept = np.flatnonzero(partner[truth] == found)
        if len(kept):
            first = np.unique(found[kept], return_index=True)[1]  # two may remember one: the first in order has it
            kept = kept[first]
            matched[start + kept] = True
            truth_taken[truth[kept]] = True
            found_taken[found[kept]] = True
        rest = np.flatnonzero(~(truth_taken[truth] | found_taken[found]))
        truth_taken[truth[kept]] = False
        found_taken[found[kept]] = False
        if not len(rest):
            continue
        new = rest[_solve(table, start + rest)]
        t, f = truth[new], found[new]
        rows = start + new
        known = partner[t] >= 0
        switch[rows] = known
        handed = (owner[f] >= 0) & (owner[f] != t)
        extra[rows] = (known & ~seen[f]).astype(np.int64) + handed + (handed & ~known)
        matched[rows] = True
        partner[t] = f
        owner[f] = t
        seen[f] = True
    return Outcome(matched, switch, extra)


def _solve(
    table: Candidates,
    rows: np.ndarray,  # [R] candidates of one step that nobody has taken
) -> np.ndarray:
    """[M] which of the rows are matched: as many as possible, then as near as possible, joint by joint."""
    alone = (_times(table.truth_joint[rows]) == 1) & (_times(table.found_joint[rows]) == 1)
    if alone.all():
        return np.arange(len(rows))
    chosen = [np.flatnonzero(alone)]
    group = table.sequence[rows] * N_JOINTS + table.joint[rows]
    # A whole group is solved as one matrix, so that ties fall as they fall in motmetrics.
    for key in np.unique(group[~alone]):
        members = np.flatnonzero(group == key)
        chosen[0] = chosen[0][group[chosen[0]] != key]
        at = rows[members]
        costs = np.full((table.truth_count[at[0]], table.found_count[at[0]]), np.nan)
        costs[table.truth_rank[at], table.found_rank[at]] = table.cost[at]
        place = np.full(costs.shape, -1, np.int64)
        place[table.truth_rank[at], table.found_rank[at]] = members
        solved = place[assignment(costs)]
        chosen.append(solved)
    return np.sort(np.concatenate(chosen))


def count_outcome(
    table: Candidates,
    outcome: Outcome,
    scenes: list[Scene],
    frames: list[MotFrames],
) -> list[MotCounts]:
    """Each sequence's counts."""
    cell = table.sequence * N_JOINTS + table.joint
    shape = (len(scenes), N_JOINTS)

    def tally(weights: np.ndarray) -> np.ndarray:
        return np.bincount(cell, weights, minlength=shape[0] * N_JOINTS).reshape(shape)

    detections = tally(outcome.matched).astype(np.int64)
    switches = tally(outcome.switch).astype(np.int64)
    distance = tally(np.where(outcome.matched, table.cost, 0))
    distance_head = tally(table.cost * (1 + outcome.matched + outcome.extra))
    result = []
    for number, (scene, rule) in enumerate(zip(scenes, frames)):
        objects = scene.truth.has[rule.fed[scene.truth.frame]].sum(axis=0) + rule.fake.sum()
        predictions = scene.found.has[rule.fed[scene.found.frame]].sum(axis=0) + rule.fake.sum()
        result.append(
            MotCounts(
                objects - detections[number],
                switches[number],
                predictions - detections[number],
                objects,
                detections[number],
                distance[number],
                distance_head[number],
            )
        )
    return result


def no_counts() -> MotCounts:
    """Nothing counted."""
    zero = np.zeros(N_JOINTS, np.int64)
    return MotCounts(zero, zero, zero, zero, zero, np.zeros(N_JOINTS), np.zeros(N_JOINTS))


def mot_table(counts: MotCounts) -> MotTable:
    """The official figures from the counts."""
    with np.errstate(invalid="ignore", divide="ignore"):
        objects = np.where(counts.objects > 0, counts.objects, np.nan)
        seen = counts.false_positives + counts.detections
        mota = 100 * (1.0 - (counts.misses + counts.switches + counts.false_positives) / objects)
        precision = 100 * (counts.detections / np.where(seen > 0, seen, np.nan))
        recall = 100 * (counts.detections / objects)
        motp, motp_head = (
            np.where(counts.detections > 0, 100 * (1.0 - total / np.maximum(counts.detections, 1)), 0.0)
            for total in (counts.distance, counts.distance_head)
        )
    return MotTable(*(np.append(values, mean_known(values)) for values in (mota, motp, motp_head, precision, recall)))


def _identities(track: np.ndarray) -> tuple[np.ndarray, int]:
    """[N] numbers of the distinct ids, and how many there are."""
    ids, number = np.unique(track, return_inverse=True)
    return number, len(ids)


def _ranks(
    has: np.ndarray,  # [N, 15] bool
    frame: np.ndarray,  # [N] rising
) -> tuple[np.ndarray, np.ndarray]:
    """[N, 15] each person's place among those of its frame that have the joint, and [N, 15] how many those are."""
    if not len(frame):
        return np.zeros(has.shape, np.int64), np.zeros(has.shape, np.int64)
    total = np.cumsum(has, axis=0)
    before = total - has
    starts = np.flatnonzero(np.diff(frame, prepend=frame[0] - 1))
    run = np.cumsum(np.diff(frame, prepend=frame[0] - 1) > 0) - 1
    ends = np.append(starts[1:], len(frame)) - 1
    return before - before[starts][run], (total[ends] - before[starts])[run]


def _times(values: np.ndarray) -> np.ndarray:
    """[N] how often each value occurs."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return count[place]
