"""PoseWarper: heatmaps of one frame moved to another by deformable convolutions that are steered by their difference.

Bertasius et al., "Learning Temporal Pose Estimation from Sparsely-Labeled Videos", NeurIPS 2019 (arXiv 1906.04016).
Keys are those of facebookresearch/PoseWarper (Apache-2.0): an HRNet's at the top level, and the warper's beside them.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn
from torchvision.ops import deform_conv2d

from stages.pose.networks.blocks import BasicBlock
from stages.pose.networks.pose_hrnet import PoseHRNet

DILATIONS = (3, 6, 12, 18, 24)
FRAME_ORDER = (0, -1, -2, 1, 2)  # of the five-frame network's input, relative to the reference frame
FRAME_WEIGHTS = (0.3, 0.25, 0.1, 0.25, 0.1)  # in that order
_OFFSET_WIDTH = 128
_OFFSET_BLOCKS = 20
_TAPS = 9  # of a 3x3 kernel


class HeatmapDeformation(nn.Module):
    """A deformable 3x3 convolution (not modulated) with its own offsets for every joint's map."""

    def __init__(self, joints: int, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation
        self.weight = nn.Parameter(torch.zeros(joints, joints, 3, 3))
        with torch.no_grad():
            self.weight[:, :, 1, 1] = torch.eye(joints)  # without offsets the maps stay as they are

    def forward(self, maps: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
        if maps.device.type == "cpu" and torch.is_grad_enabled():
            return self._sampled(maps, offsets)
        return deform_conv2d(maps, offsets, self.weight, padding=self.dilation, dilation=self.dilation)

    def _sampled(self, maps: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
        """The same by `grid_sample`, whose gradients take a CPU a tenth of the time."""
        count, joints, height, width = maps.shape
        moves = offsets.reshape(count * joints, _TAPS, 2, height, width)  # of each tap, y and x
        taps = torch.arange(_TAPS, device=maps.device)
        rows = torch.arange(height, device=maps.device)[:, None] + self.dilation * (taps // 3 - 1)[:, None, None]
        columns = torch.arange(width, device=maps.device) + self.dilation * (taps % 3 - 1)[:, None, None]
        x = (moves[:, :, 1] + columns) * (2 / (width - 1)) - 1  # grid_sample counts from -1 to 1
        y = (moves[:, :, 0] + rows) * (2 / (height - 1)) - 1
        grid = torch.stack([x, y], dim=-1).reshape(count * joints, _TAPS * height, width, 2)
        seen = F.grid_sample(maps.reshape(count * joints, 1, height, width), grid, align_corners=True)
        mixed = self.weight.flatten(1) @ seen.reshape(count, joints * _TAPS, height * width)
        return mixed.reshape(count, -1, height, width)


class PoseWarper(PoseHRNet):
    """The HRNet and the warper; `heatmaps` and `warp` are what all uses are made of."""

    def __init__(self, width: int = 48, num_joints: int = 17) -> None:
        super().__init__(width, num_joints)
        blocks = [BasicBlock(num_joints, _OFFSET_WIDTH)]
        blocks += [BasicBlock(_OFFSET_WIDTH, _OFFSET_WIDTH) for _ in range(_OFFSET_BLOCKS - 1)]
        self.offset_feats = nn.Sequential(*blocks)
        for layer in self.offset_feats.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.normal_(layer.weight, std=0.001)
        for number, dilation in enumerate(DILATIONS, 1):
            outputs = 2 * _TAPS * num_joints
            offsets = nn.Conv2d(_OFFSET_WIDTH, outputs, 3, padding=dilation, dilation=dilation, bias=False)
            nn.init.zeros_(offsets.weight)
            self.add_module(f"offsets{number}", offsets)
            self.add_module(f"deform_conv{number}", HeatmapDeformation(num_joints, dilation))

    def warp(
        self,
        difference: torch.Tensor,  # [N, J, h, w] heatmaps of the frame that maps go to, minus those of theirs
        maps: torch.Tensor,  # [N, J, h, w]
    ) -> torch.Tensor:
        """[N, J, h, w] the maps moved by the motion that the difference shows."""
        features = self.offset_feats(difference)
        # deform_conv2d wants offsets and maps of one type, which mixed precision does not give by itself
        dtype = self.deform_conv1.weight.dtype
        maps = maps.to(dtype)
        total = torch.zeros_like(maps)
        with torch.autocast(maps.device.type, enabled=False):
            for number in range(1, len(DILATIONS) + 1):
                offsets = getattr(self, f"offsets{number}")(features.to(dtype))
                total = total + getattr(self, f"deform_conv{number}")(maps, offsets)
        return total * (1 / len(DILATIONS))

    def aggregate(
        self,
        maps: torch.Tensor,  # [5 * N, J, h, w] heatmaps, all of the reference frame first, then `FRAME_ORDER`
    ) -> torch.Tensor:
        """[N, J, h, w]"""
        reference = maps[: len(maps) // len(FRAME_ORDER)]
        warped = self.warp(reference.repeat(len(FRAME_ORDER), 1, 1, 1) - maps, maps)
        return sum(part * weight for part, weight in zip(warped.chunk(len(FRAME_ORDER)), FRAME_WEIGHTS))

    def warper_parameters(self) -> list[nn.Parameter]:
        """What is trained while the HRNet stays as it is."""
        own = ("offset_feats.", "offsets", "deform_conv")
        return [p for name, p in self.named_parameters() if name.startswith(own)]


class PoseWarperPair(PoseWarper):
    """Crops of two frames [N, 6, H, W], reference first -> heatmaps [N, J, H / 4, W / 4].

    Forward, the supporting frame's heatmaps are warped to the reference frame. With `warping_reverse`, in eval mode,
    those of the reference go to the supporting frame: its own, or, with `use_gt_input_test`, the maps in channels 6
    to 6 + J, which are at the crop's size (each cell repeated 4 x 4 times).
    """

    def __init__(
        self,
        width: int = 48,
        num_joints: int = 17,
        warping_reverse: bool = False,
        use_gt_input_test: bool = False,
    ) -> None:
        super().__init__(width, num_joints)
        self.reverse, self.given_maps = warping_reverse, use_gt_input_test

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        both = self.heatmaps(torch.cat([x[:, :3], x[:, 3:6]]))
        reference, supporting = both.chunk(2)
        if self.reverse and not self.training:
            maps = x[:, 6:, ::4, ::4] if self.given_maps else reference
            return self.warp(supporting - reference, maps)
        return self.warp(reference - supporting, supporting)


class PoseAggregation(PoseWarper):
    """Crops of five frames [N, 15, H, W] in `FRAME_ORDER` -> heatmaps of the reference [N, J, H / 4, W / 4]: all
    five frames' heatmaps warped to it and summed with `FRAME_WEIGHTS`."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.aggregate(self.heatmaps(torch.cat(x.split(3, dim=1))))
