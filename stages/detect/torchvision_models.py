"""Detectors of torchvision by name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from configs.settings import DetectSettings
from posedata.people import FramePeople
from stages.batches import Batches
from stages.device import Runtime
from stages.tensors import unit_image
from stages.torchvision_weights import fetched_model

PERSON = 1  # torchvision's label


class TorchvisionDetector:
    """One of `torchvision.models.detection`, persons only."""

    def __init__(self, name: str, settings: DetectSettings, runtime: Runtime) -> None:
        self.settings, self.runtime = settings, runtime
        self.network = fetched_model(name).to(runtime.device)
        self._batches = Batches(runtime.batch_size)

    @torch.inference_mode()
    def detect(self, images: Sequence[np.ndarray]) -> list[FramePeople]:
        from stages.detect.detector import people_of

        found: dict[int, FramePeople] = {}

        def work(rows: range) -> None:
            batch = [unit_image(images[row], self.runtime.device) for row in rows]
            with self.runtime.autocast():
                results = self.network(batch)
            for row, result in zip(rows, results):
                person = (result["labels"] == PERSON).cpu().numpy()
                high = np.array([images[row].shape[1] - 1, images[row].shape[0] - 1] * 2)
                # torchvision's boxes count from pixel edges
                boxes = np.clip(result["boxes"].float().cpu().numpy()[person] - 0.5, 0, high)
                scores = result["scores"].float().cpu().numpy()[person]
                found[row] = people_of(scores, boxes, self.settings)

        self._batches.run(len(images), work)
        return [found[row] for row in range(len(images))]
