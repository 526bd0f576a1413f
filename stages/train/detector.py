"""`ptrack train detector`: the bundled person detector from COCO-form boxes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from configs.training import DetectorTraining, Phase, TrainingSet
from posedata.boxes import xyxy_to_xywh
from posedata.errors import BadInput, UsageError
from stages.detect.compact import CompactDetector
from stages.detect.letterbox import letterbox
from stages.detect.postprocess import select_boxes
from stages.tensors import normalise
from stages.train.assign import Cells, all_cells, assign
from stages.train.datasets.people import Unreadable
from stages.train.detect_data import DetectionSamples, read_pictures
from stages.train.losses import pairwise_giou, quality_focal
from stages.train.pose_data import picture
from stages.train.rendered import made_sets


class DetectorTask:
    """Pictures in, quality focal and GIoU loss out; validated by the box AP at IoU 0.5."""

    def __init__(
        self, settings: DetectorTraining, say: Callable[[str], None], made: tuple[TrainingSet, ...] = ()
    ) -> None:
        self.settings = settings
        sets = (*settings.train, *made)
        self.pictures = [p for s in sets for p in read_pictures(s, say)]
        self.repeat = {name: times for s in sets for name, times in s.repeat.items()}
        self.validation = read_pictures(settings.val, say)
        self._unreadable = Unreadable(say)

    half_weights = True

    def size(self, phase: Phase) -> tuple[int, int]:
        if phase.size is None or phase.size[0] != phase.size[1]:
            raise UsageError(f"phases: the detector trains on squares, not {phase.size}; write size: [416, 416]")
        return phase.size

    def epoch(self) -> int:
        return len(self.samples(self.settings.phases[0]).draws)

    def samples(self, phase: Phase) -> DetectionSamples:
        return DetectionSamples(self.pictures, self.size(phase)[0], self.settings, self.repeat)

    def faulty(self, batch: tuple) -> list[str]:
        return [str(self.pictures[-1 - number].path) for number in batch[-1] if number < 0]

    def collate(self, rows: list) -> tuple[torch.Tensor, list[torch.Tensor], list[torch.Tensor], list[int]]:
        images, boxes, ignores, numbers = zip(*rows)
        return torch.stack(images), list(boxes), list(ignores), list(numbers)

    def loss(self, model: nn.Module, batch: tuple, device: torch.device) -> torch.Tensor:
        images, boxes, ignores, _ = batch
        logits, predicted = model(normalise(images.to(device, non_blocking=True)))
        logits, predicted = logits.float(), predicted.float()
        cells = all_cells(*images.shape[-2:], device)
        parts = [
            picture_loss(cells, logits[i], predicted[i], boxes[i].to(device), ignores[i].to(device))
            for i in range(len(images))
        ]
        score, box, weight = (torch.stack(p).sum() for p in zip(*parts))
        return score / weight.clamp(min=1) + self.settings.box_weight * box / weight.clamp(min=1)

    @torch.inference_mode()
    def validate(self, model: nn.Module, device: torch.device) -> dict[str, float]:
        from eval.keypoint_ap import evaluate_boxes

        images, truth, found = [], [], []
        for number, labelled in enumerate(self.validation):
            image = picture(labelled.path)
            if image is None:
                self._unreadable.note(labelled.path)
                continue
            canvas, fit = letterbox(image, self.size(self.settings.phases[-1])[0])
            tensor = torch.from_numpy(canvas.transpose(2, 0, 1)[None].copy()).to(device)
            logits, boxes = model(normalise(tensor))
            scores, boxes = select_boxes(logits[0].sigmoid().cpu().numpy(), boxes[0].cpu().numpy(), 0.02, 0.6, 100)
            images.append({"id": number})
            entry = {"image_id": number, "category_id": 1}
            for box, ignore in zip(xyxy_to_xywh(labelled.boxes), labelled.ignore):
                truth.append({**entry, "bbox": box.tolist(), "iscrowd": int(ignore)})
            for box, score in zip(xyxy_to_xywh(fit.back(boxes)), scores):
                found.append({**entry, "bbox": box.tolist(), "score": float(score)})
        if not images:
            raise BadInput(f"{self.settings.val.annotations}: not one of its pictures can be read")
        result = evaluate_boxes({"images": images, "annotations": truth, "categories": [{"id": 1}]}, found)
        return {"ap50": result.ap50, "ap": result.ap}


def picture_loss(
    cells: Cells,
    logits: torch.Tensor,  # [A]
    predicted: torch.Tensor,  # [A, 4] xyxy
    boxes: torch.Tensor,  # [N, 4] xyxy, ignore boxes among them
    ignore: torch.Tensor,  # [N] bool
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Summed score loss, summed box loss and the weight they are to be divided by, of one picture.

    A cell inside an ignore box that answers for nobody takes no part.
    """
    people = boxes[~ignore]
    owner = assign(cells, logits, predicted, people)
    taken = owner >= 0
    quality = torch.zeros_like(logits)
    box = logits.new_zeros(())
    if taken.any():
        iou, giou = pairwise_giou(predicted[taken], people[owner[taken]])
        quality[taken] = iou.detach().clamp(0, 1)
        box = ((1 - giou) * quality[taken].clamp(min=0.1)).sum()
    crowd = boxes[ignore]
    hidden = torch.zeros_like(taken)
    if len(crowd):
        x, y = cells.centres[:, :1], cells.centres[:, 1:]
        hidden = ((x >= crowd[:, 0]) & (x <= crowd[:, 2]) & (y >= crowd[:, 1]) & (y <= crowd[:, 3])).any(dim=1)
    score = quality_focal(logits, quality)[taken | ~hidden].sum()
    return score, box, quality.sum()


def compact_detector(
    settings: DetectorTraining, run_dir: Path, say: Callable[[str], None]
) -> tuple[CompactDetector, DetectorTask]:
    """The bundled network as training begins, and what it is taught; made pictures lie in the run folder."""
    return CompactDetector(), DetectorTask(settings, say, made_sets("detector", settings, run_dir, say))
