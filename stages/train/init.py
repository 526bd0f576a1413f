"""Initial weights from a file: what fits by name and shape is loaded, the rest is counted and named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from posedata.errors import BadInput


def load_initial(model: nn.Module, path: Path, say: Callable[[str], None]) -> None:
    """Loads every weight of `path` (safetensors) whose name and shape the model has.

    Raises:
        BadInput: the file cannot be read, or nothing in it fits.
    """
    try:
        weights = load_file(path)
    except (OSError, SafetensorError) as error:
        raise BadInput(f"{path}: cannot be read as safetensors ({error})") from None
    own = model.state_dict()
    fitting = {k: v.to(own[k].dtype) for k, v in weights.items() if k in own and own[k].shape == v.shape}
    if not fitting:
        raise BadInput(f"{path}: none of its {len(weights)} weights fits this network")
    model.load_state_dict(fitting, strict=False)
    missing = sorted({k.rsplit(".", 1)[0] for k in own if k not in fitting})
    unused = sorted({k.rsplit(".", 1)[0] for k in weights if k not in fitting})
    say(
        f"{path}: {len(fitting)} of {len(own)} weights loaded; not in the file: {missing or 'none'}; "
        f"unused: {unused or 'none'}"
    )
