"""`ptrack check`: whether a leaderboard submission is complete and well-formed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from posedata.errors import BadInput, UsageError
from posetrack_cli.options import verbosity_option

if TYPE_CHECKING:
    from eval.findings import Findings
    from eval.submission import CheckReport, Expected
    from posedata.sequences import Sequence


@click.command("check")
@click.argument("submission", type=click.Path(path_type=Path))
@click.option("--gt", type=click.Path(path_type=Path), help="Annotation files of the split, for names and frames.")
@click.option("--split", type=click.Path(path_type=Path), help="Folder of a PoseTrack split, for names and frames.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@verbosity_option
def check_command(submission: Path, gt: Path | None, split: Path | None, as_json: bool) -> int:
    """Checks SUBMISSION, a folder or zip file, before it is uploaded: names, frames, ids, scores, categories.

    With --gt or --split also whether every sequence and frame of the split is there.
    Ends with 0 where nothing is wrong, with 3 otherwise.
    """
    from eval.submission import check_submission

    if gt is not None and split is not None:
        raise UsageError("choose one of --gt and --split")
    report = check_submission(submission, _expected(gt, split))
    if as_json:
        click.echo(json.dumps(_plain(report), allow_nan=False))
        return 3 if report.faults else 0
    click.echo(f"{submission}: {report.form}, {report.files} files, {report.frames} frames, {report.people} people")
    for finding in report.faults:
        click.echo(f"fault: {finding.sentence()}")
    for finding in report.warnings:
        click.echo(f"warning: {finding.sentence()}")
    if gt is None and split is None:
        click.echo("not checked: whether every sequence and frame of the split is there (give --gt or --split)")
    kinds = f"{len(report.faults)} fault{'s' if len(report.faults) > 1 else ''}"
    click.echo(f"{kinds}: do not upload it" if report.faults else "nothing wrong found")
    return 3 if report.faults else 0


def _expected(gt: Path | None, split: Path | None) -> list[Expected] | None:
    from eval.findings import Findings
    from eval.submission import expected_of

    if gt is None and split is None:
        return None
    findings = Findings()
    if gt is not None:
        if not gt.exists():
            raise BadInput(f"{gt}: does not exist; give a folder of annotation files")
        files = sorted(gt.glob("*.json")) if gt.is_dir() else [gt]
        sequences = expected_of(files, findings)
    else:
        from posedata.sequences import discover

        sequences = expected_of_sequences(discover(split).sequences, findings)
    findings.raise_faults()
    if not sequences:
        raise BadInput(f"{gt or split}: lists no sequences; give annotation files or a PoseTrack split")
    return sequences


def expected_of_sequences(found: Iterable[Sequence], findings: Findings) -> list[Expected]:
    """What a submission for these sequences must hold: what annotations list, else the files in the folders."""
    from eval.submission import Expected, expected_of

    found = tuple(found)
    sequences = expected_of(sorted({s.annotation for s in found if s.annotation}), findings)
    for sequence in found:
        if not sequence.annotation and sequence.frames:
            names = tuple(frame.path.name for frame in sequence.frames)
            sequences.append(Expected(sequence.id.rpartition("/")[2], names))
    return sequences


def _plain(report: CheckReport) -> dict[str, object]:
    def plain(findings: tuple) -> list[dict[str, object]]:
        return [
            {
                "kind": f.kind,
                "file": f.file,
                "frame": f.frame,
                "field": f.field,
                "count": f.count,
                "text": f.sentence(),
            }
            for f in findings
        ]

    return {
        "ok": not report.faults,
        "form": report.form,
        "files": report.files,
        "frames": report.frames,
        "people": report.people,
        "faults": plain(report.faults),
        "warnings": plain(report.warnings),
    }
