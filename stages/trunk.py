"""The convolutional trunk that both bundled networks stand on: RegNetY-400MF and a light top-down pyramid.

RegNetY: Radosavovic et al., "Designing Network Design Spaces", CVPR 2020 (arXiv 2003.13678), in torchvision's
implementation. The pyramid: Lin et al., "Feature Pyramid Networks", CVPR 2017 (arXiv 1612.03144).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

LEVEL_CHANNELS = (48, 104, 208, 440)  # RegNetY-400MF at strides 4, 8, 16, 32


class RegNetTrunk(nn.Module):
    """Image [N, 3, H, W] -> features at strides 4, 8, 16 and 32 (`LEVEL_CHANNELS`), sizes rounded up."""

    def __init__(self) -> None:
        super().__init__()
        from torchvision.models import regnet_y_400mf

        net = regnet_y_400mf(weights=None)
        self.stem = net.stem
        self.blocks = nn.ModuleList(net.trunk_output.children())

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        x = self.stem(image)
        levels = []
        for block in self.blocks:
            x = block(x)
            levels.append(x)
        return levels


def conv_bn(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    """Convolution, batch normalisation, ReLU; the size of the map is kept."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


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
