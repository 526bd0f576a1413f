"""Training presets by name, changed by `--set`."""

from __future__ import annotations

import difflib
from functools import cache
from importlib import resources
from pathlib import Path

import yaml
from pydantic import ValidationError

from configs.errors import SettingsError
from configs.recipes import BottomUpTraining, HeatmapTraining, PoseSource, WarperTraining
from configs.training import DetectorTraining, PoseTraining, Training, TrainingSet

# what `ptrack train WHAT` can train, the default first
KINDS: dict[str, tuple[type[Training], ...]] = {
    "detector": (DetectorTraining,),
    "pose": (PoseTraining, HeatmapTraining),
    "warper": (WarperTraining,),
    "bottom-up": (BottomUpTraining,),
}

_UNION = ("int", "str", "constrained-int")  # pydantic's names for the parts of `int | str` in the place of an error


def training_presets(what: str | None = None) -> list[str]:
    """Names of the presets, of one kind of training or of all."""
    folder = resources.files("configs") / "presets" / "training"
    names = sorted(f.name.removesuffix(".yaml") for f in folder.iterdir() if f.name.endswith(".yaml"))
    if what is None:
        return names
    kinds = {_kind(model) for model in KINDS[what]}
    return [name for name in names if _kind_of(name) in kinds]


def training_settings(
    what: str,  # pose | warper | bottom-up | detector
    preset: str,
    data: Path,  # the folder that relative paths of the preset are looked up in
    assignments: tuple[str, ...] = (),  # "minutes=30"
) -> Training:
    """The settings of one training.

    Raises:
        SettingsError: an unknown preset or key, a preset of another kind, or a wrong value.
    """
    names = training_presets(what)
    if preset not in names:
        close = difflib.get_close_matches(preset, names, n=1)
        hint = f", did you mean {close[0]!r}?" if close else f"; there are {', '.join(names)}"
        raise SettingsError(f"training preset {preset!r} of `ptrack train {what}` does not exist{hint}")
    tree = _tree(preset)
    model = next(m for m in KINDS[what] if _kind(m) == tree["kind"])
    for text in assignments:
        key, equals, value = text.partition("=")
        if not equals:
            raise SettingsError(f"--set {text}: write it as key=value")
        if key not in model.model_fields or key == "kind":
            close = difflib.get_close_matches(key, model.model_fields, n=1)
            hint = f", did you mean {close[0]!r}?" if close else f"; known are {', '.join(model.model_fields)}"
            raise SettingsError(f"--set {text}: unknown setting {key!r}{hint}")
        try:
            tree[key] = yaml.safe_load(value)
        except (yaml.YAMLError, ValueError, RecursionError):
            raise SettingsError(f"--set {text}: the value cannot be read") from None
    try:
        settings = model.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        message = first["msg"].removeprefix("Value error, ")
        if not first["loc"]:  # of several settings, which the message names
            raise SettingsError(f"training settings: {message}") from None
        where = ".".join(str(part) for part in first["loc"] if part not in _UNION)
        raise SettingsError(f"training setting {where}: {message}, not {_shown(first['input'])}") from None
    placed: dict[str, object] = {"train": tuple(_placed(s, data) for s in settings.train)}
    for name in ("val", "cutouts", "backgrounds"):
        source = getattr(settings, name, None)
        if source is not None:
            placed[name] = _placed(source, data)
    return settings.model_copy(update=placed)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


@cache
def _text(name: str) -> str:
    return (resources.files("configs") / "presets" / "training" / f"{name}.yaml").read_text()


@cache
def _kind_of(name: str) -> str:
    return _tree(name)["kind"]


def _tree(name: str) -> dict:
    """A preset's keys over those of the one that it `extends`."""
    tree = yaml.safe_load(_text(name))
    base = tree.pop("extends", None)
    return tree if base is None else {**_tree(base), **tree}


def _kind(model: type[Training]) -> str:
    return model.model_fields["kind"].default


def _placed(source: TrainingSet | PoseSource, data: Path) -> TrainingSet | PoseSource:
    """Relative paths taken from `data`."""
    paths = {k: getattr(source, k) for k in ("annotations", "images", "truth") if hasattr(source, k)}
    return source.model_copy(update={k: data / v for k, v in paths.items() if v is not None})
