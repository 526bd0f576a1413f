"""Options that several commands share, and how settings come out of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import get_args, get_origin

import click
from pydantic import BaseModel

from configs.settings import Settings, resolve

_SHORT = {  # settings that have an option of their own; all others are reached by --set
    "detect": ("model", "min_box_score", "nms_iou", "max_people", "stride", "long_side"),
    "pose": ("model", "flip", "decode"),
    "track": ("similarity", "min_similarity", "assignment", "max_age", "queue", "new_track_score"),
    "render": ("min_keypoint_score", "show_boxes", "show_ids", "max_side"),
}


def work_option(command: Callable) -> Callable:
    return click.option(
        "--work",
        type=click.Path(path_type=Path, file_okay=False),
        help="Where records go. [default: ptrack_work/NAME]",
    )(command)


def settings_options(*sections: str) -> Callable[[Callable], Callable]:
    """`--preset`, `--config`, `--set`, and an option for the settings people need first of each section."""

    def add(command: Callable) -> Callable:
        for section in reversed(sections):
            kind: type[BaseModel] = Settings.model_fields[section].annotation
            for name in reversed(_SHORT[section]):
                command = _setting_option(section, name, kind, sections)(command)
        for option in (
            click.option(
                "--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Any setting, track.max_age=60."
            ),
            click.option(
                "--config",
                type=click.Path(path_type=Path, dir_okay=False),
                help="YAML file with settings by section.",
            ),
            click.option("--preset", "presets", multiple=True, metavar="NAME", help="Named settings; several stack."),
        ):
            command = option(command)
        return command

    return add


def _setting_option(section: str, name: str, kind: type[BaseModel], sections: tuple[str, ...]) -> Callable:
    info = kind.model_fields[name]
    # `--model` alone where one stage is run, `--pose-model` where several are
    clash = sum(name in _SHORT[s] for s in sections) > 1
    flag = name.replace("_", "-") if not clash else f"{section}-{name.replace('_', '-')}"
    target = f"{section}__{name}"
    shown = f"{info.description[0].upper()}{info.description[1:]}. [default: {info.default}]"
    if info.annotation is bool:
        flag = flag.removeprefix("show-")
        return click.option(f"--{flag}/--no-{flag}", target, default=None, help=shown)
    choices = get_args(info.annotation) if get_origin(info.annotation) is not None else None
    return click.option(f"--{flag}", target, type=click.Choice(choices) if choices else info.annotation, help=shown)


def settings_from(
    presets: tuple[str, ...], config: Path | None, assignments: tuple[str, ...], options: dict[str, object]
) -> Settings:
    """The settings of a command; `options` are its keyword arguments named `section__key`.

    Raises:
        SettingsError: an unknown preset or key, or a wrong value.
    """
    named = {key.replace("__", "."): value for key, value in options.items() if "__" in key}
    return resolve(presets, config, assignments, named)


def hardware_options(command: Callable) -> Callable:
    for option in (
        click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 or mps."),
        click.option("--half/--no-half", default=None, help="Half precision. [default: on CUDA only]"),
        click.option(
            "--batch-size", type=click.IntRange(1, 4096), default=16, show_default=True, help="Crops a batch."
        ),
        click.option(
            "--threads",
            type=click.IntRange(1, 1024),
            default=2,
            show_default=True,
            help="CPU threads of the networks.",
        ),
    ):
        command = option(command)
    return command


class FrameRange(click.ParamType):
    """`A-B`: first and last frame, from 0."""

    name = "A-B"

    def convert(
        self, value: str | tuple, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"(\d{1,9})-(\d{1,9})", value)
        if not match or int(match[1]) > int(match[2]):
            self.fail(f"{value!r}: write first and last frame, as 0-99", param, ctx)
        return int(match[1]), int(match[2])


class Shard(click.ParamType):
    """`I/N`: the I-th of N parts, from 1."""

    name = "I/N"

    def convert(
        self, value: str | tuple, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", value)
        if not match or not 1 <= int(match[1]) <= int(match[2]):
            self.fail(f"{value!r}: write part and number of parts, as 1/4", param, ctx)
        return int(match[1]), int(match[2])
