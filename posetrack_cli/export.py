"""`ptrack export`: files that others read, from saved records."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import click

from posedata.errors import BadInput, UsageError
from posedata.formats.export import FORMATS, ExportReport, ExportSequence, export
from posedata.records import iter_frames, read_header
from posedata.sequences import Sequence
from posedata.skeletons import SKELETONS
from posetrack_cli.options import verbosity_option
from stages.work import WorkFolder


@click.command("export")
@click.argument("work", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--format",
    "format",
    type=click.Choice([*FORMATS, "posetrack21"]),
    required=True,
    help="What to write; posetrack21 is the same as posetrack18.",
)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Where the files go.")
@click.option(
    "--min-keypoint-score",
    type=float,
    default=0.0,
    show_default=True,
    help="Leave out joints below it; about 0.2 to 0.4 suits MOTA, 0 suits AP.",
)
@click.option("--min-person-score", type=float, default=0.0, show_default=True, help="Leave out people below it.")
@click.option(
    "--unassigned",
    is_flag=True,
    help="PoseTrack files hold the people of no track, too: more AP, and a MOTA that means nothing.",
)
@click.option("--zip", "as_zip", is_flag=True, help="One zip file, as submissions are uploaded.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@verbosity_option
def export_command(
    work: Path,
    format: str,
    out: Path,
    min_keypoint_score: float,
    min_person_score: float,
    unassigned: bool,
    as_zip: bool,
    as_json: bool,
) -> int:
    """Writes the tracks saved in WORK in a format that other programs read; no network runs.

    What is left out is counted, with the reason.
    """
    kind = "posetrack18" if format == "posetrack21" else format
    report = export_work(
        WorkFolder(work),
        kind,
        out,
        min_keypoint_score=min_keypoint_score,
        min_person_score=min_person_score,
        unassigned=unassigned,
        as_zip=as_zip,
    )
    if as_json:
        files = [str(file) for file in report.files]
        click.echo(json.dumps({"files": files, "counts": dict(report.counts), "warnings": list(report.warnings)}))
        return 0
    for file in report.files:
        click.echo(f"wrote {file}")
    shown = ("sequences", "frames", "people", "keypoints")
    click.echo(
        ", ".join(f"{report.counts[name]} {name}" for name in shown if report.counts[name] or name != shown[-1])
    )
    for warning in report.warnings:
        click.echo(f"warning: {warning}", err=True)
    return 0


def export_work(
    folder: WorkFolder,
    format: str,
    out: Path,
    *,
    min_keypoint_score: float,
    as_zip: bool,
    min_person_score: float = 0.0,
    unassigned: bool = False,
    only: frozenset[str] | None = None,  # sequences; None = all
) -> ExportReport:
    """Exports every sequence that has finished tracks.

    The source is only asked for its annotations and image names; where it is gone, the records alone are exported.

    Raises:
        BadInput: there are no tracks, or they hold no poses; or as `posedata.formats.export.export` does.
    """
    if not folder.root.is_dir():
        raise BadInput(f"{folder.root}: is no folder; give the work folder of `ptrack run`")
    records = [(name, path) for name, path in folder.finished("track") if only is None or name in only]
    if not records:
        raise BadInput(f"{folder.root}: holds no finished tracks; run `ptrack run` first")
    gone = None
    try:
        sources = {sequence.id: sequence for sequence in folder.sequences()}
    except (BadInput, UsageError) as error:
        sources, gone = {}, error
    report = export(
        [_sequence(record, sources.get(name)) for name, record in records],
        format,
        out,
        min_keypoint_score=min_keypoint_score,
        min_person_score=min_person_score,
        unassigned=unassigned,
        as_zip=as_zip,
    )
    missing = [name for name, _ in records if name not in sources]
    if not missing:
        return report
    reason = f"{gone}" if gone else f"{missing[0]} is no longer in the source"
    warning = f"image names and annotations are unknown, frames are named by their numbers ({reason})"
    return ExportReport(report.files, report.counts, (warning, *report.warnings))


def _sequence(record: Path, source: Sequence | None) -> ExportSequence:
    header = read_header(record)
    if header.skeleton is None:
        raise BadInput(f"{record}: holds no poses; run `ptrack pose` and `ptrack track` again")
    return ExportSequence(
        header.sequence,
        header.video,
        SKELETONS[header.skeleton],
        partial(iter_frames, record),
        None if source is None else source.frame_names,
        None if source is None else source.annotation,
    )
