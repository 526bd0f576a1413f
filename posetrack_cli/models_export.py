"""`ptrack models export`: a pose network for other programs."""

from __future__ import annotations

from pathlib import Path

import click

from configs.models import find_model
from posedata.errors import UsageError
from posetrack_cli.options import verbosity_option
from posetrack_cli.places import try_file

_FILE = click.Path(path_type=Path, dir_okay=False)
_SUFFIX = {"safetensors": ".safetensors", "onnx": ".onnx"}


@click.command("export")
@click.argument("model")
@click.option("--checkpoint", type=_FILE, help="Its weights, where none came with it.")
@click.option("--format", "form", type=click.Choice(list(_SUFFIX)), default="safetensors", show_default=True)
@click.option("--half", is_flag=True, help="fp16 weights (safetensors).")
@click.option("--out", type=_FILE, help="[default: MODEL with the format's ending]")
@click.option("-q", "quiet", is_flag=True, help="Print nothing.")
@verbosity_option
def export_model_command(
    model: str, checkpoint: Path | None, form: str, half: bool, out: Path | None, quiet: bool
) -> None:
    """Writes the pose network MODEL as safetensors (published names of the weights) or ONNX, with colour order, mean,
    deviation, input size and joints in its metadata, reads it back and compares its answers with the network's."""
    from stages.pose.checkpoints import network_of
    from stages.pose.export import export_onnx, export_safetensors
    from stages.pose.networks import create
    from stages.weights import load_bundled

    entry = find_model(model, "pose")
    if entry.weights == "torchvision":
        raise UsageError(f"{model}: comes with torchvision, which exports it itself")
    if half and form == "onnx":
        raise UsageError("--half: is for safetensors only; ONNX tools convert by themselves")
    if checkpoint is None and entry.weights != "bundled":
        raise UsageError(f"--checkpoint: {model} needs a file with its weights; see `ptrack models`")
    path = out or Path(model + _SUFFIX[form])
    try_file(path)
    if checkpoint is not None:
        network = network_of(entry, checkpoint)
    else:
        network = create(entry.architecture, **entry.options)
        load_bundled(network, entry)
    if form == "onnx":
        done = export_onnx(network, entry, path)
    else:
        done = export_safetensors(network, entry, path, half)
    if quiet:
        return
    click.echo(
        f"{done.path}: {done.parameters / 1e6:.2f} M weights; its answer differs from the network's by "
        f"{done.difference:.1g} of the largest value"
    )
