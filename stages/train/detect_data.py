"""Training pictures for the person detector: boxes to find, ignore boxes, mosaics of four."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch.utils.data import Dataset

from configs.training import DetectorTraining, TrainingSet
from stages.detect.letterbox import GREY
from stages.train.augment import colour, degrade, erase
from stages.train.pose_data import picture
from stages.train.samples import Draws, read_annotations, repeated

MIN_SIDE = 5.0  # input pixels; a smaller box is ignored, not demanded
MIN_KEPT = 0.3  # of a box's area inside the picture; a box cut off further is ignored


@dataclass(frozen=True)
class Picture:
    """One labelled image."""

    path: Path
    source: str
    boxes: np.ndarray  # [N, 4] xyxy, pixels
    ignore: np.ndarray  # [N] bool


@dataclass(frozen=True)
class Labelled:
    """A picture of the training size with its boxes."""

    image: np.ndarray  # [S, S, 3] uint8 RGB
    boxes: np.ndarray  # [N, 4] xyxy
    ignore: np.ndarray  # [N] bool


def read_pictures(source: TrainingSet, say: Callable[[str], None]) -> list[Picture]:
    """Every image of a COCO-form file that is there; `iscrowd` marks ignore boxes."""
    pictures = []
    for image in read_annotations(source, say).images:
        xywh = np.array([a.needed_box() for a in image.annotations], np.float64).reshape(-1, 4)
        ignore = np.array([a.crowd for a in image.annotations], bool)
        pictures.append(
            Picture(image.path, image.source, np.hstack([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]]), ignore)
        )
    return pictures


class DetectionSamples(Dataset):
    """Draw number -> (image [3, S, S] uint8 RGB, boxes [N, 4] xyxy, ignore [N], picture or -1 - picture).

    The last is negative where the picture could not be read: grey with nobody takes its place.
    """

    def __init__(
        self, pictures: list[Picture], size: int, settings: DetectorTraining, repeat: dict[str, int]
    ) -> None:
        self.pictures, self.size, self.settings = pictures, size, settings
        self.draws = Draws(repeated([p.source for p in pictures], repeat), settings.seed)

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, draw: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, int]:
        rng = self.draws.generator(draw)
        number = self.draws.sample(draw)
        main = picture(self.pictures[number].path)
        made = self._mosaic if rng.random() < self.settings.mosaic else self._single
        sample = self._nobody() if main is None else made(number, main, rng)
        image, boxes = sample.image, sample.boxes
        if rng.random() < 0.5:
            image = np.ascontiguousarray(image[:, ::-1])
            boxes = np.stack(
                [self.size - 1 - boxes[:, 2], boxes[:, 1], self.size - 1 - boxes[:, 0], boxes[:, 3]], axis=1
            )
        if rng.random() < 0.25:
            erase(image, rng)
        if rng.random() < 0.3:
            image = degrade(image, rng)
        if rng.random() < 0.9:
            image = colour(image, rng)
        return (
            torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))),
            torch.from_numpy(boxes.astype(np.float32)),
            torch.from_numpy(sample.ignore),
            number if main is not None else -1 - number,
        )

    def _nobody(self) -> Labelled:
        return Labelled(np.full((self.size, self.size, 3), GREY, np.uint8), np.zeros((0, 4)), np.zeros(0, bool))

    def _single(self, number: int, image: np.ndarray, rng: np.random.Generator) -> Labelled:
        """The picture at a random scale and place."""
        zoom = np.exp(rng.uniform(np.log(0.45), np.log(1.7)))
        stretch = np.exp(rng.uniform(-0.15, 0.15, 2))
        scale = self.size / max(image.shape[:2]) * zoom * stretch
        room = self.size - np.array(image.shape[1::-1]) * scale
        offset = rng.uniform(np.minimum(room, 0), np.maximum(room, 0))
        return self._placed(image, self.pictures[number], scale, offset, (0, 0, self.size, self.size), None)

    def _mosaic(self, number: int, main: np.ndarray, rng: np.random.Generator) -> Labelled:
        """Four pictures around a random point, `main` at the top left; what cannot be read leaves its place grey."""
        centre = (self.size * rng.uniform(0.3, 0.7, 2)).astype(int)
        canvas: np.ndarray | None = None
        boxes, ignore = [], []
        for quarter in range(4):
            labelled = self.pictures[number if quarter == 0 else int(rng.integers(len(self.pictures)))]
            left, top = (0, centre[0])[quarter % 2], (0, centre[1])[quarter // 2]
            right, bottom = (centre[0], self.size)[quarter % 2], (centre[1], self.size)[quarter // 2]
            image = main if quarter == 0 else picture(labelled.path)
            if image is None:
                continue
            extent = np.array([right - left, bottom - top])
            fit = (extent / image.shape[1::-1]).max()
            scale = np.repeat(fit * np.exp(rng.uniform(np.log(0.6), np.log(1.6))), 2)
            room = extent - np.array(image.shape[1::-1]) * scale
            offset = (left, top) + rng.uniform(np.minimum(room, 0), np.maximum(room, 0))
            part = self._placed(image, labelled, scale, offset, (left, top, right, bottom), canvas)
            canvas = part.image
            boxes.append(part.boxes)
            ignore.append(part.ignore)
        return Labelled(canvas, np.concatenate(boxes), np.concatenate(ignore))

    def _placed(
        self,
        image: np.ndarray,
        labelled: Picture,
        scale: np.ndarray,  # [2] xy
        offset: np.ndarray,  # [2] where the picture's top left goes
        window: tuple[int, int, int, int],  # what of the canvas may be painted
        canvas: np.ndarray | None,
    ) -> Labelled:
        left, top, right, bottom = (int(v) for v in window)
        matrix = np.array(
            [
                [scale[0], 0, offset[0] - left + (scale[0] - 1) / 2],
                [0, scale[1], offset[1] - top + (scale[1] - 1) / 2],
            ]
        )
        if scale.max() < 0.6:  # far smaller: averaging first keeps thin limbs from flickering away
            half = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
            factor = np.array(image.shape[1::-1]) / half.shape[1::-1]
            image = half
            matrix[:, :2] *= factor
        painted = cv2.warpAffine(
            image, matrix, (right - left, bottom - top), flags=cv2.INTER_LINEAR, borderValue=(GREY, GREY, GREY)
        )
        if canvas is None:
            canvas = np.full((self.size, self.size, 3), GREY, np.uint8)
        canvas[top:bottom, left:right] = painted
        whole = labelled.boxes * np.tile(scale, 2) + np.tile(offset, 2)
        boxes = np.clip(whole, (left, top, left, top), (right - 1, bottom - 1, right - 1, bottom - 1))
        sides = boxes[:, 2:] - boxes[:, :2]
        kept = sides.prod(axis=1) / np.maximum((whole[:, 2:] - whole[:, :2]).prod(axis=1), 1e-6)
        there = (sides > 1).all(axis=1)
        ignore = labelled.ignore | (kept < MIN_KEPT) | (sides.max(axis=1) < MIN_SIDE)
        return Labelled(canvas, boxes[there], ignore[there])
