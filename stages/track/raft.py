"""RAFT of torchvision; its weights come through torchvision (`TORCH_HOME` is respected)."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.error import URLError

from posedata.errors import BadInput
from stages.track.flow import RaftFlow

# as torchvision names the files of its default weights; known here so that a look for them needs no torch
FILES = {"raft-small": "raft_small_C_T_V2-01064c6d.pth", "raft-large": "raft_large_C_T_SKHT_V2-ff5fadd5.pth"}


def weights_lie_there(name: str) -> bool:
    """Whether torchvision's file is in its folder already; loads nothing."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    home = Path(os.environ.get("TORCH_HOME", cache / "torch"))
    return (home / "hub" / "checkpoints" / FILES[name]).is_file()


def make_raft(name: str, device: str) -> RaftFlow:
    """The network with its weights, on the device.

    Raises:
        BadInput: the weights cannot be had.
    """
    import torch
    from torchvision.models import optical_flow

    from stages.device import pick_device

    function = name.replace("-", "_")
    weights = {
        "raft_small": optical_flow.Raft_Small_Weights.DEFAULT,
        "raft_large": optical_flow.Raft_Large_Weights.DEFAULT,
    }[function]
    try:
        network = getattr(optical_flow, function)(weights=weights)
    except (URLError, OSError) as error:
        raise BadInput(
            f"{name}: its weights could not be fetched from {weights.url} ({error}); put the file into "
            f"{torch.hub.get_dir()}/checkpoints, or use --flow dis"
        ) from None
    picked = pick_device(device)
    return RaftFlow(network.eval().to(picked), str(picked))
