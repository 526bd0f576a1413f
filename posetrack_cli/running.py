"""What `ptrack run | detect | pose | track` have in common: their options, doing the work, and telling of it."""

from __future__ import annotations

import json
import os
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import click
from tqdm import tqdm

from configs.settings import RenderSettings
from posedata.records import NO_RECORD
from posedata.sequences import KINDS, Discovery, discover
from posetrack_cli.options import FrameRange, Shard, batch_options, hardware_options, option_of, work_option
from posetrack_cli.table import print_table
from stages.batch.drive import InProcess, Listener, Progress, Workers, drive
from stages.batch.estimate import estimate
from stages.batch.leases import LEASE_SECONDS
from stages.batch.runner import Job, Runner
from stages.batch.schedule import TRIES, GivenUp
from stages.batch.tasks import Task, Tasks, longest_first, shard, slurm_shard, tasks_of
from stages.pipeline import SequenceReport
from stages.stream import Item
from stages.wiring import Hardware, Recipe
from stages.work import WorkFolder

_SHOWN = 200  # sequences of which each is told about; of more, only what is not as it should be


@dataclass(frozen=True)
class Request:
    """What the user asked for, beside the settings."""

    source: Path
    work: Path | None = None
    kind: str = "auto"
    split: str | None = None
    frames: tuple[int, int] | None = None
    shard: tuple[int, int] | None = None
    overwrite: bool = False
    dry_run: bool = False
    as_json: bool = False
    quiet: bool = False
    verbose: int = 0
    hardware: Hardware = field(default_factory=Hardware)
    workers: int | None = None
    executor: str = "local"
    ray_address: str | None = None
    gpus_per_worker: float | None = None
    cpus_per_worker: float | None = None
    lease: float = LEASE_SECONDS
    tries: int = TRIES

    @property
    def talks(self) -> bool:
        return not (self.quiet or self.as_json)


@dataclass
class Result:
    """What a command did."""

    code: int
    work: WorkFolder
    reports: list[SequenceReport] = field(default_factory=list)


def stage_command(function: Callable) -> Callable:
    """Arguments and options of the four commands."""
    files, run, other = option_of("Input and output"), option_of("What to do"), option_of("Other")
    for added in (
        other("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table."),
        other("-v", "verbose", count=True, help="-vv shows tracebacks."),
        other("-q", "quiet", is_flag=True, help="No progress, no table."),
        batch_options,
        hardware_options,
        run("--dry-run", is_flag=True, help="Say what would be done, and about how long it takes."),
        run("--overwrite", is_flag=True, help="Redo what is valid too."),
        run("--shard", type=Shard(), help="Only part I of N, from 0. [default: as the Slurm array says, else all]"),
        run("--frames", type=FrameRange(), help="Only these frames, from 0."),
        files("--split", help="Of a PoseTrack root: train, val or test."),
        files("--kind", type=click.Choice(KINDS), default="auto", show_default=True, help="What VIDEO_DIR is."),
        work_option,
        click.argument("video_dir", type=click.Path(path_type=Path)),
    ):
        function = added(function)
    return function


def request_of(options: dict[str, object]) -> Request:
    """From the keyword arguments of a command."""
    hardware = Hardware(
        options["device"], options["half"], options["batch_size"], options["threads"], options["compile"]
    )
    same = set(Request.__dataclass_fields__) & options.keys()
    return Request(source=options["video_dir"], hardware=hardware, **{name: options[name] for name in same})


def find(request: Request) -> Discovery:
    """The sequences of the request's source; by absolute paths where other machines must find them."""
    source = request.source if request.executor == "local" else Path(os.path.abspath(request.source))
    return discover(source, request.kind, request.split)


def default_work(source: Path) -> Path:
    return Path("ptrack_work") / (source.resolve().stem if source.is_file() else source.resolve().name)


def execute(request: Request, found: Discovery, recipe: Recipe, render: RenderSettings | None = None) -> Result:
    """Does the stages of the recipe, and the pictures if asked for, over all sequences of the request's shard."""
    work = WorkFolder(request.work or default_work(request.source))
    if not request.dry_run:
        work.claim(request.source, found.kind, request.split)
    if request.talks:
        click.echo(found.description)
        for problem in found.problems:
            click.echo(f"warning: {problem}", err=True)
    tasks = _chosen(request, found)
    job = Job(
        Path(os.path.abspath(work.root)),
        recipe,
        request.hardware,
        request.frames,
        request.overwrite,
        render,
        uuid.uuid4().hex[:12],
        time.time(),
        request.lease,
    )
    if request.dry_run:
        return _foretell(request, job, tasks)
    began = time.perf_counter()
    teller = _Teller(request, tasks)
    runner = Runner(job, teller.frame_done)
    with teller.bar, _workers(request, runner, teller) as workers:
        parallel = request.executor != "local" or (request.workers or 1) > 1
        ordered = longest_first(tasks.tasks) if parallel else tasks.tasks
        drive(runner, ordered, workers, teller.listener, request.tries)
    reports = [teller.reports[t.sequence.id] for t in tasks.tasks]
    _print(request, reports)
    done = [asdict(r) for r in reports if r.made or r.rendered or r.error]  # what was valid is no news to the log
    entry = {
        "seconds": round(time.perf_counter() - began, 3),
        "frames": sum(r.frames for r in reports if r.made and not r.error),
        "workers": workers.count,
        "kept": len(reports) - len(done),
        "sequences": done,
    }
    work.log_run(entry)
    failed = [r for r in reports if r.error]
    # bad input is the verdict where it is all there is; else some sequences failed
    only_bad = failed and len(failed) == len(reports) and teller.failures == teller.bad_inputs
    return Result(3 if only_bad else int(bool(failed)), work, reports)


def _chosen(request: Request, found: Discovery) -> Tasks:
    """The tasks of the request's shard, or of the Slurm array's task that this process is."""
    wanted = request.shard
    if wanted is None and len(found.sequences) > 1:
        wanted = slurm_shard(os.environ)
        if wanted is not None:
            number, of = wanted
            click.echo(f"shard {number}/{of}, as the Slurm array says (--shard 0/1 does all of it)", err=True)
    tasks = tasks_of(found.sequences, request.frames)
    if wanted is None:
        return tasks
    kept = {task.sequence.id for task in shard(tasks.tasks, *wanted)}
    return Tasks(tuple(task for task in tasks.tasks if task.sequence.id in kept), tasks.unit)


def _workers(request: Request, runner: Runner, teller: _Teller) -> Workers:
    if request.executor == "ray":
        from stages.batch.ray_workers import RayWorkers

        return RayWorkers(
            runner.job,
            request.ray_address,
            count=request.workers,
            cpus=request.cpus_per_worker,
            gpus=request.gpus_per_worker,
            note=teller.note,
        )
    if (request.workers or 1) > 1:
        from stages.batch.processes import Processes
        from stages.device import usable_cores

        threads, cores = request.workers * request.hardware.threads, usable_cores()
        if threads > cores and request.talks:
            click.echo(
                f"warning: {request.workers} workers of {request.hardware.threads} threads on {cores} cores wait for "
                "each other; --threads 1 is quicker (another number of threads may change a record's last digit)",
                err=True,
            )
        return Processes(runner.job, request.workers)
    return InProcess(runner)


class _Teller:
    """Shows progress and collects the reports."""

    def __init__(self, request: Request, tasks: Tasks) -> None:
        self.reports: dict[str, SequenceReport] = {}
        self.failures: set[str] = set()
        self.bad_inputs: set[str] = set()
        self.listener = Listener(self._progress, self._report, self._failed, self._trace, self._waiting)
        self._request, self._tasks = request, tasks
        self._people = 0
        total = sum(t.length for t in tasks.tasks) if tasks.unit == "frames" else 0
        shown = request.talks and sys.stderr.isatty()
        self.bar = tqdm(unit=" frames", total=total or None, disable=not shown, leave=False)
        self._describe()

    def frame_done(self, item: Item) -> None:
        self._progress(Progress(1, len(item.people)))

    def note(self, sentence: str) -> None:
        """Something worth knowing that is no result."""
        if self._request.talks:
            tqdm.write(sentence, file=sys.stderr)

    def _describe(self) -> None:
        if not self.bar.disable:
            failed = f", {len(self.failures)} failed" if self.failures else ""
            self.bar.set_description(f"{len(self.reports)} of {len(self._tasks.tasks)} sequences{failed}")

    def _progress(self, progress: Progress) -> None:
        self._people += progress.people
        self.bar.set_postfix(people=self._people, refresh=False)
        self.bar.update(progress.frames)

    def _report(self, task: Task, report: SequenceReport) -> None:
        self.reports[task.sequence.id] = report
        if not report.made and self.bar.total:
            self.bar.total -= min(task.length, self.bar.total)  # it was done before
        self._describe()

    def _failed(self, task: Task, given_up: GivenUp) -> None:
        tries = f" (tried {given_up.tries} times)" if given_up.tries > 1 else ""
        report = SequenceReport(task.sequence.id, error=given_up.error + tries)
        self.failures.add(task.sequence.id)
        if given_up.bad_input:
            self.bad_inputs.add(task.sequence.id)
        if self._request.talks and len(self._tasks.tasks) > 1:  # at once: a long run is not over yet
            tqdm.write(f"failed: {task.sequence.id}", file=sys.stderr)
        self._report(task, report)

    def _trace(self, trace: str) -> None:
        if self._request.verbose > 1:
            tqdm.write(trace, file=sys.stderr)

    def _waiting(self, sequences: tuple[str, ...]) -> None:
        more = f" and {len(sequences) - 1} more" if len(sequences) > 1 else ""
        self.note(f"waiting for {sequences[0]}{more}, which another ptrack run is working on")


def _print(request: Request, reports: list[SequenceReport]) -> None:
    if request.as_json:
        click.echo(json.dumps({"sequences": [asdict(r) for r in reports]}))
    elif request.talks:
        shown = reports if len(reports) <= _SHOWN else [r for r in reports if r.error]
        for report in shown:
            _tell(report)
        if len(shown) < len(reports):
            kept = sum(not r.made and not r.error for r in reports)
            click.echo(f"{len(reports)} sequences, of which {kept} were complete and valid")
        print_table(reports, shown)
    for report in reports:
        if report.error:
            click.echo(f"ptrack: {report.sequence}: {report.error}", err=True)


def _tell(report: SequenceReport) -> None:
    for stage, reason in report.made.items():
        if reason != NO_RECORD:
            click.echo(f"{report.sequence}: {stage} was redone: {reason}")
    if report.resumed_at:
        click.echo(f"{report.sequence}: taken up at frame {report.resumed_at}, where it was interrupted")
    if not report.made and not report.error:
        click.echo(f"{report.sequence}: nothing to do: {', '.join(report.kept)} complete and valid")
    for file in report.rendered:
        click.echo(f"wrote {file}")


def _foretell(request: Request, job: Job, tasks: Tasks) -> Result:
    """What the run would do and how long it may take."""
    workers = 1 if request.executor == "ray" and not request.workers else request.workers or 1
    told = estimate(job, tasks, workers)
    if request.as_json:
        print(
            json.dumps({"sequences": [asdict(r) for r in told.reports], "seconds": told.seconds, "basis": told.basis})
        )
    elif request.talks:
        for report in told.reports[:_SHOWN]:
            for stage, reason in report.made.items():
                click.echo(f"{report.sequence}: {stage} would run: {reason}")
            if not report.made and not report.error:
                click.echo(f"{report.sequence}: nothing to do: {', '.join(report.kept)} complete and valid")
        if len(told.reports) > _SHOWN:
            click.echo("and so on; --json lists them all")
        for sentence in told.sentences():
            click.echo(sentence)
    bad = [r for r in told.reports if r.error]
    for report in bad:
        click.echo(f"ptrack: {report.sequence}: {report.error}", err=True)
    only_bad = bad and len(bad) == len(told.reports) and told.only_bad_input
    return Result(3 if only_bad else int(bool(bad)), WorkFolder(job.work), told.reports)
