"""Pictures as a network wants them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

IMAGENET_MEAN = (0.485, 0.456, 0.406)  # RGB of 0..1
IMAGENET_STD = (0.229, 0.224, 0.225)


def normalise(
    images: torch.Tensor,  # [N, 3, H, W] uint8, or floats of 0..255, in the order that mean and deviation are in
    mean: Sequence[float] = IMAGENET_MEAN,  # of values of 0..1
    std: Sequence[float] = IMAGENET_STD,
) -> torch.Tensor:
    """[N, 3, H, W] float32, mean taken off and divided by the deviation, channels last in memory."""
    low = torch.tensor(mean, device=images.device).view(1, 3, 1, 1) * 255
    spread = torch.tensor(std, device=images.device).view(1, 3, 1, 1) * 255
    return ((images.float() - low) / spread).contiguous(memory_format=torch.channels_last)


def unit_image(
    image: np.ndarray,  # [H, W, 3] uint8 RGB
    device: torch.device,
) -> torch.Tensor:
    """[3, H, W] float32 of 0..1 on the device, as torchvision's models take it."""
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))).to(device).float() / 255
