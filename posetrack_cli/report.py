"""`ptrack report`: one HTML page about a work folder."""

from __future__ import annotations

from pathlib import Path

import click

from posedata.atomic import write_atomically
from posedata.errors import BadInput, PtrackError, UsageError
from posetrack_cli.eval import files_to_score
from posetrack_cli.options import verbosity_option
from stages.work import STAGES, WorkFolder

NAME = "report.html"


@click.command("report")
@click.argument("work", type=click.Path(path_type=Path, file_okay=False))
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="The page. [default: WORK/report.html]")
@click.option("--gt", type=click.Path(path_type=Path), help="Ground truth. [default: that of the PoseTrack split]")
@click.option(
    "--min-keypoint-score",
    type=float,
    default=0.3,
    show_default=True,
    help="Leave out predicted joints below it in the tracking scores.",
)
@verbosity_option
def report_command(work: Path, out: Path | None, gt: Path | None, min_keypoint_score: float) -> None:
    """Writes one self-contained HTML page about WORK: the table, times, identity timelines, contact sheets, warnings
    and settings; and scores where there is ground truth."""
    from stages.render.page import page
    from stages.render.report import pictures, settings_groups, summarise

    folder = WorkFolder(work)
    title = folder.source.name
    summaries = summarise(work, STAGES, folder.run_log)
    if not any(summary.record for summary in summaries):
        raise BadInput(f"{work}: holds no finished records; run `ptrack run` first")
    scores = _scores(work, gt, min_keypoint_score)
    out = out or work / NAME
    blocks = page(title, summaries, settings_groups(summaries, STAGES), scores, pictures, out.parent)
    try:
        write_atomically(out, blocks)
    except OSError as error:
        raise UsageError(f"{out}: cannot be written ({error.strerror or error}); use another --out") from None
    click.echo(f"wrote {out}")


def _scores(work: Path, gt: Path | None, threshold: float) -> list[str]:
    """The tables of `ptrack eval`; none without ground truth, a sentence where its own cannot be scored."""
    from eval.findings import Findings
    from eval.loading import Thresholds, load_all
    from eval.poseval import evaluate, official_sequences
    from eval.report import score_tables

    tables: list[str] = []
    try:
        for keep, ap in ((float("-inf"), True), (threshold, False)):
            findings = Findings()
            files = files_to_score(work, gt, None, None, findings)
            loaded = load_all(files, findings, 0, Thresholds(keep, float("-inf")))
            findings.raise_faults()
            tables += score_tables(evaluate(official_sequences(loaded), findings, ap, not ap))
            tables.append("" if ap else f"(tracking with joints from score {threshold:g}; AP with all)")
    except PtrackError as error:
        if gt is not None:
            raise
        # the source brings no ground truth (a matter of usage), or one that does not fit
        return [] if isinstance(error, UsageError) else [f"not scored: {error}"]
    return tables
