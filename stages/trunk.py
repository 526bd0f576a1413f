"""The convolutional trunk that both bundled networks stand on: RegNetY-400MF and a light top-down pyramid.

RegNetY: Radosavovic et al., "Designing Network Design Spaces", CVPR 2020 (arXiv 2003.13678); named as in
torchvision. It is written here because importing torchvision takes longer than importing torch, at every start of
the command. The pyramid: Lin et al., "Feature Pyramid Networks", CVPR 2017 (arXiv 1612.03144).
"""

from __future__ import annotations

import math
from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import nn

LEVEL_CHANNELS = (48, 104, 208, 440)  # RegNetY-400MF at strides 4, 8, 16, 32
_LEVEL_BLOCKS = (1, 3, 6, 6)
_STEM_CHANNELS = 32
_GROUP_WIDTH = 8  # channels of a group of the 3x3 convolutions
_SQUEEZE = 0.25  # channels of the squeezed vector, of the block's inputs


class RegNetTrunk(nn.Module):
    """Image [N, 3, H, W] -> features at strides 4, 8, 16 and 32 (`LEVEL_CHANNELS`), sizes rounded up."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _conv_bn(3, _STEM_CHANNELS, 3, stride=2)
        self.stem.append(nn.ReLU(inplace=True))
        inputs = (_STEM_CHANNELS, *LEVEL_CHANNELS)
        self.blocks = nn.ModuleList(
            _level(level, inputs[level - 1], inputs[level], blocks)
            for level, blocks in enumerate(_LEVEL_BLOCKS, start=1)
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):  # as published: by the fan-out, biases as PyTorch has them
                fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels
                nn.init.normal_(module.weight, mean=0.0, std=math.sqrt(2.0 / fan_out))

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        x = self.stem(image)
        levels = []
        for block in self.blocks:
            x = block(x)
            levels.append(x)
        return levels


def _level(level: int, inputs: int, outputs: int, blocks: int) -> nn.Sequential:
    """The blocks of one stride; the first one halves the map."""
    return nn.Sequential(
        OrderedDict(
            (f"block{level}-{i}", _YBlock(inputs if i == 0 else outputs, outputs, stride=2 if i == 0 else 1))
            for i in range(blocks)
        )
    )


class _YBlock(nn.Module):
    """1x1, grouped 3x3, squeeze and excitation, 1x1, beside a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        # a projected shortcut where shapes differ; the name is there only then, as in the published weights
        self.proj = _conv_bn(inputs, outputs, 1, stride) if inputs != outputs or stride != 1 else None
        self.f = nn.Sequential(
            OrderedDict(
                a=_conv_bn(inputs, outputs, 1).append(nn.ReLU(inplace=True)),
                b=_conv_bn(outputs, outputs, 3, stride, outputs // _GROUP_WIDTH).append(nn.ReLU(inplace=True)),
                se=_SqueezeExcitation(outputs, round(_SQUEEZE * inputs)),
                c=_conv_bn(outputs, outputs, 1),
            )
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shortcut = x if self.proj is None else self.proj(x)
        return F.relu(shortcut + self.f(x), inplace=True)


class _SqueezeExcitation(nn.Module):
    """Each channel scaled by what the mean over the map says (Hu et al., arXiv 1709.01507)."""

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, squeezed, 1)
        self.fc2 = nn.Conv2d(squeezed, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scale = F.adaptive_avg_pool2d(x, 1)
        return torch.sigmoid(self.fc2(F.relu(self.fc1(scale)))) * x


def _conv_bn(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    )


def conv_bn(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    """Convolution, batch normalisation, ReLU; the size of the map is kept."""
    return _conv_bn(inputs, outputs, kernel).append(nn.ReLU(inplace=True))


class TopDown(nn.Module):
    """Features of the trunk, finest first -> one map of `width` channels a level, finest first.

    Each level is its 1x1 lateral plus the upsampled coarser level, smoothed by one 3x3 convolution.
    """

    def __init__(self, channels: tuple[int, ...], width: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(conv_bn(c, width, 1) for c in channels)
        self.smooth = nn.ModuleList(conv_bn(width, width, 3) for _ in channels)

    def forward(self, levels: list[torch.Tensor]) -> list[torch.Tensor]:
        out: list[torch.Tensor] = []
        above: torch.Tensor | None = None
        for feature, lateral, smooth in zip(reversed(levels), reversed(self.lateral), reversed(self.smooth)):
            merged = lateral(feature)
            if above is not None:
                merged = merged + F.interpolate(above, size=merged.shape[-2:], mode="nearest")
            above = smooth(merged)
            out.append(above)
        return out[::-1]
