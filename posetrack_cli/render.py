"""`ptrack render`: overlay videos and contact sheets from saved records."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from tqdm import tqdm

from configs.settings import RenderSettings
from posedata.errors import BadInput, PtrackError
from posedata.sequences import Sequence
from posetrack_cli.options import GroupedCommand, settings_from, settings_options, verbosity_option
from stages.work import WorkFolder


@click.command("render", cls=GroupedCommand)
@click.argument("work", type=click.Path(path_type=Path, file_okay=False))
@settings_options("render")
@click.option("-q", "quiet", is_flag=True, help="No progress.")
@verbosity_option
def render_command(work: Path, presets, config, assignments, quiet: bool, **options) -> int:
    """Draws the tracks saved in WORK over their videos: WORK/<sequence>/overlay.mp4, contact_sheet.png
    and timeline.png."""
    settings = settings_from(presets, config, assignments, options)
    folder = WorkFolder(work)
    return render_sequences(folder, tracked_sequences(folder), settings.render, True, quiet)


def tracked_sequences(folder: WorkFolder) -> list[Sequence]:
    """The sequences of the folder's source that have tracks.

    Raises:
        BadInput: the source is gone, or nothing is tracked yet.
    """
    # by their files: a damaged record is that sequence's failure, and the others are rendered
    sequences = [s for s in folder.sequences() if folder.record(s.id, "track").exists()]
    if not sequences:
        raise BadInput(f"{folder.root}: holds no finished tracks; run `ptrack run` first")
    return sequences


def render_sequences(
    folder: WorkFolder, sequences: list[Sequence], settings: RenderSettings, overwrite: bool, quiet: bool
) -> int:
    """Renders what is not rendered yet; 1 where a sequence failed."""
    from stages.render.render import is_rendered, render_sequence

    code = 0
    for sequence in sequences:
        record = folder.record(sequence.id, "track")
        try:
            if not overwrite and is_rendered(record, record.parent, settings):
                continue
            with tqdm(unit=" frames", desc=sequence.id, disable=quiet or not sys.stderr.isatty(), leave=False) as bar:
                report = render_sequence(sequence, record, record.parent, settings, lambda _, bar=bar: bar.update())
            if not quiet:
                for file in report.files:
                    click.echo(f"wrote {file}")
            for warning in report.warnings:
                click.echo(f"warning: {sequence.id}: {warning}", err=True)
        except PtrackError as error:
            click.echo(f"ptrack: {sequence.id}: {error}", err=True)
            code = 1
    return code
