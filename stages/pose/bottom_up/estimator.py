"""SimplePose end to end: a frame in, its people out; no boxes are needed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from configs.models import ModelEntry
from configs.settings import PoseSettings
from posedata.boxes import of_keypoints
from posedata.people import FramePeople, Origin
from posedata.skeletons import SKELETONS, Skeleton
from stages.device import Runtime
from stages.pose.bottom_up.body import FLIP_LIMBS, FLIP_PARTS, PART_OF_COCO
from stages.pose.bottom_up.limbs import find_limbs
from stages.pose.bottom_up.maps import frame_maps
from stages.pose.bottom_up.peaks import Peaks, find_peaks
from stages.pose.bottom_up.people import People, assemble
from stages.pose.recipe import recipe

_LIMBS = len(FLIP_LIMBS)  # the maps' first channels


class BottomUpEstimator:
    """The network, the maps at the frame's resolution, and the assembly of people from them."""

    def __init__(self, network: nn.Module, entry: ModelEntry, settings: PoseSettings, runtime: Runtime) -> None:
        self.network = network.eval().to(runtime.device)
        self.skeleton: Skeleton = SKELETONS["coco-17"]
        self.settings, self.runtime = settings, runtime
        self.recipe = recipe(settings, entry)
        self._reverse, self._height = entry.colour == "BGR", entry.frame_height

    def find(
        self,
        images: Sequence[np.ndarray],  # each [H, W, 3] uint8 RGB
    ) -> list[FramePeople]:
        """Each frame's people, with the boxes of their joints, the surest first."""
        return [self._one(image) for image in images]

    def _one(self, image: np.ndarray) -> FramePeople:
        picture = np.ascontiguousarray(image[..., ::-1]) if self._reverse else image
        maps = frame_maps(picture, self._run, self.settings.scales, self.recipe.flip, self._height)
        return people_of(maps, self.recipe.compat)

    @torch.inference_mode()
    def _run(self, frames: np.ndarray) -> np.ndarray:
        """[N, H, W, 3] float32 0..1 -> [N, 50, H / 4, W / 4] float32, of the last stack at the finest scale."""
        tensor = torch.from_numpy(frames).to(self.runtime.device)
        with self.runtime.autocast():
            return self.network(tensor)[-1][0].float().cpu().numpy()


def people_of(
    maps: np.ndarray,  # [48, H, W] float32, limbs first
    compat: bool = False,
) -> FramePeople:
    """The people of a frame from its maps, the surest first."""
    peaks = find_peaks(maps[_LIMBS:], compat=compat)
    people = assemble(find_limbs(maps[:_LIMBS], peaks, compat=compat), peaks)
    found = frame_people(people, peaks)
    return found.take(np.argsort(-found.person_scores, kind="stable"))


def frame_people(people: People, peaks: Peaks) -> FramePeople:
    """Assembled people in COCO's joints; a joint that was not found is (0, 0) with score 0."""
    peak = people.peak[:, PART_OF_COCO]  # [N, 17]
    there = peak >= 0
    xy, score = np.concatenate([peaks.xy, np.zeros((1, 2))]), np.append(peaks.score, 0)
    keypoints = np.where(there[..., None], xy[peak], 0).astype(np.float32)
    sure = np.clip(people.score, 0, 1).astype(np.float32)
    return FramePeople(
        boxes=of_keypoints(keypoints, there),
        box_scores=sure,
        keypoints=keypoints,
        keypoint_scores=np.where(there, score[peak], 0).astype(np.float32),
        person_scores=sure,
        origin=np.full(len(sure), Origin.DETECTED, np.uint8),
    )


def nobody() -> FramePeople:
    """A frame without people, with the parts that others have."""
    return people_of(np.zeros((_LIMBS + len(FLIP_PARTS), 1, 1), np.float32))
