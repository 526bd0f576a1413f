"""HRNet: parallel branches of falling resolution that exchange features; heatmaps from the finest.

Sun et al., "Deep High-Resolution Representation Learning for Human Pose Estimation", CVPR 2019 (arXiv 1902.09212).
Keys are those of leoxiaobin/deep-high-resolution-net.pytorch (MIT).
"""

from __future__ import annotations

import torch
from torch import nn

from stages.pose.networks.blocks import BasicBlock, Bottleneck, begin_small, conv3x3, heatmap_head

_MODULES = {2: 1, 3: 4, 4: 3}  # by stage; a stage has as many branches as its number says
_BLOCKS = 4  # of each branch
_LAYER1_WIDTH = 256


def _down(inputs: int, outputs: int, relu: bool = True) -> nn.Sequential:
    layers: list[nn.Module] = [conv3x3(inputs, outputs, 2), nn.BatchNorm2d(outputs)]
    return nn.Sequential(*layers, nn.ReLU(inplace=True)) if relu else nn.Sequential(*layers)


def _transition(before: list[int], after: list[int]) -> nn.ModuleList:
    """From a stage's channels to the next one's: None where nothing changes; the new branch halves the last one."""
    layers: list[nn.Module | None] = []
    for number, outputs in enumerate(after):
        if number >= len(before):
            layers.append(nn.Sequential(_down(before[-1], outputs)))
        elif before[number] == outputs:
            layers.append(None)
        else:
            change = (conv3x3(before[number], outputs), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))
            layers.append(nn.Sequential(*change))
    return nn.ModuleList(layers)


def _fusion(widths: list[int], target: int, source: int) -> nn.Sequential | None:
    """What brings branch `source` to branch `target`'s resolution and width."""
    if source == target:
        return None
    if source > target:
        return nn.Sequential(
            nn.Conv2d(widths[source], widths[target], 1, bias=False),
            nn.BatchNorm2d(widths[target]),
            nn.Upsample(scale_factor=2 ** (source - target), mode="nearest"),
        )
    steps = target - source
    chain = [_down(widths[source], widths[source]) for _ in range(steps - 1)]
    return nn.Sequential(*chain, _down(widths[source], widths[target], relu=False))


class ExchangeModule(nn.Module):
    """Branches of residual blocks, and what each sends to each of the others."""

    def __init__(self, widths: list[int], outputs: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(*(BasicBlock(width, width) for _ in range(_BLOCKS))) for width in widths
        )
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList([_fusion(widths, i, j) for j in range(len(widths))]) for i in range(outputs)
        )
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: list[torch.Tensor]) -> list[torch.Tensor]:
        x = [branch(part) for branch, part in zip(self.branches, x)]
        found = []
        for sources in self.fuse_layers:
            total: torch.Tensor | None = None
            for layer, part in zip(sources, x):
                sent = part if layer is None else layer(part)
                total = sent if total is None else total + sent
            # not in place: with a single source the sum may be a branch's own output
            found.append(torch.relu(total))
        return found


class PoseHRNet(nn.Module):
    """Crop [N, 3, H, W] -> heatmaps [N, num_joints, H / 4, W / 4]; H and W multiples of 32."""

    def __init__(self, width: int = 32, num_joints: int = 17, final_conv_kernel: int = 1) -> None:
        super().__init__()
        self.conv1 = conv3x3(3, 64, 2)
        self.bn1 = nn.BatchNorm2d(64)
        self.conv2 = conv3x3(64, 64, 2)
        self.bn2 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = nn.Sequential(Bottleneck(64, 64), *(Bottleneck(_LAYER1_WIDTH, 64) for _ in range(3)))
        before = [_LAYER1_WIDTH]
        for stage, modules in _MODULES.items():
            widths = [width * 2**b for b in range(stage)]
            self.add_module(f"transition{stage - 1}", _transition(before, widths))
            outputs = [stage] * modules
            if stage == 4:
                outputs[-1] = 1  # heatmaps come from the finest branch alone
            self.add_module(f"stage{stage}", nn.Sequential(*(ExchangeModule(widths, n) for n in outputs)))
            before = widths
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                begin_small(layer)
        self.final_layer = heatmap_head(width, num_joints, final_conv_kernel)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.heatmaps(x)

    def heatmaps(self, x: torch.Tensor) -> torch.Tensor:
        """[N, num_joints, H / 4, W / 4] of crops [N, 3, H, W]."""
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        parts = [self.layer1(x)]
        for stage in _MODULES:
            parts = self._grown(parts, getattr(self, f"transition{stage - 1}"))
            parts = getattr(self, f"stage{stage}")(parts)
        return self.final_layer(parts[0])

    @staticmethod
    def _grown(parts: list[torch.Tensor], transition: nn.ModuleList) -> list[torch.Tensor]:
        """The branches of the next stage; a new one comes from the last."""
        given = [*parts, parts[-1]]
        if len(parts) == 1:  # layer1's one output is the source of both first branches
            given = [parts[0], parts[0]]
        return [part if layer is None else layer(part) for layer, part in zip(transition, given)]
