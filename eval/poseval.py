"""The official PoseTrack evaluation: AP per joint and CLEAR MOT per joint, to the official numbers.

Rules: leonid-pishchulin/poseval at 4258a15 (BSD 2-clause), re-implemented on arrays.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from eval.ap_samples import ap_samples
from eval.average_precision import ApRange, ApTable, average_precision, average_precision_range, join_samples
from eval.clear_mot import (
    MotCounts,
    MotFrames,
    MotTable,
    candidates,
    clear_pass,
    count_outcome,
    mot_table,
    no_counts,
    official_frames,
)
from eval.findings import Finding, Findings
from eval.joints import JOINTS
from eval.loading import Loaded, Matched, load_all, match_sequences
from eval.mot_reference import reference_counts, repeated_ids
from eval.raw import RawSequence
from eval.scene import Scene
from eval.sources import load_ground_truth, load_predictions, pair_files, pair_loaded

MotEngine = Literal["ptrack", "motmetrics"]


@dataclass(frozen=True)
class SequenceResult:
    """One sequence's own figures."""

    name: str
    frames: int  # evaluated frames
    ap: ApTable | None
    mot: MotTable | None
    counts: MotCounts | None


@dataclass(frozen=True)
class PosevalResult:
    """The official figures of a set; `warnings` are the doubts that go with them.

    `ap` and `mot` are None where they were not asked for; `sequences` is empty unless asked for.
    """

    frames: int  # evaluated frames
    ap: ApTable | None
    ap_range: ApRange | None  # what equal scores leave open
    mot: MotTable | None
    counts: MotCounts | None
    sequences: tuple[SequenceResult, ...]
    warnings: tuple[Finding, ...]


def score(
    predictions: str | Path | tuple[RawSequence, ...],
    ground_truth: str | Path | tuple[RawSequence, ...],
    ap: bool = True,
    mot: bool = True,
    per_sequence: bool = False,
    mot_engine: MotEngine = "ptrack",
    workers: int = 1,  # processes that read and match; 0 = as many as pay
) -> PosevalResult:
    """Score predictions against ground truth; both are a folder or a single file in PoseTrack17, 18 or 21 form.

    Predictions may also be a ptrack work folder; both sides may also come from `eval.sources.load_predictions` and
    `load_ground_truth`.

    Raises:
        ScoringInputError: with every fault of the set, each naming file, frame, field and remedy.
    """
    findings = Findings()
    if isinstance(predictions, tuple) != isinstance(ground_truth, tuple):
        if isinstance(predictions, tuple):
            ground_truth = load_ground_truth(ground_truth)
        else:
            predictions = load_predictions(predictions)
    if isinstance(predictions, tuple):
        pairs = pair_loaded(predictions, ground_truth, findings)
        matched = [match_sequences(truth, found, findings) for truth, found in pairs]
        loaded = [part for part in matched if part is not None]
    else:
        loaded = load_all(pair_files(Path(predictions), Path(ground_truth), findings), findings, workers)
    findings.raise_faults()
    return evaluate(official_sequences(loaded), findings, ap, mot, per_sequence, mot_engine)


def official_sequences(loaded: list[Loaded]) -> list[Matched]:
    """The sequences that count by the official rules."""
    return [sequence.official for sequence in loaded if sequence.official is not None]


def whole_sequences(loaded: list[Loaded]) -> list[Matched]:
    """The sequences with every labelled frame, also those in which nobody is."""
    return [sequence.whole for sequence in loaded if sequence.whole is not None]


def evaluate(
    matched: list[Matched],
    findings: Findings,
    ap: bool = True,
    mot: bool = True,
    per_sequence: bool = False,
    mot_engine: MotEngine = "ptrack",
) -> PosevalResult:
    """All figures of the sequences given.

    Raises:
        ScoringInputError: the tracks of the ground truth cannot be scored.
    """
    samples = [ap_samples(m.scene, m.assignment) for m in matched] if ap else []
    counts = sequence_counts(matched, official_frames, findings, mot_engine) if mot else []
    ap_range = average_precision_range(join_samples(samples)) if ap else None
    total = sum(counts, no_counts()) if mot else None
    _warn(matched, ap_range, mot, findings)
    sequences = [
        SequenceResult(
            m.scene.name,
            len(m.scene.frame_names),
            average_precision(samples[i]) if ap else None,
            mot_table(counts[i]) if mot else None,
            counts[i] if mot else None,
        )
        for i, m in enumerate(matched if per_sequence else [])
    ]
    return PosevalResult(
        frames=sum(len(m.scene.frame_names) for m in matched),
        ap=ap_range.worst if ap else None,
        ap_range=ap_range,
        mot=mot_table(total) if mot else None,
        counts=total,
        sequences=tuple(sequences),
        warnings=findings.warnings,
    )


def sequence_counts(
    matched: list[Matched],
    rule: Callable[[Scene], MotFrames],
    findings: Findings,
    engine: MotEngine = "ptrack",
) -> list[MotCounts]:
    """CLEAR MOT of each sequence, all in one pass.

    Ground truth that repeats an id within a frame is left to motmetrics, whose treatment of it is the rule.

    Raises:
        ScoringInputError: motmetrics fails on such ground truth.
    """
    frames = [rule(m.scene) for m in matched]
    repeated = [repeated_ids(m.scene, f) for m, f in zip(matched, frames)]
    reference = [engine == "motmetrics" or bool(r.any()) for r in repeated]
    own = [i for i, left_out in enumerate(reference) if not left_out]
    scenes, used = [matched[i].scene for i in own], [frames[i] for i in own]
    table = candidates(scenes, [matched[i].pairs for i in own], used)
    result: dict[int, MotCounts | None] = dict(zip(own, count_outcome(table, clear_pass(table), scenes, used)))
    for i, m in enumerate(matched):
        if not reference[i]:
            continue
        if repeated[i].any():
            findings.warn(
                "truth-id-twice",
                f"two annotated people have track_id {m.scene.truth.track[repeated[i]][0]:g}",
                "give each person of a frame its own track_id",
                m.scene.name,
                m.scene.frame_names[m.scene.truth.frame[repeated[i]][0]],
                "track_id",
                int(repeated[i].sum()),
            )
        result[i] = reference_counts(m.scene, m.pairs, frames[i], findings)
    findings.raise_faults()
    return [result[i] for i in range(len(matched))]


def _warn(matched: list[Matched], ap_range: ApRange | None, mot: bool, findings: Findings) -> None:
    """What the official tool does silently and a reader of its figures should know."""
    if ap_range is not None and ap_range.mixed:
        low, high = ap_range.worst.ap[-1], ap_range.best.ap[-1]
        findings.warn(
            "tied-scores",
            f"right and wrong joints share a score {ap_range.mixed} times: the official AP depends on the order of "
            f"equal scores and lies between {low:.4f} (given here) and {high:.4f}",
            "write scores with more digits",
        )
    annotated = sum((m.scene.truth.has.sum(axis=0) for m in matched), np.zeros(len(JOINTS), np.int64))
    predicted = sum((m.scene.found.has.sum(axis=0) for m in matched), np.zeros(len(JOINTS), np.int64))
    if matched and (annotated == 0).any():
        never = [name for name, count in zip(JOINTS, annotated) if not count]
        silent = [name for name, a, p in zip(JOINTS, annotated, predicted) if not a and not p]
        effect = (
            f"; AP 0, and counted in the total, of those never predicted either: {', '.join(silent)}"
            if silent
            else ""
        )
        what = f"annotated nowhere: {', '.join(never)}; their AP is nan and left out of the total{effect}"
        findings.warn("joint-not-annotated", what, "--strict leaves such joints out of every mean")
    if not mot:
        return
    for m in matched:
        if len(m.scene.frame_names) == 1:
            what = "has a single labelled frame: nothing to track (the official tool crashes on it)"
            findings.warn("single-frame", what, "--strict counts its only frame", m.scene.name)
        fake = int(official_frames(m.scene).fake.sum())
        if fake:
            what = "people on one side only: the official rule counts one miss and one false positive per joint"
            frame = m.scene.frame_names[int(np.argmax(official_frames(m.scene).fake))]
            findings.warn("one-sided-frame", what, "--strict counts what is there", m.scene.name, frame, count=fake)
