"""`ptrack models`: the table of models."""

from __future__ import annotations

import json

import click

from configs.models import bundled_weights, model_table


@click.command("models")
@click.option("--json", "as_json", is_flag=True, help="One JSON list.")
def models_command(as_json: bool) -> None:
    """Lists every model that ptrack knows, with its skeleton, input, licence and where its weights come from."""
    table = model_table()
    if as_json:
        click.echo(json.dumps([entry.model_dump(mode="json") for entry in table]))
        return
    for entry in table:
        click.echo(f"{entry.stage:6}  {entry.name}")
        details = [entry.summary]
        if entry.input:
            details.append(f"{entry.skeleton}, {entry.colour} {entry.input[0]}x{entry.input[1]} (height x width)")
        where = {"bundled": "came with ptrack", "torchvision": "fetched by torchvision", "file": "a file of yours"}
        weights = where[entry.weights]
        if entry.weights == "bundled" and not bundled_weights(entry).exists():
            weights += " (MISSING: install ptrack again)"
        details.append(f"weights: {weights}; licence: {entry.licence}")
        if entry.score:
            details.append(entry.score)
        for line in details:
            click.echo(f"        {line}")
