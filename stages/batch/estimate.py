"""What a run would do and how long it may take, without doing it."""

from __future__ import annotations

import statistics
import tempfile
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from posedata.errors import BadInput, PtrackError
from posedata.jsonio import read_json
from stages.batch.runner import Job, Runner
from stages.batch.tasks import Task, Tasks
from stages.pipeline import Pipeline, SequenceReport
from stages.stream import CHUNK
from stages.work import STAGES, WorkFolder

_UNKNOWN_LENGTH = 300  # frames of a video that does not say how long it is
_LAST_RUNS = 5  # of the log that are looked at


@dataclass
class Estimate:
    """What would be done."""

    reports: list[SequenceReport]
    frames: int  # to be worked on, of all sequences
    seconds: float | None = None  # None = nothing to go by
    basis: str = ""  # where the seconds come from, in words
    workers: int = 1
    only_bad_input: bool = True  # whether every error is the input's
    pace: dict[str, float] = field(default_factory=dict)  # stage -> seconds a frame

    def sentences(self) -> list[str]:
        to_do = sum(bool(r.made) for r in self.reports)
        if not to_do:
            return []
        what = f"{to_do} of {len(self.reports)} sequences, about {self.frames} frames"
        if self.seconds is None:
            return [f"{what}; how long it takes cannot be told"]
        at_once = f" with {self.workers} workers" if self.workers > 1 else ""
        return [f"{what}: about {in_words(self.seconds)}{at_once} ({self.basis})"]


def in_words(seconds: float) -> str:
    """A duration as people say it."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h" if seconds < 36 * 3600 else f"{seconds / 86400:.1f} days"


def estimate(job: Job, tasks: Tasks, workers: int) -> Estimate:
    """Looks at every task, and tells the time from the pace of earlier runs in this work folder, else from the first
    frames of the first sequence, which are worked on for that and nothing is kept."""
    runner = Runner(job)
    told = Estimate([], 0, workers=workers)
    frames: dict[str, int] = defaultdict(int)  # stage -> frames to do
    longest: dict[str, int] = defaultdict(int)
    first: Task | None = None
    for task in tasks.tasks:
        try:
            report = runner.outlook(task)
        except PtrackError as error:
            told.reports.append(SequenceReport(task.sequence.id, error=str(error)))
            told.only_bad_input &= isinstance(error, BadInput)
            continue
        told.reports.append(report)
        if not report.made:
            continue
        first = first or task
        length = task.length if tasks.unit == "frames" and task.length else _UNKNOWN_LENGTH
        told.frames += length
        for stage in report.made:
            frames[stage] += length
            longest[stage] = max(longest[stage], length)
    if first is None:
        told.seconds, told.basis = 0.0, "nothing to do"
        return told
    told.pace, told.basis = _logged_pace(job), "at the pace of the last runs here"
    if not frames.keys() <= told.pace.keys():
        told.pace, told.basis = _measured_pace(job, first), f"measured on the first frames of {first.sequence.id}"
    if frames.keys() <= told.pace.keys():
        # several workers cannot be quicker than the longest sequence
        alone = sum(told.pace[stage] * longest[stage] for stage in frames)
        told.seconds = max(sum(told.pace[stage] * frames[stage] for stage in frames) / workers, alone)
    return told


def _logged_pace(job: Job) -> dict[str, float]:
    """Seconds a frame of each stage, the median over the sequences of the last runs; empty where there were none."""
    path = WorkFolder(job.work).run_log
    try:
        runs = read_json(path) if path.exists() else []
    except BadInput:
        return {}
    paces: dict[str, list[float]] = defaultdict(list)
    for run in runs[-_LAST_RUNS:] if isinstance(runs, list) else []:
        for entry in run.get("sequences", []) if isinstance(run, dict) else []:
            try:
                done = entry["frames"] - entry["resumed_at"]
                if entry["error"] is None and done > 0:
                    for stage in entry["made"]:
                        paces[stage].append(entry["seconds"].get(stage, 0.0) / done)
                    shared = entry["seconds"].get("decode", 0.0) / done / max(1, len(entry["made"]))
                    for stage in entry["made"]:
                        paces[stage][-1] += shared
            except (KeyError, TypeError, AttributeError):
                continue  # the log of another version, or damage
    return {stage: statistics.median(values) for stage, values in paces.items()}


def _measured_pace(job: Job, task: Task) -> dict[str, float]:
    """Seconds a frame of each stage on the first chunk of a sequence; empty where that cannot be worked on."""
    parts = job.recipe.parts(job.hardware)
    if parts[0].name != STAGES[0] and not parts[0].first:
        return {}  # it would need the record before it
    first = job.frames[0] if job.frames is not None else 0
    with tempfile.TemporaryDirectory() as folder:
        pipeline = Pipeline(WorkFolder(Path(folder)), parts, frames=(first, first + CHUNK - 1), overwrite=True)
        try:
            pipeline.run(task.sequence)  # the first time networks are slow
            report = pipeline.run(task.sequence)
        except PtrackError:
            return {}
    if not report.frames:
        return {}
    shared = report.seconds.get("decode", 0.0) / len(parts)
    return {part.name: (report.seconds.get(part.name, 0.0) + shared) / report.frames for part in parts}
