"""`ptrack train detector | pose | warper | bottom-up`."""

from __future__ import annotations

from pathlib import Path

import click

from configs.training_presets import KINDS, training_presets, training_settings
from posedata.errors import UsageError

_DEFAULTS = {"detector": "compact-detector", "pose": "compact-pose"}


@click.command("train")
@click.argument("what", type=click.Choice(list(KINDS)))
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder that the preset's paths are looked up in.",
)
@click.option("--preset", help="Training preset. [default: compact-detector or compact-pose]")
@click.option("--presets", "list_presets", is_flag=True, help="List the presets and end.")
@click.option("--run", "run_dir", type=click.Path(path_type=Path, file_okay=False), help="[default: runs/PRESET]")
@click.option("--init", type=click.Path(path_type=Path, dir_okay=False), help="Weights to begin with.")
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Any training setting, minutes=60.")
@click.option("--dry-run", is_flag=True, help="Read the data, run one batch, say what would be done; write nothing.")
@click.option("--overfit", type=click.IntRange(1), metavar="STEPS", help="So many steps on the first batch alone.")
def train_command(
    what: str,
    data: Path | None,
    preset: str | None,
    list_presets: bool,
    run_dir: Path | None,
    init: Path | None,
    assignments: tuple[str, ...],
    dry_run: bool,
    overfit: int | None,
) -> None:
    """Trains a network by a preset; --set changes anything in it.

    The run folder keeps settings.json, log.csv, steps.csv, curves.png, last.pt (from which the same command goes on)
    and best.safetensors. On several GPUs, or machines that share the run folder:

    \b
    torchrun --nproc-per-node N --no-python -- ptrack train ...
    """
    if list_presets:
        for name in training_presets(what):
            click.echo(name)
        return
    preset = preset or _DEFAULTS.get(what)
    if preset is None:
        raise UsageError(f"--preset: name one of {', '.join(training_presets(what))}")
    if data is None:
        raise UsageError("--data: name the folder that holds the training data")
    run_dir = run_dir or Path("runs") / (f"{preset}-overfit" if overfit else preset)
    if init is not None:
        assignments = (*assignments, f"init={init}")
    if overfit is not None:
        assignments = (*assignments, "overfit=true", f"max_steps={overfit}", "log_steps=1")
    settings = training_settings(what, preset, data, assignments)
    from stages.train.curves import plot_curves
    from stages.train.distributed import started_first
    from stages.train.start import rehearse, start

    if dry_run:
        rehearse(settings, run_dir, click.echo)
        return
    progress = start(settings, run_dir, click.echo)
    if not started_first():
        return
    plot_curves([run_dir / "log.csv"], run_dir / "curves.png", preset)
    click.echo(
        f"{progress.seen} samples in {progress.seconds / 60:.1f} minutes; weights: {run_dir / 'best.safetensors'}"
    )
    if progress.skipped:
        click.echo(f"{progress.skipped} steps were left out: their loss or gradients were not to be used")
    if progress.faulty:
        click.echo(f"{len(progress.faulty)} pictures could not be read and were left out")
