"""Labelled poses moved to the frames around by PoseWarper: video pose propagation, and more data to train on (arXiv
1906.04016, section 3.2)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch

from configs.models import ModelEntry
from posedata.formats.labels import FrameLabels
from posedata.frames import Frame
from stages.device import Runtime
from stages.pose.crop import cropping, transform_points
from stages.pose.decode import decode_quarter
from stages.pose.estimator import cut
from stages.pose.networks.posewarper import PoseWarper
from stages.tensors import IMAGENET_MEAN, IMAGENET_STD, normalise
from stages.train.targets import heatmap_targets
from stages.weights import fused

REACH = 3  # frames each way, as published
_SIGMA = 3.0 / 384  # of the maps that the labels become, cells for each pixel of the crop's height
_MIN_SCORE = 0.2  # joints above are kept, as published


def chosen_labels(
    labelled: Collection[int],  # frames
    every: int,
    reach: int = REACH,
) -> list[int]:
    """Which labels to keep to try propagation out: of each run of labelled frames the one at `reach`, then every
    `every`-th, and the last one if nothing within `reach` of it was taken. Source: PoseWarper's propagation script
    (Apache-2.0), which fails on runs of `reach` frames or fewer; of these the middle one is kept."""
    frames = sorted(labelled)
    found: list[int] = []
    start = 0
    for end in range(1, len(frames) + 1):
        if end < len(frames) and frames[end] == frames[end - 1] + 1:
            continue
        run = frames[start:end]
        taken = run[reach::every] or [run[len(run) // 2]]
        if run[-1] - taken[-1] > reach:
            taken.append(run[-1])
        found += taken
        start = end
    return found


def sources(
    frames: Collection[int],  # to be filled
    labelled: Collection[int],
    reach: int = REACH,
) -> dict[int, int]:
    """Unlabelled frame -> the nearest labelled frame within reach, of two as near the earlier."""
    known = set(labelled)
    found = {}
    for frame in sorted(set(frames) - known):
        for distance in range(1, reach + 1):
            near = [f for f in (frame - distance, frame + distance) if f in known]
            if near:
                found[frame] = near[0]
                break
    return found


def spread(
    frames: Collection[int],  # that there are
    labelled: Collection[int],
    reach: int = REACH,
) -> list[tuple[int, int]]:
    """(frame, labelled frame) for every labelled frame and every frame up to `reach` from it, with labels of its own
    or without. Source: PoseWarper's script that augments training data (Apache-2.0), which does not ask whether the
    frame exists."""
    there = set(frames)
    steps = [sign * distance for distance in range(1, reach + 1) for sign in (-1, 1)]
    return sorted((frame + step, frame) for frame in labelled for step in steps if frame + step in there)


class Propagator:
    """Moves the labels of one frame to another: crops of both with the labels' boxes, their heatmaps' difference
    steers the warp of the labels' own maps."""

    def __init__(self, network: PoseWarper, entry: ModelEntry, runtime: Runtime) -> None:
        if entry.input is None:
            raise ValueError(f"{entry.name} declares no input size")
        self.network = fused(network).to(runtime.device, memory_format=torch.channels_last)
        self.runtime = runtime
        self.height, self.width = entry.input
        self._reverse = entry.colour == "BGR"
        self._mean, self._std = entry.mean or IMAGENET_MEAN, entry.std or IMAGENET_STD

    def move(
        self,
        labels: FrameLabels,
        image: np.ndarray,  # [H, W, 3] uint8 RGB, the labels' own frame
        other: np.ndarray,  # [H, W, 3] uint8 RGB, where they go
    ) -> tuple[FrameLabels, np.ndarray]:
        """The people in the other frame, with the boxes they had, and the joints' scores [N, 17].

        A joint that was not labelled, leaves the picture's top or left, or has too low a score is not visible.
        """
        keypoints, scores = np.zeros_like(labels.keypoints), np.zeros(labels.visible.shape, np.float32)
        geometry = cropping(labels.boxes, (self.width, self.height), published=True)
        step = max(1, self.runtime.batch_size // 2)
        for start in range(0, len(labels), step):
            rows = slice(start, min(start + step, len(labels)))
            inside = transform_points(labels.keypoints[rows], geometry.matrices[rows])
            heatmaps = self._warped(image, other, geometry.matrices[rows], inside, labels.visible[rows])
            cells, scores[rows] = decode_quarter(heatmaps)
            back = geometry.back((heatmaps.shape[3], heatmaps.shape[2]))
            keypoints[rows] = transform_points(cells, back[rows])
        visible = labels.visible & (keypoints > 0).all(axis=2) & (scores > _MIN_SCORE)
        return replace(labels, keypoints=keypoints, visible=visible), scores

    @torch.inference_mode()
    def _warped(
        self,
        image: np.ndarray,
        other: np.ndarray,
        matrices: np.ndarray,  # [N, 2, 3]
        joints: np.ndarray,  # [N, 17, 2] crop pixels
        visible: np.ndarray,  # [N, 17] bool
    ) -> np.ndarray:
        """[N, 17, h, w] float32, of the other frame."""
        device = self.runtime.device
        crops = np.stack([cut(p, m, self.width, self.height, True) for p in (image, other) for m in matrices])
        if self._reverse:
            crops = np.ascontiguousarray(crops[..., ::-1])
        inputs = normalise(torch.from_numpy(crops).permute(0, 3, 1, 2).to(device), self._mean, self._std)
        with self.runtime.autocast():
            own, there = self.network.heatmaps(inputs).float().chunk(2)
            size = (own.shape[2], own.shape[3])
            stride = (self.width / size[1], self.height / size[0])
            points, weights = torch.from_numpy(joints).to(device), torch.from_numpy(visible).float().to(device)
            maps, _ = heatmap_targets(points, weights, size, stride, _SIGMA * self.height)
            return self.network.warp(there - own, maps).float().cpu().numpy()


def propagate(
    frames: Iterator[Frame],
    people: Mapping[int, FrameLabels],  # labelled frame -> its people
    wanted: Iterable[tuple[int, int]],  # (frame, labelled frame), as `sources` or `spread` gives them
    propagator: Propagator,
    reach: int = REACH,
) -> Iterator[tuple[int, int, FrameLabels, np.ndarray]]:
    """(frame, labelled frame, people, scores [N, 17]) of wanted pairs whose frames have pictures, in order; holds the
    pictures of 2 * reach + 1 frames at most."""
    pictures: dict[int, np.ndarray | None] = {}
    waiting = sorted(wanted)
    at = 0

    def ready(newest: int) -> Iterator[tuple[int, int, FrameLabels, np.ndarray]]:
        nonlocal at
        while at < len(waiting) and max(waiting[at]) <= newest:
            frame, source = waiting[at]
            at += 1
            here, there = pictures.get(source), pictures.get(frame)
            if here is not None and there is not None:
                yield (frame, source, *propagator.move(people[source], here, there))

    for frame in frames:
        pictures[frame.index] = frame.image
        for old in [k for k in pictures if k < frame.index - 2 * reach]:
            del pictures[old]
        yield from ready(frame.index)


def kept(people: Mapping[int, FrameLabels], frames: Sequence[int]) -> dict[int, FrameLabels]:
    """The labels of some frames only."""
    return {frame: people[frame] for frame in frames}
