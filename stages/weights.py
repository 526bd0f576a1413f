"""Loading weights: strict, and never by running what a file says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from configs.models import ModelEntry, bundled_weights
from posedata.errors import BadInput
from stages.checkpoint_file import COUNTER


def load_bundled(model: nn.Module, entry: ModelEntry) -> None:
    """The weights that came with the package, into `model`.

    Raises:
        BadInput: the file is missing, damaged or of another network.
    """
    path = bundled_weights(entry)
    try:
        weights = load_file(path)
    except OSError:
        raise BadInput(f"{path}: the weights of {entry.name} are missing; install ptrack again") from None
    except SafetensorError as error:
        raise BadInput(f"{path}: is damaged ({error}); install ptrack again") from None
    load_strict(model, weights, path)


@dataclass(frozen=True)
class Mismatch:
    """How weights differ from what a network wants; all empty where they fit."""

    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    shapes: tuple[str, ...]  # "key (there 17x256x1x1, wanted 16x256x1x1)"

    def __bool__(self) -> bool:
        return bool(self.missing or self.unexpected or self.shapes)

    def __str__(self) -> str:
        named = (("missing", self.missing), ("unexpected", self.unexpected), ("of another shape", self.shapes))
        return "; ".join(f"{what}: {_some(keys)}" for what, keys in named if keys)

    def __len__(self) -> int:
        return len(self.missing) + len(self.unexpected) + len(self.shapes)


def mismatch(model: nn.Module, weights: Mapping[str, torch.Tensor]) -> Mismatch:
    """Names and shapes compared; counters of batch normalisation may be missing."""
    own = model.state_dict()
    missing = (k for k in own if k not in weights and not k.endswith(COUNTER))
    unexpected = (k for k in weights if k not in own)
    shapes = (
        f"{k} (there {_size(weights[k])}, wanted {_size(own[k])})"
        for k in own
        if k in weights and weights[k].shape != own[k].shape
    )
    return Mismatch(tuple(missing), tuple(unexpected), tuple(shapes))


def load_strict(model: nn.Module, weights: Mapping[str, torch.Tensor], path: Path) -> None:
    """Every weight, by name and shape; counters of batch normalisation may be missing.

    Raises:
        BadInput: names or shapes differ; the first few of each kind are printed.
    """
    if wrong := mismatch(model, weights):
        raise BadInput(f"{path}: is not for this network: {wrong}")
    own = model.state_dict()
    model.load_state_dict({k: v.to(own[k].dtype) for k, v in weights.items()}, strict=False)


def _some(keys: tuple[str, ...]) -> str:
    return ", ".join(keys[:5]) + (f" and {len(keys) - 5} more" if len(keys) > 5 else "")


def _size(tensor: torch.Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "a number"


def fused(module: nn.Module) -> nn.Module:
    """The network for inference: every batch normalisation that follows a convolution is folded into it, in place.

    Which one follows is told by the places in a Sequential, or by the names (`conv2` and `bn2`, `conv` and `bn`).
    About a third faster on a CPU (`benchmarks/bench_networks.py`)."""
    module.eval()
    for child in module.children():
        fused(child)
    names = list(module._modules)
    pairs = pairwise(names) if isinstance(module, nn.Sequential) else ((n, n.replace("conv", "bn")) for n in names)
    for first, second in pairs:
        convolution, norm = module._modules[first], module._modules.get(second)
        if isinstance(convolution, nn.Conv2d | nn.ConvTranspose2d) and isinstance(norm, nn.BatchNorm2d):
            transposed = isinstance(convolution, nn.ConvTranspose2d)
            module._modules[first] = fuse_conv_bn_eval(convolution, norm, transposed)
            module._modules[second] = nn.Identity()
    return module
