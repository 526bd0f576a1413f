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
    x = torch.arange(width, device=logits.device, dtype=torch.float32)
    y = torch.arange(height, device=logits.device, dtype=torch.float32)
    across = torch.softmax(-((x - joints[..., :1]) ** 2) / (2 * sigma**2), dim=-1)  # [N, K, w]
    down = torch.softmax(-((y - joints[..., 1:]) ** 2) / (2 * sigma**2), dim=-1)  # [N, K, h]
    target = (down[..., :, None] * across[..., None, :]).reshape(count, number, -1)
    log_probability = logits.float().reshape(count, number, -1).log_softmax(dim=-1)
    divergence = (torch.xlogy(target, target) - target * log_probability).sum(dim=-1)
    return (divergence * weights).sum() / weights.sum().clamp(min=1)


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
