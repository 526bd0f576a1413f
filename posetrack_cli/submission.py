"""From a tracked PoseTrack split to two checked zip files for the leaderboard."""

from __future__ import annotations

from pathlib import Path

import click

from posedata.errors import UsageError
from posedata.sequences import Discovery
from posetrack_cli.check import expected_of_sequences
from posetrack_cli.export import export_work
from posetrack_cli.running import Request
from stages.work import WorkFolder

MOTA_SCORE = 0.3  # joints below cost MOTA more than they bring; `ptrack eval --sweep` on a labelled split finds it
_FORMATS = {"posetrack17": "posetrack17", "posetrack18": "posetrack18", "posetrack21": "posetrack18"}


def refuse_early(request: Request, found: Discovery) -> None:
    """Says before the work, not after it, that there can be no submission.

    Raises:
        UsageError: the source is no PoseTrack split, or only a part of it is asked for.
    """
    if found.kind not in _FORMATS:
        raise UsageError(f"--submission is for PoseTrack data sets; {request.source} is read as {found.kind}")
    for name in ("shard", "frames"):
        if getattr(request, name) is not None:
            raise UsageError(
                f"--submission needs the whole split; leave --{name} out, what is done already is not done again"
            )


def write_submissions(work: WorkFolder, found: Discovery, out: Path, mota_score: float) -> int:
    """Writes `OUT/ap/FORMAT.zip` (every joint of everybody) and `OUT/mota/FORMAT.zip` (sure joints of tracked people)
    and checks both against the split; 3 where one must not be uploaded.

    Raises:
        BadInput: a record is damaged, or a sequence cannot be written in the format.
    """
    from eval.findings import Findings
    from eval.submission import check_submission

    kind = _FORMATS[found.kind]
    findings = Findings()
    expected = expected_of_sequences(found.sequences, findings)
    findings.raise_faults()
    only = frozenset(sequence.id for sequence in found.sequences)
    faulty = False
    for name, score, unassigned in (("ap", 0.0, True), ("mota", mota_score, False)):
        report = export_work(
            work, kind, out / name, min_keypoint_score=score, unassigned=unassigned, as_zip=True, only=only
        )
        for warning in report.warnings:
            click.echo(f"warning: {name}: {warning}", err=True)
        archive = next(file for file in report.files if file.suffix == ".zip")
        checked = check_submission(archive, expected)
        for finding in checked.faults:
            click.echo(f"fault: {finding.sentence()}", err=True)
        counts = f"{checked.files} files, {checked.frames} frames, {checked.people} people"
        verdict = "do not upload it" if checked.faults else "checked against the split, nothing wrong found"
        click.echo(f"wrote {archive} for {name.upper()}: {counts}; {verdict}")
        faulty |= bool(checked.faults)
    return 3 if faulty else 0
