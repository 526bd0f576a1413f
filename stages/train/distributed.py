"""Several processes that train one network, as `torchrun` starts them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist

from stages.device import pick_device

_PATIENCE = timedelta(hours=12)  # the others wait while the first validates


@dataclass(frozen=True)
class Ranks:
    """Which of how many processes this is."""

    rank: int = 0
    world: int = 1

    @property
    def first(self) -> bool:
        return self.rank == 0

    def wait(self) -> None:
        """Until all have come here."""
        if self.world > 1:
            dist.barrier()

    def any(self, value: bool, device: torch.device) -> bool:
        """Whether it is so in one of the processes."""
        if self.world == 1:
            return value
        flag = torch.tensor(float(value), device=device)
        dist.all_reduce(flag, dist.ReduceOp.MAX)
        return bool(flag.item())

    def mean(self, value: float, device: torch.device) -> float:
        """Over all processes."""
        if self.world == 1:
            return value
        total = torch.tensor(value, device=device, dtype=torch.float64)
        dist.all_reduce(total)
        return total.item() / self.world


@contextmanager
def joined(device: str) -> Iterator[tuple[Ranks, torch.device]]:
    """This process among those that `torchrun` started (its variables say so), or alone; and its device."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world <= 1 or not dist.is_available():
        yield Ranks(), pick_device(device)
        return
    local = int(os.environ.get("LOCAL_RANK", "0"))
    picked = pick_device(f"cuda:{local}" if device == "auto" and torch.cuda.is_available() else device)
    if picked.type == "cuda":
        torch.cuda.set_device(picked)
    dist.init_process_group("nccl" if picked.type == "cuda" else "gloo", timeout=_PATIENCE)
    try:
        yield Ranks(dist.get_rank(), world), picked
    finally:
        dist.destroy_process_group()


def started_first() -> bool:
    """Whether this process is the one that writes."""
    return int(os.environ.get("RANK", "0")) == 0
