"""Where networks run: device, threads, number format."""

from __future__ import annotations

import os
from contextlib import nullcontext
from dataclasses import dataclass

import cv2
import torch

from posedata.errors import UsageError


@dataclass(frozen=True)
class Runtime:
    """How the networks of one process run. None of it is part of a record."""

    device: torch.device
    half: bool
    batch_size: int
    compile: bool = False  # networks are compiled before they run; slower to start

    @property
    def dtype(self) -> torch.dtype:
        """The number format of networks that are converted as a whole."""
        if not self.half:
            return torch.float32
        if self.device.type == "cuda" and not torch.cuda.is_bf16_supported():
            return torch.float16
        return torch.bfloat16

    def autocast(self):
        """The context in which networks run."""
        if not self.half:
            return nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)


def usable_cores() -> int:
    """Processors that this process may use; fewer than there are where it is bound to some of them."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def pick_device(name: str) -> torch.device:
    """`auto` is CUDA, then MPS, then the CPU; else what is asked for.

    Raises:
        UsageError: there is no such device here.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UsageError(f"--device {name}: not a device; use auto, cpu, cuda, cuda:1 or mps") from None
    if device.type not in ("cpu", "cuda", "mps"):
        raise UsageError(f"--device {name}: networks do not run there; use auto, cpu, cuda, cuda:1 or mps")
    if device.type == "cuda" and (not torch.cuda.is_available() or (device.index or 0) >= torch.cuda.device_count()):
        raise UsageError(f"--device {name}: there is no such GPU here; use --device cpu")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise UsageError("--device mps: not available here; use --device cpu")
    return device


def own_device(
    name: str,
    worker: int,  # of several on this machine, from 0
) -> str:
    """The device of one of several workers: a GPU each, by turns where there are fewer. One that was asked for by its
    number is everybody's."""
    if name not in ("auto", "cuda") or not torch.cuda.is_available():
        return name
    return f"cuda:{worker % torch.cuda.device_count()}"


def runtime(device: str, half: bool | None, batch_size: int, threads: int, compile: bool = False) -> Runtime:
    """Sets the thread counts and resolves the device; half precision is the default on CUDA only."""
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)  # else every worker would use all cores for its crops
    picked = pick_device(device)
    return Runtime(picked, picked.type == "cuda" if half is None else half, batch_size, compile)
