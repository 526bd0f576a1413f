"""What moves the weights, and what of a network moves while it is trained."""

from __future__ import annotations

import torch
from torch import nn

from configs.training import Training


def training_mode(model: nn.Module, settings: Training) -> None:
    """As `train()`, but for batch normalisation that is to stay as it is."""
    model.train()
    if settings.freeze_bn:
        for part in model.modules():
            if isinstance(part, (nn.BatchNorm1d, nn.BatchNorm2d, nn.SyncBatchNorm)):
                part.eval()


def make_optimizer(model: nn.Module, settings: Training) -> torch.optim.Optimizer:
    """As the settings say; frozen weights have no part in it. Decay spares biases and normalisation for AdamW."""
    trained = [p for p in model.parameters() if p.requires_grad]
    rate, decay = settings.learning_rate, settings.weight_decay
    if settings.optimizer == "adam":
        return torch.optim.Adam(trained, lr=rate, weight_decay=decay)
    if settings.optimizer == "sgd":
        return torch.optim.SGD(trained, lr=rate, momentum=settings.momentum, weight_decay=decay)
    decayed = {"params": [p for p in trained if p.ndim > 1], "weight_decay": decay}
    free = {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0}
    return torch.optim.AdamW([decayed, free], lr=rate)
