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

from posedata.errors import UsageError
from stages.device import pick_device

_PATIENCE = timedelta(hours=12)  # the others wait while the first validates
_UNSET = "start with torchrun, which sets these variables, or unset RANK and WORLD_SIZE"


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

    Raises:
        UsageError: the variables do not say which of how many processes this is, or the device does not exist.
    """
    rank, world, local = _place()
    if world == 1 or not dist.is_available():
        yield Ranks(), pick_device(device)
        return
    picked = pick_device(f"cuda:{local}" if device == "auto" and torch.cuda.is_available() else device)
    if dist.is_initialized():
        yield Ranks(dist.get_rank(), world), picked
        return
    if picked.type == "cuda":
        torch.cuda.set_device(picked)
    try:
        dist.init_process_group("nccl" if picked.type == "cuda" else "gloo", timeout=_PATIENCE)
    except (RuntimeError, ValueError) as error:
        address = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
        reason = str(error).partition("\n")[0]
        raise UsageError(
            f"MASTER_ADDR, MASTER_PORT: the {world} processes do not find each other at {address} ({reason}); start "
            "them with torchrun"
        ) from None
    try:
        yield Ranks(rank, world), picked
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
    return _place()[0] == 0


def _place() -> tuple[int, int, int]:
    """The number of this process, how many there are, and its number on this machine, as torchrun's variables say.

    Raises:
        UsageError: they are incomplete or no such numbers.
    """
    values = []
    for name, default in (("RANK", "0"), ("WORLD_SIZE", "1"), ("LOCAL_RANK", "0")):
        text = os.environ.get(name, default)
        if not (text.isascii() and text.isdecimal() and len(text) < 10):
            raise UsageError(f"{name}={text}: must be a whole number; {_UNSET}")
        values.append(int(text))
    rank, world, local = values
    if rank >= max(1, world):
        raise UsageError(f"RANK={rank}: must be less than WORLD_SIZE, which is {world}; {_UNSET}")
    missing = [name for name in ("RANK", "MASTER_ADDR", "MASTER_PORT") if not os.environ.get(name)]
    if world > 1 and missing:
        raise UsageError(f"WORLD_SIZE={world}: {', '.join(missing)} must be set with it; {_UNSET}")
    return rank, max(1, world), local
