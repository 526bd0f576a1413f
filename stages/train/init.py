"""Initial weights from a file: what fits by name and shape is loaded, the rest is counted and named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from posedata.errors import BadInput
from stages.checkpoint_file import COUNTER, read_checkpoint

_OUTER = "posenet."  # SimplePose's keys have it, checkpoints are read without
_NAMED = 12  # layers that a report lists at most


def load_initial(
    model: nn.Module,
    path: Path,
    say: Callable[[str], None],
    layers: tuple[str, ...] = (),  # first parts of the names that are wanted; empty = all
) -> None:
    """Loads every weight whose name and shape the model has, whatever wraps them: ImageNet's, COCO's, one of ours.

    Raises:
        BadInput: the file cannot be read, one of its tensors is no plain one or not finite, or nothing in it fits.
    """
    weights = {key: _plain(path, key, value) for key, value in read_checkpoint(path).weights.items()}
    own = model.state_dict()
    if all(key.startswith(_OUTER) for key in own):
        weights = {_OUTER + key: value for key, value in weights.items()}
    fitting = {
        k: _converted(path, k, v, own[k].dtype)
        for k, v in weights.items()
        if k in own and own[k].shape == v.shape and (not layers or k.split(".")[0] in layers)
    }
    if not fitting:
        raise BadInput(f"{path}: none of its {len(weights)} weights fits this network; give weights of its backbone")
    model.load_state_dict(fitting, strict=False)
    missing = [k for k in own if k not in fitting and not k.endswith(COUNTER)]
    unused = [k for k in weights if k not in fitting]
    say(
        f"{path}: {len(fitting)} of {len(own)} weights loaded; not in the file: {_listed(missing)}; "
        f"unused: {_listed(unused)}"
    )


def _plain(path: Path, key: str, value: torch.Tensor) -> torch.Tensor:
    """The tensor, if it has its numbers, and each of them.

    Raises:
        BadInput: it is sparse, nested, quantised, complex or without content.
    """
    kinds = {
        "sparse": value.layout != torch.strided,
        "nested": value.is_nested,
        "quantised": value.is_quantized,
        "complex": value.is_complex(),
        "without content (on torch's meta device)": value.is_meta,
    }
    for kind, so in kinds.items():
        if so:
            raise BadInput(f"{path}: {key} is {kind}; save its plain weights")
    return value


def _converted(path: Path, key: str, value: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """The tensor as the network's number format.

    Raises:
        BadInput: it cannot be converted, or not all of it is finite in that format.
    """
    try:
        found = value.to(dtype)
        finite = bool(found.isfinite().all() and (not value.is_floating_point() or value.float().isfinite().all()))
    except (RuntimeError, TypeError):
        raise BadInput(f"{path}: {key} has the number format {value.dtype}; save it as float32") from None
    if not finite:
        raise BadInput(f"{path}: {key} holds NaN or infinity; such weights cannot be trained on, take an older file")
    return found


def _listed(keys: list[str]) -> str:
    """The layers of keys."""
    layers = sorted({k.rsplit(".", 1)[0] for k in keys})
    more = f" and {len(layers) - _NAMED} more" if len(layers) > _NAMED else ""
    return ", ".join(layers[:_NAMED]) + more if layers else "none"
