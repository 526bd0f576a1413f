"""`ptrack train bottom-up`: SimplePose on whole pictures (arXiv 1911.10529)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.utils.data import Dataset, default_collate

from configs.models import find_model
from configs.recipes import BottomUpTraining
from configs.settings import PoseSettings
from configs.training import Phase
from posedata.errors import BadInput, UsageError
from posedata.picture_file import read_picture
from stages.device import Runtime
from stages.pose.bottom_up.estimator import BottomUpEstimator
from stages.train.datasets.crowds import SceneRecipe, SceneSamples, read_scenes, read_truth
from stages.train.datasets.people import Unreadable
from stages.train.losses import focal_l2
from stages.train.samples import Draws

MAPS = 50  # that the network is taught: limbs, parts, two masks


class CrowdTask:
    """Pictures in, focal squared differences of all stacks and scales out; validated by COCO's AP on pictures."""

    half_weights = False

    def __init__(self, settings: BottomUpTraining, say: Callable[[str], None]) -> None:
        self.settings = settings
        self.entry = find_model(settings.model, "pose")
        if not self.entry.architecture.startswith("imhn"):
            raise UsageError(f"model: {settings.model} is no bottom-up network; see `ptrack models`")
        self.scenes = [scene for source in settings.train for scene in read_scenes(source, say)]
        self.truth, self.pictures = read_truth(settings.val, settings.validate_limit, say)
        self._unreadable = Unreadable(say)
        say(f"{len(self.scenes)} people in pictures to train on, {len(self.pictures)} pictures to validate on")

    def size(self, phase: Phase) -> tuple[int, int]:
        if phase.size is None or phase.size[0] != phase.size[1] or phase.size[0] % 64:
            raise UsageError(f"phases: size must be a square of a multiple of 64, not {phase.size}")
        return phase.size

    def epoch(self) -> int:
        return len(self.scenes)

    def samples(self, phase: Phase) -> Dataset:
        s = self.settings
        recipe = SceneRecipe(
            self.size(phase)[0],
            rotation=s.rotation,
            scale=s.scale,
            scale_probability=s.scale_probability,
            shift=s.shift,
            tint=s.tint,
            part_sigma=s.part_sigma,
            limb_sigma=s.limb_sigma,
        )
        return SceneSamples(self.scenes, recipe, Draws(np.arange(len(self.scenes)), s.seed))

    def collate(self, rows: list) -> list[torch.Tensor]:
        return default_collate(rows)

    def faulty(self, batch: list[torch.Tensor]) -> list[str]:
        return [str(self.scenes[-1 - n].image) for n in batch[-1].tolist() if n < 0]

    def loss(self, model: nn.Module, batch: list[torch.Tensor], device: torch.device) -> torch.Tensor:
        pictures, targets, mask = (part.to(device, non_blocking=True) for part in batch[:3])
        maps = model(pictures.permute(0, 2, 3, 1).float() / 255)
        return focal_l2(maps, targets, mask, self.settings.gamma)

    @torch.inference_mode()
    def validate(self, model: nn.Module, device: torch.device) -> dict[str, float]:
        from eval.keypoint_ap import evaluate_keypoints, keypoint_results

        runtime = Runtime(device, False, 1)
        estimator = BottomUpEstimator(model, self.entry, PoseSettings(model=self.entry.name), runtime)
        seen, found = [], []
        for number, path in self.pictures.items():
            image = read_picture(path)
            if image is None:
                self._unreadable.note(path)
                continue
            seen.append(number)
            people = estimator.find([np.ascontiguousarray(image[..., ::-1])])[0]
            found += keypoint_results(
                [number] * len(people), people.keypoints, people.keypoint_scores, people.person_scores
            )
        if not seen:
            raise BadInput(f"{self.settings.val.annotations}: not one of its pictures can be read")
        result = evaluate_keypoints(self.truth, found, image_ids=seen)
        return {"ap": result.ap, "ap50": result.ap50, "ar": result.ar}
