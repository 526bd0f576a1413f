"""The corrected figures that stand beside the official ones, and what each correction is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eval.ap_samples import ap_samples
from eval.average_precision import ApTable, average_precision, join_samples, mean_known
from eval.clear_mot import MotCounts, MotTable, every_frame, mot_table, no_counts, official_frames
from eval.findings import Findings
from eval.joints import JOINTS, N_JOINTS
from eval.loading import Matched
from eval.poseval import MotEngine, sequence_counts


@dataclass(frozen=True)
class StrictResult:
    """Corrected figures; `corrections` names each correction and how much it had to correct in this set."""

    frames: int
    ap: ApTable
    mot: MotTable
    counts: MotCounts
    corrections: tuple[str, ...]


def strict_score(
    whole: list[Matched],  # every labelled frame
    official: list[Matched],  # the frames that list somebody, to say what was corrected
    findings: Findings,
    mot_engine: MotEngine = "ptrack",
) -> StrictResult:
    """AP and CLEAR MOT without the official tool's known faults.

    Raises:
        ScoringInputError: the ground truth repeats an id within a frame in a way that cannot be scored.
    """
    samples = join_samples([ap_samples(m.scene, m.assignment) for m in whole])
    counts = sum(sequence_counts(whole, every_frame, findings, mot_engine), no_counts())
    nowhere = samples.annotated == 0
    return StrictResult(
        frames=sum(len(m.scene.frame_names) for m in whole),
        ap=_without(average_precision(samples), nowhere),
        mot=_mot_without(mot_table(counts), nowhere, counts.detections == 0),
        counts=counts,
        corrections=_corrections(whole, official, nowhere, counts),
    )


def _without(table: ApTable, nowhere: np.ndarray) -> ApTable:
    return ApTable(*(_left_out(values, nowhere) for values in (table.ap, table.precision, table.recall)))


def _mot_without(table: MotTable, nowhere: np.ndarray, unseen: np.ndarray) -> MotTable:
    return MotTable(
        mota=_left_out(table.mota, nowhere),
        motp=_left_out(table.motp, nowhere | unseen),
        motp_head=_left_out(table.motp_head, nowhere | unseen),
        precision=_left_out(table.precision, nowhere),
        recall=_left_out(table.recall, nowhere),
    )


def _left_out(
    values: np.ndarray,  # [16]
    joints: np.ndarray,  # [15] bool
) -> np.ndarray:
    """[16] with nan at these joints, and the total without them."""
    kept = np.where(joints, np.nan, values[:N_JOINTS])
    return np.append(kept, mean_known(kept))


def _corrections(
    whole: list[Matched], official: list[Matched], nowhere: np.ndarray, counts: MotCounts
) -> tuple[str, ...]:
    rules = [official_frames(m.scene) for m in official]
    empty = sum(len(m.scene.frame_names) for m in whole) - sum(len(m.scene.frame_names) for m in official)
    fake = sum(int(rule.fake.sum()) for rule in rules)
    single = sum(len(m.scene.frame_names) == 1 for m in official)
    names = ", ".join(name for name, out in zip(JOINTS, nowhere) if out)
    unseen = ", ".join(name for name, out in zip(JOINTS, (counts.detections == 0) & ~nowhere) if out)
    return (
        f"last frame: MOT counts the last labelled frame of each sequence ({len(official)} frames, "
        f"{single} of them the only one of their sequence)",
        f"one-sided frames: MOT counts what is there, instead of one miss and one false positive per joint "
        f"({fake} frames)",
        f"empty frames: a labelled frame in which nobody is annotated counts, so that people found there are "
        f"false positives in AP and MOT ({empty} frames)",
        f"joints annotated nowhere are left out of every mean ({names or 'none'})",
        f"MOTP: joints without any detection are left out of its mean, where they count as 0 ({unseen or 'none'})",
        "MOTP: each detection's distance counts once (the official tool at its last version counts it about twice)",
    )
