"""`ptrack train warper`: PoseWarper learns to bring the heatmaps of a frame to one nearby (arXiv 1906.04016)."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn
from torch.utils.data import Dataset

from configs.recipes import WarperTraining
from configs.training import Phase
from posedata.errors import UsageError
from stages.pose.networks.posewarper import PoseWarper
from stages.train.datasets.pairs import PairSamples, sparse
from stages.train.heatmaps import HeatmapTask


class WarperTask(HeatmapTask):
    """Pairs of crops in; the warped heatmaps are taught the labelled frame's targets.

    Validated like the single-frame network, each frame paired with itself.
    """

    def __init__(self, settings: WarperTraining, say: Callable[[str], None]) -> None:
        super().__init__(settings, say)
        everybody = len(self.people)
        self.people = sparse(self.people, settings.label_every, settings.label_first)
        if len(self.people) < everybody:
            say(f"labels of every {settings.label_every} frames: {len(self.people)} of {everybody} people")

    def samples(self, phase: Phase) -> Dataset:
        return PairSamples(self.people, self.skeleton, self.crops(phase), self.draws(), self.settings.reach)

    def inputs(self, crops):
        """[N, 6, H, W]; in validation a crop is its own neighbour."""
        if crops.shape[1] == 3:
            both = super().inputs(crops)
            return both.repeat(1, 2, 1, 1)
        count, _, height, width = crops.shape
        return super().inputs(crops.reshape(2 * count, 3, height, width)).reshape(count, 6, height, width)


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
