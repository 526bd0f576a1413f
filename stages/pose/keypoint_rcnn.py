"""Keypoint R-CNN of torchvision as a pose estimator: its keypoint branch on boxes that are given.

He et al., "Mask R-CNN", ICCV 2017, section 5 (arXiv 1703.06870).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn
from torchvision.models.detection.roi_heads import heatmaps_to_keypoints

from configs.models import ModelEntry
from configs.settings import PoseSettings
from posedata.boxes import area
from posedata.people import FramePeople
from posedata.skeletons import SKELETONS, Skeleton
from stages.device import Runtime
from stages.pose.recipe import recipe
from stages.pose.select import select
from stages.tensors import unit_image

_EDGE = 0.5  # pixels: torchvision counts from pixel edges, ptrack from pixel centres


class KeypointRcnnEstimator:
    """The backbone sees each frame once, the keypoint branch its boxes."""

    def __init__(self, network: nn.Module, entry: ModelEntry, settings: PoseSettings, runtime: Runtime) -> None:
        self.network = network.eval().to(runtime.device)
        self.runtime = runtime
        self.recipe = recipe(settings, entry)
        self.skeleton: Skeleton = SKELETONS[entry.skeleton]

    def estimate(
        self,
        images: Sequence[np.ndarray],  # each [H, W, 3] uint8 RGB
        people: Sequence[FramePeople],  # boxes and box scores of each frame
    ) -> list[FramePeople]:
        """Each frame's people with joints and scores, the best first, near-copies (OKS) left out."""
        keypoints, scores = self.joints_of(images, [p.boxes for p in people])
        areas = area(np.concatenate([p.boxes for p in people])) if people else np.zeros(0)
        return select(people, keypoints, scores, areas, self.skeleton.sigma_array, self.recipe)

    @torch.inference_mode()
    def joints_of(
        self,
        images: Sequence[np.ndarray],  # each [H, W, 3] uint8 RGB
        boxes: Sequence[np.ndarray],  # each [n, 4] xyxy, pixels
    ) -> tuple[np.ndarray, np.ndarray]:
        """Joints [N, K, 2] float32 pixels and scores [N, K] float32 (the logistic of the highest logit) of all boxes,
        frame after frame."""
        parts = [self._one(image, frame) for image, frame in zip(images, boxes) if len(frame)]
        joints = len(self.skeleton)
        if not parts:
            return np.zeros((0, joints, 2), np.float32), np.zeros((0, joints), np.float32)
        return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])

    def _one(self, image: np.ndarray, boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        device = self.runtime.device
        edges = torch.from_numpy(boxes.astype(np.float32)).to(device) + _EDGE
        resized, _ = self.network.transform([unit_image(image, device)])
        [size] = resized.image_sizes
        scale = torch.tensor([size[1] / image.shape[1], size[0] / image.shape[0]] * 2, device=device)
        resized_boxes = edges * scale
        heads = self.network.roi_heads
        with self.runtime.autocast():
            features = self.network.backbone(resized.tensors)
            pooled = heads.keypoint_roi_pool(features, [resized_boxes], resized.image_sizes)
            logits = heads.keypoint_predictor(heads.keypoint_head(pooled)).float()
        keypoints, scores = heatmaps_to_keypoints(logits, resized_boxes)
        found = keypoints[..., :2] / scale[:2] - _EDGE
        return found.cpu().numpy(), scores.sigmoid().cpu().numpy()
