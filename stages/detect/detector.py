"""The person detectors: frames in, boxes out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch

from configs.models import find_model
from configs.settings import DetectSettings
from posedata.people import FramePeople, Origin
from stages.batches import Batches
from stages.detect.compact import CompactDetector
from stages.detect.letterbox import letterbox
from stages.detect.postprocess import select_boxes
from stages.device import Runtime
from stages.tensors import normalise
from stages.weights import fused, load_bundled


class Detector(Protocol):
    """What the pipeline needs of a detector."""

    def detect(
        self,
        images: Sequence[np.ndarray],  # each [H, W, 3] uint8 RGB
    ) -> list[FramePeople]:
        """Boxes, box scores and origins of each frame, best first."""
        ...


def make_detector(settings: DetectSettings, runtime: Runtime) -> Detector:
    """The detector that the settings name, its weights loaded.

    Raises:
        SettingsError: no such model.
        BadInput: its weights cannot be loaded.
    """
    entry = find_model(settings.model, "detect")
    if entry.weights == "torchvision":
        from stages.detect.torchvision_models import TorchvisionDetector

        return TorchvisionDetector(entry.name, settings, runtime)
    network = CompactDetector()
    load_bundled(network, entry)
    return CompactRunner(network, settings, runtime)


class CompactRunner:
    """The bundled detector. Frames of one size go through the network together."""

    def __init__(self, network: CompactDetector, settings: DetectSettings, runtime: Runtime) -> None:
        self.settings, self.runtime = settings, runtime
        self._batches = Batches(runtime.batch_size)
        self.network = fused(network).to(runtime.device, memory_format=torch.channels_last)

    @torch.inference_mode()
    def detect(self, images: Sequence[np.ndarray]) -> list[FramePeople]:
        fitted = [letterbox(image, self.settings.long_side) for image in images]
        found: list[FramePeople | None] = [None] * len(images)
        shapes = sorted({canvas.shape for canvas, _ in fitted})
        for shape in shapes:
            rows = [i for i, (canvas, _) in enumerate(fitted) if canvas.shape == shape]

            def work(chosen: range, rows: list[int] = rows) -> None:
                part = rows[chosen.start : chosen.stop]
                batch = torch.from_numpy(np.stack([fitted[i][0] for i in part])).permute(0, 3, 1, 2)
                with self.runtime.autocast():
                    logits, boxes = self.network(normalise(batch.to(self.runtime.device)))
                scores, boxes = logits.float().sigmoid().cpu().numpy(), boxes.float().cpu().numpy()
                for k, i in enumerate(part):
                    found[i] = people_of(scores[k], fitted[i][1].back(boxes[k]), self.settings)

            self._batches.run(len(rows), work)
        return found  # type: ignore[return-value]


def people_of(scores: np.ndarray, boxes: np.ndarray, settings: DetectSettings) -> FramePeople:
    """What the settings keep of a detector's scored boxes."""
    limits = (settings.min_box_score, settings.nms_iou, settings.max_people)
    scores, boxes = select_boxes(scores, boxes, *limits)
    return FramePeople(boxes=boxes, box_scores=scores, origin=np.full(len(boxes), Origin.DETECTED, np.uint8))


def no_people() -> FramePeople:
    """A frame without boxes, with the parts that a detector's frames have."""
    return FramePeople(
        boxes=np.zeros((0, 4), np.float32), box_scores=np.zeros(0, np.float32), origin=np.zeros(0, np.uint8)
    )
