"""From two files to a matched sequence; many of them in parallel processes."""

from __future__ import annotations

import gc
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np

from eval.findings import Findings
from eval.matching import Assignment, Pairs, assign, pair_people
from eval.raw import RawSequence, without_low_scores
from eval.scene import Scene, clean
from eval.sources import FilePair, read_sequence
from posedata.errors import PtrackError


@dataclass(frozen=True)
class Thresholds:
    """Predicted joints and people below these scores are left out before scoring."""

    keypoint_score: float = float("-inf")
    person_score: float = float("-inf")


ALL = Thresholds()
PARALLEL_FROM = 128 << 20  # bytes of JSON below which starting processes costs more than it saves
_FRAME_NUMBER = re.compile(r"(\d+)\D*$")


@dataclass(frozen=True)
class Matched:
    """One sequence with everything that the metrics share."""

    scene: Scene
    pairs: Pairs
    assignment: Assignment


@dataclass(frozen=True)
class Loaded:
    """One sequence, twice: the frames that list somebody, which the official rules score, and all labelled frames.

    The two are the same object where every labelled frame lists somebody; None where no frame counts.
    """

    official: Matched | None
    whole: Matched | None


def load_all(
    files: list[FilePair],
    findings: Findings,
    workers: int,  # 0 = as many as pay
    keep: Thresholds = ALL,
) -> list[Loaded]:
    """Every sequence that has labelled frames, in order; what is wrong goes to `findings`.

    Raises:
        PtrackError: a worker process died.
    """
    if workers == 0:
        size = sum(path.stat().st_size for pair in files for path in (pair.truth, pair.found) if path.is_file())
        workers = min(_cores(), 8, len(files)) if size >= PARALLEL_FROM else 1
    if workers <= 1 or len(files) < 2:
        with _without_gc():
            parts = [_load(pair, keep) for pair in files]
    else:
        from concurrent.futures import ProcessPoolExecutor
        from concurrent.futures.process import BrokenProcessPool
        from multiprocessing import get_context

        context = get_context("fork" if sys.platform == "linux" else "spawn")
        try:
            with ProcessPoolExecutor(workers, mp_context=context) as pool:
                parts = list(
                    pool.map(partial(_load, keep=keep), files, chunksize=max(1, len(files) // (workers * 4)))
                )
        except BrokenProcessPool:
            raise PtrackError("a process that was reading sequences died; try again with --workers 1") from None
    for _, found in parts:
        findings.extend(found)
    return [loaded for loaded, _ in parts if loaded is not None]


def load_sequence(pair: FilePair, findings: Findings, keep: Thresholds = ALL) -> Loaded | None:
    """Read, clean and match one sequence; None after noting its faults."""
    truth = read_sequence(pair.truth, pair.name, True, None, findings)
    # Predictions of frames that nobody scores are looked at for form only, as in the official tool.
    wanted = None if truth is None else truth.labelled | truth.flagged
    found = read_sequence(pair.found, pair.name, False, wanted, findings)
    return None if truth is None or found is None else match_sequences(truth, found, findings, keep)


def match_sequences(
    truth: RawSequence, found: RawSequence, findings: Findings, keep: Thresholds = ALL
) -> Loaded | None:
    """Clean and match one sequence; None after noting its faults."""
    if len(truth.frame_names) != len(found.frame_names):
        findings.fault(
            "frame-count",
            f"has {len(found.frame_names)} frames, its ground truth {truth.file} has {len(truth.frame_names)}",
            "write every frame of the sequence, labelled or not, in order (empty where nobody is found)",
            found.file,
        )
        return None
    _check_order(truth, found, findings)
    _check_scores(found, truth.labelled, findings)
    if keep != ALL:
        found = without_low_scores(found, keep.keypoint_score, keep.person_score)
    official = _matched(truth, found, truth.labelled, findings)
    if official is None:
        what = "no frame lists anybody; the sequence does not count"
        findings.warn("no-labels", what, "check the annotation file", truth.file)
    labelled = truth.labelled | truth.flagged
    if (labelled == truth.labelled).all():
        return Loaded(official, official)
    return Loaded(official, _matched(truth, found, labelled, Findings()))


def _matched(truth: RawSequence, found: RawSequence, labelled: np.ndarray, findings: Findings) -> Matched | None:
    if not labelled.any():
        return None
    scene = clean(truth, found, labelled, findings)
    pairs = pair_people(scene)
    return Matched(scene, pairs, assign(scene, pairs))


def _check_scores(found: RawSequence, labelled: np.ndarray, findings: Findings) -> None:
    """Warn of missing scores and of scores that are not numbers, in frames that count."""
    frame = found.person_frame[found.point_person]
    counts = labelled[frame]
    for kind, mask, what in (
        ("score-missing", ~found.has_score, "predicted joints have no score; they count as -9999"),
        ("score-nan", np.isnan(found.point_score), "scores are not numbers; they sort before all others"),
    ):
        bad = mask & counts
        if bad.any():
            name = found.frame_names[frame[int(np.argmax(bad))]]
            findings.warn(kind, what, "write a score for every joint", found.file, name, "scores", int(bad.sum()))


def _load(pair: FilePair, keep: Thresholds) -> tuple[Loaded | None, Findings]:
    findings = Findings()
    with _without_gc():
        return load_sequence(pair, findings, keep), findings


def _check_order(truth: RawSequence, found: RawSequence, findings: Findings) -> None:
    """Warn where the frames' names say that the pairing by position compares different frames."""
    numbers = [_frame_numbers(side.frame_names) for side in (truth, found)]
    if numbers[0] is None or numbers[1] is None or not len(numbers[0]):
        return
    # The two formats may count from 0 and from 1: only a changing difference is a different frame.
    offset = numbers[1] - numbers[0]
    values, counts = np.unique(offset, return_counts=True)
    wrong = offset != values[np.argmax(counts)]
    if wrong.any():
        first = int(np.argmax(wrong))
        findings.warn(
            "frame-order",
            f"frame {first} is {found.frame_names[first]} where the ground truth has {truth.frame_names[first]}; "
            "frames are paired by their position, as in the official tool",
            "write the frames in the order of the ground truth",
            found.file,
            count=int(wrong.sum()),
        )


def _frame_numbers(names: tuple[str, ...]) -> np.ndarray | None:
    """[F] the last number in each image's name; None where one has none."""
    found = [_FRAME_NUMBER.search(name.rpartition("/")[2].partition(".")[0][-18:]) for name in names]
    return np.array([int(match[1]) for match in found], np.int64) if all(found) else None


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def _without_gc() -> Iterator[None]:
    """JSON has no cycles: collecting garbage while millions of small objects arrive only takes time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
