"""A top-down network as inference runs it: normalisation, number format, memory layout, flip test."""

from __future__ import annotations

import torch
from torch import nn

from configs.models import ModelEntry
from posedata.skeletons import SKELETONS
from stages.device import Runtime
from stages.pose.flip import flip_merged
from stages.pose.recipe import Recipe
from stages.tensors import IMAGENET_MEAN, IMAGENET_STD, normalise
from stages.weights import fused


class HeatmapNetwork:
    """Crops [N, 3, H, W] RGB of 0..255 on the device -> heatmaps [N, K, h, w] float32 there."""

    def __init__(self, network: nn.Module, entry: ModelEntry, recipe: Recipe, runtime: Runtime) -> None:
        self.dtype = runtime.dtype
        network = fused(network).to(runtime.device, self.dtype, memory_format=torch.channels_last)
        self._pad_to = 0
        if runtime.compile:
            # one shape only, so that it is compiled once and its kernels can be replayed as a graph
            mode = "reduce-overhead" if runtime.device.type == "cuda" else "default"
            network = torch.compile(network, mode=mode, dynamic=False)
            self._pad_to = runtime.batch_size
        self.network, self.recipe = network, recipe
        self._bgr = entry.colour == "BGR"
        self._mean, self._std = entry.mean or IMAGENET_MEAN, entry.std or IMAGENET_STD
        self._mirror = torch.from_numpy(SKELETONS[entry.skeleton].flip_order).to(runtime.device)

    def __call__(self, crops: torch.Tensor) -> torch.Tensor:
        inputs = self.inputs(crops)
        heatmaps = self._run(inputs)
        if self.recipe.flip:
            heatmaps = flip_merged(heatmaps, self._run(inputs.flip(-1)), self._mirror, self.recipe.shift)
        return heatmaps

    def inputs(self, crops: torch.Tensor) -> torch.Tensor:
        """What the network itself takes: its colour order, mean and deviation, number format."""
        ordered = crops.flip(1) if self._bgr else crops
        return normalise(ordered, self._mean, self._std).to(self.dtype)

    def _run(self, inputs: torch.Tensor) -> torch.Tensor:
        count = len(inputs)
        if count < self._pad_to:
            inputs = torch.cat([inputs, inputs[:1].expand(self._pad_to - count, -1, -1, -1)])
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        heatmaps = self.network(inputs)[:count].float()
        return heatmaps.clone() if self._pad_to else heatmaps  # a replayed graph writes over what it gave before
