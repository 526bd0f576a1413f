"""The top-down pose stage: crops of people in, joints out. Crops are batched across frames and people."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from torch import nn

from configs.models import ModelEntry, find_model
from configs.settings import PoseSettings
from posedata.errors import UsageError
from posedata.people import FramePeople
from posedata.skeletons import SKELETONS, Skeleton
from stages.batches import Batches
from stages.device import Runtime
from stages.pose.checkpoints import load_network
from stages.pose.crop import Cropping, cropping, invert, reduction, transform_points
from stages.pose.decode import DECODERS
from stages.pose.heatmaps import HeatmapNetwork
from stages.pose.recipe import recipe
from stages.pose.select import select

if TYPE_CHECKING:
    from stages.pose.keypoint_rcnn import KeypointRcnnEstimator
    from stages.pose.temporal.estimator import WarpEstimator


class PoseEstimator:
    """A top-down network with everything around it: crop, flip test, decoding, rescoring, OKS-NMS."""

    def __init__(
        self,
        network: nn.Module,
        entry: ModelEntry,
        settings: PoseSettings,
        runtime: Runtime,
        on_device: bool | None = None,  # crops and decoding too; None = where the device is no CPU
    ) -> None:
        if entry.skeleton is None or entry.input is None:
            raise ValueError(f"{entry.name} is not a top-down network: it declares no skeleton or input size")
        self.runtime = runtime
        self.recipe = recipe(settings, entry)
        self.skeleton: Skeleton = SKELETONS[entry.skeleton]
        self.height, self.width = entry.input
        self.heatmaps = HeatmapNetwork(network, entry, self.recipe, runtime)
        self.on_device = runtime.device.type != "cpu" if on_device is None else on_device
        self._batches = Batches(runtime.batch_size)

    def estimate(
        self,
        images: Sequence[np.ndarray],  # each [H, W, 3] uint8 RGB
        people: Sequence[FramePeople],  # boxes and box scores of each frame
    ) -> list[FramePeople]:
        """Each frame's people with joints and scores, the best first, near-copies (OKS) left out."""
        keypoints, scores = self.joints_of(images, [p.boxes for p in people])
        boxes = np.concatenate([p.boxes for p in people]) if people else np.zeros((0, 4))
        areas = cropping(boxes, (self.width, self.height), self.recipe.published).areas
        return select(people, keypoints, scores, areas, self.skeleton.sigma_array, self.recipe)

    @torch.inference_mode()
    def joints_of(
        self,
        images: Sequence[np.ndarray],  # each [H, W, 3] uint8 RGB
        boxes: Sequence[np.ndarray],  # each [n, 4] xyxy, pixels
    ) -> tuple[np.ndarray, np.ndarray]:
        """Joints [N, K, 2] float32 pixels and scores [N, K] float32 of all boxes, frame after frame."""
        owner = np.repeat(np.arange(len(boxes)), [len(part) for part in boxes])
        keypoints = np.zeros((len(owner), len(self.skeleton), 2), np.float32)
        scores = np.zeros((len(owner), len(self.skeleton)), np.float32)
        if not len(owner):
            return keypoints, scores
        geometry = cropping(np.concatenate(list(boxes)), (self.width, self.height), self.recipe.published)
        look = self._on_device(images, owner, geometry) if self.on_device else self._on_cpu(images, owner, geometry)
        found: dict[int, tuple[Cells, tuple[int, int]]] = {}

        def work(rows: range) -> None:
            found[rows.start] = look(rows)

        self._batches.run(len(owner), work)
        for start, ((cells, score), size) in found.items():  # what is on a GPU is waited for here, not before
            rows = slice(start, start + len(cells))
            keypoints[rows] = transform_points(_numpy(cells), geometry.back(size)[rows])
            scores[rows] = _numpy(score)
        return keypoints, scores

    def _on_cpu(self, images: Sequence[np.ndarray], owner: np.ndarray, geometry: Cropping) -> Look:
        size = (self.width, self.height)

        def look(rows: range) -> tuple[Cells, tuple[int, int]]:
            crops = [cut(images[owner[i]], geometry.matrices[i], *size, self.recipe.compat) for i in rows]
            batch = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).to(self.runtime.device)
            heatmaps = self.heatmaps(batch).cpu().numpy()
            return DECODERS[self.recipe.decode](heatmaps), heatmaps.shape[:1:-1]

        return look

    def _on_device(self, images: Sequence[np.ndarray], owner: np.ndarray, geometry: Cropping) -> Look:
        from stages.pose.device_crops import device_crops, upload
        from stages.pose.device_decode import DECODERS as DEVICE_DECODERS

        frames = upload(images, self.runtime.device)

        def look(rows: range) -> tuple[Cells, tuple[int, int]]:
            part = slice(rows.start, rows.stop)
            size = (self.width, self.height)
            crops = device_crops(frames, owner[part], geometry.matrices[part], size, self.recipe.compat)
            heatmaps = self.heatmaps(crops)
            return DEVICE_DECODERS[self.recipe.decode](heatmaps), tuple(heatmaps.shape[:1:-1])

        return look


# joints in cells [n, K, 2] and scores [n, K], on the CPU or where the network is
Cells = tuple[np.ndarray | torch.Tensor, np.ndarray | torch.Tensor]
# rows of the people -> their cells, and width and height of the heatmaps
Look = Callable[[range], tuple[Cells, tuple[int, int]]]


if TYPE_CHECKING:
    AnyEstimator = PoseEstimator | WarpEstimator | KeypointRcnnEstimator  # all answer `estimate` and `joints_of`


def _numpy(values: np.ndarray | torch.Tensor) -> np.ndarray:
    return values if isinstance(values, np.ndarray) else values.cpu().numpy()


def make_estimator(settings: PoseSettings, runtime: Runtime) -> AnyEstimator:
    """The pose network that the settings name, its weights loaded.

    Raises:
        SettingsError: no such model.
        UsageError: its weights are a file that the settings do not name, or it takes no boxes.
        BadInput: its weights cannot be loaded.
    """
    entry = find_model(settings.model, "pose")
    if entry.bottom_up:
        raise UsageError(f"{entry.name} finds people by itself, it cannot estimate poses in given boxes")
    if entry.weights == "torchvision":
        from stages.pose.keypoint_rcnn import KeypointRcnnEstimator
        from stages.torchvision_weights import fetched_model

        if settings.checkpoint:
            raise UsageError(f"{entry.name}: its weights come through torchvision; leave --checkpoint out")
        return KeypointRcnnEstimator(fetched_model(entry.name), entry, settings, runtime)
    network = load_network(entry, settings.checkpoint)
    if entry.architecture == "posewarper_pair":
        from stages.pose.temporal.estimator import WarpEstimator  # which cuts crops as this module does

        return WarpEstimator(network, entry, settings, runtime)
    return PoseEstimator(network, entry, settings, runtime)


def cut(
    image: np.ndarray,  # [H, W, 3] uint8 RGB
    matrix: np.ndarray,  # [2, 3] frame pixels -> crop pixels
    width: int,
    height: int,
    compat: bool = False,  # sampled however small the person becomes, as published
) -> np.ndarray:
    """[height, width, 3] uint8; outside the frame black. A strongly reduced person is averaged, not sampled."""
    shrink = reduction(matrix)
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
