"""Which pose network a checkpoint is of, told from its keys and shapes, and the way of its weights into one."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from configs.models import ModelEntry, missing_checkpoint, model_table
from posedata.errors import BadInput, UsageError
from stages.checkpoint_file import COUNTER, Checkpoint, read_checkpoint
from stages.pose.networks import create
from stages.pose.networks.blocks import DEPTHS
from stages.weights import Mismatch, load_bundled, load_strict, mismatch

Weights = Mapping[str, torch.Tensor]
_HRNET_KEY = "stage4.0.branches.0.0.conv1.weight"
_MOST_PARTS = 40  # of blocks in a stage or stacks; ResNet-152 has 36
_OUTER = "posenet."  # SimplePose's published keys have it, checkpoints are read without


@dataclass(frozen=True)
class Finding:
    """What a checkpoint is."""

    checkpoint: Checkpoint
    architecture: str  # for `create`, with the options
    options: dict[str, object]
    wrong: Mismatch  # where the file is incomplete, say
    fits: tuple[ModelEntry, ...]  # models of that architecture; the one whose authors call their file so comes first

    @property
    def by_name(self) -> ModelEntry | None:
        """The model that the file's own name says it is."""
        return next((m for m in self.fits if _called_like(m, self.checkpoint.path)), None)

    @property
    def counters_missing(self) -> bool:
        return not any(key.endswith(COUNTER) for key in self.checkpoint.weights)

    @property
    def parameters(self) -> int:
        buffers = (COUNTER, "running_mean", "running_var")
        return sum(v.numel() for k, v in self.checkpoint.weights.items() if not k.endswith(buffers))


def identify(path: Path) -> Finding:
    """Reads a checkpoint and says what it is.

    Raises:
        BadInput: it cannot be read, or is of no network that is known here.
    """
    checkpoint = read_checkpoint(path)
    architecture, options = _architecture(path, checkpoint.weights)
    try:
        with torch.device("meta"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's about layers without weights, which some damaged files have
            network = create(architecture, **options)
    except ValueError as error:
        raise BadInput(f"{path}: looks like {architecture}, but {error}") from None
    wrong = mismatch(network, _with_outer(network, checkpoint.weights))
    fits = [] if wrong else [m for m in model_table() if _same(m, architecture, options)]
    fits.sort(key=lambda m: not _called_like(m, path))
    return Finding(checkpoint, architecture, options, wrong, tuple(fits))


def load_network(
    entry: ModelEntry,
    checkpoint: str,  # path of a file; "" = the weights that came with ptrack
) -> nn.Module:
    """A model's network with its weights.

    Raises:
        UsageError: its weights are a file of the user's, and none is given.
        BadInput: the file cannot be read or is of another network.
    """
    if checkpoint:
        return network_of(entry, Path(checkpoint))
    if entry.weights != "bundled":
        raise UsageError(missing_checkpoint(entry))
    network = create(entry.architecture, **entry.options)
    load_bundled(network, entry)
    return network


def network_of(entry: ModelEntry, path: Path) -> nn.Module:
    """The network of a published model with the weights of a file.

    Raises:
        BadInput: the file cannot be read or is of another network; the keys are named.
    """
    checkpoint = read_checkpoint(path)
    with torch.device("meta"):
        network = create(entry.architecture, **entry.options)
    weights = _with_outer(network, checkpoint.weights)
    if wrong := mismatch(network, weights):
        raise BadInput(f"{path}: is not for {entry.name}: {wrong}; see `ptrack models check {path.name}`")
    network.to_empty(device="cpu")
    load_strict(network, weights, path)
    for name, buffer in network.named_buffers():
        if name.endswith(COUNTER) and name not in weights:
            buffer.zero_()
    return network


def _with_outer(network: nn.Module, weights: Weights) -> Weights:
    if next(iter(network.state_dict())).startswith(_OUTER):
        return {_OUTER + key: value for key, value in weights.items()}
    return weights


def _same(entry: ModelEntry, architecture: str, options: dict[str, object]) -> bool:
    """Whether a model's network has these keys and shapes; the Caffe style has, its numbers mean something else."""
    if entry.stage != "pose" or entry.weights != "file" or entry.architecture != architecture:
        return False
    return all(options.get(key) == value for key, value in entry.options.items() if key != "style")


def _called_like(entry: ModelEntry, path: Path) -> bool:
    """Whether the authors call their file so; HRNet's repository offers the same ResNets without `.tar`."""
    theirs = Path(entry.authors_file or "").name.removesuffix(".tar")
    return theirs != "" and theirs == path.name.removesuffix(".tar")


def _architecture(path: Path, weights: Weights) -> tuple[str, dict[str, object]]:
    """Name and options for `create`.

    Raises:
        BadInput: the keys are those of no network here.
    """
    if "fc.weight" in weights and "layer4.0.conv1.weight" in weights:
        raise BadInput(f"{path}: is a classification ResNet, which training can begin with, but no pose network")
    if any(key.startswith("roi_heads.") for key in weights):
        raise BadInput(f"{path}: is a torchvision detector; put it into torchvision's folder and name the model")
    if any(key.startswith(("trunk.blocks.", "pyramid.")) for key in weights):
        raise BadInput(f"{path}: is one of ptrack's own compact networks, which `ptrack models` lists as compact")
    kinds = (("pre.conv1.weight", _simplepose), (_HRNET_KEY, _hrnet), ("layer4.0.conv1.weight", _resnet))
    for key, found in kinds:
        if key in weights:
            return found(path, weights)
    first = ", ".join(list(weights)[:3])
    raise BadInput(f"{path}: is of no network that ptrack knows (its first keys: {first}); see `ptrack models`")


def _simplepose(path: Path, weights: Weights) -> tuple[str, dict[str, object]]:
    name = "imhn_final" if any(key.startswith("channel_attention.") for key in weights) else "imhn_main"
    down = "hourglass.0.hg.0.1.conv.weight" if name == "imhn_final" else "hourglass.0.hg.0.1.convBlock.6.weight"
    width = _shape(path, weights, "outs.0.0.conv.weight")[1]
    return name, {
        "nstack": _count(path, weights, r"hourglass\.(\d+)\."),
        "num_layers": _shape(path, weights, "outs.0.0.conv.weight")[0],
        "inp_dim": width,
        "increase": _shape(path, weights, down)[0] - width,
    }


def _hrnet(path: Path, weights: Weights) -> tuple[str, dict[str, object]]:
    joints, _, _, kernel = _shape(path, weights, "final_layer.weight")
    options = {"width": _shape(path, weights, _HRNET_KEY)[0], "num_joints": joints}
    if any(key.startswith("offset_feats.") for key in weights):
        return "posewarper_pair", options
    return "pose_hrnet", options | {"final_conv_kernel": kernel}


def _resnet(path: Path, weights: Weights) -> tuple[str, dict[str, object]]:
    counts = tuple(_count(path, weights, rf"layer{stage}\.(\d+)\.") for stage in (1, 2, 3, 4))
    bottlenecks = "layer1.0.conv3.weight" in weights
    depth = next((d for d, known in DEPTHS.items() if known == (counts, bottlenecks)), None)
    if depth is None:
        raise BadInput(f"{path}: is a ResNet of {counts} blocks, which no published pose network has")
    joints, _, _, kernel = _shape(path, weights, "final_layer.weight")
    options = {"num_layers": depth, "num_joints": joints, "final_conv_kernel": kernel}
    if "deconv_layers.0.weight" in weights:
        doublings = _count(path, weights, r"deconv_layers\.(\d+)\.", 3)
        sizes = [_shape(path, weights, f"deconv_layers.{3 * k}.weight") for k in range(doublings)]
        return "pose_resnet", options | {
            "deconv_filters": tuple(size[1] for size in sizes),
            "deconv_kernels": tuple(size[3] for size in sizes),
            "deconv_with_bias": "deconv_layers.0.bias" in weights,
        }
    if "s_conv1.0.weight" in weights:
        return f"mrheat{2 if 's_deconv12.weight' in weights else 1}_pose_resnet", options
    if "deconv11.0.weight" in weights:
        return f"mrfea{1 if _shape(path, weights, 'deconv11.0.weight')[1] == 256 else 2}_pose_resnet", options
    raise BadInput(f"{path}: is a ResNet without any published pose network's head; see `ptrack models`")


def _shape(path: Path, weights: Weights, key: str) -> tuple[int, int, int, int]:
    """Of a convolution that says what network this is."""
    if key not in weights or weights[key].ndim != 4:
        raise BadInput(f"{path}: {key} is missing or no convolution, the file is not complete; fetch it again")
    return tuple(weights[key].shape)


def _count(path: Path, weights: Weights, expression: str, every: int = 1) -> int:
    """How many numbered parts the keys name."""
    texts = {found[1] for key in weights if (found := re.match(expression, key))}
    numbers = {int(text) if len(text) < 9 else 10**9 for text in texts}  # int() refuses thousands of digits
    count = max(numbers, default=-1) // every + 1
    if count > _MOST_PARTS:
        raise BadInput(f"{path}: its keys count to {count}, which no published pose network's do")
    return count
