"""Pairs of frames for PoseWarper: a labelled one and one nearby, cropped alike (arXiv 1906.04016, section 3.1)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset

from posedata.skeletons import Skeleton
from stages.train.datasets.crops import CropRecipe, as_tensor, drawn_view, plain_view, read_crop, seen_joints
from stages.train.datasets.people import Images, Person
from stages.train.samples import Draws
from stages.train.targets import upper_body


def frame_number(path: Path) -> int | None:
    """The number that a frame's file is called by; None where its name is no number."""
    return int(path.stem) if re.fullmatch(r"\d{1,9}", path.stem) else None


def neighbour(path: Path, distance: int, images: Images) -> Path:
    """The frame `distance` further on in the same folder, at most its last or first.

    As published, the frame itself where that one is missing.
    """
    number = frame_number(path)
    if number is None or distance == 0:
        return path
    numbers = [n for name in images.listing(path.parent) if (n := frame_number(Path(name))) is not None]
    wanted = int(np.clip(number + distance, min(numbers), max(numbers))) if numbers else number
    other = path.with_name(f"{wanted:0{len(path.stem)}d}{path.suffix}")
    return other if other.name in images.listing(path.parent) else path


def furthest(path: Path, reach: int, images: Images) -> Path:
    """The frame `reach` away in the same folder, else the furthest within; frames of even numbers look ahead first,
    those of odd ones back. The frame itself where nothing else is there."""
    number = frame_number(path)
    if number is None:
        return path
    sign = -1 if number % 2 else 1
    for distance in range(reach, 0, -1):
        for wanted in (number + sign * distance, number - sign * distance):
            other = path.with_name(f"{wanted:0{len(path.stem)}d}{path.suffix}")
            if wanted >= 0 and other.name in images.listing(path.parent):
                return other
    return path


def sparse(people: Sequence[Person], every: int, first: int = 3) -> list[Person]:
    """The people of every `every`-th labelled frame of each folder, from number `first` on; and of the last one
    where it is more than half of that away. Everybody for `every` = 1."""
    if every <= 1:
        return list(people)
    folders: dict[Path, set[str]] = {}
    for person in people:
        folders.setdefault(person.image.parent, set()).add(person.image.name)
    kept: set[Path] = set()
    for folder, names in folders.items():
        ordered = sorted(names)
        chosen = list(range(min(first, len(ordered) - 1), len(ordered), every))
        if len(ordered) - 1 - chosen[-1] > every // 2:
            chosen.append(len(ordered) - 1)
        kept |= {folder / ordered[k] for k in chosen}
    return [p for p in people if p.image in kept]


class PairSamples(Dataset):
    """Draw number -> (crops [6, H, W] uint8 of the labelled frame and the other, joints, weights, person).

    The last as in `CropSamples`. Both crops have one box and one augmentation.
    """

    def __init__(
        self,
        people: Sequence[Person],
        skeleton: Skeleton,
        recipe: CropRecipe,
        draws: Draws | None,  # None = validation: in order, nothing changed, the other frame as `furthest` says
        reach: int,  # frames, each way; in training the distance is uniform and may be 0
    ) -> None:
        self.people, self.skeleton, self.recipe, self.draws, self.reach = people, skeleton, recipe, draws, reach
        self.upper, self.images = upper_body(skeleton), Images()

    def __len__(self) -> int:
        return len(self.people)

    def __getitem__(self, draw: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, int]:
        if self.draws is None:
            number, person = draw, self.people[draw]
            view = plain_view(person, self.recipe)
            other = furthest(person.image, self.reach, self.images)
        else:
            number = self.draws.sample(draw)
            person, rng = self.people[number], self.draws.generator(draw)
            other = neighbour(person.image, int(rng.integers(-self.reach, self.reach + 1)), self.images)
            view = drawn_view(person, self.recipe, self.upper, rng)
        joints, weights = seen_joints(person, view, self.skeleton)
        own = read_crop(person.image, view.matrix, self.recipe)
        if own is None:
            own, weights, number = np.zeros((*self.recipe.size, 3), np.uint8), np.zeros_like(weights), -1 - number
        near = read_crop(other, view.matrix, self.recipe) if number >= 0 else None
        both = torch.cat([as_tensor(own), as_tensor(own if near is None else near)])  # as where it is missing
        return both, torch.from_numpy(joints.astype(np.float32)), torch.from_numpy(weights), number
