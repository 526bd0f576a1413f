"""Several processes that train one network, as `torchrun` starts them."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

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
        return self.each_any((value,), device)[0]

    def each_any(self, values: tuple[bool, ...], device: torch.device) -> tuple[bool, ...]:
        """Of each value whether it is so in one of the processes."""
        if self.world == 1:
            return values
        flags = torch.tensor(values, device=device, dtype=torch.float32)
        dist.all_reduce(flags, dist.ReduceOp.MAX)
        return tuple(flags.bool().tolist())

    def differ(self, value: float, device: torch.device) -> bool:
        """Whether the processes have different values."""
        if self.world == 1:
            return False
        both = torch.tensor([value, -value], device=device, dtype=torch.float64)
        dist.all_reduce(both, dist.ReduceOp.MAX)
        return bool(both.sum().item())

    def union(self, names: list[str]) -> list[str]:
        """The names of all processes, each once."""
        if self.world == 1:
            return names
        lists: list[list[str]] = [[] for _ in range(self.world)]
        dist.all_gather_object(lists, names)
        return list(dict.fromkeys(name for part in lists for name in part))

    def mean(self, value: float, device: torch.device) -> float:
        """Over all processes."""
        if self.world == 1:
            return value
        total = torch.tensor(value, device=device, dtype=torch.float64)
        dist.all_reduce(total)
        return total.item() / self.world


@contextmanager
def joined(device: str) -> Iterator[tuple[Ranks, torch.device]]:
    """This process among those that `torchrun` started (its variables say so), or alone; and its device.

    Within another such block it is the same group, which the outer one ends.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world <= 1 or not dist.is_available():
        yield Ranks(), pick_device(device)
        return
    local = int(os.environ.get("LOCAL_RANK", "0"))
    picked = pick_device(f"cuda:{local}" if device == "auto" and torch.cuda.is_available() else device)
    if dist.is_initialized():
        yield Ranks(dist.get_rank(), world), picked
        return
    if picked.type == "cuda":
        torch.cuda.set_device(picked)
    dist.init_process_group("nccl" if picked.type == "cuda" else "gloo", timeout=_PATIENCE)
    try:
        yield Ranks(dist.get_rank(), world), picked
    finally:
        dist.destroy_process_group()


def replicated(objective: nn.Module) -> nn.Module:
    """One of the copies of all processes, whose gradients are averaged. Each keeps its own batch statistics, as the
    published code's did."""
    known = inspect.signature(DistributedDataParallel.__init__).parameters
    # torch 2.15 has a new name for it
    name = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"
    return DistributedDataParallel(objective, **{name: False})


def started_first() -> bool:
    """Whether this process is the one that writes."""
    return int(os.environ.get("RANK", "0")) == 0
