"""Simple Baselines: a ResNet and three transposed convolutions.

Xiao et al., "Simple Baselines for Human Pose Estimation and Tracking", ECCV 2018 (arXiv 1804.06208), section 2.
Keys are those of microsoft/human-pose-estimation.pytorch (MIT).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from stages.pose.networks.blocks import ResNetTrunk, doubled, heatmap_head


class PoseResNet(ResNetTrunk):
    """Crop [N, 3, H, W] -> heatmaps [N, num_joints, H / 4, W / 4]; H and W multiples of 32."""

    def __init__(
        self,
        num_layers: int = 50,
        num_joints: int = 17,
        style: str = "pytorch",  # or caffe
        deconv_filters: Sequence[int] = (256, 256, 256),
        deconv_kernels: Sequence[int] = (4, 4, 4),
        final_conv_kernel: int = 1,
        deconv_with_bias: bool = False,
    ) -> None:
        super().__init__(num_layers, style)
        if len(deconv_filters) != len(deconv_kernels):
            raise ValueError(f"deconv_filters and deconv_kernels: {len(deconv_filters)} and {len(deconv_kernels)}")
        layers: list[nn.Module] = []
        inputs = self.widths[-1]
        for filters, kernel in zip(deconv_filters, deconv_kernels):
            layers += doubled(inputs, filters, kernel, bias=deconv_with_bias)
            inputs = filters
        self.deconv_layers = nn.Sequential(*layers)
        self.final_layer = heatmap_head(inputs, num_joints, final_conv_kernel)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.final_layer(self.deconv_layers(self.levels(x)[-1]))
