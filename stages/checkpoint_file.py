"""Weights out of a file, whatever wraps them, without ever running what the file says."""

from __future__ import annotations

import pickle
import re
import warnings
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from posedata.errors import BadInput

# where training programs put the weights beside epoch, optimiser and the like; the first that holds tensors counts
CONTAINERS = ("state_dict", "weights", "model_state_dict", "model", "average", "best_state_dict")
_PREFIXES = ("module.", "posenet.")  # DataParallel's, and SimplePose's for its network beside the loss
_UNREADABLE = "is no checkpoint that can be read without running it, or a damaged one; fetch it again"
COUNTER = "num_batches_tracked"  # of batch normalisation; files of before torch 0.4.1 lack it


@dataclass(frozen=True)
class Checkpoint:
    """The weights of a file under bare names, and what was taken off them."""

    path: Path
    weights: dict[str, torch.Tensor]
    container: str | None  # the entry that held them
    prefixes: tuple[str, ...]  # that every name had


def read_checkpoint(path: Path) -> Checkpoint:
    """The weights of a `.pth`, `.pt`, `.tar` or `.safetensors` file; tensors alone are read.

    Raises:
        BadInput: the file is not there, damaged, holds objects other than tensors, or holds no weights.
    """
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for
            raise BadInput(f"{path}: is not a regular file; name the checkpoint's file")
        with path.open("rb") as file:
            start = file.read(9)
    except (OSError, ValueError) as error:  # ValueError: a path with a null character
        why = getattr(error, "strerror", None) or error
        raise BadInput(f"{path}: cannot be read ({why}); name the checkpoint's file") from None
    if path.suffix == ".safetensors" or start[8:9] == b"{":  # a length of eight bytes, then JSON
        content: object = _read_safetensors(path)
    else:
        content = _read_torch(path)
    container, weights = _unwrapped(path, content)
    prefixes = []
    while prefix := next((p for p in _PREFIXES if all(key.startswith(p) for key in weights)), None):
        weights = {key.removeprefix(prefix): value for key, value in weights.items()}
        prefixes.append(prefix)
    return Checkpoint(path, weights, container, tuple(prefixes))


def _read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise BadInput(f"{path}: is a damaged safetensors file ({error}); fetch it again") from None


def _read_torch(path: Path) -> object:
    """What torch saved, read by its restricted unpickler, which knows tensors and plain containers only."""
    try:
        with _numbers_allowed(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        found = re.search(r"(?:GLOBAL|type) `?([\w.]+)`?|(?:class|global) ([\w.]+)", str(error))
        if found:
            what = f"holds a Python object ({found[1] or found[2]}) besides tensors, and such a file can run programs"
            raise BadInput(f"{path}: {what}; nothing of it was run; ask for the plain state dict") from None
        raise BadInput(f"{path}: {_UNREADABLE}") from None
    except (RuntimeError, EOFError, OSError, ValueError, LookupError, AttributeError, TypeError, AssertionError):
        raise BadInput(f"{path}: {_UNREADABLE}") from None


def _numbers_allowed():
    """Numpy's scalars, which training programs leave beside the weights (best accuracy), are harmless."""
    if not hasattr(torch.serialization, "safe_globals"):  # torch < 2.5
        return nullcontext()
    import numpy as np

    scalar = np.float64(0).__reduce__()[0]
    names = ("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar")  # of numpy 1 and 2
    kinds = [type(np.dtype(k)) for k in ("float64", "float32", "int64", "int32")]
    return torch.serialization.safe_globals([*((scalar, name) for name in names), np.dtype, *kinds])


def _unwrapped(path: Path, content: object) -> tuple[str | None, dict[str, torch.Tensor]]:
    """The entry that holds the weights, if one does, and the weights."""
    if not isinstance(content, Mapping):
        raise BadInput(f"{path}: holds a {type(content).__name__}, not weights; ask for a state dict")
    if _is_weights(content):
        return None, dict(content)
    for name in CONTAINERS:
        if _is_weights(content.get(name)):
            return name, dict(content[name])
    names = ", ".join(str(key) for key in list(content)[:5]) or "none"
    raise BadInput(f"{path}: no weights were found among its entries ({names}); ask for a state dict")


def _is_weights(value: object) -> bool:
    if not isinstance(value, Mapping) or not value:
        return False
    return all(isinstance(key, str) and torch.is_tensor(part) for key, part in value.items())
