"""The training loop that every network shares: phases of growing size, averaged weights, checkpoints, exact resume.

A run folder holds `settings.json`, `log.csv` (one line a validation), `last.pt` (all that a resume needs) and
`best.safetensors` (the averaged weights with the best validation figure).
"""

from __future__ import annotations

import copy
import csv
import math
import os
import pickle
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import torch
from safetensors.torch import save_file
from torch import nn
from torch.utils.data import DataLoader, Dataset, Sampler

from configs.training import DetectorTraining, Phase, PoseTraining
from posedata.errors import BadInput
from stages.device import pick_device


class Task(Protocol):
    """What is trained: how its samples, loss and validation figure come about."""

    def samples(self, phase: Phase) -> Dataset: ...

    def collate(self, rows: list) -> object: ...

    def loss(self, model: nn.Module, batch: object, device: torch.device) -> torch.Tensor: ...

    def validate(self, model: nn.Module, device: torch.device) -> dict[str, float]:
        """Figures by name; the first is the one to maximise."""
        ...


@dataclass
class Progress:
    """Where a run stands; saved with every checkpoint."""

    draws: int = 0  # where the run stands in its schedule; a phase that the clock ends is skipped to its end
    seen: int = 0  # samples trained on
    steps: int = 0
    seconds: float = 0.0
    best: float = -math.inf
    history: list[dict[str, float]] = field(default_factory=list)


class _Batches(Sampler):
    """Draw numbers of consecutive batches."""

    def __init__(self, first: int, last: int, batch: int) -> None:
        self.first, self.last, self.batch = first, last, batch

    def __iter__(self) -> Iterator[list[int]]:
        for start in range(self.first, self.last, self.batch):
            yield list(range(start, min(start + self.batch, self.last)))

    def __len__(self) -> int:
        return -(-(self.last - self.first) // self.batch)


def train(
    model: nn.Module,
    task: Task,
    settings: PoseTraining | DetectorTraining,
    run_dir: Path,
    say: Callable[[str], None],
) -> Progress:
    """Trains until the phases (or the minutes) are used up, going on from `run_dir/last.pt` where there is one.

    Raises:
        BadInput: the checkpoint does not fit the model.
    """
    device = pick_device(settings.device)
    torch.set_num_threads(settings.threads)
    run_dir.mkdir(parents=True, exist_ok=True)
    (run_dir / "settings.json").write_text(settings.model_dump_json(indent=1))
    model.to(device, memory_format=torch.channels_last)
    average = copy.deepcopy(model).eval()
    optimizer = torch.optim.AdamW(_parameter_groups(model, settings.weight_decay), lr=settings.learning_rate)
    progress = Progress()
    if (run_dir / "last.pt").exists():
        progress = _load_checkpoint(run_dir / "last.pt", model, average, optimizer)
        say(f"goes on from {run_dir / 'last.pt'}: {progress.seen} samples seen")
    total = sum(p.samples for p in settings.phases)
    half = settings.half and (
        device.type == "cuda" or (device.type == "cpu" and torch.ops.mkldnn._is_mkldnn_bf16_supported())
    )
    began = time.monotonic() - progress.seconds
    losses: list[float] = []
    next_check = (progress.draws // settings.validate_samples + 1) * settings.validate_samples
    first = 0
    for phase in settings.phases:
        start, last = max(first, progress.draws), first + phase.samples
        first = last
        if start >= last or _share(progress, total, settings.minutes) >= 1:
            continue
        say(f"phase {phase.size[0]}x{phase.size[1]}: samples {start} to {last}, batches of {phase.batch}")
        loader = DataLoader(
            task.samples(phase),
            batch_sampler=_Batches(start, last, phase.batch),
            num_workers=settings.loader_workers,
            collate_fn=task.collate,
            prefetch_factor=4 if settings.loader_workers else None,
        )
        model.train()
        for batch in loader:
            rate = _learning_rate(progress, total, settings)
            for group in optimizer.param_groups:
                group["lr"] = rate
            with torch.autocast(device.type, torch.bfloat16, enabled=half):
                loss = task.loss(model, batch, device)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            norm = nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            if torch.isfinite(norm):  # a step that is not finite would destroy the weights; it is left out
                optimizer.step()
            progress.steps += 1
            progress.seen += min(phase.batch, last - progress.draws)
            progress.draws = min(progress.draws + phase.batch, last)
            progress.seconds = time.monotonic() - began
            _move_average(average, model, settings.ema, progress.steps)
            losses.append(loss.item())
            phase_over = settings.minutes is not None and progress.seconds >= _phase_end(settings, phase) * 60
            finished = progress.draws >= last or phase_over
            if progress.draws >= next_check or finished:
                next_check = (progress.draws // settings.validate_samples + 1) * settings.validate_samples
                figures = task.validate(average, device)
                progress.seconds = time.monotonic() - began
                _record(run_dir, progress, phase, losses, rate, figures, model, average, optimizer, say)
                losses.clear()
                model.train()
            if phase_over:
                progress.draws = last
                break
    return progress


def _phase_end(settings: PoseTraining | DetectorTraining, phase: Phase) -> float:
    """Minutes at which a phase must end: the time is shared as the work is (samples times pixels)."""
    work = [p.samples * p.size[0] * p.size[1] for p in settings.phases]
    done = sum(work[: settings.phases.index(phase) + 1])
    return settings.minutes * done / sum(work)


def _share(progress: Progress, total: int, minutes: float | None) -> float:
    by_samples = progress.draws / total
    return by_samples if minutes is None else max(by_samples, progress.seconds / 60 / minutes)


def _learning_rate(progress: Progress, total: int, settings: PoseTraining | DetectorTraining) -> float:
    """Linear warm-up, then a cosine to a hundredth."""
    warmup = min(1.0, (progress.draws + 1) / max(1, settings.warmup_samples))
    share = min(1.0, _share(progress, total, settings.minutes))
    return settings.learning_rate * warmup * (0.01 + 0.99 * (1 + math.cos(math.pi * share)) / 2)


def _parameter_groups(model: nn.Module, weight_decay: float) -> list[dict]:
    """Biases and normalisation are not decayed."""
    decayed = [p for p in model.parameters() if p.ndim > 1]
    free = [p for p in model.parameters() if p.ndim <= 1]
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": free, "weight_decay": 0.0}]


@torch.no_grad()
def _move_average(average: nn.Module, model: nn.Module, decay: float, steps: int) -> None:
    keep = min(decay, (1 + steps) / (10 + steps))  # early on the average follows quickly
    for target, value in zip(average.state_dict().values(), model.state_dict().values()):
        if target.dtype.is_floating_point:
            target.lerp_(value, 1 - keep)
        else:
            target.copy_(value)


def _record(
    run_dir: Path,
    progress: Progress,
    phase: Phase,
    losses: list[float],
    rate: float,
    figures: dict[str, float],
    model: nn.Module,
    average: nn.Module,
    optimizer: torch.optim.Optimizer,
    say: Callable[[str], None],
) -> None:
    row = {
        "samples": progress.seen,
        "minutes": round(progress.seconds / 60, 2),
        "height": phase.size[0],
        "loss": round(sum(losses) / max(1, len(losses)), 5),
        "lr": round(rate, 7),
        **{k: round(v, 5) for k, v in figures.items()},
    }
    progress.history.append(row)
    say(" ".join(f"{k}={v}" for k, v in row.items()))
    with (run_dir / "log.csv").open("w", newline="") as handle:
        writer = csv.DictWriter(handle, fieldnames=list(row), extrasaction="ignore")
        writer.writeheader()
        writer.writerows(progress.history)
    score = next(iter(figures.values()))
    if score > progress.best:
        progress.best = score
        _replace(run_dir / "best.safetensors", lambda path: save_weights(average, path))
    state = {
        "model": model.state_dict(),
        "average": average.state_dict(),
        "optimizer": optimizer.state_dict(),
        "progress": vars(progress),
    }
    _replace(run_dir / "last.pt", lambda path: torch.save(state, path))


def save_weights(model: nn.Module, path: Path) -> None:
    """fp16 safetensors; counters stay whole numbers."""
    weights = {
        k: (v.half() if v.dtype.is_floating_point else v).contiguous().cpu() for k, v in model.state_dict().items()
    }
    save_file(weights, path)


def _replace(path: Path, write: Callable[[Path], None]) -> None:
    part = path.with_name(path.name + ".part")
    write(part)
    os.replace(part, path)


def _load_checkpoint(path: Path, model: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer) -> Progress:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        model.load_state_dict(state["model"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        return Progress(**state["progress"])
    except (pickle.UnpicklingError, EOFError, RuntimeError, KeyError, ValueError, TypeError) as error:
        raise BadInput(
            f"{path}: does not fit this training ({str(error).splitlines()[0]}); use another --run"
        ) from None
