"""`ptrack run | detect | pose | track`: the stages over every sequence of a source."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from posedata.errors import UsageError
from posetrack_cli.options import GroupedCommand, option_of, settings_from, settings_options
from posetrack_cli.running import execute, find, request_of, stage_command
from posetrack_cli.submission import MOTA_SCORE, refuse_early, write_submissions
from stages.wiring import Recipe, read_given, read_given_poses
from stages.work import STAGES


@click.command("run", cls=GroupedCommand)
@settings_options("detect", "pose", "track", "render")
@option_of("Render")("--render/--no-render", default=True, help="Overlay video and contact sheet. [default: on]")
@option_of("Input and output")(
    "--submission",
    type=click.Path(path_type=Path, file_okay=False),
    help="Of a PoseTrack split: write zip files for the leaderboard here, for AP and for MOTA, and check them.",
)
@option_of("Input and output")(
    "--mota-score",
    type=click.FloatRange(0, 1),
    default=MOTA_SCORE,
    show_default=True,
    help="Joints below are left out of the one for MOTA.",
)
@stage_command
def run_command(presets, config, assignments, render, submission, mota_score, **options) -> int:
    """Detects, estimates, tracks and renders every sequence of VIDEO_DIR: a video, a folder of videos, a folder of
    frames, or a PoseTrack root. What is done already is not done again."""
    settings = settings_from(presets, config, assignments, options)
    request = request_of(options)
    found = find(request)
    if submission is not None:
        refuse_early(request, found)
        request = replace(request, shard=(0, 1))  # all, in a Slurm array, too
    unrelated = found.kind == "images"
    recipe = Recipe(("detect", "pose") if unrelated else STAGES, settings)
    result = execute(request, found, recipe, settings.render if render and not unrelated else None)
    if unrelated and request.talks:
        click.echo("unrelated images: people in them are neither tracked nor drawn")
    if submission is None or request.dry_run:
        return result.code
    if result.code:
        click.echo("ptrack: no submission is written before every sequence is done", err=True)
        return result.code
    return write_submissions(result.work, found, submission, mota_score)


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
    request = request_of(options)
    found = find(request)
    given = None
    if detections is not None:
        given = read_given(detections, found.sequences)
        for warning in given.warnings:
            click.echo(f"warning: {warning}", err=True)
    return execute(request, found, Recipe(("detect",), settings, given)).code


@click.command("pose", cls=GroupedCommand)
@settings_options("pose")
@stage_command
def pose_command(presets, config, assignments, **options) -> int:
    """Estimates the poses of the people that `ptrack detect` found and writes WORK/<sequence>/pose.json."""
    settings = settings_from(presets, config, assignments, options)
    request = request_of(options)
    return execute(request, find(request), Recipe(("pose",), settings)).code


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
@option_of("Track")("--checkpoint", help="Weights of the pose model that recovers people, if it is a published one.")
@stage_command
def track_command(presets, config, assignments, poses, model, checkpoint, **options) -> int:
    """Gives the poses of `ptrack pose`, or those of files, identities and writes WORK/<sequence>/track.json."""
    pose = {"pose__model": model, "pose__checkpoint": checkpoint}
    settings = settings_from(presets, config, assignments, options | pose)
    if model is not None and poses is None:
        raise UsageError("--model goes with --poses; else the model that made the poses recovers people")
    request = request_of(options)
    found = find(request)
    if found.kind == "images":
        raise UsageError(f"{request.source}: unrelated images have no people to track; run `ptrack pose` on them")
    given = None
    if poses is not None:
        given = read_given_poses(poses, found.sequences)
        for warning in given.warnings:
            click.echo(f"warning: {warning}", err=True)
    return execute(request, found, Recipe(("track",), settings, poses=given, recover=model is not None)).code
