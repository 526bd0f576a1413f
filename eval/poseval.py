"""The official PoseTrack evaluation: AP per joint and CLEAR MOT per joint, to the official numbers.

Rules: leonid-pishchulin/poseval at 4258a15 (BSD 2-clause), re-implemented on arrays.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eval.ap_samples import ap_samples
from eval.average_precision import ApRange, ApTable, Samples, average_precision, average_precision_range, join_samples
from eval.clear_mot import (
    MotCounts,
    MotTable,
    candidates,
    clear_pass,
    count_outcome,
    mot_table,
    no_counts,
    official_frames,
)
from eval.findings import Finding, Findings
from eval.matching import Assignment, Pairs, assign, pair_people
from eval.scene import Scene, clean
from eval.sources import FilePair, pair_files, read_sequence


@dataclass(frozen=True)
class Matched:
    """One sequence with everything that the metrics share."""

    scene: Scene
    pairs: Pairs
    assignment: Assignment
    samples: Samples


@dataclass(frozen=True)
class SequenceResult:
    """One sequence's own figures."""

    name: str
    frames: int  # evaluated frames
    ap: ApTable
    mot: MotTable
    counts: MotCounts


@dataclass(frozen=True)
class PosevalResult:
    """The official figures of a set; `warnings` are the doubts that go with them."""

    frames: int  # evaluated frames
    ap: ApTable
    ties: TieBounds
    mot: MotTable
    counts: MotCounts
    sequences: tuple[SequenceResult, ...]
    warnings: tuple[Finding, ...]


def score(
    predictions: str | Path,
    ground_truth: str | Path,
) -> PosevalResult:
    """Score predictions against ground truth; both are a folder or a single file in PoseTrack17, 18 or 21 form.

    Raises:
        ScoringInputError: with every fault of the set, each naming file, frame, field and remedy.
    """
    findings = Findings()
    pairs = pair_files(Path(predictions), Path(ground_truth), findings)
    findings.raise_faults()
    matched = [m for m in (load_matched(pair, findings) for pair in pairs) if m is not None]
    findings.raise_faults()
    return evaluate(matched, findings)


def load_matched(pair: FilePair, findings: Findings) -> Matched | None:
    """Read, clean and match one sequence; None after noting its faults, or where no frame is labelled."""
    truth = read_sequence(pair.truth, pair.name, True, None, findings)
    wanted = None if truth is None else truth.labelled
    found = read_sequence(pair.found, pair.name, False, wanted, findings)
    if truth is None or found is None:
        return None
    if len(truth.frame_names) != len(found.frame_names):
        findings.fault(
            "frame-count",
            f"has {len(found.frame_names)} frames, its ground truth {pair.truth} has {len(truth.frame_names)}",
            "write every frame of the sequence, labelled or not, in order (empty where nobody is found)",
            str(pair.found),
        )
        return None
    scene = clean(truth, found, findings)
    if not scene.frame_names:
        findings.warn("no-labels", "no frame of the ground truth lists anybody; the sequence does not count",
                      "check the annotation file", str(pair.truth))
        return None
    pairs = pair_people(scene)
    assignment = assign(scene, pairs)
    return Matched(scene, pairs, assignment, ap_samples(scene, assignment))


def evaluate(matched: list[Matched], findings: Findings) -> PosevalResult:
    """All figures of the sequences given."""
    samples = join_samples([m.samples for m in matched])
    scenes, pairs = [m.scene for m in matched], [m.pairs for m in matched]
    frames = [official_frames(scene) for scene in scenes]
    table = candidates(scenes, pairs, frames)
    counts = count_outcome(table, clear_pass(table), scenes, frames)
    total = sum(counts, no_counts())
    sequences = tuple(
        SequenceResult(m.scene.name, len(m.scene.frame_names), average_precision(m.samples), mot_table(c), c)
        for m, c in zip(matched, counts)
    )
    return PosevalResult(
        frames=int(np.sum([len(scene.frame_names) for scene in scenes], dtype=np.int64)),
        ap=average_precision(samples),
        ties=tie_bounds(samples),
        mot=mot_table(total),
        counts=total,
        sequences=sequences,
        warnings=findings.warnings,
    )
