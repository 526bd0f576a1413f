"""The typed settings of `ptrack train`; a preset file under `train:` or a `--set` fills them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


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
