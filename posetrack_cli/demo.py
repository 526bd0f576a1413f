"""`ptrack demo`: a rendered scene with exact ground truth through the whole pipeline."""

from __future__ import annotations

import time
from pathlib import Path

import click

from configs.settings import Settings
from posetrack_cli.options import verbosity_option
from posetrack_cli.running import Request, execute, find
from stages.wiring import Hardware, Recipe
from stages.work import STAGES

SEQUENCE = "900001_mpii_test"
_MOTA_THRESHOLD = 0.3
_EXPORTS = (  # folder, format, least joint score
    ("posetrack18", "posetrack18", 0.0),
    ("posetrack18-for-mota", "posetrack18", _MOTA_THRESHOLD),
    ("csv", "csv", 0.0),
)


@click.command("demo")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), default=Path("ptrack_demo"), show_default=True
)
@click.option("--seed", type=int, default=7, show_default=True, help="Another seed, another scene.")
@click.option("--frames", type=click.IntRange(2, 100_000), default=90, show_default=True, help="Frames to render.")
@click.option("--people", type=click.IntRange(1, 12), default=4, show_default=True, help="People in the scene.")
@click.option(
    "--threads", type=click.IntRange(1, 1024), default=2, show_default=True, help="CPU threads of the networks."
)
@verbosity_option
def demo_command(out: Path, seed: int, frames: int, people: int, threads: int) -> int:
    """Renders people who walk, cross and hide each other, finds and tracks them with the bundled models, and scores
    the result against the exact ground truth. Everything is written under OUT."""
    from eval.poseval import score
    from eval.report import score_tables
    from posedata.synthetic import write_posetrack18
    from posetrack_cli.export import export_work

    began = time.perf_counter()
    data, work = out / "data" / f"seed{seed}-{frames}-{people}", out / "work" / f"seed{seed}-{frames}-{people}"
    annotation = data / "annotations" / "val" / f"{SEQUENCE}.json"
    if not annotation.exists():
        write_posetrack18(data, sequence=SEQUENCE, split="val", seed=seed, frames=frames, people=people)
    click.echo(f"rendered {frames} frames with {people} people into {data} ({time.perf_counter() - began:.1f} s)")
    settings = Settings()
    request = Request(data, work, split="val", hardware=Hardware(threads=threads))
    result = execute(request, find(request), Recipe(STAGES, settings), settings.render)
    if result.code:
        return result.code
    folder = result.work
    for name, kind, threshold in _EXPORTS:
        export_work(folder, kind, out / "export" / name, min_keypoint_score=threshold, as_zip=False)
    truth = annotation.parent
    poses = score(out / "export" / "posetrack18", truth, mot=False)
    tracks = score(out / "export" / "posetrack18-for-mota", truth, ap=False)
    click.echo("\n".join(["", *score_tables(poses), "", *score_tables(tracks)]))
    click.echo(
        f"(MOTA with joints from score {_MOTA_THRESHOLD}: leaving out doubtful joints costs AP and helps MOTA)"
    )
    seen = folder.record(result.reports[0].sequence, "track").with_name("overlay.mp4")
    click.echo(f"look at {seen}; everything is under {out}")
    return 0
