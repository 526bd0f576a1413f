"""`ptrack train pose --preset compact-pose`: the bundled top-down network from COCO-form crops."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, default_collate

from configs.training import Phase, PoseTraining, TrainingSet
from posedata.errors import BadInput, UsageError
from posedata.skeletons import SKELETONS
from stages.pose.networks.compact import CompactPose, target_sigma
from stages.tensors import normalise
from stages.train.datasets.people import Unreadable
from stages.train.losses import spatial_cross_entropy
from stages.train.pose_data import PoseSamples, read_people
from stages.train.rendered import made_sets

INPUT = (192, 144)  # height, width that the bundled network works at


class PoseTask:
    """Crops in, masked spatial cross-entropy out; validated by the mean OKS on the labelled joints."""

    def __init__(
        self, settings: PoseTraining, say: Callable[[str], None], made: tuple[TrainingSet, ...] = ()
    ) -> None:
        self.settings = settings
        self.skeleton = SKELETONS[settings.skeleton]
        sets = (*settings.train, *made)
        self.people = [p for s in sets for p in read_people(s, self.skeleton, settings, say)]
        self.repeat = {name: times for s in sets for name, times in s.repeat.items()}
        self.validation = read_people(settings.val, self.skeleton, settings, say)
        self._unreadable = Unreadable(say)

    half_weights = True

    def size(self, phase: Phase) -> tuple[int, int]:
        return phase.size or INPUT

    def epoch(self) -> int:
        return len(self.samples(self.settings.phases[0]).draws)

    def samples(self, phase: Phase) -> PoseSamples:
        return PoseSamples(self.people, self.skeleton, self.size(phase), self.settings, self.repeat)

    def faulty(self, batch: list[torch.Tensor]) -> list[str]:
        return [str(self.people[-1 - number].path) for number in batch[-1].tolist() if number < 0]

    def collate(self, rows: list) -> list[torch.Tensor]:
        return default_collate(rows)

    def loss(self, model: nn.Module, batch: list[torch.Tensor], device: torch.device) -> torch.Tensor:
        crops, joints, weights = (part.to(device, non_blocking=True) for part in batch[:3])
        logits = model(normalise(crops), as_logits=True)
        cells = joints * heatmap_scale(crops.shape[-2:], logits.shape[-2:]).to(device)
        return spatial_cross_entropy(logits, cells, weights, target_sigma(logits.shape[-2]))

    @torch.inference_mode()
    def validate(self, model: nn.Module, device: torch.device) -> dict[str, float]:
        size = self.size(self.settings.phases[-1])
        data = PoseSamples(self.validation, self.skeleton, size, self.settings, None)
        totals: dict[str, list[float]] = {}
        row = 0
        for crops, joints, weights, numbers in DataLoader(data, batch_size=32):
            for number in numbers[numbers < 0].tolist():
                self._unreadable.note(self.validation[-1 - number].path)
            heatmaps = model(normalise(crops.to(device))).cpu()
            height, width = heatmaps.shape[-2:]
            peak = heatmaps.flatten(2).argmax(dim=-1)
            found = torch.stack([peak % width, peak // width], dim=-1) / heatmap_scale(size, (height, width))
            for k in range(len(crops)):
                person = self.validation[row]
                row += 1
                labelled = weights[k].numpy() > 0
                # the crop's pixels stand for frame pixels by one factor; OKS needs the box's area in crop pixels
                zoom = (size[1] - 1) / crop_width(person.box, size)
                area = 0.53 * np.prod((person.box[2:] - person.box[:2]) * zoom)
                squared = ((found[k] - joints[k]) ** 2).sum(dim=-1).numpy()
                oks = np.exp(-squared / (2 * self.skeleton.sigma_array) ** 2 / area / 2)
                if labelled.any():
                    totals.setdefault(person.source, []).append(float(oks[labelled].mean()))
        if not totals:
            raise BadInput(f"{self.settings.val.annotations}: nobody's picture can be read")
        means = {f"oks_{k}": float(np.mean(v)) for k, v in sorted(totals.items())}
        return {"oks": float(np.mean([v for part in totals.values() for v in part])), **means}


def crop_width(box: np.ndarray, size: tuple[int, int]) -> float:
    """Frame pixels across the crop of one box."""
    from stages.pose.crop import crop_rectangles

    return float(crop_rectangles(box[None], size[1] / size[0])[1][0, 0])


def heatmap_scale(crop: tuple[int, int], heatmap: tuple[int, int]) -> torch.Tensor:
    """[2] factors from crop pixels to heatmap cells, xy; corners lie on corners."""
    return torch.tensor([(heatmap[1] - 1) / (crop[1] - 1), (heatmap[0] - 1) / (crop[0] - 1)])


def compact_pose(settings: PoseTraining, run_dir: Path, say: Callable[[str], None]) -> tuple[CompactPose, PoseTask]:
    """The bundled network as training begins, and what it is taught; made pictures lie in the run folder.

    Raises:
        UsageError: the skeleton is none that is known.
    """
    if settings.skeleton not in SKELETONS:
        raise UsageError(f"skeleton: {settings.skeleton!r} is not known; there are {', '.join(SKELETONS)}")
    return CompactPose(len(SKELETONS[settings.skeleton])), PoseTask(
        settings, say, made_sets("pose", settings, run_dir, say)
    )
