"""The loop of a run: tasks to free workers, outcomes to the user, failures kept beside the records."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

import orjson

from posedata.atomic import write_atomically
from posedata.errors import PtrackError, UsageError
from posedata.jsonio import read_json
from stages.batch.runner import Outcome, Runner
from stages.batch.schedule import TRIES, GivenUp, Schedule
from stages.batch.tasks import Task
from stages.pipeline import SequenceReport
from stages.work import WorkFolder


@dataclass(frozen=True)
class Seat:
    """A worker that can take a task."""

    number: int
    node: str


@dataclass(frozen=True)
class Progress:
    """Frames that a worker has done since it last said so."""

    frames: int
    people: int


class Workers(Protocol):
    """Whatever does tasks: this process, processes of this machine, or a cluster. A context manager."""

    count: int  # of workers, as far as it is known

    def idle(self) -> list[Seat]:
        """The workers that are free."""
        ...

    def nodes(self) -> set[str]:
        """The nodes on which workers are, or can be started."""
        ...

    def submit(self, seat: Seat, task: Task) -> None: ...

    def wait(self, seconds: float) -> Iterable[Progress | Outcome]:
        """What happened; comes back at once when something did, and after the seconds in any case."""
        ...


@dataclass(frozen=True)
class Listener:
    """Who is told what happens."""

    progress: Callable[[Progress], None] = lambda progress: None
    report: Callable[[Task, SequenceReport], None] = lambda task, report: None
    failed: Callable[[Task, GivenUp], None] = lambda task, given_up: None
    trace: Callable[[str], None] = lambda trace: None
    waiting: Callable[[tuple[str, ...]], None] = lambda sequences: None  # for what other runs are doing


def drive(runner: Runner, tasks: Iterable[Task], workers: Workers, listener: Listener, tries: int = TRIES) -> None:
    """Does all tasks. What is done already is found out by the runner and never given to a worker.

    Raises:
        UsageError: no worker can do anything with this command (no such device, an unknown model).
    """

    def to_do() -> Iterator[Task]:
        for task in tasks:
            done = runner.is_done(task)
            if done is None:
                yield task
            else:
                listener.report(task, done)

    schedule = Schedule(to_do(), tries)
    work = WorkFolder(runner.job.work)
    said = False
    while True:
        for seat in workers.idle():
            task = schedule.take(seat.node, workers.nodes())
            if task is not None:
                workers.submit(seat, task)
        if schedule.is_over:
            return
        if not schedule.running and schedule.waiting and not said:
            listener.waiting(schedule.waiting)
            said = True
        for event in workers.wait(0.2):
            if isinstance(event, Progress):
                listener.progress(event)
                continue
            if event.trace:
                listener.trace(event.trace)
            if event.fault == "fatal":
                raise UsageError(event.error)
            result = schedule.settle(event, workers.nodes())
            if isinstance(result, SequenceReport):
                listener.report(event.task, result)
            elif result is not None:
                _keep(work, event.task, result)
                listener.failed(event.task, result)


def _keep(work: WorkFolder, task: Task, given_up: GivenUp) -> None:
    """Writes beside the records why a sequence was given up; the user is told even where the disk refuses."""
    when = time.strftime("%Y-%m-%dT%H:%M:%S%z")
    content = {"error": given_up.error, "tries": given_up.tries, "when": when}
    with suppress(OSError):
        write_atomically(work.failure(task.sequence.id), orjson.dumps(content) + b"\n")


def kept_failure(work: WorkFolder, sequence: str) -> tuple[str, int] | None:
    """Why a sequence was given up the last time, and after how many tries; None where it was not."""
    path = work.failure(sequence)
    if not path.exists():
        return None
    try:
        content = read_json(path)
        return str(content["error"]), int(content["tries"])
    except (PtrackError, TypeError, KeyError, ValueError):
        return "the note of the error is damaged", 1


class InProcess:
    """The one worker that this process itself is, with the runner that looks what is done."""

    count = 1

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._task: Task | None = None

    def __enter__(self) -> InProcess:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def idle(self) -> list[Seat]:
        return [] if self._task is not None else [Seat(0, "here")]

    def nodes(self) -> set[str]:
        return {"here"}

    def submit(self, seat: Seat, task: Task) -> None:
        self._task = task

    def wait(self, seconds: float) -> Iterable[Outcome]:
        if self._task is None:
            time.sleep(seconds)
            return ()
        outcome, self._task = self._runner.run(self._task), None
        return (outcome,)
