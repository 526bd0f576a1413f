"""`ptrack run | detect | pose | track`: the stages over every sequence of a source."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import click
from tqdm import tqdm

from posedata.errors import BadInput, SequenceFailed, UsageError
from posedata.records import NO_RECORD
from posedata.sequences import KINDS, Discovery, Sequence, discover
from posetrack_cli.options import (
    FrameRange,
    GroupedCommand,
    Shard,
    hardware_options,
    option_of,
    settings_from,
    settings_options,
    work_option,
)
from posetrack_cli.table import print_table
from stages.pipeline import Part, Pipeline, SequenceReport
from stages.wiring import Hardware, given_boxes, given_poses, parts, read_given_poses
from stages.work import STAGES, WorkFolder


@dataclass(frozen=True)
class Job:
    """What the four commands have in common."""

    source: Path
    work: Path | None
    kind: str
    split: str | None
    frames: tuple[int, int] | None
    shard: tuple[int, int] | None
    overwrite: bool
    dry_run: bool
    as_json: bool
    quiet: bool


def stage_command(function: Callable) -> Callable:
    """Arguments and options of the four commands."""
    files, run, other = option_of("Input and output"), option_of("What to do"), option_of("Other")
    for added in (
        other("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table."),
        other("-v", "verbose", count=True, help="-vv shows tracebacks."),
        other("-q", "quiet", is_flag=True, help="No progress, no table."),
        hardware_options,
        run("--dry-run", is_flag=True, help="Say what would be done."),
        run("--overwrite", is_flag=True, help="Redo what is valid too."),
        run("--shard", type=Shard(), help="Only the I-th of N parts of the sequences."),
        run("--frames", type=FrameRange(), help="Only these frames, from 0."),
        files("--split", help="Of a PoseTrack root: train, val or test."),
        files("--kind", type=click.Choice(KINDS), default="auto", show_default=True, help="What VIDEO_DIR is."),
        work_option,
        click.argument("video_dir", type=click.Path(path_type=Path)),
    ):
        function = added(function)
    return function


def _job(options: dict) -> tuple[Job, Hardware]:
    job = Job(
        options["video_dir"],
        options["work"],
        options["kind"],
        options["split"],
        options["frames"],
        options["shard"],
        options["overwrite"],
        options["dry_run"],
        options["as_json"],
        options["quiet"],
    )
    hardware = Hardware(options["device"], options["half"], options["batch_size"], options["threads"])
    return job, hardware


@click.command("run", cls=GroupedCommand)
@settings_options("detect", "pose", "track", "render")
@option_of("Render")("--render/--no-render", default=True, help="Overlay video and contact sheet. [default: on]")
@stage_command
def run_command(presets, config, assignments, render, **options) -> int:
    """Detects, estimates, tracks and renders every sequence of VIDEO_DIR: a video, a folder of videos, a folder of
    frames, or a PoseTrack root. What is done already is not done again."""
    settings = settings_from(presets, config, assignments, options)
    job, hardware = _job(options)
    found = find(job)
    unrelated = found.kind == "images"
    stages = ("detect", "pose") if unrelated else STAGES
    code, work, done = execute(job, found, lambda _: parts(stages, settings, hardware))
    if unrelated and not (job.quiet or job.as_json):
        click.echo("unrelated images: people in them are neither tracked nor drawn")
    if render and done and not job.dry_run and not unrelated:
        from posetrack_cli.render import render_sequences

        code = max(code, render_sequences(work, done, settings.render, job.overwrite, job.quiet or job.as_json))
    return code


@click.command("detect", cls=GroupedCommand)
@settings_options("detect")
@option_of("Detect")(
    "--detections",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Boxes from a file: COCO results, PoseTrack, MOT.",
)
@stage_command
def detect_command(presets, config, assignments, detections, **options) -> int:
    """Finds people in every sequence of VIDEO_DIR and writes WORK/<sequence>/detect.json."""
    settings = settings_from(presets, config, assignments, options)
    job, hardware = _job(options)
    found = find(job)
    if detections is None:
        return execute(job, found, lambda _: parts(("detect",), settings, hardware))[0]
    from stages.wiring import read_given

    given = read_given(detections, found.sequences)
    for warning in given.warnings:
        click.echo(f"warning: {warning}", err=True)
    return execute(job, found, lambda sequence: [given_boxes(given, sequence.id)])[0]


@click.command("pose", cls=GroupedCommand)
@settings_options("pose")
@stage_command
def pose_command(presets, config, assignments, **options) -> int:
    """Estimates the poses of the people that `ptrack detect` found and writes WORK/<sequence>/pose.json."""
    settings = settings_from(presets, config, assignments, options)
    job, hardware = _job(options)
    return execute(job, find(job), lambda _: parts(("pose",), settings, hardware))[0]


@click.command("track", cls=GroupedCommand)
@settings_options("track", every=True)
@option_of("Track")(
    "--model", help="With --poses: the network that recovers missed people. [default: nobody is recovered]"
)
@option_of("Track")(
    "--poses",
    type=click.Path(path_type=Path),
    help="Poses from files: PoseTrack17/18/21 or COCO results; identities in them are ignored.",
)
@stage_command
def track_command(presets, config, assignments, poses, model, **options) -> int:
    """Gives the poses of `ptrack pose`, or those of files, identities and writes WORK/<sequence>/track.json."""
    settings = settings_from(presets, config, (*assignments, *([f"pose.model={model}"] if model else [])), options)
    if model is not None and poses is None:
        raise UsageError("--model goes with --poses; else the model that made the poses recovers people")
    job, hardware = _job(options)
    found = find(job)
    if found.kind == "images":
        raise UsageError(f"{job.source}: unrelated images have no people to track; run `ptrack pose` on them")
    if poses is None:
        return execute(job, found, lambda _: parts(("track",), settings, hardware))[0]
    given = read_given_poses(poses, found.sequences)
    for warning in given.warnings:
        click.echo(f"warning: {warning}", err=True)
    return execute(job, found, lambda _: [given_poses(given, settings, hardware, model is not None)])[0]


def find(job: Job) -> Discovery:
    """The sequences of the job's source."""
    return discover(job.source, job.kind, job.split)


def default_work(source: Path) -> Path:
    return Path("ptrack_work") / (source.resolve().stem if source.is_file() else source.resolve().name)


def execute(
    job: Job,
    found: Discovery,
    make_parts: Callable[[Sequence], list[Part]],
) -> tuple[int, WorkFolder, list[Sequence]]:
    """Runs the pipeline over all sequences; exit code, work folder and the sequences that are complete."""
    sequences = list(found.sequences)
    if job.shard is not None:
        sequences = sequences[job.shard[0] - 1 :: job.shard[1]]
    work = WorkFolder(job.work or default_work(job.source))
    if not job.dry_run:
        work.claim(job.source, found.kind, job.split)
    talk = not (job.quiet or job.as_json)
    if talk:
        click.echo(found.description)
        for problem in found.problems:
            click.echo(f"warning: {problem}", err=True)
    reports: list[SequenceReport] = []
    done: list[Sequence] = []
    codes: list[int] = []
    began = time.perf_counter()
    pipeline: Pipeline | None = None
    with tqdm(unit=" frames", disable=not (talk and sys.stderr.isatty()), leave=False) as bar:
        people = 0

        def progress(item) -> None:
            nonlocal people
            people += len(item.people)
            bar.set_postfix(people=people, refresh=False)
            bar.update()

        for sequence in sequences:
            bar.set_description(sequence.id)
            chain = make_parts(sequence)
            if pipeline is None or [p.model for p in chain] != [p.model for p in pipeline.parts]:
                pipeline = Pipeline(work, chain, frames=job.frames, overwrite=job.overwrite, progress=progress)
            pipeline.parts = chain
            try:
                reports.append(pipeline.outlook(sequence) if job.dry_run else pipeline.run(sequence))
                done.append(sequence)
            except (BadInput, SequenceFailed) as error:
                codes.append(error.exit_code)
                reports.append(SequenceReport(sequence.id, error=str(error)))
    _print(job, reports, talk)
    if not job.dry_run:
        entry = {"seconds": round(time.perf_counter() - began, 3), "sequences": [asdict(r) for r in reports]}
        work.log_run(entry)
    # bad input is the verdict where it is all there is; else some sequences failed
    code = max(codes, default=0) if len(codes) == len(reports) and len(set(codes)) == 1 else int(bool(codes))
    return code, work, done


def _print(job: Job, reports: list[SequenceReport], talk: bool) -> None:
    if job.as_json:
        click.echo(json.dumps({"sequences": [asdict(r) for r in reports]}))
    elif talk:
        for report in reports:
            for stage, reason in report.made.items():
                if job.dry_run:
                    click.echo(f"{report.sequence}: {stage} would run: {reason}")
                elif reason != NO_RECORD:
                    click.echo(f"{report.sequence}: {stage} was redone: {reason}")
            if report.resumed_at:
                click.echo(f"{report.sequence}: taken up at frame {report.resumed_at}, where it was interrupted")
            if not report.made and not report.error:
                click.echo(f"{report.sequence}: nothing to do: {', '.join(report.kept)} complete and valid")
        if not job.dry_run:
            print_table(reports)
    for report in reports:
        if report.error:
            click.echo(f"ptrack: {report.sequence}: {report.error}", err=True)
