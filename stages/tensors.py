"""Pictures as a network wants them."""

from __future__ import annotations

import torch

IMAGENET_MEAN = (0.485, 0.456, 0.406)  # RGB of 0..1
IMAGENET_STD = (0.229, 0.224, 0.225)


def normalise(
    images: torch.Tensor,  # [N, 3, H, W] uint8 RGB
) -> torch.Tensor:
    """[N, 3, H, W] float32, ImageNet mean and deviation, channels last in memory."""
    mean = torch.tensor(IMAGENET_MEAN, device=images.device).view(1, 3, 1, 1) * 255
    std = torch.tensor(IMAGENET_STD, device=images.device).view(1, 3, 1, 1) * 255
    return ((images.float() - mean) / std).contiguous(memory_format=torch.channels_last)
