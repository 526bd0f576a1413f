"""The typed settings of the published systems' trainings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from configs.training import Strict, Training

Option = Annotated[int, Field(ge=0, le=4096)] | str
Zoom = Annotated[float, Field(ge=0.1, le=10)]


class PoseSource(Strict):
    """One data set, or a part of it."""

    format: Literal["coco", "mpii", "posetrack", "annolist", "lsp"] = "coco"  # posetrack: 18 and 21; annolist: 17
    annotations: Path  # a file, or a folder of *.json files
    images: Path | None = None  # what file names are relative to; None = the folder of the annotations
    truth: Path | None = None  # MPII's gt_valid.mat, which holds the sizes of heads
    boxes: Literal["annotated", "joints"] = "annotated"  # joints: their extent and 15 %


class _Published(Training):
    """A network of the model table on published data sets."""

    model: str  # of configs/models.yaml: network, skeleton, input size, colour order
    options: dict[str, Option] = Field(default_factory=dict)  # of the network, in place of the table's
    train: tuple[PoseSource, ...] = Field(min_length=1)
    val: PoseSource
    optimizer: Literal["adamw", "adam", "sgd"] = "adam"
    learning_rate: float = Field(1e-3, gt=0, le=1e30)
    weight_decay: float = Field(0, ge=0, le=1000)
    schedule: Literal["cosine", "steps", "cyclic"] = "steps"
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "fp32"
    loader_workers: int = Field(4, ge=0, le=4096)
    init_layers: tuple[str, ...] = ()  # of the initial weights only these layers; empty = all that fit


class HeatmapTraining(_Published):
    """`ptrack train pose`: one person a crop, a heatmap a joint."""

    kind: Literal["pose"] = "pose"
    sigma: float = Field(2.0, ge=0.1, le=100)  # of the targets, heatmap cells
    loss: Literal["mse", "ohkm"] = "mse"
    hardest: int = Field(8, ge=1)  # joints that count with ohkm
    joint_weights: bool = False  # elbows, knees 1.2; wrists, ankles 1.5
    select: bool = False  # leave out people whose joints lie off the box's middle
    rotation: float = Field(40.0, ge=0, le=360)  # degrees
    scale: float = Field(0.3, ge=0, lt=1)
    flip: bool = True
    half_body: float = Field(0.0, ge=0, le=1)
    half_body_joints: int = Field(8, ge=0, le=1000)
    reduced_decode: bool = True  # JPEG files of large people are decoded smaller
    validate_flip: bool = True  # flip test when validating
    label_every: int = Field(1, ge=1, le=10_000)  # of PoseTrack, only every so many labelled frames of a sequence,
    label_first: int = Field(3, ge=0, le=10_000)  # beginning with this one


class WarperTraining(HeatmapTraining):
    """`ptrack train warper`: PoseWarper's warping stage on pairs of frames."""

    kind: Literal["warper"] = "warper"
    reach: int = Field(2, ge=0, le=1000)  # frames between the two, each way; the paper says 3
    freeze: bool = True  # the backbone's weights
    validate_flip: bool = False  # as published, PoseWarper has no flip test


class BottomUpTraining(_Published):
    """`ptrack train bottom-up`: SimplePose."""

    kind: Literal["bottom-up"] = "bottom-up"
    optimizer: Literal["adamw", "adam", "sgd"] = "sgd"
    gamma: float = Field(1.0, ge=0, le=100)  # exponent of the focal term: 1 in the published code, 2 in the paper
    rotation: float = Field(40.0, ge=0, le=360)
    scale: tuple[Zoom, Zoom] = (0.7, 1.3)  # from, to
    scale_probability: float = Field(0.8, ge=0, le=1)
    shift: int = Field(50, ge=0, le=4096)  # pixels
    tint: float = Field(0.2, ge=0, le=1)
    part_sigma: float = Field(9.0, ge=0.1, le=100)  # of the targets, input pixels: the Gaussians of the parts,
    limb_sigma: float = Field(7.0, ge=0.1, le=100)  # the ridges of the limbs

    @model_validator(mode="after")
    def _ascends(self) -> BottomUpTraining:
        if self.scale[0] > self.scale[1]:
            raise ValueError(f"scale goes from the smaller to the larger, not {list(self.scale)}")
        return self
