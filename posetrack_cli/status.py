"""`ptrack status`: how far the work in a folder is."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from posetrack_cli.options import verbosity_option
from stages.batch.estimate import in_words
from stages.batch.status import STATES, Status, status_of
from stages.work import WorkFolder

_SHOWN = 50  # failed and running sequences that are listed; --json has all


@click.command("status")
@click.argument("work", type=click.Path(path_type=Path, file_okay=False))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@verbosity_option
def status_command(work: Path, as_json: bool) -> int:
    """Says how many sequences of WORK are done, running, failed and missing, by stage, why some failed, and when the
    rest may be done. Runs may be under way, here or on other machines."""
    found = status_of(WorkFolder(work))
    if as_json:
        click.echo(json.dumps(asdict(found)))
        return 0
    click.echo(f"{found.source}: {found.sequences} sequence{'' if found.sequences == 1 else 's'}")
    _table(found)
    for one in found.running[:_SHOWN]:
        where = f"{one.host}, process {one.pid}" if one.host else "somewhere"
        stage = next((s for s, state in one.stages.items() if state == "running"), "pictures")
        frames = f", {one.frames_done} frames of {stage} done" if one.frames_done else f", {stage}"
        click.echo(f"running: {one.sequence} ({where}{frames})")
    for one in found.failed[:_SHOWN]:
        tries = f" (tried {one.tries} times)" if one.tries > 1 else ""
        click.echo(f"failed: {one.sequence}: {one.reason}{tries}")
    for name in ("running", "failed"):
        if len(getattr(found, name)) > _SHOWN:
            click.echo(f"and {len(getattr(found, name)) - _SHOWN} more {name}; --json lists all")
    for note in found.notes:
        click.echo(f"warning: {note}", err=True)
    click.echo(_ending(found))
    return 0


def _table(found: Status) -> None:
    header = ["stage", *STATES]
    rows = [[stage, *(str(counts[state]) for state in STATES)] for stage, counts in found.stages.items()]
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    for row in [header, *rows]:
        cells = [cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths))]
        click.echo("  ".join(cells).rstrip())


def _ending(found: Status) -> str:
    last = list(found.stages.values())[-1]
    if last["done"] == found.sequences:
        return "all done"
    if found.running:
        if found.seconds_left is None:
            return "time left: not known before the first sequence is done"
        return f"time left: about {in_words(found.seconds_left)}"
    if not last["missing"] and last["failed"]:
        return "nothing is running; what is left failed"
    pace = "" if not found.seconds_left else f" (about {in_words(found.seconds_left)} at the last run's pace)"
    return f"nothing is running; `ptrack run` on the same source goes on{pace}"
