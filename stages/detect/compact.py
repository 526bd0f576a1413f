"""`compact`: the bundled one-class person detector (RegNetY-400MF, pyramid at strides 8 to 32, anchor-free head).

One prediction a cell, as in FCOS (Tian et al., ICCV 2019, arXiv 1904.01355): a score logit and the distances from
the cell's centre to the four sides of the box, in strides. The score stands for the IoU of the box as in Generalized
Focal Loss (Li et al., NeurIPS 2020, arXiv 2006.04388); the head's weights are shared by the levels, its batch
normalisation too, and each level scales its distances by a learnt factor.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import nn

from stages.trunk import LEVEL_CHANNELS, RegNetTrunk, TopDown, conv_bn

STRIDES = (8, 16, 32)


class CompactDetector(nn.Module):
    """Image [N, 3, H, W], RGB, normalised -> score logits [N, A] and boxes [N, A, 4] xyxy, pixels of the image.

    H and W: multiples of 32. A = the cells of all levels, finest level first, rows first.
    """

    def __init__(self, width: int = 96) -> None:
        super().__init__()
        self.trunk = RegNetTrunk()
        self.pyramid = TopDown(LEVEL_CHANNELS[1:], width)
        self.score_tower = nn.Sequential(conv_bn(width, width, 3), conv_bn(width, width, 3))
        self.box_tower = nn.Sequential(conv_bn(width, width, 3), conv_bn(width, width, 3))
        self.score = nn.Conv2d(width, 1, 3, padding=1)
        self.distances = nn.Conv2d(width, 4, 3, padding=1)
        self.level_scale = nn.Parameter(torch.ones(len(STRIDES)))
        nn.init.constant_(self.score.bias, -math.log(99))  # every cell begins at a score of 0.01

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        scores, boxes = [], []
        for level, feature in enumerate(self.pyramid(self.trunk(images)[1:])):
            scores.append(self.score(self.score_tower(feature)).flatten(1))
            raw = self.distances(self.box_tower(feature)).float() * self.level_scale[level]
            # softplus of a shifted value: distances begin near four strides, where the gradient is alive
            distance = (F.softplus(raw + 4) * STRIDES[level]).flatten(2).transpose(1, 2)
            centre = cell_centres(feature.shape[2], feature.shape[3], STRIDES[level], feature.device)
            boxes.append(torch.cat([centre - distance[..., :2], centre + distance[..., 2:]], dim=-1))
        return torch.cat(scores, dim=1), torch.cat(boxes, dim=1)


def cell_centres(height: int, width: int, stride: int, device: torch.device) -> torch.Tensor:
    """[height * width, 2] xy of the cells' centres in pixels, pixel centres at integers."""
    y, x = torch.meshgrid(
        torch.arange(height, device=device, dtype=torch.float32),
        torch.arange(width, device=device, dtype=torch.float32),
        indexing="ij",
    )
    return torch.stack([x, y], dim=-1).reshape(-1, 2) * stride + (stride - 1) / 2
