"""SimplePose: the identity-mapping hourglass network (IMHN), people's parts and limbs bottom-up.

Li et al., "Simple Pose: Rethinking and Improving a Bottom-up Approach for Multi-Person Pose Estimation", AAAI 2020
(arXiv 1911.10529). Written from the paper and from measured facts about the published parameters, whose keys these
are. Two layouts were published: `imhn_main` is that of the released weights, `imhn_final` is larger.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

SCALES = 5  # strides 4, 8, 16, 32, 64
DEPTH = 4  # of an hourglass
_SLOPE = 0.01
_REDUCTION = 16


class Conv(nn.Module):
    """Convolution, batch normalisation, leaky ReLU; the last two can be left out, then the first has a bias."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 3, *, bn: bool = True, act: bool = True, dilation: int = 1
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, 1, dilation * (kernel // 2), dilation, bias=not bn)
        self.bn = nn.BatchNorm2d(outputs) if bn else None
        self.act = nn.LeakyReLU(_SLOPE, inplace=True) if act else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(x)
        x = x if self.bn is None else self.bn(x)
        return x if self.act is None else self.act(x)


class Residual(nn.Module):
    """Bottleneck of half the output's width around a shortcut."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        half = outputs // 2
        self.convBlock = nn.Sequential(
            nn.Conv2d(inputs, half, 1, bias=False),
            nn.BatchNorm2d(half),
            nn.LeakyReLU(_SLOPE, inplace=True),
            nn.Conv2d(half, half, 3, padding=1, bias=False),
            nn.BatchNorm2d(half),
            nn.LeakyReLU(_SLOPE, inplace=True),
            nn.Conv2d(half, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.skipConv = None
        if inputs != outputs:
            self.skipConv = nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        skip = x if self.skipConv is None else self.skipConv(x)
        return F.leaky_relu(self.convBlock(x) + skip, _SLOPE)


class ChannelAttention(nn.Module):
    """Each channel times a factor computed from all channels' means (squeeze and excitation, arXiv 1709.01507)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc = nn.Sequential(
            nn.Linear(width, width // _REDUCTION),
            nn.LeakyReLU(_SLOPE, inplace=True),
            nn.Linear(width // _REDUCTION, width),
            nn.Sigmoid(),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.fc(x.mean(dim=(2, 3)))[:, :, None, None]


class Stem(nn.Module):
    """Image [N, 3, H, W] -> features [N, width, H / 4, W / 4]; `imhn_main` adds a chain of dilated convolutions."""

    def __init__(self, width: int, final: bool) -> None:
        super().__init__()
        half, quarter = width // 2, width // 4
        self.conv1 = nn.Conv2d(3, quarter, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(quarter)
        self.res1 = Residual(quarter, half)
        self.res2 = Residual(half, half)
        if final:
            self.res3 = Residual(half, width)
        else:
            self.dilation = nn.Sequential(*(Conv(half, half, dilation=d) for d in (3, 3, 4, 4, 5, 5)))
        self.final = final

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.leaky_relu(self.bn1(self.conv1(x)), _SLOPE)
        x = self.res2(F.max_pool2d(self.res1(x), 2))
        return self.res3(x) if self.final else torch.cat([x, self.dilation(x)], dim=1)


class Hourglass(nn.Module):
    """Features at stride 4 -> features at the five `SCALES`: the finest of the way up, then what came from below at
    every depth."""

    def __init__(self, width: int, increase: int, final: bool) -> None:
        super().__init__()
        levels = []
        for depth in range(DEPTH):
            here, below = width + increase * depth, width + increase * (depth + 1)
            layers = _final_level(here, below) if final else _main_level(here, below)
            if depth == DEPTH - 1:
                layers.append(Conv(below, below) if final else Residual(below, below))
            levels.append(nn.ModuleList(layers))
        self.hg = nn.ModuleList(levels)
        self.final = final

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        skips = []
        for level in self.hg:
            skips.append(level[0](x))
            x = level[1](F.max_pool2d(x, 2))
        x = self.hg[-1][-1](x)
        inner = []
        for level, skip in zip(reversed(self.hg), reversed(skips)):
            inner.append(x)
            x = level[3](F.interpolate(level[2](x), scale_factor=2, mode="nearest"))
            x = level[5](skip + level[4](x)) if self.final else skip + x
        return [x, *inner[::-1]]


def _main_level(here: int, below: int) -> list[nn.Module]:
    return [Residual(here, here), Residual(here, below), Residual(below, here), Conv(here, here)]


def _final_level(here: int, below: int) -> list[nn.Module]:
    bare = {"act": False}
    return [
        Conv(here, here, **bare),
        Conv(here, below),
        Conv(below, here),
        Conv(here, here),
        Conv(here, here, **bare),
        nn.LeakyReLU(_SLOPE),
    ]


class Features(nn.Module):
    """What is done to each scale's features before maps are read from them."""

    def __init__(self, widths: list[int], width: int, final: bool) -> None:
        super().__init__()
        made = []
        for inputs in widths:
            if final:
                made.append(nn.Sequential(Conv(inputs, width, 1), Conv(width, width), Conv(width, width)))
            else:
                made.append(nn.Sequential(Conv(inputs, width), Conv(width, width), ChannelAttention(width)))
        self.before_regress = nn.ModuleList(made)


class Merge(nn.Module):
    """Maps or features on their way into the next stack: 1x1 convolution and batch normalisation."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = Conv(inputs, outputs, 1, act=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x)


class _Stacks(nn.Module):
    """The stem and the stacked hourglasses, each with maps at five scales that the next one gets to see."""

    def __init__(self, nstack: int, maps: int, width: int, increase: int, final: bool) -> None:
        super().__init__()
        widths = [width + increase * k for k in range(SCALES)]
        self.pre = Stem(width, final)
        self.hourglass = nn.ModuleList(Hourglass(width, increase, final) for _ in range(nstack))
        self.features = nn.ModuleList(Features(widths, width, final) for _ in range(nstack))
        self.outs = _grid(nstack, lambda k: Conv(width, maps, 1, bn=False, act=False))
        self.merge_features = _grid(nstack - 1, lambda k: Merge(width, widths[k]))
        self.merge_preds = _grid(nstack - 1, lambda k: Merge(maps, widths[k]))
        self.channel_attention = _grid(nstack, lambda k: ChannelAttention(widths[k])) if final else None

    def forward(self, x: torch.Tensor, finest_only: bool) -> list[list[torch.Tensor]]:
        x = self.pre(x)
        cache: list[torch.Tensor] = []
        found = []
        last = len(self.hourglass) - 1
        for stack, hourglass in enumerate(self.hourglass):
            scales = hourglass(x)
            if finest_only and stack == last:
                scales = scales[:1]
            if self.channel_attention is not None:
                scales = [attend(h) for attend, h in zip(self.channel_attention[stack], scales)]
            if stack > 0:
                scales = [h + seen for h, seen in zip(scales, cache)]
            ready = [prepare(h) for prepare, h in zip(self.features[stack].before_regress, scales)]
            maps = [read(f) for read, f in zip(self.outs[stack], ready)]
            found.append(maps)
            if stack < last:
                merges = zip(self.merge_preds[stack], maps, self.merge_features[stack], ready)
                cache = [of_maps(m) + of_features(f) for of_maps, m, of_features, f in merges]
                x = x + cache[0]
        return found


def _grid(stacks: int, make) -> nn.ModuleList:
    """One module for every stack and scale."""
    return nn.ModuleList(nn.ModuleList(make(k) for k in range(SCALES)) for _ in range(stacks))


class IMHN(nn.Module):
    """Images [N, H, W, 3], BGR of 0..1, H and W multiples of 64 -> maps [stack][scale] of [N, num_layers, h, w]."""

    def __init__(
        self,
        nstack: int = 4,
        num_layers: int = 50,  # maps: limbs, parts, two masks
        inp_dim: int = 256,  # width at stride 4; narrower ones are ours
        increase: int = 128,
        *,
        final: bool = False,
    ) -> None:
        super().__init__()
        if inp_dim < _REDUCTION or inp_dim % _REDUCTION:
            raise ValueError(f"inp_dim: must be a multiple of {_REDUCTION}, not {inp_dim}")
        self.posenet = _Stacks(nstack, num_layers, inp_dim, increase, final)

    def forward(self, images: torch.Tensor) -> list[list[torch.Tensor]]:
        return self.posenet(images.permute(0, 3, 1, 2), finest_only=False)

    def maps(self, images: torch.Tensor) -> torch.Tensor:
        """[N, num_layers, H / 4, W / 4] of the last stack at its finest scale, all that inference looks at."""
        return self.posenet(images.permute(0, 3, 1, 2), finest_only=True)[-1][0]
