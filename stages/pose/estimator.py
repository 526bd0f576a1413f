"""The top-down pose stage: crops of people in, joints out. Crops are batched across frames and people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import torch
from torch import nn

from configs.models import ModelEntry, find_model
from configs.settings import PoseSettings
from posedata.people import FramePeople
from posedata.skeletons import SKELETONS, Skeleton
from stages.device import Runtime
from stages.pose.crop import cropping, invert, transform_points
from stages.pose.decode import DECODERS
from stages.pose.flip import flip_merged
from stages.pose.networks.compact import CompactPose
from stages.pose.recipe import recipe
from stages.pose.select import select
from stages.tensors import normalise
from stages.weights import fused, load_bundled


class PoseEstimator:
    """A top-down network with everything around it: crop, flip test, decoding, rescoring, OKS-NMS."""

    def __init__(self, network: nn.Module, entry: ModelEntry, settings: PoseSettings, runtime: Runtime) -> None:
        if entry.skeleton is None or entry.input is None:
            raise ValueError(f"{entry.name} is not a top-down network: it declares no skeleton or input size")
        self.network = fused(network).to(runtime.device, memory_format=torch.channels_last)
        self.settings, self.runtime = settings, runtime
        self.recipe = recipe(settings, entry)
        self.skeleton: Skeleton = SKELETONS[entry.skeleton]
        self.height, self.width = entry.input
        self._mirror = torch.from_numpy(self.skeleton.flip_order).to(runtime.device)

    def estimate(
        self,
        images: Sequence[np.ndarray],  # each [H, W, 3] uint8 RGB
        people: Sequence[FramePeople],  # boxes and box scores of each frame
    ) -> list[FramePeople]:
        """Each frame's people with joints and scores, the best first, near-copies (OKS) left out."""
        keypoints, scores = self.joints_of(images, [p.boxes for p in people])
        found, start = [], 0
        for frame in people:
            rows = slice(start, start + len(frame))
            start += len(frame)
            posed = replace(frame, keypoints=keypoints[rows], keypoint_scores=scores[rows])
            areas = cropping(frame.boxes, (self.width, self.height), self.recipe.published).areas
            found.append(
                select(
                    posed,
                    areas,
                    self.skeleton.sigma_array,
                    min_joint_score=self.settings.min_joint_score,
                    nms=self.recipe.nms,
                    threshold=self.settings.oks_nms,
                    compat=self.recipe.compat,
                )
            )
        return found

    @torch.inference_mode()
    def joints_of(
        self,
        images: Sequence[np.ndarray],  # each [H, W, 3] uint8 RGB
        boxes: Sequence[np.ndarray],  # each [n, 4] xyxy, pixels
    ) -> tuple[np.ndarray, np.ndarray]:
        """Joints [N, K, 2] float32 pixels and scores [N, K] float32 of all boxes, frame after frame."""
        owner = [i for i, part in enumerate(boxes) for _ in range(len(part))]
        keypoints = np.zeros((len(owner), len(self.skeleton), 2), np.float32)
        scores = np.zeros((len(owner), len(self.skeleton)), np.float32)
        if not owner:
            return keypoints, scores
        geometry = cropping(np.concatenate(list(boxes)), (self.width, self.height), self.recipe.published)
        matrices = geometry.matrices
        for start in range(0, len(owner), self.runtime.batch_size):
            rows = range(start, min(start + self.runtime.batch_size, len(owner)))
            crops = np.stack(
                [cut(images[owner[i]], matrices[i], self.width, self.height, self.recipe.compat) for i in rows]
            )
            heatmaps = self._heatmaps(torch.from_numpy(crops).permute(0, 3, 1, 2).to(self.runtime.device))
            cells, score = DECODERS[self.recipe.decode](heatmaps)
            back = geometry.back((heatmaps.shape[3], heatmaps.shape[2]))
            keypoints[rows] = transform_points(cells, back[rows])
            scores[rows] = score
        return keypoints, scores

    def _heatmaps(self, crops: torch.Tensor) -> np.ndarray:
        """[N, K, h, w] float32; averaged with those of the mirrored crops under the flip test."""
        inputs = normalise(crops)
        with self.runtime.autocast():
            heatmaps = self.network(inputs).float()
            if self.recipe.flip:
                mirrored = self.network(inputs.flip(-1)).float()
                heatmaps = flip_merged(heatmaps, mirrored, self._mirror, self.recipe.shift)
        return heatmaps.cpu().numpy()


def make_estimator(settings: PoseSettings, runtime: Runtime) -> PoseEstimator:
    """The pose network that the settings name, its weights loaded.

    Raises:
        SettingsError: no such model.
        BadInput: its weights cannot be loaded.
    """
    entry = find_model(settings.model, "pose")
    network = CompactPose(len(SKELETONS[entry.skeleton]))
    load_bundled(network, entry)
    return PoseEstimator(network, entry, settings, runtime)


def cut(
    image: np.ndarray,  # [H, W, 3] uint8 RGB
    matrix: np.ndarray,  # [2, 3] frame pixels -> crop pixels
    width: int,
    height: int,
    compat: bool = False,  # sampled however small the person becomes, as published
) -> np.ndarray:
    """[height, width, 3] uint8; outside the frame black. A strongly reduced person is averaged, not sampled."""
    shrink = int(1 / max(np.linalg.norm(matrix[:, 0]), 1e-6) / 1.5)
    if shrink < 2 or compat:
        return cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR)
    corners = np.array([[0, 0], [width - 1, 0], [0, height - 1], [width - 1, height - 1]], np.float64)
    spread = transform_points(corners[None], invert(matrix[None]))[0]
    high = np.array(image.shape[1::-1])
    x0, y0 = np.clip(np.floor(spread.min(axis=0)) - shrink, 0, high - 1).astype(int)
    x1, y1 = np.clip(np.ceil(spread.max(axis=0)) + shrink, 1, high).astype(int)
    x1, y1 = max(x1, x0 + 1), max(y1, y0 + 1)
    part = image[y0:y1, x0:x1]
    small_size = (max(1, part.shape[1] // shrink), max(1, part.shape[0] // shrink))
    small = cv2.resize(part, small_size, interpolation=cv2.INTER_AREA)
    # pixel centres of the small picture in the frame: x = (u + 0.5) * factor - 0.5 + x0
    factor = np.array(part.shape[1::-1]) / small_size
    offset = factor / 2 - 0.5 + (x0, y0)
    reduced = np.concatenate([matrix[:, :2] * factor, matrix[:, :2] @ offset[:, None] + matrix[:, 2:]], axis=1)
    return cv2.warpAffine(small, reduced, (width, height), flags=cv2.INTER_LINEAR)
