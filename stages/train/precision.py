"""In which precision a training computes on a device."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

from configs.training import Training


def mixed_type(settings: Training, device: torch.device) -> torch.dtype | None:
    """What the network computes in where fp32 is not needed; None = fp32 throughout."""
    if settings.precision == "fp32" or device.type not in ("cuda", "cpu"):
        return None
    if settings.precision == "auto" and device.type == "cpu" and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return None
    return torch.float16 if settings.precision == "fp16" and device.type == "cuda" else torch.bfloat16


def autocast(settings: Training, device: torch.device) -> AbstractContextManager:
    """The network and its loss are run within."""
    kind = mixed_type(settings, device)
    return nullcontext() if kind is None else torch.autocast(device.type, kind)


def precision_name(settings: Training, device: torch.device) -> str:
    """fp32, bf16 or fp16."""
    return {None: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}[mixed_type(settings, device)]


def other_precision(settings: Training, device: torch.device) -> str | None:
    """The sentence for a precision that the device does not have."""
    used = precision_name(settings, device)
    if settings.precision in ("auto", used):
        return None
    return f"precision: {settings.precision} is not trained in on {device.type}; {used} is used"
