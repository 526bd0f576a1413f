"""`compact`: the bundled top-down pose network (RegNetY-400MF, top-down pyramid, stride-4 heatmaps).

The heatmap of a joint is a probability over the crop's cells: the net's logits pass a softmax over space and are
scaled so that a joint found without doubt, spread as the training target is (a Gaussian of `sigma` cells), peaks
at 1.
The peak is thus the joint's score. Spatial cross-entropy in place of squared errors: He et al., "Mask R-CNN",
ICCV 2017, section 3.1. Decoding and flip test are those of every other heatmap network.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from stages.trunk import LEVEL_CHANNELS, RegNetTrunk, TopDown, conv_bn

HEATMAP_STRIDE = 4
SIGMA_SHARE = 1 / 32  # the target's sigma as a share of the heatmap's height: 2 cells of 64


def target_sigma(heatmap_height: int) -> float:
    """The Gaussian's sigma in heatmap cells."""
    return heatmap_height * SIGMA_SHARE


class CompactPose(nn.Module):
    """Crop [N, 3, H, W], RGB, normalised -> heatmaps [N, joints, H / 4, W / 4]. H and W: multiples of 4."""

    def __init__(self, joints: int, width: int = 96) -> None:
        super().__init__()
        self.joints = joints
        self.trunk = RegNetTrunk()
        self.pyramid = TopDown(LEVEL_CHANNELS, width)
        self.head = nn.Sequential(conv_bn(width, width, 3), nn.Conv2d(width, joints, 1))

    def logits(self, crops: torch.Tensor) -> torch.Tensor:
        """[N, joints, H / 4, W / 4] unnormalised log-probabilities."""
        return self.head(self.pyramid(self.trunk(crops))[0])

    def forward(
        self,
        crops: torch.Tensor,
        as_logits: bool = False,  # what training looks at, by the way that a compiled network is called
    ) -> torch.Tensor:
        logits = self.logits(crops)
        if as_logits:
            return logits
        count, joints, height, width = logits.shape
        peak = 2 * math.pi * target_sigma(height) ** 2
        probability = logits.float().reshape(count, joints, height * width).softmax(dim=-1)
        return (probability * peak).reshape(count, joints, height, width)
