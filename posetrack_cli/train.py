"""`ptrack train detector | pose | warper | bottom-up`."""

from __future__ import annotations

import time
from pathlib import Path

import click

from configs.training_presets import KINDS, training_presets, training_settings
from posedata.errors import UsageError
from posetrack_cli.options import verbosity_option

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
@click.option(
    "--overfit",
    type=click.IntRange(1),
    metavar="STEPS",
    help="So many steps on the first batch alone, at one learning rate, from the beginning.",
)
@click.option("-q", "quiet", is_flag=True, help="No progress, no figures.")
@verbosity_option
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
    quiet: bool,
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
    from stages.train.distributed import started_first
    from stages.train.loop import Watch
    from stages.train.start import rehearse, start

    if dry_run:
        rehearse(settings, run_dir, click.echo)
        return
    curves = _Curves(run_dir, preset)
    try:
        progress = start(settings, run_dir, _nothing if quiet else click.echo, Watch(curves.later, not quiet))
    finally:
        curves.now()
    if quiet or not started_first():
        return
    best = run_dir / "best.safetensors"
    weights = (
        f"weights: {best}" if best.exists() else f"{best} is not there any more; its weights are in last.pt, too"
    )
    click.echo(f"{progress.seen} samples in {progress.seconds / 60:.1f} minutes; {weights}")
    if progress.skipped:
        click.echo(f"{progress.skipped} steps were left out: their loss or gradients were not to be used")
    if progress.faulty:
        click.echo(f"{len(progress.faulty)} pictures could not be read and were left out")


class _Curves:
    """curves.png of a run: drawn anew after validations, but for at most a twentieth of the time, and at the end."""

    def __init__(self, run_dir: Path, title: str) -> None:
        self._run_dir, self._title = run_dir, title
        self._due, self._missing = 0.0, False

    def later(self) -> None:
        """There is a new validation."""
        self._missing = True
        if time.monotonic() >= self._due:
            self.now()

    def now(self) -> None:
        if not self._missing:
            return
        from stages.train.curves import plot_curves

        began = time.monotonic()
        try:
            plot_curves([self._run_dir / "log.csv"], self._run_dir / "curves.png", self._title)
        except OSError as error:  # a picture is not worth a training
            click.echo(f"{self._run_dir / 'curves.png'}: cannot be written ({error.strerror})", err=True)
        self._missing, self._due = False, time.monotonic() + 20 * (time.monotonic() - began)


def _nothing(_: str) -> None:
    """What is said with -q."""
