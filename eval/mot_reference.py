"""CLEAR MOT of one sequence by py-motmetrics' own accumulator, fed as the official tool feeds it.

Slow (it imports pandas and walks frame by frame); for checking, for `--mot-engine motmetrics`, and for ground truth
with the same id twice in a frame, whose treatment only this code defines.
"""

from __future__ import annotations

import numpy as np

from eval.clear_mot import MotCounts, MotFrames
from eval.findings import Findings
from eval.joints import N_JOINTS
from eval.matching import Pairs
from eval.scene import Scene


def repeated_ids(scene: Scene, frames: MotFrames) -> np.ndarray:
    """[N] bool: annotated people of fed frames whose id another person of the frame has as well."""
    truth = scene.truth
    order = np.lexsort((truth.track, truth.frame))
    same = (np.diff(truth.frame[order]) == 0) & (np.diff(truth.track[order]) == 0)
    result = np.zeros(len(truth), bool)
    result[order[1:][same]] = True
    return result & frames.fed[truth.frame]


def reference_counts(scene: Scene, pairs: Pairs, frames: MotFrames, findings: Findings) -> MotCounts | None:
    """The counts, or None after noting that motmetrics fails on a repeated ground-truth id."""
    from motmetrics import MOTAccumulator

    columns: list[list[float]] = []
    truth_rows = [np.flatnonzero(scene.truth.frame == f) for f in range(len(scene.frame_names))]
    found_rows = [np.flatnonzero(scene.found.frame == f) for f in range(len(scene.frame_names))]
    near = np.where(pairs.match, pairs.distance, np.nan)
    table = {(t, f): near[row] for row, (t, f) in enumerate(zip(pairs.truth.tolist(), pairs.found.tolist()))}
    far = np.full(N_JOINTS, np.nan)
    for joint in range(N_JOINTS):
        accumulator = MOTAccumulator(auto_id=True)
        for frame in range(len(scene.frame_names)):
            if frames.fake[frame]:
                accumulator.update([0], [0], [[np.nan]])
            elif frames.fed[frame]:
                truth = truth_rows[frame][scene.truth.has[truth_rows[frame], joint]]
                found = found_rows[frame][scene.found.has[found_rows[frame], joint]]
                costs = np.array([table.get((t, f), far)[joint] for t in truth.tolist() for f in found.tolist()])
                costs = costs.reshape(len(truth), len(found))
                try:
                    accumulator.update(scene.truth.track[truth], scene.found.track[found], costs)
                except KeyError:
                    findings.fault(
                        "truth-id-twice",
                        "two annotated people have the same track_id",
                        "give each person of a frame its own track_id (AP alone can be scored: --metrics ap)",
                        scene.name,
                        scene.frame_names[frame],
                        "track_id",
                    )
                    return None
        columns.append(_counts(accumulator))
    table_of_counts = np.array(columns).T
    return MotCounts(*(row.astype(np.int64) for row in table_of_counts[:5]), *table_of_counts[5:])


def _counts(accumulator: object) -> list[float]:
    """misses, switches, false positives, objects, detections, classic distance, distance at HEAD."""
    events = accumulator.events
    if not len(events):
        return [0.0] * 7
    number = {name: int((events["Type"] == name).sum()) for name in ("MISS", "SWITCH", "FP", "MATCH")}
    detections = number["MATCH"] + number["SWITCH"]
    paired = events["D"][events["Type"].isin(["MATCH", "SWITCH"])].sum()
    return [
        number["MISS"],
        number["SWITCH"],
        number["FP"],
        detections + number["MISS"],
        detections,
        float(paired),
        float(np.nan_to_num(events["D"].sum())),
    ]
