"""The typed settings of `ptrack train`: a training preset, changed by `--set`."""

from __future__ import annotations

import difflib
from importlib import resources
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from configs.errors import SettingsError


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TrainingSet(_Strict):
    """One COCO-form annotation file with its images."""

    annotations: Path
    images: Path | None = None  # None = the folder of the annotation file
    exclude_sources: tuple[str, ...] = ()  # values of an annotation's or image's `source` to leave out
    repeat: dict[str, int] = {}  # source -> how often one of its samples is seen an epoch (default 1)


class Phase(_Strict):
    """A stretch of the training at one input size."""

    size: tuple[int, int]  # height, width in pixels
    samples: int = Field(gt=0)
    batch: int = Field(gt=0)


class _Training(_Strict):
    train: tuple[TrainingSet, ...] = Field(min_length=1)
    val: TrainingSet
    phases: tuple[Phase, ...] = Field(min_length=1)
    minutes: float | None = Field(None, gt=0)  # wall-time limit; the schedule then shrinks to fit in it
    learning_rate: float = Field(2e-3, gt=0)
    weight_decay: float = Field(0.05, ge=0)
    warmup_samples: int = Field(10_000, ge=0)
    ema: float = Field(0.9995, ge=0, lt=1)  # of the averaged weights, a step
    seed: int = 0
    init: Path | None = None  # weights to begin with; what fits is loaded and the rest is listed
    rendered: int = Field(0, ge=0)  # rendered pictures added to the training sets
    half: bool = True  # bf16 where the device has it
    device: str = "auto"
    threads: int = Field(2, ge=1)
    loader_workers: int = Field(1, ge=0)
    validate_samples: int = Field(20_000, gt=0)  # validate and checkpoint every so many samples


class PoseTraining(_Training):
    """`ptrack train pose`"""

    kind: Literal["pose"] = "pose"
    skeleton: str = "ptrack-19"
    pseudo_weight: float = Field(0.5, ge=0, le=1)  # of joints that another network labelled
    face_weight: float = Field(0.3, ge=0, le=1)  # of `pseudo_face` joints
    face_confidence: float = Field(0.4, ge=0, le=1)
    rotation: float = 45.0  # degrees, each way
    scale: float = 0.35  # box enlarged or shrunk by up to this share
    half_body: float = Field(0.3, ge=0, le=1)


class DetectorTraining(_Training):
    """`ptrack train detector`"""

    kind: Literal["detector"] = "detector"
    mosaic: float = Field(0.5, ge=0, le=1)  # share of the samples made of four pictures
    box_weight: float = Field(2.0, ge=0)


def training_settings(
    kind: str,  # pose | detector
    preset: str,
    data: Path,  # the folder that relative paths of the preset are looked up in
    assignments: tuple[str, ...] = (),  # "minutes=30"
) -> PoseTraining | DetectorTraining:
    """The settings of one training.

    Raises:
        SettingsError: an unknown preset or key, or a wrong value.
    """
    folder = resources.files("configs") / "presets" / "training"
    names = sorted(f.name.removesuffix(".yaml") for f in folder.iterdir())
    if preset not in names:
        raise SettingsError(f"training preset {preset!r} does not exist; there are {', '.join(names)}")
    tree = yaml.safe_load((folder / f"{preset}.yaml").read_text())
    model = {"pose": PoseTraining, "detector": DetectorTraining}[kind]
    for text in assignments:
        key, _, value = text.partition("=")
        if key not in model.model_fields:
            close = difflib.get_close_matches(key, model.model_fields, n=1)
            hint = f", did you mean {close[0]!r}?" if close else f"; known are {', '.join(model.model_fields)}"
            raise SettingsError(f"--set {text}: unknown setting {key!r}{hint}")
        try:
            tree[key] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise SettingsError(f"--set {text}: the value cannot be read") from None
    try:
        settings = model.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SettingsError(f"training setting {where}: {first['msg']}, not {first['input']!r}") from None

    def placed(source: TrainingSet) -> TrainingSet:
        return source.model_copy(update={"annotations": data / source.annotations})

    return settings.model_copy(update={"train": tuple(map(placed, settings.train)), "val": placed(settings.val)})
