"""A training of seconds, for tests; as a script it is one of the processes of such a training.

python tiny_training.py OUT [key=value ...]
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
import yaml
from torch import nn
from torch.optim.optimizer import register_optimizer_step_pre_hook
from torch.utils.data import Dataset

from configs.training import Phase, Training
from posedata.errors import PtrackError
from stages.train.loop import train

PEOPLE = 24


class Pictures(Dataset):
    """Draw number -> a picture of noise, and its mean's sign as the label."""

    def __getitem__(self, draw: int) -> tuple[torch.Tensor, torch.Tensor]:
        generator = torch.Generator().manual_seed(1000 + draw)
        shift = torch.randn(1, generator=generator)
        return torch.randn(3, 8, 8, generator=generator) + shift, (shift > 0).float()


class TinyTask:
    """Binary cross-entropy; keeps what batch normalisation saw."""

    half_weights = False

    def __init__(self, broken: tuple[str, ...] = ()) -> None:
        self.broken = broken  # pictures of every batch that cannot be read
        self.batch_means: list[torch.Tensor] = []
        self.batch_vars: list[torch.Tensor] = []
        self.running_means: list[torch.Tensor] = []
        self.running_vars: list[torch.Tensor] = []

    def size(self, phase: Phase) -> tuple[int, int]:
        return 8, 8

    def epoch(self) -> int:
        return PEOPLE

    def samples(self, phase: Phase) -> Dataset:
        return Pictures()

    def collate(self, rows: list) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.stack([r[0] for r in rows]), torch.stack([r[1] for r in rows])

    def faulty(self, batch: object) -> list[str]:
        return list(self.broken)

    def loss(self, model: nn.Module, batch: tuple, device: torch.device) -> torch.Tensor:
        pictures, labels = batch
        inner = model[0](pictures)
        self.batch_means.append(inner.mean(dim=(0, 2, 3)).detach())
        self.batch_vars.append(inner.transpose(0, 1).flatten(1).var(dim=1).detach())
        out = model[1:](inner)
        self.running_means.append(model[1].running_mean.clone())
        self.running_vars.append(model[1].running_var.clone())
        return nn.functional.binary_cross_entropy_with_logits(out, labels)

    def validate(self, model: nn.Module, device: torch.device) -> dict[str, float]:
        self.validated = getattr(self, "validated", 0) + 1
        pictures, labels = self.collate([Pictures()[10_000 + k] for k in range(16)])
        return {"right": float(((model(pictures) > 0) == labels).float().mean())}


def network() -> nn.Module:
    torch.manual_seed(0)
    parts = (nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 1))
    return nn.Sequential(*parts)


def settings(**more: object) -> Training:
    fixed = {
        "phases": ({"epochs": 2, "batch": 4},),
        "optimizer": "sgd",
        "learning_rate": 0.05,
        "schedule": "steps",
        "weight_decay": 0,
        "threads": 1,
        "loader_workers": 0,
        "precision": "fp32",
        "log_steps": 1,
        "tensorboard": False,
        "device": "cpu",
    }
    return Training.model_validate({**fixed, **more})


@contextmanager
def first_gradients() -> Iterator[list[torch.Tensor]]:
    """The gradients that the first step of an optimiser takes."""
    kept: list[torch.Tensor] = []

    def keep(optimizer: torch.optim.Optimizer, *_: object) -> None:
        if not kept:
            kept.extend(p.grad.clone() for group in optimizer.param_groups for p in group["params"])

    handle = register_optimizer_step_pre_hook(keep)
    try:
        yield kept
    finally:
        handle.remove()


def main() -> None:
    out, changes = Path(sys.argv[1]), dict(text.split("=", 1) for text in sys.argv[2:])
    rank = os.environ.get("RANK", "0")
    model, task = network(), TinyTask((f"picture-of-{rank}.jpg",))
    try:
        with first_gradients() as gradients:
            train(model, task, settings(**{k: yaml.safe_load(v) for k, v in changes.items()}), out / "run", print)
    except PtrackError as error:
        print(error)
        sys.exit(error.exit_code)
    content = {"weights": model.state_dict(), "gradients": gradients}
    content |= {"running_mean": task.running_means, "running_var": task.running_vars}
    torch.save(content, out / f"rank{rank}.pt")


if __name__ == "__main__":
    main()
