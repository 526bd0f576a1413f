"""The typed settings of `ptrack train`: what all trainings share, and those of the bundled networks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

_MANY = 10**12  # samples that no training sees

Side = Annotated[int, Field(ge=32, le=4096)]  # of an input, pixels
Times = Annotated[int, Field(ge=1, le=10_000)]
Epoch = Annotated[float, Field(ge=0, le=1e6)]


class Strict(BaseModel):
    """Unknown keys, infinity and NaN are refused; numbers have limits beyond which nothing can be trained."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class TrainingSet(Strict):
    """One COCO-form annotation file with its images."""

    annotations: Path
    images: Path | None = None  # None = the folder of the annotation file
    exclude_sources: tuple[str, ...] = ()  # values of an annotation's or image's `source` to leave out
    repeat: dict[str, Times] = {}  # source -> how often one of its samples is seen an epoch (default 1)


class Phase(Strict):
    """A stretch of the training at one input size; as long as `samples` or `epochs` says."""

    size: tuple[Side, Side] | None = None  # height, width in pixels; None = the model's own
    samples: int | None = Field(None, gt=0, le=_MANY)
    epochs: float | None = Field(None, gt=0, le=1e6)
    batch: int = Field(gt=0, le=65_536)  # of one process, before accumulation

    @model_validator(mode="after")
    def _one_length(self) -> Phase:
        if (self.samples is None) == (self.epochs is None):
            raise ValueError("a phase needs either samples or epochs")
        return self


class Training(Strict):
    """What every training has."""

    source: str = ""  # what the recipe is taken from
    phases: tuple[Phase, ...] = Field(min_length=1)
    minutes: float | None = Field(None, gt=0, le=1e8)  # wall-time limit; a cosine schedule then shrinks to fit in it
    max_steps: int | None = Field(None, gt=0, le=_MANY)  # of the optimiser; the run ends there
    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"
    learning_rate: float = Field(2e-3, gt=0, le=1e30)
    rate_per_process: bool = False  # the learning rate times the number of processes
    momentum: float = Field(0.9, ge=0, lt=1)  # of sgd
    weight_decay: float = Field(0.05, ge=0, le=1000)
    schedule: Literal["cosine", "steps", "cyclic"] = "cosine"
    steps: tuple[Epoch, ...] = ()  # epochs from which the rate is `factor` times lower
    factor: float = Field(0.1, gt=0, lt=1)
    restart: Epoch | None = None  # epoch from which the rate begins anew; steps after it count from there
    low_rate: float = Field(0, ge=0, le=1e30)  # where a cycle ends
    cycle_epochs: float = Field(5, ge=0.01, le=1e6)
    warmup_samples: int = Field(0, ge=0, le=_MANY)
    warmup_epochs: Epoch = 0
    accumulate: int = Field(1, ge=1, le=65_536)  # batches whose gradients are averaged for one step
    clip_norm: float = Field(0, ge=0, le=1e9)  # of the gradients; 0 = as they are
    skip_loss: float | None = None  # batches of a higher loss are left out
    ema: float = Field(0, ge=0, lt=1)  # of the averaged weights, a step; 0 = none
    swa: bool = False  # with cyclic: validate and keep the mean of the weights at the ends of the cycles
    seed: int = Field(0, ge=0, lt=2**63)
    init: Path | None = None  # weights to begin with; what fits is loaded and the rest is listed
    begins_with: str = ""  # the weights that the published recipe begins with
    freeze_bn: bool = False  # batch normalisation keeps the means and variances that it begins with
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"  # auto: bf16 where the device has it
    channels_last: bool = True
    compile: bool = False  # torch.compile
    sync_bn: bool = False  # batch statistics over all processes; on GPUs
    device: str = "auto"
    threads: int = Field(2, ge=1, le=4096)
    loader_workers: int = Field(1, ge=0, le=4096)
    validate_samples: int | None = Field(None, gt=0)  # validate every so many samples; None = each epoch
    validate_limit: int | None = Field(None, gt=0)  # validate on the first so many people only
    save_minutes: float = Field(10, gt=0, le=1e8)  # a checkpoint between validations
    save_steps: int | None = Field(None, gt=0)  # the same, by steps
    keep_epochs: int = Field(0, ge=0)  # a copy of the weights every so many epochs; 0 = none
    log_steps: int = Field(20, gt=0)  # steps a line of steps.csv
    tensorboard: bool = True  # event files, where tensorboard is installed (extra `train`)
    overfit: bool = False  # every batch is the first one: a network that learns must come to know it by heart


class OwnTraining(Training):
    """Of the bundled networks, whose sets are files of one form."""

    train: tuple[TrainingSet, ...] = Field(min_length=1)
    val: TrainingSet
    rendered: int = Field(0, ge=0, le=10_000_000)  # rendered pictures added to the training sets
    composed: int = Field(0, ge=0, le=10_000_000)  # people of `cutouts` before other backgrounds, added too
    cutouts: TrainingSet | None = None  # people with all limbs labelled
    backgrounds: TrainingSet | None = None  # its pictures without people stand behind; None = those of `train`
    clip_norm: float = Field(5.0, ge=0, le=1e9)
    ema: float = Field(0.9995, ge=0, lt=1)
    warmup_samples: int = Field(10_000, ge=0, le=_MANY)
    validate_samples: int | None = Field(20_000, gt=0)

    @model_validator(mode="after")
    def _cut_from_somewhere(self) -> OwnTraining:
        if self.composed and self.cutouts is None:
            raise ValueError("composed needs cutouts: an annotation file of people with all limbs labelled")
        return self


class PoseTraining(OwnTraining):
    """`compact`, the bundled pose network."""

    kind: Literal["compact-pose"] = "compact-pose"
    skeleton: str = "ptrack-19"
    pseudo_weight: float = Field(0.5, ge=0, le=1)  # of joints that another network labelled
    min_side: float = Field(0, ge=0, le=1e5)  # pixels; people whose box is smaller are left out
    face_weight: float = Field(0.3, ge=0, le=1)  # of `pseudo_face` joints
    face_confidence: float = Field(0.4, ge=0, le=1)
    rotation: float = Field(45.0, ge=0, le=360)  # degrees, each way
    scale: float = Field(0.35, ge=0, lt=1)  # box enlarged or shrunk by up to this share
    half_body: float = Field(0.3, ge=0, le=1)


class DetectorTraining(OwnTraining):
    """`compact`, the bundled detector."""

    kind: Literal["detector"] = "detector"
    mosaic: float = Field(0.5, ge=0, le=1)  # share of the samples made of four pictures
    box_weight: float = Field(2.0, ge=0, le=1000)
