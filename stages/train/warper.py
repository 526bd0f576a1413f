"""`ptrack train warper`: PoseWarper learns to bring the heatmaps of a frame to one nearby (arXiv 1906.04016)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.utils.data import Dataset

from configs.recipes import WarperTraining
from configs.training import Phase, Training
from posedata.errors import UsageError
from stages.pose.networks.posewarper import PoseWarper
from stages.train.datasets.crops import CropRecipe
from stages.train.datasets.pairs import PairSamples
from stages.train.datasets.people import Person
from stages.train.heatmaps import HeatmapTask


class WarperTask(HeatmapTask):
    """Pairs of crops in; the warped heatmaps are taught the labelled frame's targets.

    Validated on what it is for: the labelled frame's joints are found by warping the frame `reach` away.
    """

    def samples(self, phase: Phase) -> Dataset:
        return PairSamples(self.people, self.skeleton, self.crops(phase), self.draws(), self.settings.reach)

    def judged(self, people: Sequence[Person], recipe: CropRecipe) -> Dataset:
        return PairSamples(people, self.skeleton, recipe, None, self.settings.reach)

    def inputs(self, crops: torch.Tensor) -> torch.Tensor:
        """[N, 6, H, W]"""
        count, _, height, width = crops.shape
        return super().inputs(crops.reshape(2 * count, 3, height, width)).reshape(count, 6, height, width)


def check_beginning(settings: Training) -> None:
    """
    Raises:
        UsageError: the warper would be trained on top of a backbone that knows nothing and learns nothing.
    """
    if isinstance(settings, WarperTraining) and settings.freeze and settings.init is None:
        raise UsageError(
            "--init: name the first stage's weights, which stay as they are while the warper learns; or train the "
            "backbone as well with --set freeze=false"
        )


def freeze(model: nn.Module) -> None:
    """Only the warper is trained; batch normalisation goes on to use the batches' statistics, as published.

    Raises:
        UsageError: the network has no warper.
    """
    if not isinstance(model, PoseWarper):
        raise UsageError("model: PoseWarper's second stage needs a posewarper model; see `ptrack models`")
    trained = {id(p) for p in model.warper_parameters()}
    for parameter in model.parameters():
        parameter.requires_grad_(id(parameter) in trained)
