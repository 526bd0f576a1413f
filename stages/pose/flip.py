"""The flip test: heatmaps of the mirrored crop, brought back and averaged with those of the crop itself."""

from __future__ import annotations

import torch


def mirrored_back(
    heatmaps: torch.Tensor,  # [N, K, h, w] of the mirrored crops
    flip_order: torch.Tensor,  # [K] int64, the joint that each becomes in the mirror
    shift: bool,  # one cell to the right
) -> torch.Tensor:
    """[N, K, h, w] as if the crop had not been mirrored.

    With a crop whose cells lie on multiples of the stride the mirrored map is off by one cell, which `shift` mends
    (the first column keeps its value); with corners on corners (`crop.crop_matrices`) nothing is off.
    Source: microsoft/human-pose-estimation.pytorch (MIT), SHIFT_HEATMAP.
    """
    back = heatmaps.flip(-1)[:, flip_order]
    if not shift:
        return back
    return torch.cat([back[..., :1], back[..., :-1]], dim=-1)


def flip_merged(
    heatmaps: torch.Tensor,  # [N, K, h, w]
    mirrored: torch.Tensor,  # [N, K, h, w] of the mirrored crops
    flip_order: torch.Tensor,  # [K] int64
    shift: bool,
) -> torch.Tensor:
    """[N, K, h, w] the mean of both."""
    return (heatmaps + mirrored_back(mirrored, flip_order, shift)) * 0.5
