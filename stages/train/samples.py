"""Reading COCO-form training annotations, and drawing samples from them so that a run can resume exactly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from configs.training import TrainingSet
from posedata.errors import BadInput
from stages.train.datasets.annotations import Annotation, read_coco_file
from stages.train.datasets.people import Images, report_missing


@dataclass(frozen=True)
class ImageEntry:
    """An image with its people."""

    path: Path
    source: str
    annotations: tuple[Annotation, ...]


@dataclass(frozen=True)
class AnnotationFile:
    """The images of one COCO-form file, and the joint names of its category."""

    images: tuple[ImageEntry, ...]
    joints: tuple[str, ...]


def read_annotations(source: TrainingSet, say: Callable[[str], None]) -> AnnotationFile:
    """Images whose source is not excluded, in file order; what is missing is said and left out.

    Raises:
        BadInput: the file cannot be read, or lacks a field; or no image is left.
    """
    path, there = source.annotations, Images()
    content = read_coco_file(path, source.images)
    images = [
        ImageEntry(image.file, image.source, people)
        for image, people in content.by_image()
        if image.source not in source.exclude_sources and there.there(image.file)
    ]
    report_missing(there, source, say)
    if not images:
        why = f"all {len(there.missing)} are missing; check `images`" if there.missing else "none is listed"
        raise BadInput(f"{path}: no images are left after leaving out {list(source.exclude_sources)}: {why}")
    return AnnotationFile(tuple(images), content.joints)


def repeated(sources: list[str], repeat: dict[str, int]) -> np.ndarray:
    """[M] sample numbers of one epoch: each as often as its source's `repeat` says (default once)."""
    return np.concatenate([np.full(repeat.get(s, 1), i) for i, s in enumerate(sources)]).astype(np.int64)


class Draws:
    """An endless sequence of sample numbers, each epoch shuffled; draw k is the same whenever it is asked for."""

    def __init__(self, epoch: np.ndarray, seed: int) -> None:
        self._epoch = epoch
        self._seed = seed
        self._order: tuple[int, np.ndarray] | None = None

    def __len__(self) -> int:
        """Of one epoch."""
        return len(self._epoch)

    def sample(self, draw: int) -> int:
        epoch, position = divmod(draw, len(self._epoch))
        if self._order is None or self._order[0] != epoch:
            self._order = (epoch, np.random.default_rng((self._seed, epoch)).permutation(self._epoch))
        return int(self._order[1][position])

    def generator(self, draw: int) -> np.random.Generator:
        """The randomness of one draw: its augmentation does not depend on what came before."""
        return np.random.default_rng((self._seed, 1, draw))
