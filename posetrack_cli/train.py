"""`ptrack train detector | pose`: trains the bundled networks."""

from __future__ import annotations

from pathlib import Path

import click

from configs.training_presets import training_settings


@click.command("train")
@click.argument("what", type=click.Choice(["detector", "pose"]))
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder with train.json, val.json.",
)
@click.option("--preset", help="Training preset. [default: compact-detector or compact-pose]")
@click.option("--run", "run_dir", type=click.Path(path_type=Path, file_okay=False), help="[default: runs/PRESET]")
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Any training setting, minutes=60.")
def train_command(
    what: str, data: Path, preset: str | None, run_dir: Path | None, assignments: tuple[str, ...]
) -> None:
    """Trains the bundled detector or pose network from COCO-form annotations and rendered people.

    The run folder keeps settings.json, log.csv, last.pt (from which the same command goes on) and
    best.safetensors.
    """
    preset = preset or f"compact-{what}"
    run_dir = run_dir or Path("runs") / preset
    settings = training_settings(what, preset, data, assignments)
    from stages.train.curves import plot_curves

    if what == "pose":
        from stages.train.pose import train_pose as trainer
    else:
        from stages.train.detector import train_detector as trainer
    progress = trainer(settings, run_dir, click.echo)
    plot_curves([run_dir / "log.csv"], run_dir / "curves.png", preset)
    click.echo(
        f"{progress.seen} samples in {progress.seconds / 60:.1f} minutes; weights: {run_dir / 'best.safetensors'}"
    )
