"""Models of torchvision by name; their weights come through torchvision (`TORCH_HOME` is respected)."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path

import torch
from torch import nn

from posedata.errors import BadInput


def weights_digest(name: str) -> str:
    """A sha256 that stands for the weights, hexadecimal: that of their published address, which ends in the first
    digits of the file's own."""
    import torchvision

    return hashlib.sha256(torchvision.models.get_model_weights(name).DEFAULT.url.encode()).hexdigest()


def weights_file(name: str) -> tuple[str, Path]:
    """The address of a model's weights, and the file that torchvision keeps them in."""
    import torchvision

    url = torchvision.models.get_model_weights(name).DEFAULT.url
    return url, Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[-1]


def fetched_model(name: str) -> nn.Module:
    """A model for inference, its weights fetched where they do not lie there yet.

    Raises:
        BadInput: they do not lie there and cannot be fetched, or the file is damaged.
    """
    import torchvision

    url, file = weights_file(name)
    try:
        network = torchvision.models.get_model(name, weights=torchvision.models.get_model_weights(name).DEFAULT)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, OSError) as error:  # URLError is an OSError
        if file.exists():
            raise BadInput(f"{file}: is damaged; delete it, or fetch it again from {url}") from None
        reason = str(getattr(error, "reason", error)) or type(error).__name__
        raise BadInput(
            f"{name}: its weights could not be fetched ({reason}); fetch {url} on a machine with network access and "
            f"put it into {file.parent}, or use --model compact"
        ) from None
    return network.eval()
