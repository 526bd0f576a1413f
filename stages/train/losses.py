"""Losses; joints or cells without a label have weight 0 and change nothing."""

from __future__ import annotations

import torch
import torch.nn.functional as F


def spatial_cross_entropy(
    logits: torch.Tensor,  # [N, K, h, w]
    joints: torch.Tensor,  # [N, K, 2] xy in heatmap cells
    weights: torch.Tensor,  # [N, K]
    sigma: float,  # cells
) -> torch.Tensor:
    """Scalar: the mean cross-entropy between softmax over space and a Gaussian around each joint.

    The Gaussian's own entropy is taken off, so that a perfect map costs 0.
    """
    count, number, height, width = logits.shape
    joints = torch.where(weights[..., None] > 0, joints, 0)  # where one is not labelled, its place may be anything
    x = torch.arange(width, device=logits.device, dtype=torch.float32)
    y = torch.arange(height, device=logits.device, dtype=torch.float32)
    across = torch.softmax(-((x - joints[..., :1]) ** 2) / (2 * sigma**2), dim=-1)  # [N, K, w]
    down = torch.softmax(-((y - joints[..., 1:]) ** 2) / (2 * sigma**2), dim=-1)  # [N, K, h]
    target = (down[..., :, None] * across[..., None, :]).reshape(count, number, -1)
    log_probability = logits.float().reshape(count, number, -1).log_softmax(dim=-1)
    divergence = (torch.xlogy(target, target) - target * log_probability).sum(dim=-1)
    return torch.where(weights > 0, divergence * weights, 0).sum() / weights.sum().clamp(min=1)


def quality_focal(
    logits: torch.Tensor,  # [M]
    quality: torch.Tensor,  # [M] IoU of the box where a person is assigned, else 0
) -> torch.Tensor:
    """[M] quality focal loss with beta 2 (Li et al., NeurIPS 2020, arXiv 2006.04388, equation 4)."""
    gap = (quality - logits.sigmoid()).abs()
    return gap**2 * F.binary_cross_entropy_with_logits(logits, quality, reduction="none")


def pairwise_giou(
    a: torch.Tensor,  # [..., 4] xyxy
    b: torch.Tensor,  # [..., 4] xyxy
) -> tuple[torch.Tensor, torch.Tensor]:
    """IoU and generalised IoU, row by row (Rezatofighi et al., CVPR 2019, arXiv 1902.09630)."""
    low, high = torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:])
    shared = (high - low).clamp(min=0).prod(dim=-1)
    union = (a[..., 2:] - a[..., :2]).prod(dim=-1) + (b[..., 2:] - b[..., :2]).prod(dim=-1) - shared
    hull = (torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])).prod(dim=-1)
    iou = shared / union.clamp(min=1e-6)
    return iou, iou - (hull - union) / hull.clamp(min=1e-6)


def joints_mse(
    maps: torch.Tensor,  # [N, K, h, w]
    targets: torch.Tensor,  # [N, K, h, w]
    weights: torch.Tensor,  # [N, K]; multiplies both sides, so that it counts squared
) -> torch.Tensor:
    """Scalar: half the squared difference, mean over everything (Simple Baselines, arXiv 1804.06208)."""
    return 0.5 * ((maps - targets) * weights[..., None, None]).square().mean()


def joints_ohkm(
    maps: torch.Tensor,  # [N, K, h, w]
    targets: torch.Tensor,  # [N, K, h, w]
    weights: torch.Tensor,  # [N, K]
    hardest: int = 8,  # joints of a person that count
) -> torch.Tensor:
    """Scalar: `joints_mse` of each person's hardest joints only (HRNet's option, from Chen et al., CVPR 2018)."""
    each = 0.5 * ((maps - targets) * weights[..., None, None]).square().mean(dim=(2, 3))
    return each.topk(hardest, dim=1).values.sum(dim=1).mean() / hardest


SCALE_WEIGHTS = (0.1, 0.2, 0.4, 1.6, 6.4)  # of SimplePose's maps, finest first
_PARTS, _PERSON = slice(30, 48), slice(48, 49)  # of the 50 channels


def focal_l2(
    maps: list[list[torch.Tensor]],  # [stack][scale] of [N, 50, h, w]
    targets: torch.Tensor,  # [N, 50, H, W] at the finest scale
    mask: torch.Tensor,  # [N, 1, H, W] 0 where people are not labelled
    gamma: float = 1.0,
) -> torch.Tensor:
    """Scalar: SimplePose's loss over all stacks and scales (arXiv 1911.10529, section 3.3).

    A squared difference counts the more, the further the prediction is from sure; parts count three times, the
    person mask a tenth. The published code's exponent is 1, that of the paper 2.
    """
    channel = torch.ones(targets.shape[1], device=targets.device)
    channel[_PARTS], channel[_PERSON] = 3, 0.1
    total = targets.new_zeros(())
    for scale, weight in enumerate(SCALE_WEIGHTS):
        size = maps[0][scale].shape[-2:]
        wanted = F.adaptive_avg_pool2d(targets, size)
        seen = F.interpolate(mask, size, mode="bilinear", align_corners=False)
        seen = torch.where(seen < 0.5, torch.zeros_like(seen), seen) * channel[:, None, None]
        for stack in maps:
            found = stack[scale].float()
            sure = torch.where(wanted >= 0.01, found, 1 - found)
            each = (found - wanted).square() * seen * ((1 - sure).abs() ** gamma)
            total = total + weight * each.sum() / len(maps)
    return total / sum(SCALE_WEIGHTS) / len(targets)
