"""Whether a network fits what it is to be taught; tried on shapes alone, before anything is trained."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import torch

from configs.models import ModelEntry
from posedata.errors import UsageError
from stages.pose.networks import create
from stages.pose.networks.posewarper import PoseWarper

_STRIDE = 4  # input pixels a cell of every published network's finest maps


def check_network(
    entry: ModelEntry,
    options: Mapping[str, object],  # of the network
    size: tuple[int, int],  # height, width of its input
    maps: int,  # that it is taught
    pairs: bool,  # of frames, by PoseWarper's second stage
) -> None:
    """
    Raises:
        UsageError: there is no such network, it takes no input of that size, gives another number of maps, or is
            taught by another command.
    """
    whole = entry.architecture.startswith("imhn")
    # without numbers, so that it takes no time; torch warns of layers without weights
    with torch.device("meta"), torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            network = create(entry.architecture, **options).eval()
        except (ValueError, RuntimeError, ArithmeticError, LookupError) as error:
            raise UsageError(f"options: {str(error).splitlines()[0]}") from None
        warps = isinstance(network, PoseWarper)
        if warps != pairs:
            raise UsageError(
                f"model: PoseWarper's second stage needs a posewarper model, not {entry.name}; see `ptrack models`"
                if pairs
                else f"model: {entry.name} learns from pairs of frames, by `ptrack train warper`; see `ptrack models`"
            )
        run = network.heatmaps if warps else network
        try:
            found = run(torch.empty((1, *size, 3) if whole else (1, 3, *size)))
        except (ArithmeticError, LookupError):  # layers without weights
            raise UsageError(f"options: {dict(options)} make no network of {entry.architecture}") from None
        except RuntimeError:  # the sizes of some layers do not fit together
            found = None
    if whole and found is not None:
        found = found[0][0]  # of the first stack, the finest
    if found is None or tuple(found.shape[2:]) != (size[0] // _STRIDE, size[1] // _STRIDE):
        raise UsageError(
            f"phases: {entry.name} with these options takes no input of {size[0]} x {size[1]} pixels; give multiples "
            "of 32 as size"
        )
    if found.shape[1] != maps:
        raise UsageError(f"options: the network would give {found.shape[1]} maps, and it is to be taught {maps}")
