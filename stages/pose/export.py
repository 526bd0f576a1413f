"""Networks for other programs: safetensors and ONNX, each read back and compared with the network it is of."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save
from torch import nn

from configs.models import ModelEntry
from posedata.atomic import replacing
from posedata.errors import PtrackError, UsageError
from posedata.skeletons import SKELETONS
from stages.pose.networks import create

_OPSET = 17
_BOTTOM_UP_SIDE = 256  # of the trial picture of a network that takes any size
_CLOSE = 1e-3  # largest difference that is allowed, as a part of the largest value


@dataclass(frozen=True)
class Exported:
    """What was written, and how far its answer is from the network's."""

    path: Path
    parameters: int
    difference: float  # largest, as a part of the largest value


class _Finest(nn.Module):
    """SimplePose's maps that inference looks at."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return self.network.maps(pictures)


def facts(entry: ModelEntry) -> dict[str, str]:
    """What another program has to know to use the network."""
    known: dict[str, object] = {
        "model": entry.name,
        "architecture": entry.architecture,
        "options": entry.options,
        "colour": entry.colour,
        "mean": entry.mean,
        "std": entry.std,
        "input": entry.input,
        "skeleton": entry.skeleton,
        "joints": SKELETONS[entry.skeleton].joints if entry.skeleton else None,
        "licence": entry.licence,
    }
    return {k: v if isinstance(v, str) else json.dumps(v) for k, v in known.items() if v is not None}


def export_safetensors(network: nn.Module, entry: ModelEntry, path: Path, half: bool) -> Exported:
    """The weights under their published names, facts in the header; fp16 on request.

    Raises:
        PtrackError: what was written is not what was meant.
    """
    weights = {
        k: (v.half() if half and v.dtype.is_floating_point else v).contiguous().cpu()
        for k, v in network.state_dict().items()
    }
    with replacing(path) as part:
        part.write_bytes(save(weights, metadata=facts(entry)))
        again = create(entry.architecture, **entry.options)
        written = {k: v.to(again.state_dict()[k].dtype) for k, v in load_file(part).items()}
        again.load_state_dict(written, strict=True)
        trial = _trial(entry)
        difference = _difference(_answer(again, entry, trial), _answer(network, entry, trial))
        if not half and difference > 0:
            raise PtrackError(f"{path}: what was written differs from the network ({difference:.2g}); try again")
    return Exported(path, _parameters(network), difference)


def export_onnx(network: nn.Module, entry: ModelEntry, path: Path) -> Exported:
    """The network with any number of crops (SimplePose: of pictures of any size that is a multiple of 64), input
    normalised as the facts in its metadata say. `onnxruntime` runs it and the answers are compared.

    Raises:
        UsageError: onnx and onnxruntime are not installed, or the network is PoseWarper.
        PtrackError: the answers differ.
    """
    if entry.architecture == "posewarper_pair":
        why = "deformable convolutions have no counterpart in ONNX"
        raise UsageError(f"{entry.name}: PoseWarper's {why}; use --format safetensors")
    try:
        import onnx
        import onnxruntime
    except ImportError:
        raise UsageError("--format onnx needs onnx and onnxruntime: pip install 'ptrack[export]'") from None
    module = _runnable(network, entry)
    trial = _trial(entry)
    axes = {"input": {0: "count"}, "heatmaps": {0: "count"}}
    if _bottom_up(entry):
        axes = {"input": {0: "count", 1: "height", 2: "width"}, "heatmaps": {0: "count", 2: "rows", 3: "columns"}}
    with replacing(path) as part, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            (trial,),
            str(part),
            input_names=["input"],
            output_names=["heatmaps"],
            dynamic_axes=axes,
            opset_version=_OPSET,
            dynamo=False,
        )
        model = onnx.load(str(part))
        onnx.helper.set_model_props(model, facts(entry))
        onnx.checker.check_model(model)
        onnx.save(model, str(part))
        session = onnxruntime.InferenceSession(str(part), providers=["CPUExecutionProvider"])
        several = torch.cat([trial, trial.flip(2)])  # another number of crops than the export saw
        [got] = session.run(None, {"input": several.numpy()})
        difference = _difference(got, _answer(network, entry, several))
        if difference > _CLOSE:
            raise PtrackError(f"{path}: onnxruntime's answer differs by {difference:.2g}; use --format safetensors")
    return Exported(path, _parameters(network), difference)


def _bottom_up(entry: ModelEntry) -> bool:
    return entry.architecture.startswith("imhn")


def _runnable(network: nn.Module, entry: ModelEntry) -> nn.Module:
    return (_Finest(network) if _bottom_up(entry) else network).eval()


def _trial(entry: ModelEntry) -> torch.Tensor:
    """An input of noise in the network's form."""
    generator = torch.Generator().manual_seed(0)
    if _bottom_up(entry):
        return torch.rand(1, _BOTTOM_UP_SIDE, _BOTTOM_UP_SIDE, 3, generator=generator)
    height, width = entry.input
    frames = 2 if entry.architecture == "posewarper_pair" else 1
    return torch.randn(1, 3 * frames, height, width, generator=generator)


@torch.inference_mode()
def _answer(network: nn.Module, entry: ModelEntry, inputs: torch.Tensor) -> np.ndarray:
    return _runnable(network, entry)(inputs).float().numpy()


def _difference(got: np.ndarray, want: np.ndarray) -> float:
    return float(np.abs(got - want).max() / max(np.abs(want).max(), 1e-9))


def _parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())
