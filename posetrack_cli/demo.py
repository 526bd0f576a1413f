"""`ptrack demo`: a rendered scene with exact ground truth through the whole pipeline."""

from __future__ import annotations

import time
from pathlib import Path

import click

from configs.settings import Settings
from posetrack_cli.stages import Job, execute
from stages.wiring import Hardware, parts
from stages.work import STAGES

SEQUENCE = "900001_mpii_test"


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
def demo_command(out: Path, seed: int, frames: int, people: int, threads: int) -> int:
    """Renders people who walk, cross and hide each other, finds and tracks them with the bundled models, and scores
    the result against the exact ground truth. Everything is written under OUT."""
    from eval.report import score_tables
    from eval.sources import load_ground_truth, load_predictions
    from posedata.synthetic import write_posetrack18
    from posetrack_cli.export import export_work
    from posetrack_cli.render import render_sequences

    began = time.perf_counter()
    data, work = out / "data" / f"seed{seed}-{frames}-{people}", out / "work" / f"seed{seed}-{frames}-{people}"
    annotation = data / "annotations" / "val" / f"{SEQUENCE}.json"
    if not annotation.exists():
        write_posetrack18(data, sequence=SEQUENCE, split="val", seed=seed, frames=frames, people=people)
    click.echo(f"rendered {frames} frames with {people} people into {data} ({time.perf_counter() - began:.1f} s)")
    settings = Settings()
    job = Job(data, work, "auto", "val", None, None, overwrite=False, dry_run=False, as_json=False, quiet=False)
    code, folder, done = execute(job, lambda _: parts(STAGES, settings, Hardware(threads=threads)))
    if code:
        return code
    code = render_sequences(folder, done, settings.render, overwrite=False, quiet=False)
    for kind in ("posetrack18", "csv"):
        export_work(folder, kind, out / "export" / kind, min_keypoint_score=0.0, as_zip=False)
    click.echo("")
    click.echo(score_tables(load_predictions(work), load_ground_truth(annotation.parent)))
    click.echo(f"look at {work / SEQUENCE}/overlay.mp4 and contact_sheet.png; everything is under {out}")
    return code
