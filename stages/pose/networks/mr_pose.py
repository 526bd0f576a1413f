"""SimMRPose: Simple Baselines with several resolutions brought together, as heatmaps or as features.

Tran et al., "Multi-Resolution Networks for Human Pose Estimation". Keys are those of tqtrunghnvn/SimMRPose (MIT).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from stages.pose.networks.blocks import ResNetTrunk, doubled, heatmap_head, transposed

_PUBLISHED = {"deconv_filters": (256, 256, 256), "deconv_kernels": (4, 4, 4)}


class _MRPose(ResNetTrunk):
    """What the four have in common: the trunk, and options that were published with one value only.

    Raises:
        ValueError: another value of those options.
    """

    def __init__(
        self,
        num_layers: int = 50,
        num_joints: int = 17,
        style: str = "pytorch",
        deconv_filters: Sequence[int] = _PUBLISHED["deconv_filters"],
        deconv_kernels: Sequence[int] = _PUBLISHED["deconv_kernels"],
        final_conv_kernel: int = 1,
        deconv_with_bias: bool = False,
    ) -> None:
        super().__init__(num_layers, style)
        given = {"deconv_filters": tuple(deconv_filters), "deconv_kernels": tuple(deconv_kernels)}
        for option, value in given.items():
            if value != _PUBLISHED[option]:
                raise ValueError(f"{option}: MR-Pose exists with {_PUBLISHED[option]} only, not {value}")
        if deconv_with_bias:
            raise ValueError("deconv_with_bias: MR-Pose exists without bias only")
        self.final_layer = heatmap_head(256, num_joints, final_conv_kernel)


def _heatmaps_of(inputs: int, joints: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, joints, 1), nn.BatchNorm2d(joints), nn.ReLU(inplace=True))


class _MRHeat(_MRPose):
    """Crop [N, 3, H, W] -> heatmaps [N, num_joints, H / 4, W / 4]; coarse heatmaps on the way up."""

    def __init__(self, num_layers: int = 50, num_joints: int = 17, **options: object) -> None:
        super().__init__(num_layers, num_joints, **options)
        self.deconv1 = doubled(self.widths[-1], 256)
        self.deconv2 = doubled(256, 256)
        self.deconv3 = doubled(256, 256)
        self.s_conv1 = _heatmaps_of(256, num_joints)
        self.s_deconv1 = doubled(num_joints, num_joints)
        self.s_conv2 = _heatmaps_of(256, num_joints)
        self.s_deconv2 = transposed(num_joints, num_joints)


class MRHeat1(_MRHeat):
    """The coarse heatmaps are summed at stride 8, then doubled together."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        stride16 = self.deconv1(self.levels(x)[-1])
        stride8 = self.deconv2(stride16)
        coarse = self.s_conv2(stride8) + self.s_deconv1(self.s_conv1(stride16))
        return self.final_layer(self.deconv3(stride8)) + self.s_deconv2(coarse)


class MRHeat2(_MRHeat):
    """Each coarse heatmap is doubled to the full size alone."""

    def __init__(self, num_layers: int = 50, num_joints: int = 17, **options: object) -> None:
        super().__init__(num_layers, num_joints, **options)
        self.s_deconv12 = transposed(num_joints, num_joints)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        stride16 = self.deconv1(self.levels(x)[-1])
        stride8 = self.deconv2(stride16)
        coarse16 = self.s_deconv12(self.s_deconv1(self.s_conv1(stride16)))
        coarse8 = self.s_deconv2(self.s_conv2(stride8))
        return self.final_layer(self.deconv3(stride8)) + coarse16 + coarse8


class _MRFea(_MRPose):
    """Crop [N, 3, H, W] -> heatmaps [N, num_joints, H / 4, W / 4]; the mean of all stages' features at stride 4.

    Raises:
        ValueError: a ResNet without bottlenecks, whose first stage is too narrow.
    """

    def __init__(self, num_layers: int = 50, num_joints: int = 17, **options: object) -> None:
        super().__init__(num_layers, num_joints, **options)
        if self.widths[0] != 256:
            raise ValueError(f"num_layers: MR-Pose on features needs ResNet-50, 101 or 152, not {num_layers}")
        w1, w2, w3 = self.path_widths
        self.deconv11 = doubled(2048, w3)
        self.deconv12 = doubled(w3, w2)
        self.deconv13 = doubled(w2, w1)
        self.deconv21 = doubled(1024, w2)
        self.deconv22 = doubled(w2, w1)
        self.deconv3 = doubled(512, w1)

    path_widths: tuple[int, int, int]  # at strides 4, 8 and 16

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x1, x2, x3, x4 = self.levels(x)
        x2 = self.deconv3(x2)
        x3 = self.deconv22(self.deconv21(x3))
        x4 = self.deconv13(self.deconv12(self.deconv11(x4)))
        return self.final_layer((x1 + x2 + x3 + x4) / 4)


class MRFea1(_MRFea):
    """256 channels on every way up."""

    path_widths = (256, 256, 256)


class MRFea2(_MRFea):
    """The channels halve with every doubling of the size."""

    path_widths = (256, 512, 1024)
