"""`ptrack train pose`: the published top-down networks, heatmaps of one person a crop."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn
from torch.utils.data import Dataset, default_collate

from configs.models import find_model
from configs.recipes import HeatmapTraining, PoseSource
from configs.training import Phase
from posedata.errors import BadInput, UsageError
from posedata.skeletons import SKELETONS
from stages.pose.crop import published_matrices, transform_points
from stages.pose.decode import decode_quarter
from stages.pose.flip import flip_merged
from stages.tensors import normalise
from stages.train.datasets.crops import CropRecipe, CropSamples, unreadable
from stages.train.datasets.pairs import sparse
from stages.train.datasets.people import Person, Unreadable, read_people
from stages.train.loading import whole
from stages.train.losses import joints_mse, joints_ohkm
from stages.train.metrics import figures
from stages.train.samples import Draws
from stages.train.targets import heatmap_targets, joint_weights, well_placed

_VALIDATION_BATCH = 32


class HeatmapTask:
    """Crops in, squared differences of heatmaps out; validated by the data set's own figure on annotated boxes."""

    half_weights = False

    def __init__(self, settings: HeatmapTraining, say: Callable[[str], None]) -> None:
        self.settings = settings
        self.entry = find_model(settings.model, "pose")
        if self.entry.skeleton is None or self.entry.mean is None:
            raise UsageError(f"model: {settings.model} is no top-down network; see `ptrack models`")
        self.skeleton = SKELETONS[self.entry.skeleton]
        _check_sequences(settings)
        self.people = self._selected(self._sparse(self._read(settings.train, say), say), say)
        self.validation = self._read((settings.val,), say)[: settings.validate_limit]
        self._unreadable = Unreadable(say)
        say(f"{len(self.people)} people to train on, {len(self.validation)} to validate on")
        self._weights = torch.from_numpy(joint_weights(self.skeleton))

    def _read(self, sources: Sequence[PoseSource], say: Callable[[str], None]) -> list[Person]:
        height, width = self.size(self.settings.phases[0])
        return [p for source in sources for p in read_people(source, self.skeleton, width / height, say)]

    def _sparse(self, people: list[Person], say: Callable[[str], None]) -> list[Person]:
        every = self.settings.label_every
        if every == 1:
            return people
        kept = sparse(people, every, self.settings.label_first)
        say(f"labels of every {every} frames: {len(kept)} of {len(people)} people")
        return kept

    def _selected(self, people: list[Person], say: Callable[[str], None]) -> list[Person]:
        if not self.settings.select:
            return people
        kept = [p for p in people if well_placed(p.joints, p.weights > 0, p.centre, p.scale)]
        out = len(people) - len(kept)
        say(f"{out} of {len(people)} people are left out: their joints lie off their boxes' middle")
        return kept

    def size(self, phase: Phase) -> tuple[int, int]:
        return phase.size or self.entry.input

    def epoch(self) -> int:
        return len(self.people)

    def crops(self, phase: Phase) -> CropRecipe:
        s = self.settings
        return CropRecipe(
            self.size(phase),
            self.entry.colour == "RGB",
            s.scale,
            s.rotation,
            s.flip,
            s.half_body,
            s.half_body_joints,
            s.reduced_decode,
        )

    def draws(self) -> Draws:
        return Draws(np.arange(len(self.people)), self.settings.seed)

    def samples(self, phase: Phase) -> Dataset:
        return CropSamples(self.people, self.skeleton, self.crops(phase), self.draws())

    def collate(self, rows: list) -> list[torch.Tensor]:
        return default_collate(rows)

    def faulty(self, batch: list[torch.Tensor]) -> list[str]:
        return [str(path) for path in unreadable(batch, self.people)]

    def inputs(self, crops: torch.Tensor) -> torch.Tensor:
        """uint8 crops as the network wants them."""
        inputs = normalise(crops, self.entry.mean, self.entry.std)
        return inputs if self.settings.channels_last else inputs.contiguous()

    def loss(self, model: nn.Module, batch: list[torch.Tensor], device: torch.device) -> torch.Tensor:
        crops, joints, weights = (part.to(device, non_blocking=True) for part in batch[:3])
        maps = model(self.inputs(crops)).float()
        height, width = maps.shape[-2:]
        stride = (crops.shape[-1] / width, crops.shape[-2] / height)
        targets, weights = heatmap_targets(joints, weights, (height, width), stride, self.settings.sigma)
        if self.settings.joint_weights:
            weights = weights * self._weights.to(device)
        if self.settings.loss == "ohkm":
            return joints_ohkm(maps, targets, weights, min(self.settings.hardest, weights.shape[1]))
        return joints_mse(maps, targets, weights)

    def judged(self, people: Sequence[Person], recipe: CropRecipe) -> Dataset:
        """The people in order and unchanged, as the network is asked about them."""
        return CropSamples(people, self.skeleton, recipe, None)

    @torch.inference_mode()
    def validate(self, model: nn.Module, device: torch.device) -> dict[str, float]:
        joints, scores = self.predicted(model, self.validation, device)
        readable = [k for k, person in enumerate(self.validation) if person.image not in self._unreadable.paths]
        if not readable:
            raise BadInput(f"{self.settings.val.annotations}: not one of its pictures can be read")
        people = [self.validation[k] for k in readable]
        return figures(self.settings.val, self.skeleton, people, joints[readable], scores[readable])

    @torch.inference_mode()
    def predicted(
        self, model: nn.Module, people: Sequence[Person], device: torch.device
    ) -> tuple[np.ndarray, np.ndarray]:
        """Joints [N, K, 2] pixels and scores [N, K] of people on their boxes, decoded as published."""
        phase = self.settings.phases[-1]
        recipe = CropRecipe(self.size(phase), self.entry.colour == "RGB", reduced=self.settings.reduced_decode)
        samples = self.judged(people, recipe)
        order = torch.from_numpy(self.skeleton.flip_order).to(device)
        cells, scores = [], []
        with whole(samples, _VALIDATION_BATCH, self.settings.loader_workers) as batches:
            for batch in batches:
                for name in unreadable(batch, people):
                    self._unreadable.note(name)
                inputs = self.inputs(batch[0].to(device))
                maps = model(inputs).float()
                if self.settings.validate_flip:
                    maps = flip_merged(maps, model(inputs.flip(-1)).float(), order, shift=True)
                found, sure = decode_quarter(maps.cpu().numpy())
                cells.append(found)
                scores.append(sure)
        size = (maps.shape[-1], maps.shape[-2])
        centre, scale = np.stack([p.centre for p in people]), np.stack([p.scale for p in people])
        back = published_matrices(centre, scale, size, inverse=True)
        return transform_points(np.concatenate(cells), back), np.concatenate(scores)


def _check_sequences(settings: HeatmapTraining) -> None:
    """
    Raises:
        UsageError: labels are to be sparse in time where pictures have none.
    """
    for source in settings.train if settings.label_every > 1 else ():
        if source.format not in ("posetrack", "annolist"):
            raise UsageError(
                f"label_every={settings.label_every}: counts the labelled frames of a sequence, and "
                f"{source.annotations} is read as {source.format}, whose pictures are no sequences; leave it at 1, "
                "or train on PoseTrack alone"
            )
