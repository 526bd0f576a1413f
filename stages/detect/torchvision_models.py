"""Detectors of torchvision by name; their weights come through torchvision (`TORCH_HOME` is respected)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from urllib.error import URLError

import numpy as np
import torch

from configs.settings import DetectSettings
from posedata.errors import BadInput
from posedata.people import FramePeople
from stages.device import Runtime

PERSON = 1  # torchvision's label


def weights_digest(name: str) -> str:
    """A sha256 that stands for the weights, hexadecimal: that of their published address, which ends in the first
    digits of the file's own."""
    import torchvision

    return hashlib.sha256(torchvision.models.get_model_weights(name).DEFAULT.url.encode()).hexdigest()


class TorchvisionDetector:
    """One of `torchvision.models.detection`, persons only."""

    def __init__(self, name: str, settings: DetectSettings, runtime: Runtime) -> None:
        import torchvision

        self.settings, self.runtime = settings, runtime
        weights = torchvision.models.get_model_weights(name).DEFAULT
        try:
            network = torchvision.models.get_model(name, weights=weights)
        except (URLError, OSError) as error:
            raise BadInput(
                f"{name}: its weights could not be fetched from {weights.url} ({error}); put the file into "
                f"{torch.hub.get_dir()}/checkpoints, or use --model compact"
            ) from None
        self.network = network.eval().to(runtime.device)

    @torch.inference_mode()
    def detect(self, images: Sequence[np.ndarray]) -> list[FramePeople]:
        from stages.detect.detector import people_of

        found = []
        for start in range(0, len(images), self.runtime.batch_size):
            batch = [
                torch.from_numpy(np.ascontiguousarray(i.transpose(2, 0, 1))).to(self.runtime.device).float() / 255
                for i in images[start : start + self.runtime.batch_size]
            ]
            with self.runtime.autocast():
                results = self.network(batch)
            for result, image in zip(results, images[start:]):
                person = (result["labels"] == PERSON).cpu().numpy()
                high = np.array([image.shape[1] - 1, image.shape[0] - 1] * 2)
                # torchvision's boxes count from pixel edges
                boxes = np.clip(result["boxes"].float().cpu().numpy()[person] - 0.5, 0, high)
                found.append(people_of(result["scores"].float().cpu().numpy()[person], boxes, self.settings))
        return found
