"""Residual blocks and the ResNet trunk that the published pose networks share.

Parameter names (`conv1`, `bn1`, `downsample.0`, `layer1.0.conv1`, ...) are the published ones: checkpoints need them.
He et al., "Deep Residual Learning", CVPR 2016 (arXiv 1512.03385).
"""

from __future__ import annotations

import torch
from torch import nn

STEM_WIDTH = 64
PLANES = (64, 128, 256, 512)  # of layer1..layer4
HEAD_DEVIATION = 0.001  # of the normal distribution that heads begin with

# (blocks a stage, whether they are bottlenecks) by depth
DEPTHS = {
    18: ((2, 2, 2, 2), False),
    34: ((3, 4, 6, 3), False),
    50: ((3, 4, 6, 3), True),
    101: ((3, 4, 23, 3), True),
    152: ((3, 8, 36, 3), True),
}


def conv3x3(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)


def shortcut(inputs: int, outputs: int, stride: int) -> nn.Sequential | None:
    """What brings a block's input to the shape of its output; None where it has that shape."""
    if stride == 1 and inputs == outputs:
        return None
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut."""

    expansion = 1

    def __init__(self, inputs: int, planes: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = conv3x3(inputs, planes, stride)
        self.bn1 = nn.BatchNorm2d(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = conv3x3(planes, planes)
        self.bn2 = nn.BatchNorm2d(planes)
        self.downsample = shortcut(inputs, planes, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return self.relu(out + (x if self.downsample is None else self.downsample(x)))


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolutions around a shortcut. The stride is the 3x3's, or the first 1x1's in the Caffe style:
    the same keys and shapes, but other numbers."""

    expansion = 4

    def __init__(self, inputs: int, planes: int, stride: int = 1, *, caffe: bool = False) -> None:
        super().__init__()
        first, second = (stride, 1) if caffe else (1, stride)
        outputs = planes * self.expansion
        self.conv1 = nn.Conv2d(inputs, planes, 1, first, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = conv3x3(planes, planes, second)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = shortcut(inputs, outputs, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        return self.relu(out + (x if self.downsample is None else self.downsample(x)))


class ResNetTrunk(nn.Module):
    """The stem and the four stages of a ResNet; a base class, so that their keys stand at the top level.

    Raises:
        ValueError: a depth or style that was never published.
    """

    def __init__(self, num_layers: int, style: str) -> None:
        super().__init__()
        if num_layers not in DEPTHS:
            raise ValueError(f"num_layers: there is no ResNet-{num_layers}; use one of {sorted(DEPTHS)}")
        if style not in ("pytorch", "caffe"):
            raise ValueError(f"style: {style!r} is neither pytorch nor caffe")
        counts, bottlenecks = DEPTHS[num_layers]
        self.conv1 = nn.Conv2d(3, STEM_WIDTH, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(STEM_WIDTH)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        inputs = STEM_WIDTH
        for number, (planes, count) in enumerate(zip(PLANES, counts)):
            blocks: list[nn.Module] = []
            for k in range(count):
                stride = 2 if k == 0 and number > 0 else 1
                if bottlenecks:
                    blocks.append(Bottleneck(inputs, planes, stride, caffe=style == "caffe"))
                else:
                    blocks.append(BasicBlock(inputs, planes, stride))
                inputs = planes * blocks[-1].expansion
            self.add_module(f"layer{number + 1}", nn.Sequential(*blocks))
        self.widths = tuple(p * (4 if bottlenecks else 1) for p in PLANES)

    def levels(
        self,
        x: torch.Tensor,  # [N, 3, H, W]
    ) -> list[torch.Tensor]:
        """Outputs of layer1..layer4, strides 4, 8, 16, 32, `widths` channels."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        found = []
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = layer(x)
            found.append(x)
        return found


def transposed(inputs: int, outputs: int, kernel: int = 4, *, bias: bool = False) -> nn.ConvTranspose2d:
    """The transposed convolution that doubles a map, weights as training begins.

    Raises:
        ValueError: another kernel than 2, 3 or 4.
    """
    if kernel not in (2, 3, 4):
        raise ValueError(f"deconv_kernels: {kernel} does not double a map; use 2, 3 or 4")
    padding, extra = {2: (0, 0), 3: (1, 1), 4: (1, 0)}[kernel]
    layer = nn.ConvTranspose2d(inputs, outputs, kernel, 2, padding, extra, bias=bias)
    begin_small(layer)
    return layer


def doubled(inputs: int, outputs: int, kernel: int = 4, *, bias: bool = False) -> nn.Sequential:
    """Twice the size: transposed convolution, batch normalisation, ReLU."""
    return nn.Sequential(
        transposed(inputs, outputs, kernel, bias=bias), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


def heatmap_head(inputs: int, joints: int, kernel: int = 1) -> nn.Conv2d:
    """The last convolution, one map a joint."""
    layer = nn.Conv2d(inputs, joints, kernel, padding=1 if kernel == 3 else 0)
    begin_small(layer)
    return layer


def begin_small(layer: nn.Conv2d | nn.ConvTranspose2d) -> None:
    """Weights N(0, 0.001), bias 0: how the published heads begin training."""
    nn.init.normal_(layer.weight, std=HEAD_DEVIATION)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
