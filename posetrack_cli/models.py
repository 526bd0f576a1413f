"""`ptrack models`: the table of models, which of them a checkpoint is, and models for other programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from configs.models import ModelEntry, bundled_weights, model_table
from posetrack_cli.models_export import export_model_command
from posetrack_cli.options import verbosity_option

if TYPE_CHECKING:
    from stages.pose.checkpoints import Finding

_WEIGHTS = {"bundled": "came with ptrack", "torchvision": "fetched by torchvision", "file": "a file of yours"}


@click.group("models", invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON list.")
@click.option("--page", is_flag=True, help="The page docs/models.md, in Markdown.")
@click.pass_context
def models_command(context: click.Context, as_json: bool, page: bool) -> None:
    """Lists every model that ptrack knows, with its skeleton, input, licence and where its weights come from."""
    if context.invoked_subcommand is not None:
        return
    table = model_table()
    if as_json:
        click.echo(json.dumps([entry.model_dump(mode="json") | {"flip_pairs": _pairs(entry)} for entry in table]))
        return
    if page:
        from posetrack_cli.models_page import models_page

        click.echo(models_page(table), nl=False)
        return
    for entry in table:
        click.echo(f"{entry.stage:6}  {entry.name}")
        details = [entry.summary]
        if entry.input:
            details.append(f"{entry.skeleton}, {entry.colour} {entry.input[0]}x{entry.input[1]} (height x width)")
        weights = _WEIGHTS[entry.weights]
        if entry.weights == "bundled" and not bundled_weights(entry).exists():
            weights += " (MISSING: install ptrack again)"
        details.append(f"weights: {weights}; licence: {entry.licence}")
        if entry.score:
            details.append(entry.score)
        for line in details:
            click.echo(f"        {line}")


def _pairs(entry: ModelEntry) -> tuple[tuple[int, int], ...]:
    """(left, right) joint numbers that swap in a mirror; none for detectors."""
    from posedata.skeletons import SKELETONS

    return SKELETONS[entry.skeleton].flip_pairs if entry.skeleton else ()


@models_command.command("check")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@verbosity_option
def check_model_command(file: Path, as_json: bool) -> int:
    """Says which known model a checkpoint FILE fits, from its keys and shapes, and what is missing. Exit code 3 where
    it fits none. Nothing that the file says is run."""
    from stages.pose.checkpoints import identify

    found = identify(file)
    if as_json:
        click.echo(json.dumps(_as_json(found)))
    else:
        _print(found)
    return 0 if found.fits else 3


def _as_json(found: Finding) -> dict[str, object]:
    checkpoint = found.checkpoint
    return {
        "file": str(checkpoint.path),
        "architecture": found.architecture,
        "options": found.options,
        "parameters": found.parameters,
        "container": checkpoint.container,
        "prefixes": list(checkpoint.prefixes),
        "counters_missing": found.counters_missing,
        "fits": [entry.name for entry in found.fits],
        "by_file_name": found.by_name.name if found.by_name else None,
        "missing": list(found.wrong.missing),
        "unexpected": list(found.wrong.unexpected),
        "shapes": list(found.wrong.shapes),
    }


def _print(found: Finding) -> None:
    checkpoint = found.checkpoint
    options = ", ".join(f"{key} {_said(value)}" for key, value in found.options.items())
    click.echo(f"{checkpoint.path}: {found.architecture} ({options}), {found.parameters / 1e6:.2f} M parameters")
    notes = [f"weights taken from its entry {checkpoint.container}"] if checkpoint.container else []
    notes += [f"prefix {prefix} taken off every key" for prefix in checkpoint.prefixes]
    if found.counters_missing:
        notes.append("without counters of batch normalisation, as files of old torch are; they are not needed")
    for note in notes:
        click.echo(f"  {note}")
    if found.wrong:
        click.echo(f"  does not load: {found.wrong}")
    elif not found.fits:
        click.echo("  the network is known, but no published model of this size and number of joints")
    else:
        click.echo("  fits:")
        for entry in found.fits:
            mark = "   <- its file is called so" if entry is found.by_name else ""
            size = f" {entry.input[0]}x{entry.input[1]}" if entry.input else ""
            click.echo(f"    {entry.name}: {entry.summary},{size} {entry.dataset}{mark}")
        if len(found.fits) > 1:
            click.echo("  keys and shapes cannot tell these apart; take the one whose file it is")
        click.echo(f"  next: ptrack pose VIDEO_DIR --model {found.fits[0].name} --checkpoint {checkpoint.path}")


def _said(value: object) -> str:
    return "x".join(map(str, value)) if isinstance(value, tuple) else str(value)


models_command.add_command(export_model_command)
