"""The table at the end of a run."""

from __future__ import annotations

import click

from stages.pipeline import SequenceReport

_STAGE_ORDER = ("decode", "detect", "pose", "flow", "track", "write", "render")
_TRACKING = ("tracks", "recovered", "dropped")


def print_table(reports: list[SequenceReport], shown: list[SequenceReport] | None = None) -> None:
    """Sequence, frames, people, tracks, recovered and dropped people, seconds of each stage, warnings; the totals of
    several below. Only the `shown` get a row and their warnings, the totals are of all."""
    shown = reports if shown is None else shown
    stages = [s for s in _STAGE_ORDER if any(s in r.seconds for r in reports)]
    header = ["sequence", "frames", "people", *_TRACKING, *(f"{s} s" for s in stages), "warnings"]
    rows = [
        [
            r.sequence,
            str(r.frames),
            str(r.people),
            *("-" if getattr(r, name) is None else str(getattr(r, name)) for name in _TRACKING),
            *(f"{r.seconds.get(s, 0):.2f}" for s in stages),
            "failed" if r.error else str(len(r.warnings)),
        ]
        for r in shown
    ]
    if len(reports) > 1:
        sums = [f"{sum(r.seconds.get(s, 0) for r in reports):.2f}" for s in stages]
        counts = [str(sum(getattr(r, name) or 0 for r in reports)) for name in ("frames", "people", *_TRACKING)]
        rows.append([f"all {len(reports)}", *counts, *sums, str(sum(len(r.warnings) for r in reports))])
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    for row in [header, *rows]:
        cells = [cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths))]
        click.echo("  ".join(cells).rstrip())
    for report in shown:
        for warning in report.warnings:
            click.echo(f"warning: {report.sequence}: {warning}", err=True)
