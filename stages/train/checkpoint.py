"""What a run leaves behind: `last.pt`, from which it goes on exactly, and weights; whole or not there."""

from __future__ import annotations

import json
import math
import pickle
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import save
from torch import nn

from configs.training import Training
from posedata.atomic import replacing, write_atomically
from posedata.errors import BadInput, UsageError


@dataclass
class Progress:
    """Where a run stands; saved with every checkpoint."""

    draws: int = 0  # where the run stands in its schedule; a phase that the clock ends is skipped to its end
    seen: int = 0  # samples trained on
    steps: int = 0
    seconds: float = 0.0
    best: float = -math.inf
    loss_sum: float = 0.0  # since the last validation
    loss_count: int = 0
    cycles: int = 0  # whose weights are in the mean
    skipped: int = 0  # batches left out for their loss or gradients
    faulty: list[str] = field(default_factory=list)  # pictures that could not be read
    history: list[dict[str, float]] = field(default_factory=list)  # the validations


@dataclass(frozen=True)
class State:
    """All that changes while a network is trained."""

    model: nn.Module
    average: nn.Module  # the model itself where no average is kept
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler


def save_checkpoint(path: Path, state: State, progress: Progress, settings: Training) -> None:
    """Everything, with the settings."""
    content = {
        "model": state.model.state_dict(),
        "average": state.average.state_dict() if state.average is not state.model else None,
        "optimizer": state.optimizer.state_dict(),
        "scaler": state.scaler.state_dict(),
        "progress": vars(progress),
        "settings": settings.model_dump_json(),
    }
    with replacing(path) as part, part.open("wb") as file:  # torch.save does not say of a path that the disk is full
        torch.save(content, file)


def load_checkpoint(path: Path, state: State) -> tuple[Progress, dict]:
    """Everything back in its place; the settings that the run had.

    Raises:
        BadInput: the file is damaged, would run code, or is of another network.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        progress = _progress(content["progress"])
        state.model.load_state_dict(content["model"])
        if state.average is not state.model:
            state.average.load_state_dict(content["average"] or content["model"])
        state.optimizer.load_state_dict(content["optimizer"])
        if content["scaler"]:
            state.scaler.load_state_dict(content["scaler"])
        return progress, dict(json.loads(content["settings"]))
    except (pickle.UnpicklingError, EOFError, OSError):
        raise BadInput(f"{path}: is no whole checkpoint of a training; use another --run") from None
    except (RuntimeError, LookupError, ValueError, TypeError, AttributeError) as error:
        why = " ".join(str(error).split())[:200]
        raise BadInput(f"{path}: does not fit this training ({why}); use another --run") from None


def _progress(stored: dict) -> Progress:
    progress = Progress(**stored)
    for name, usual in vars(Progress()).items():
        value = getattr(progress, name)
        if isinstance(usual, list):
            fits = isinstance(value, list)
        else:
            fits = isinstance(value, (int, float)) and not isinstance(value, bool)
            fits = fits and (name == "best" or 0 <= value < math.inf or name == "loss_sum")
        if not fits:
            raise ValueError(f"progress.{name} is {str(value)[:40]!r}")
    return progress


def not_finite(state: State) -> str | None:
    """The name of a weight or running statistic that is no finite number."""
    for model in (state.model, state.average):
        for name, value in model.state_dict().items():
            if value.dtype.is_floating_point and not value.isfinite().all():
                return name
    return None


def check_kind_of_run(run_dir: Path, settings: Training) -> None:
    """Runs on one batch begin anew each time, and others go on: neither may do so with what the other left.

    Raises:
        UsageError: the run folder holds a run of the other kind.
    """
    if not (run_dir / "last.pt").exists():
        return
    try:
        before = bool(json.loads((run_dir / "settings.json").read_bytes()).get("overfit"))
    except (OSError, ValueError, AttributeError):
        before = False
    if before != settings.overfit:
        kind = "a run on one batch alone" if before else "a training, which a run on one batch would replace"
        raise UsageError(f"{run_dir}: holds {kind}; give another --run")


def changed_settings(old: dict, settings: Training) -> list[str]:
    """`key: was -> is` of what differs and may change the outcome."""
    new = json.loads(settings.model_dump_json())
    harmless = {"device", "threads", "loader_workers", "save_minutes", "save_steps", "log_steps", "tensorboard"}
    keys = [k for k in new if k not in harmless and old.get(k) != new[k]]
    return [f"{k}: {json.dumps(old.get(k))} -> {json.dumps(new[k])}" for k in keys]


def save_weights(model: nn.Module, path: Path, settings: Training, half: bool) -> None:
    """Safetensors with the settings in its header; fp16 on request, but for whole numbers and what it cannot hold."""
    weights = {k: (_halved(v) if half else v).contiguous().cpu() for k, v in model.state_dict().items()}
    write_atomically(path, save(weights, metadata={"settings": settings.model_dump_json()}))


def _halved(value: torch.Tensor) -> torch.Tensor:
    half = value.half() if value.dtype.is_floating_point else value
    return half if half.isfinite().all() else value
