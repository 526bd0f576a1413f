"""PoseWarper: a person's heatmaps in five frames, warped to the middle one and summed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from configs.models import ModelEntry
from configs.settings import PoseSettings
from posedata.people import FramePeople
from posedata.skeletons import SKELETONS, Skeleton
from stages.batches import Batches
from stages.device import Runtime
from stages.pose.crop import cropping, transform_points
from stages.pose.decode import DECODERS
from stages.pose.estimator import cut
from stages.pose.networks.posewarper import FRAME_ORDER, PoseWarper
from stages.pose.recipe import recipe
from stages.pose.select import select
from stages.tensors import IMAGENET_MEAN, IMAGENET_STD, normalise
from stages.weights import fused

_FRAMES = len(FRAME_ORDER)


@dataclass(frozen=True)
class Scene:
    """People of one frame, and the frames that their poses are estimated from."""

    people: FramePeople  # boxes and box scores
    images: tuple[np.ndarray, ...]  # five [H, W, 3] uint8 RGB in the network's order, the people's own first
    frames: tuple[int, ...]  # their numbers: one number is always one picture


class WarpEstimator:
    """Crops of all five frames are cut with the box of the middle one, so that motion stays in the heatmaps."""

    def __init__(self, network: PoseWarper, entry: ModelEntry, settings: PoseSettings, runtime: Runtime) -> None:
        if entry.skeleton is None or entry.input is None:
            raise ValueError(f"{entry.name} declares no skeleton or input size")
        self.network = fused(network).to(runtime.device, memory_format=torch.channels_last)
        self.runtime = runtime
        self.recipe = recipe(settings, entry)
        self.skeleton: Skeleton = SKELETONS[entry.skeleton]
        self.height, self.width = entry.input
        self._batches = Batches(runtime.batch_size)
        self._reverse = entry.colour == "BGR"
        self._mean, self._std = entry.mean or IMAGENET_MEAN, entry.std or IMAGENET_STD

    def estimate(
        self,
        images: Sequence[np.ndarray],  # each [H, W, 3] uint8 RGB
        people: Sequence[FramePeople],
    ) -> list[FramePeople]:
        """Poses in single frames, each taken for its own past and future, as a frame at both ends of a sequence."""
        return self.aggregate(
            [
                Scene(p, (image,) * _FRAMES, (number,) * _FRAMES)
                for number, (image, p) in enumerate(zip(images, people))
            ]
        )

    def joints_of(
        self,
        images: Sequence[np.ndarray],  # each [H, W, 3] uint8 RGB
        boxes: Sequence[np.ndarray],  # each [n, 4] xyxy, pixels
    ) -> tuple[np.ndarray, np.ndarray]:
        """Joints [N, K, 2] float32 pixels and scores [N, K] float32 of all boxes, frame after frame, each taken for
        its own past and future."""
        people = [FramePeople(boxes=part, box_scores=np.ones(len(part))) for part in boxes]
        return self._joints(
            [
                Scene(p, (image,) * _FRAMES, (number,) * _FRAMES)
                for number, (image, p) in enumerate(zip(images, people))
            ]
        )[:2]

    def aggregate(self, scenes: Sequence[Scene]) -> list[FramePeople]:
        """Each scene's people with joints and scores; heatmaps are used again where picture and crop are the same.

        Scenes must come in the order of their frames.
        """
        keypoints, scores, areas = self._joints(scenes)
        people = [scene.people for scene in scenes]
        return select(people, keypoints, scores, areas, self.skeleton.sigma_array, self.recipe)

    def _joints(self, scenes: Sequence[Scene]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Joints [N, K, 2] pixels, scores [N, K] and areas [N] of all people, scene after scene."""
        owner = [number for number, scene in enumerate(scenes) for _ in range(len(scene.people))]
        keypoints = np.zeros((len(owner), len(self.skeleton), 2), np.float32)
        scores = np.zeros((len(owner), len(self.skeleton)), np.float32)
        if not owner:
            return keypoints, scores, np.zeros(0)
        boxes = np.concatenate([scene.people.boxes for scene in scenes])
        geometry = cropping(boxes, (self.width, self.height), self.recipe.published)
        known: dict[tuple[int, bytes], torch.Tensor] = {}
        step = max(1, self.runtime.batch_size // _FRAMES)
        for start in range(0, len(owner), step):
            rows = range(start, min(start + step, len(owner)))
            batch = [(scenes[owner[row]], geometry.matrices[row]) for row in rows]
            oldest = min(batch[0][0].frames)
            known = {key: maps for key, maps in known.items() if key[0] >= oldest}
            heatmaps = self._aggregated(batch, known)
            cells, score = DECODERS[self.recipe.decode](heatmaps)
            back = geometry.back((heatmaps.shape[3], heatmaps.shape[2]))
            keypoints[rows], scores[rows] = transform_points(cells, back[rows]), score
        return keypoints, scores, geometry.areas

    @torch.inference_mode()
    def _aggregated(
        self, batch: list[tuple[Scene, np.ndarray]], known: dict[tuple[int, bytes], torch.Tensor]
    ) -> np.ndarray:
        """[N, K, h, w] float32; what had to be computed for it is added to `known`."""
        wanted: dict[tuple[int, bytes], tuple[np.ndarray, np.ndarray]] = {}
        for scene, matrix in batch:
            for frame, image in zip(scene.frames, scene.images):
                wanted.setdefault((frame, matrix.tobytes()), (image, matrix))
        self._compute({key: value for key, value in wanted.items() if key not in known}, known)
        stack = [known[scene.frames[k], matrix.tobytes()] for k in range(_FRAMES) for scene, matrix in batch]
        with self.runtime.autocast():
            return self.network.aggregate(torch.stack(stack)).float().cpu().numpy()

    def _compute(
        self,
        wanted: dict[tuple[int, bytes], tuple[np.ndarray, np.ndarray]],
        known: dict[tuple[int, bytes], torch.Tensor],
    ) -> None:
        """Heatmaps of single crops, the network's batch at a time."""
        keys = list(wanted)

        def work(rows: range) -> None:
            part = keys[rows.start : rows.stop]
            crops = np.stack([cut(*wanted[key], self.width, self.height, self.recipe.compat) for key in part])
            if self._reverse:
                crops = np.ascontiguousarray(crops[..., ::-1])
            pictures = torch.from_numpy(crops).permute(0, 3, 1, 2).to(self.runtime.device)
            inputs = normalise(pictures, self._mean, self._std)
            with self.runtime.autocast():
                known.update(zip(part, self.network.heatmaps(inputs).float()))

        self._batches.run(len(keys), work)
