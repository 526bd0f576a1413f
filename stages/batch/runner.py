"""One worker's part of a run: bringing the records of one sequence up to date under its lease."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from configs.errors import SettingsError
from configs.settings import RenderSettings
from posedata.errors import BadInput, PtrackError, UsageError
from stages.batch.leases import LEASE_SECONDS, Leases
from stages.batch.tasks import Task
from stages.pipeline import Pipeline, SequenceReport
from stages.stream import Item
from stages.wiring import Hardware, Recipe, is_rendered, render
from stages.work import WorkFolder


@dataclass(frozen=True)
class Job:
    """What a worker must know of a run; can be sent to another process and another machine."""

    work: Path  # absolute
    recipe: Recipe
    hardware: Hardware = field(default_factory=Hardware)
    frames: tuple[int, int] | None = None  # first and last
    overwrite: bool = False
    render: RenderSettings | None = None  # None = no pictures
    run: str = "run"  # tells one command's leases from another's
    began: float = 0.0  # of the command, seconds since 1970
    lease_seconds: float = LEASE_SECONDS


@dataclass(frozen=True)
class Outcome:
    """What became of a task in one worker: a report, or why there is none."""

    task: Task
    report: SequenceReport | None = None
    fault: str = ""  # "busy" (another run has it), "input", "failed", "died", "fatal" (no sequence can be done)
    error: str = ""
    trace: str = ""


class Stopped(BaseException):
    """The run ends: the worker must leave the sequence as it is, to be taken up again."""


class Runner:
    """Works on the sequences of one job, one after the other; networks stay loaded between them."""

    def __init__(self, job: Job, progress: Callable[[Item], None] | None = None) -> None:
        self.job = job
        self._progress = progress
        self._work = WorkFolder(job.work)
        self._leases = Leases(job.run, job.began, job.lease_seconds)
        self._pipeline: Pipeline | None = None
        self._check: Callable[[], None] = lambda: None

    def outlook(self, task: Task) -> SequenceReport:
        """What would be done for the task; nothing in `made` where it is done.

        Raises:
            PtrackError: the sequence cannot be opened, or a record is unusable.
        """
        return self._prepared().outlook(task.sequence)

    def is_done(self, task: Task) -> SequenceReport | None:
        """The report of a sequence that needs nothing; None for one that does, if only to say why it fails."""
        if self.job.overwrite:
            return None
        try:
            report = self.outlook(task)
            drawn = self.job.render is None or is_rendered(self._work, task.sequence, self.job.render)
        except (PtrackError, OSError):
            return None
        return report if drawn and not report.made else None

    def run(self, task: Task) -> Outcome:
        """Does the task. Every error but an interruption is told in the outcome: the other sequences go on."""
        try:
            done = self.is_done(task)
            if done is not None:
                return Outcome(task, done)
            lease = self._leases.take(self._work.root / task.sequence.id)
            if lease is None:
                return Outcome(task, fault="busy")
            with lease:
                self._check = lease.check
                report = self._prepared().run(task.sequence)
                if self.job.render is not None:
                    self._render(task, report)
            with suppress(OSError):
                self._work.failure(task.sequence.id).unlink(missing_ok=True)
            return Outcome(task, report)
        except (UsageError, SettingsError) as error:
            return self._failed(task, "fatal", error)
        except BadInput as error:
            return self._failed(task, "input", error)
        except PtrackError as error:
            return self._failed(task, "failed", error)
        except Exception as error:  # noqa: BLE001 - whatever one sequence did, the others go on
            words = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            return self._failed(task, "failed", error, f"unexpected error ({words}); -vv shows where")
        finally:
            self._check = lambda: None

    def _failed(self, task: Task, fault: str, error: Exception, words: str = "") -> Outcome:
        return Outcome(task, None, fault, words or str(error), "".join(traceback.format_exception(error)))

    def _prepared(self) -> Pipeline:
        """The pipeline of all sequences; its networks stay."""
        if self._pipeline is None:
            self._pipeline = Pipeline(
                self._work,
                self.job.recipe.parts(self.job.hardware),
                frames=self.job.frames,
                overwrite=self.job.overwrite,
                progress=self._on_frame,
            )
        return self._pipeline

    def _on_frame(self, item: Item) -> None:
        self._check()
        if self._progress is not None:
            self._progress(item)

    def _render(self, task: Task, report: SequenceReport) -> None:
        settings = self.job.render
        if not self.job.overwrite and is_rendered(self._work, task.sequence, settings):
            return
        began = time.perf_counter()
        rendered = render(self._work, task.sequence, settings, lambda _: self._check())
        report.rendered = [str(file) for file in rendered.files]
        report.warnings = [*report.warnings, *rendered.warnings]
        report.seconds["render"] = time.perf_counter() - began
