"""`ptrack eval`: PoseTrack's official figures, and the ones that the official tool never had."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from posedata.errors import BadInput, UsageError
from posetrack_cli.options import verbosity_option

if TYPE_CHECKING:
    from eval.findings import Finding, Findings
    from eval.hota import HotaTable
    from eval.loading import Loaded, Thresholds
    from eval.poseval import MotEngine, PosevalResult
    from eval.sources import FilePair
    from eval.strict import StrictResult
    from eval.sweep import Sweep
    from eval.trajectories import TrajectoryCounts, TrajectoryTable

_FOLDER = click.Path(path_type=Path)


@click.command("eval")
@click.argument("source", metavar="PREDICTIONS|WORK|VIDEO_DIR", type=_FOLDER)
@click.option("--gt", type=_FOLDER, help="Ground truth: a folder or a file in PoseTrack17, 18 or 21 form.")
@click.option("--work", type=_FOLDER, help="Where the tracks of VIDEO_DIR are. [default: ptrack_work/NAME]")
@click.option("--split", help="The split of a PoseTrack root, as val.")
@click.option(
    "--metrics",
    type=click.Choice(["all", "ap", "mot"]),
    default="all",
    show_default=True,
    help="Pose estimation (AP), tracking (MOT), or both.",
)
@click.option("--min-keypoint-score", type=float, help="Leave out predicted joints below it. [default: keep all]")
@click.option("--min-person-score", type=float, help="Leave out predicted people below it. [default: keep all]")
@click.option("--strict", is_flag=True, help="Also the figures without the official tool's known faults.")
@click.option("--hota", is_flag=True, help="Also keypoint HOTA, IDF1 and figures about whole trajectories.")
@click.option("--sweep", is_flag=True, help="Also AP and MOTA over score thresholds; --out gets a table and a plot.")
@click.option("--joints", is_flag=True, help="All fifteen joints instead of seven groups.")
@click.option("--per-sequence", is_flag=True, help="Each sequence's own figures.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Write the official JSON files here.")
@click.option(
    "--motp",
    type=click.Choice(["classic", "head"]),
    default="classic",
    show_default=True,
    help="MOTP in --latex and in the official files: as published, or as the official tool's last version counts.",
)
@click.option(
    "--mot-engine",
    type=click.Choice(["ptrack", "motmetrics"]),
    default="ptrack",
    show_default=True,
    help="What counts matches and switches; motmetrics is slow.",
)
@click.option("--json", "form", flag_value="json", help="Print one JSON object.")
@click.option("--csv", "form", flag_value="csv", help="Print comma-separated values.")
@click.option("--latex", "form", flag_value="latex", help="Print the official tool's lines.")
@click.option(
    "--workers",
    type=click.IntRange(0, 256),
    default=0,
    show_default=True,
    help="Processes that read files; 0 = as many as pay.",
)
@click.option("-q", "quiet", is_flag=True, help="No warnings.")
@verbosity_option
def eval_command(
    source: Path,
    gt: Path | None,
    work: Path | None,
    split: str | None,
    metrics: str,
    min_keypoint_score: float | None,
    min_person_score: float | None,
    strict: bool,
    hota: bool,
    sweep: bool,
    joints: bool,
    per_sequence: bool,
    out: Path | None,
    motp: str,
    mot_engine: str,
    form: str | None,
    workers: int,
    quiet: bool,
) -> None:
    """Scores tracked poses exactly as PoseTrack's poseval does.

    \b
    ptrack eval PREDICTIONS --gt GT    a submission against ground truth
    ptrack eval WORK --gt GT           the tracks in a work folder
    ptrack eval VIDEO_DIR              a PoseTrack split, whose ground truth lies beside the images
    """
    from eval import poseval
    from eval.findings import Findings, ScoringInputError
    from eval.loading import Thresholds, load_all

    findings = Findings()
    lowest = float("-inf")
    keep = Thresholds(
        lowest if min_keypoint_score is None else min_keypoint_score,
        lowest if min_person_score is None else min_person_score,
    )
    try:
        files = files_to_score(source, gt, work, split, findings)
        loaded = load_all(files, findings, workers, keep)
        findings.raise_faults()
        official = poseval.official_sequences(loaded)
        result = poseval.evaluate(
            official, findings, metrics != "mot", metrics != "ap", per_sequence, mot_engine=mot_engine
        )
        extras = _extras(loaded, findings, strict, hota, sweep, mot_engine)
    except ScoringInputError as error:
        _print_warnings(error.warnings, quiet)
        raise
    _print_warnings(result.warnings, quiet)
    first_line = f"{result.frames} labelled frames of {len(official)} sequences{_thresholds(keep)}"
    click.echo(_text(result, extras, form, joints, motp == "head", first_line), nl=False)
    if out is not None:
        count = _write(result, extras, out, motp == "head")
        if form is None:
            click.echo(f"\nwrote {count} files to {out}")


@dataclass(frozen=True)
class _Extras:
    """What was asked for beyond the official figures."""

    strict: StrictResult | None
    hota: tuple[HotaTable, TrajectoryTable, TrajectoryCounts] | None
    sweep: Sweep | None


def _extras(
    loaded: list[Loaded], findings: Findings, strict: bool, hota: bool, sweep: bool, mot_engine: MotEngine
) -> _Extras:
    from eval.poseval import official_sequences, whole_sequences

    official, whole = official_sequences(loaded), whole_sequences(loaded)
    strict_result = hota_result = sweep_result = None
    if strict:
        from eval.strict import strict_score

        strict_result = strict_score(whole, official, findings, mot_engine)
    if hota:
        from eval.hota import hota_sums, hota_table, no_sums
        from eval.trajectories import no_trajectories, trajectory_counts, trajectory_table

        counts = sum((trajectory_counts(m) for m in whole), no_trajectories())
        table = hota_table(sum((hota_sums(m) for m in whole), no_sums()))
        hota_result = (table, trajectory_table(counts), counts)
    if sweep and official:
        from eval.sweep import sweep as run_sweep

        sweep_result = run_sweep(official)
    return _Extras(strict_result, hota_result, sweep_result)


def _text(result: PosevalResult, extras: _Extras, form: str | None, joints: bool, head: bool, first_line: str) -> str:
    """What goes to stdout."""
    from eval import outputs, report

    if form == "json":
        content = outputs.as_json(result, extras.strict, extras.hota, extras.sweep)
        return json.dumps(content, allow_nan=False) + "\n"
    if form == "csv":
        return outputs.as_csv(result)
    if form == "latex":
        lines = report.latex_ap(result.ap) if result.ap is not None else []
        lines += report.latex_mot(result.mot, head) if result.mot is not None else []
        return "\n".join([*lines, ""])
    blocks = [[first_line], report.score_tables(result, joints), report.sequence_lines(result)]
    if extras.strict is not None:
        blocks.append(["Strict: the same without the official tool's known faults"])
        blocks.append(report.score_tables(extras.strict, joints, head=False))
        blocks.append(["Corrected:", *(f"  {line}" for line in extras.strict.corrections)])
    if extras.hota is not None:
        blocks.append(report.hota_lines(*extras.hota, joints))
    if extras.sweep is not None:
        blocks.append(report.sweep_lines(extras.sweep))
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _write(result: PosevalResult, extras: _Extras, out: Path, head: bool) -> int:
    """Write the official files, and those of the extras; how many."""
    from eval import outputs

    written = outputs.write_official(result, out, head)
    if extras.strict is not None or extras.hota is not None:
        content = outputs.as_json(result, extras.strict, extras.hota)
        written.append(outputs.write_text(out / "ptrack_metrics.json", json.dumps(content, allow_nan=False)))
    if extras.sweep is not None:
        from eval.plots import plot_sweep

        written.append(outputs.write_text(out / "sweep.csv", outputs.sweep_csv(extras.sweep)))
        plot_sweep(extras.sweep, out / "sweep.png")
        written.append(out / "sweep.png")
    return len(written)


def files_to_score(
    source: Path, gt: Path | None, work: Path | None, split: str | None, findings: Findings
) -> list[FilePair]:
    """The pairs of files to score: given ground truth, or that of the PoseTrack split that SOURCE is or came from."""
    from eval.sources import pair_files, pair_work
    from eval.work_tracks import is_work_folder

    if gt is not None:
        return pair_files(source, gt, findings)
    if not source.exists():
        raise BadInput(f"{source}: does not exist; give predictions, a work folder or a PoseTrack split")
    if source.suffix == ".json" or (
        source.is_dir() and next(source.glob("*.json"), None) and not is_work_folder(source)
    ):
        raise UsageError(f"{source}: looks like predictions; name their ground truth with --gt")
    from posedata.sequences import discover

    if is_work_folder(source):
        from stages.work import WorkFolder

        folder, sequences = source, WorkFolder(source).sequences()
    else:
        folder = work or Path("ptrack_work") / source.resolve().name
        sequences = discover(source, split=split).sequences
    truths = sorted({sequence.annotation for sequence in sequences if sequence.annotation is not None})
    if not truths:
        raise UsageError(f"{source}: brings no ground truth with it; name it with --gt")
    if not folder.is_dir():
        raise BadInput(
            f"{folder}: there are no tracks of {source} yet; run ptrack run {source} first, or give --work"
        )
    return pair_work(folder, truths, findings)


def _thresholds(keep: Thresholds) -> str:
    parts = [
        f"{name} scores from {value:g} on"
        for name, value in (("joint", keep.keypoint_score), ("person", keep.person_score))
        if value != float("-inf")
    ]
    return f"; {', '.join(parts)}" if parts else ""


def _print_warnings(warnings: tuple[Finding, ...], quiet: bool) -> None:
    from eval.findings import summarised

    for sentence in [] if quiet else summarised(warnings):
        click.echo(f"warning: {sentence}", err=True)
