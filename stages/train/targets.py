"""Heatmaps that top-down networks are taught, and which people teach them; as Simple Baselines and HRNet do.

Source: microsoft/human-pose-estimation.pytorch (MIT), `lib/dataset/JointsDataset.py`; half bodies:
leoxiaobin/deep-high-resolution-net.pytorch (MIT).
"""

from __future__ import annotations

import numpy as np
import torch

from posedata.skeletons import Skeleton
from stages.pose.crop import PIXEL_STD

_COCO_WEIGHTS = {"elbow": 1.2, "wrist": 1.5, "knee": 1.2, "ankle": 1.5}  # of joints that are hard, on request
_UPPER = ("nose", "eye", "ear", "shoulder", "elbow", "wrist", "head_bottom", "head_top", "thorax")
_HALF_BODY_PADDING = 1.5


def heatmap_targets(
    joints: torch.Tensor,  # [N, K, 2] xy in crop pixels
    weights: torch.Tensor,  # [N, K] 0 = not labelled
    size: tuple[int, int],  # height, width of the heatmaps
    stride: tuple[float, float],  # crop pixels a cell, xy
    sigma: float,  # cells
) -> tuple[torch.Tensor, torch.Tensor]:
    """Maps [N, K, height, width] and weights [N, K]: Gaussians of height 1 on whole cells, 3 sigma wide.

    A joint whose window lies outside weighs nothing. As published, the window's last row and column count as
    outside only from -1 on, so that a joint there keeps its weight and has an empty map.
    """
    height, width = size
    steps = torch.tensor(stride, device=joints.device, dtype=torch.float64)
    middle = (joints.double() / steps + 0.5).trunc()  # towards zero, as published
    reach = int(3 * sigma)
    low, high = middle - reach, middle + reach + 1
    bounds = torch.tensor([width, height], device=joints.device)
    outside = ((low >= bounds) | (high < 0)).any(dim=-1)
    weights = torch.where(outside, torch.zeros_like(weights), weights)
    x = torch.arange(width, device=joints.device) - middle[..., :1]  # [N, K, width]
    y = torch.arange(height, device=joints.device) - middle[..., 1:]
    across = torch.where(x.abs() <= reach, torch.exp(-(x**2) / (2 * sigma**2)), 0)
    down = torch.where(y.abs() <= reach, torch.exp(-(y**2) / (2 * sigma**2)), 0)
    maps = down[..., :, None] * across[..., None, :] * (weights > 0.5)[..., None, None]
    return maps.float(), weights


def joint_weights(skeleton: Skeleton) -> np.ndarray:
    """[K] float32: 1.2 for elbows and knees, 1.5 for wrists and ankles, 1 for the rest."""
    return np.array([_COCO_WEIGHTS.get(j.split("_", 1)[-1], 1.0) for j in skeleton.joints], np.float32)


def upper_body(skeleton: Skeleton) -> np.ndarray:
    """[K] bool, the joints above the hips."""
    return np.array([any(part in j for part in _UPPER) for j in skeleton.joints])


def half_body(
    joints: np.ndarray,  # [K, 2] pixels
    visible: np.ndarray,  # [K] bool
    upper: np.ndarray,  # [K] bool
    aspect: float,  # width / height of the crop
    draw: float,  # from a standard normal distribution
) -> tuple[np.ndarray, np.ndarray] | None:
    """Centre [2] pixels and scale [2] in units of `PIXEL_STD` of the upper or the lower body alone.

    None where neither has the joints for it. The upper body is taken for draws below 0.5, thus at 69 of 100.
    """
    above, below = joints[visible & upper], joints[visible & ~upper]
    if draw < 0.5 and len(above) > 2:
        chosen = above
    else:
        chosen = below if len(below) > 2 else above
    if len(chosen) < 2:
        return None
    centre = chosen.mean(axis=0)[:2]
    width, height = chosen.max(axis=0)[:2] - chosen.min(axis=0)[:2]
    if width > aspect * height:
        height = width / aspect
    elif width < aspect * height:
        width = height * aspect
    scale = np.array([width / PIXEL_STD, height / PIXEL_STD], np.float32) * _HALF_BODY_PADDING
    return centre.astype(np.float32), scale.astype(np.float32)


def well_placed(
    joints: np.ndarray,  # [K, 2] pixels
    visible: np.ndarray,  # [K] bool
    centre: np.ndarray,  # [2] of the crop, pixels
    scale: np.ndarray,  # [2] of the crop, in units of PIXEL_STD
) -> bool:
    """Whether the joints' middle lies near the crop's: the nearer, the more joints there are (`SELECT_DATA`)."""
    count = int(visible.sum())
    if count == 0:
        return False
    away = np.linalg.norm(joints[visible].mean(axis=0) - centre)
    similarity = np.exp(-(away**2) / (2 * 0.2**2 * np.prod(scale) * PIXEL_STD**2))
    return bool(similarity > (0.2 / 16) * count + 0.45 - 0.2 / 16)


def jitter(
    rng: np.random.Generator,
    scale: float,  # the usual deviation of the person's size, also its bound
    rotation: float,  # degrees, the usual deviation; at most twice that
) -> tuple[float, float, bool]:
    """Factor on the scale, rotation in degrees (none for 40 of 100), and whether to mirror."""
    factor = float(np.clip(rng.standard_normal() * scale + 1, 1 - scale, 1 + scale))
    turn = rng.standard_normal() * rotation
    angle = float(np.clip(turn, -2 * rotation, 2 * rotation)) if rng.random() <= 0.6 else 0.0
    return factor, angle, bool(rng.random() <= 0.5)
