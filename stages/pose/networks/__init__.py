"""The pose networks by name. State-dict keys are the published ones, so that published weights load as they are."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import nn


def create(name: str, **options: object) -> nn.Module:
    """A pose network with fresh weights, in training mode.

    `name` is an architecture (`pose_resnet`, `mrheat1_pose_resnet`, `mrheat2_...`, `mrfea1_...`, `mrfea2_...`,
    `pose_hrnet`, `posewarper_pair`, `poseaggr5`, `imhn_main`, `imhn_final`, `compact`); the options are its
    constructor's, such as `num_layers`, `num_joints`, `style`, `width`.

    Raises:
        ValueError: no such network, or an option or value that it does not have.
    """
    makers = _makers()
    if name not in makers:
        raise ValueError(f"{name!r} is no pose network; there are {', '.join(sorted(makers))}")
    try:
        return makers[name](**options)
    except TypeError as error:
        raise ValueError(f"{name}: {error}") from None


def _makers() -> dict[str, Callable[..., nn.Module]]:
    from stages.pose.networks.compact import CompactPose
    from stages.pose.networks.imhn import IMHN
    from stages.pose.networks.mr_pose import MRFea1, MRFea2, MRHeat1, MRHeat2
    from stages.pose.networks.pose_hrnet import PoseHRNet
    from stages.pose.networks.pose_resnet import PoseResNet
    from stages.pose.networks.posewarper import PoseAggregation, PoseWarperPair

    return {
        "compact": CompactPose,
        "imhn_final": partial(IMHN, final=True),
        "imhn_main": IMHN,
        "mrfea1_pose_resnet": MRFea1,
        "mrfea2_pose_resnet": MRFea2,
        "mrheat1_pose_resnet": MRHeat1,
        "mrheat2_pose_resnet": MRHeat2,
        "pose_hrnet": PoseHRNet,
        "pose_resnet": PoseResNet,
        "poseaggr5": PoseAggregation,
        "posewarper_pair": PoseWarperPair,
    }
