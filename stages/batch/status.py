"""What a work folder's sequences have, what is being done, what failed, and when it may be over.

Nothing is kept for this: records under their final names are done, leases are being worked on, and why a sequence was
given up stands in a file beside its records.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from posedata.errors import BadInput, PtrackError
from posedata.jsonio import read_json
from posedata.records import part_path
from posedata.sequences import Sequence
from stages.batch.drive import kept_failure
from stages.batch.leases import SeenLease, leases_of
from stages.batch.tasks import Task, tasks_of
from stages.work import STAGES, WorkFolder

STATES = ("done", "running", "failed", "missing")


@dataclass(frozen=True)
class SequenceStatus:
    """One sequence that is not simply done or missing."""

    sequence: str
    stages: dict[str, str]  # stage -> one of STATES
    reason: str | None = None  # why it failed
    tries: int = 0  # after how many tries it was given up
    host: str | None = None  # where it is being worked on
    pid: int | None = None
    frames_done: int | None = None  # of the first stage that is running


@dataclass
class Status:
    """All of a work folder."""

    source: str
    sequences: int
    stages: dict[str, dict[str, int]]  # stage -> state -> sequences
    running: list[SequenceStatus] = field(default_factory=list)
    failed: list[SequenceStatus] = field(default_factory=list)
    seconds_left: float | None = None  # None = nothing to go by
    notes: list[str] = field(default_factory=list)


def status_of(work: WorkFolder) -> Status:
    """Looks at every sequence of the folder's source; where that is gone, at those that have a folder here.

    Raises:
        BadInput: this is no work folder.
    """
    source, notes = work.source, []
    try:
        sequences = work.sequences()
    except PtrackError as error:
        notes.append(f"{error}; only sequences that have records are counted")
        names = {name for stage in STAGES for name, _ in work.finished(stage)}
        sequences = [Sequence(name, source) for name in sorted(names)]
    tasks = tasks_of(sequences).tasks
    stages = STAGES if work.is_tracked else STAGES[:2]
    found = Status(str(source), len(tasks), {stage: dict.fromkeys(STATES, 0) for stage in stages}, notes=notes)
    leases: list[SeenLease] = []
    for task in tasks:
        held = [lease for lease in leases_of(work.root / task.sequence.id) if not lease.expired]
        leases += held
        one = _one(work, task.sequence.id, stages, held[-1] if held else None)
        for stage, state in one.stages.items():
            found.stages[stage][state] += 1
        if held:
            found.running.append(one)
        elif one.reason is not None:
            found.failed.append(one)
    found.seconds_left = _time_left(work, tasks, stages[-1], leases)
    return found


def _one(work: WorkFolder, sequence: str, stages: tuple[str, ...], lease: SeenLease | None) -> SequenceStatus:
    states: dict[str, str] = {}
    first_open = None
    for stage in stages:
        path = work.record(sequence, stage)
        if path.exists() and not (lease is not None and part_path(path).exists()):
            states[stage] = "done"
        else:
            states[stage] = "missing" if lease is None else "running"
            first_open = first_open or stage
    failure = kept_failure(work, sequence) if lease is None else None
    if failure is not None and first_open is not None:
        states[first_open] = "failed"
    if lease is None:
        return SequenceStatus(sequence, states, *(failure or (None, 0)))
    holder = lease.holder
    return SequenceStatus(
        sequence,
        states,
        host=None if holder is None else holder.host.partition(" ")[0],
        pid=None if holder is None else holder.pid,
        frames_done=None if first_open is None else _lines(part_path(work.record(sequence, first_open))),
    )


def _lines(part: Path) -> int:
    """How many frames an unfinished record holds."""
    count = 0
    with suppress(OSError), part.open("rb") as file:
        while block := file.read(1 << 20):
            count += block.count(b"\n")
    return max(0, count - 1)


def _time_left(work: WorkFolder, tasks: Iterable[Task], last: str, leases: list[SeenLease]) -> float | None:
    """Seconds until all is done at the pace of the runs under way, or else of the last one; None where nothing was
    finished yet by which to tell."""
    begun = [lease.holder.began for lease in leases if lease.holder is not None and lease.holder.began > 0]
    since = min(begun, default=None)
    left = recent = finished = 0
    for task in tasks:
        length = max(task.length, 1)
        try:
            when = work.record(task.sequence.id, last).stat().st_mtime
        except OSError:
            left += 0 if work.failure(task.sequence.id).exists() and not leases else length
            continue
        finished += 1
        if since is not None and when >= since:
            recent += length
    if not left:
        return 0.0
    if since is not None:
        return None if not recent else left * max(0.0, time.time() - since) / recent
    pace = _last_pace(work)
    return None if pace is None else left * pace


def _last_pace(work: WorkFolder) -> float | None:
    """Seconds a frame of the last run that did something, all its workers together."""
    try:
        runs = read_json(work.run_log) if work.run_log.exists() else []
    except BadInput:
        return None
    for run in reversed(runs if isinstance(runs, list) else []):
        with suppress(TypeError, KeyError, ZeroDivisionError):
            if run["frames"] > 0:
                return float(run["seconds"]) / run["frames"]
    return None
