"""Which cell of the detector answers for which person: dynamic assignment by cost.

SimOTA of YOLOX (Ge et al., arXiv 2107.08430, section 2.3): a cell near a person's centre costs what its present
prediction costs; each person takes its cheapest cells, as many as the sum of the ten best IoUs says.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from stages.detect.compact import STRIDES, cell_centres
from stages.train.losses import pairwise_giou

RADIUS = 2.5  # strides from the centre


@dataclass(frozen=True)
class Cells:
    """The cells of one input size: centres [A, 2] and strides [A], pixels."""

    centres: torch.Tensor
    strides: torch.Tensor


def all_cells(height: int, width: int, device: torch.device) -> Cells:
    """In the order of the detector's output."""
    centres = [cell_centres(-(-height // s), -(-width // s), s, device) for s in STRIDES]
    strides = [torch.full((len(c),), float(s), device=device) for c, s in zip(centres, STRIDES)]
    return Cells(torch.cat(centres), torch.cat(strides))


@torch.no_grad()
def assign(
    cells: Cells,
    logits: torch.Tensor,  # [A]
    predicted: torch.Tensor,  # [A, 4] xyxy, pixels
    people: torch.Tensor,  # [N, 4] xyxy, pixels
) -> torch.Tensor:
    """[A] row of `people` that each cell answers for, -1 = none."""
    owner = torch.full((len(logits),), -1, dtype=torch.long, device=logits.device)
    if not len(people):
        return owner
    middle = (people[:, :2] + people[:, 2:]) / 2
    away = (cells.centres[None] - middle[:, None]).abs()  # [N, A, 2]
    half = (people[:, 2:] - people[:, :2]) / 2
    near = (away <= RADIUS * cells.strides[None, :, None]).all(dim=-1)
    inside = (away <= half[:, None]).all(dim=-1)
    candidate = near & (inside | (away <= cells.strides[None, :, None] / 2).all(dim=-1))
    iou, _ = pairwise_giou(predicted[None], people[:, None])  # [N, A]
    score = logits.sigmoid()[None]
    # the score should say the IoU: the quality focal term, and three times the log of the IoU
    quality = -(iou * torch.log(score + 1e-7) + (1 - iou) * torch.log1p(-score + 1e-7)) * (iou - score).abs() ** 2
    cost = quality - 3 * torch.log(iou + 1e-7) + torch.where(candidate, 0.0, 1e6)
    cheapest = torch.full((len(logits),), 1e5, device=logits.device)
    wanted = torch.where(candidate, iou, 0).topk(min(10, iou.shape[1]), dim=1).values.sum(dim=1).int().clamp(min=1)
    for row in range(len(people)):
        values, chosen = cost[row].topk(int(wanted[row]), largest=False)
        better = values < cheapest[chosen]  # a cell wanted twice goes to the person it suits better
        owner[chosen[better]] = row
        cheapest[chosen[better]] = values[better]
    return owner
