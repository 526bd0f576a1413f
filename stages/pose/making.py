"""The pose stage for the model that the settings name: top-down, over five frames, or bottom-up."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from configs.models import ModelEntry, find_model
from configs.settings import PoseSettings
from stages.device import Runtime
from stages.pose.checkpoints import load_network
from stages.pose.estimator import make_estimator
from stages.stream import Stage
from stages.weights import fused

if TYPE_CHECKING:
    from stages.pose.bottom_up.estimator import BottomUpEstimator
    from stages.pose.estimator import AnyEstimator


def make_any(settings: PoseSettings, runtime: Runtime) -> AnyEstimator | BottomUpEstimator:
    """The model, of whichever kind, its weights loaded; raises as `make_stage`."""
    entry = find_model(settings.model, "pose")
    return _bottom_up(entry, settings, runtime) if entry.bottom_up else make_estimator(settings, runtime)


def make_stage(
    settings: PoseSettings,
    runtime: Runtime,
    estimator_of: Callable[[PoseSettings], AnyEstimator],  # of models that take boxes
) -> Stage:
    """The stage with its network, weights loaded.

    Raises:
        SettingsError: no such model.
        UsageError: its weights are a file that the settings do not name.
        BadInput: its weights cannot be loaded.
    """
    entry = find_model(settings.model, "pose")
    if entry.bottom_up:
        from stages.pose.bottom_up.stage import BottomUpStage

        return BottomUpStage(_bottom_up(entry, settings, runtime))
    if entry.architecture == "posewarper_pair":
        from stages.pose.temporal.stage import WarpStage

        return WarpStage(estimator_of(settings))
    from stages.pose.stage import PoseStage

    return PoseStage(estimator_of(settings))


def _bottom_up(entry: ModelEntry, settings: PoseSettings, runtime: Runtime) -> BottomUpEstimator:
    from stages.pose.bottom_up.estimator import BottomUpEstimator

    network = fused(load_network(entry, settings.checkpoint))  # not within: training validates a living network
    return BottomUpEstimator(network, entry, settings, runtime)
