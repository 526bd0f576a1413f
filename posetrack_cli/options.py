"""Options that several commands share, and how settings come out of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import get_args, get_origin

import click
from pydantic import BaseModel

from configs.settings import Settings, resolve

_GROUPS = (
    *("Input and output", "What to do", "Detect", "Pose", "Track", "Render"),
    *("Settings", "Hardware", "Batch", "Other"),
)
_SHORT = {  # settings that have an option of their own; all others are reached by --set
    "detect": ("model", "min_box_score", "nms_iou", "max_people", "stride", "long_side"),
    "pose": ("model", "checkpoint", "flip", "decode", "nms", "compat"),
    "track": ("similarity", "min_similarity", "max_age", "new_track_score", "flow", "recover", "offline"),
    "render": ("min_keypoint_score", "show_boxes", "show_ids", "show_timeline", "max_side"),
}


class GroupedOption(click.Option):
    """An option that `--help` lists under the heading `group`."""

    def __init__(self, *names: object, group: str, **more: object) -> None:
        super().__init__(*names, **more)
        self.group = group


class GroupedCommand(click.Command):
    """A command whose help lists its options by their groups."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        groups: dict[str, list[tuple[str, str]]] = {}
        for option in self.get_params(ctx):
            record = option.get_help_record(ctx)
            if record is not None and isinstance(option, click.Option):
                groups.setdefault(getattr(option, "group", "Other"), []).append(record)
        for name in sorted(groups, key=_GROUPS.index):
            with formatter.section(name):
                formatter.write_dl(groups[name])


def option_of(group: str) -> Callable:
    """`click.option` for one group."""
    return partial(click.option, cls=GroupedOption, group=group)


def work_option(command: Callable) -> Callable:
    folder = click.Path(path_type=Path, file_okay=False)
    text = "Where records go. [default: ptrack_work/NAME]"
    return option_of("Input and output")("--work", type=folder, help=text)(command)


def settings_options(*sections: str, every: bool = False) -> Callable[[Callable], Callable]:
    """`--preset`, `--config`, `--set`, and an option for the settings people need first of each section, or for every
    one of them."""

    def add(command: Callable) -> Callable:
        for section in reversed(sections):
            names = tuple(Settings.model_fields[section].annotation.model_fields) if every else _SHORT[section]
            for name in reversed(names):
                command = _setting_option(section, name, sections)(command)
        option = option_of("Settings")
        file = click.Path(path_type=Path, dir_okay=False)
        for added in (
            option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Any setting, track.max_age=60."),
            option("--config", type=file, help="YAML file with settings by section."),
            option("--preset", "presets", multiple=True, metavar="NAME", help="Named settings; several stack."),
        ):
            command = added(command)
        return command

    return add


def _setting_option(section: str, name: str, sections: tuple[str, ...]) -> Callable:
    kind: type[BaseModel] = Settings.model_fields[section].annotation
    info = kind.model_fields[name]
    # `--model` alone where one stage is run, `--pose-model` where several are
    clash = sum(name in _SHORT[s] for s in sections) > 1
    flag = name.replace("_", "-") if not clash else f"{section}-{name.replace('_', '-')}"
    option, target = option_of(section.capitalize()), f"{section}__{name}"
    text = f"{info.description[0].upper()}{info.description[1:]}."
    if info.annotation is bool:
        flag = flag.removeprefix("show-")
        text += f" [default: {'on' if info.default else 'off'}]"
        return option(f"--{flag}/--no-{flag}", target, default=None, help=text)
    choices = get_args(info.annotation) if get_origin(info.annotation) is not None else None
    value = click.Choice(choices) if choices else info.annotation
    default = "none" if info.default == "" else info.default
    return option(f"--{flag}", target, type=value, help=f"{text} [default: {default}]")


def settings_from(
    presets: tuple[str, ...], config: Path | None, assignments: tuple[str, ...], options: dict[str, object]
) -> Settings:
    """The settings of a command; `options` are its keyword arguments named `section__key`.

    Raises:
        SettingsError: an unknown preset or key, or a wrong value.
    """
    named = {key.replace("__", "."): value for key, value in options.items() if "__" in key}
    return resolve(presets, config, assignments, named)


def verbosity_option(command: Callable) -> Callable:
    """`-vv`, which `main.run` looks for itself."""
    option = option_of("Other")
    return option("-v", "verbose", count=True, expose_value=False, help="-vv shows tracebacks.")(command)


def hardware_options(command: Callable) -> Callable:
    option, count = option_of("Hardware"), click.IntRange(1, 4096)
    for added in (
        option("--threads", type=count, default=2, show_default=True, help="CPU threads of the networks."),
        option("--batch-size", type=count, default=16, show_default=True, help="Crops or frames a batch."),
        option("--compile/--no-compile", default=False, help="Compile the pose network first. [default: off]"),
        option("--half/--no-half", default=None, help="Half precision. [default: on CUDA only]"),
        option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 or mps."),
    ):
        command = added(command)
    return command


def batch_options(command: Callable) -> Callable:
    """How many sequences are worked on at once, and where."""
    option, count = option_of("Batch"), click.IntRange(1, 4096)
    share = click.FloatRange(0, 64)
    for added in (
        option(
            "--tries", type=click.IntRange(1, 100), default=3, show_default=True, help="Of a sequence that fails."
        ),
        option(
            "--lease",
            type=click.FloatRange(5, 86400),
            default=120.0,
            show_default=True,
            help="Seconds after which the sequence of a silent process is free again.",
        ),
        option("--gpus-per-worker", type=share, help="Of Ray workers; 0.25 = four share one; 0 = CPU-only nodes do."),
        option("--cpus-per-worker", type=share, help="Of Ray workers. [default: --threads]"),
        option("--ray-address", help="auto = the cluster of this machine, HOST or HOST:PORT. [default: a new one]"),
        option("--executor", type=click.Choice(("local", "ray")), default="local", show_default=True),
        option("--workers", type=count, help="Sequences at once. [default: 1; with Ray as many as fit]"),
    ):
        command = added(command)
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
    """`I/N`: part I of N, counted from 0."""

    name = "I/N"

    def convert(
        self, value: str | tuple, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", value)
        if not match or int(match[1]) >= int(match[2]):
            self.fail(f"{value!r}: write part and number of parts, from 0: 0/4, 1/4, 2/4, 3/4", param, ctx)
        return int(match[1]), int(match[2])
