"""Crops of people as a network is fed with them: read, augmented, and with their joints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch.utils.data import Dataset

from posedata.picture_file import STORED, read_picture
from posedata.skeletons import Skeleton
from stages.pose.crop import published_matrices, transform_points
from stages.train.datasets.people import Person, has_extent
from stages.train.samples import Draws
from stages.train.targets import half_body, jitter, upper_body

_REDUCED = {
    2: cv2.IMREAD_REDUCED_COLOR_2 | cv2.IMREAD_IGNORE_ORIENTATION,
    4: cv2.IMREAD_REDUCED_COLOR_4 | cv2.IMREAD_IGNORE_ORIENTATION,
    8: cv2.IMREAD_REDUCED_COLOR_8 | cv2.IMREAD_IGNORE_ORIENTATION,
}


@dataclass(frozen=True)
class CropRecipe:
    """How crops are made."""

    size: tuple[int, int]  # height, width
    rgb: bool  # else BGR
    scale: float = 0.0
    rotation: float = 0.0  # degrees
    flip: bool = False  # half of them mirrored
    half_body: float = 0.0  # probability
    half_body_joints: int = 8  # more visible ones are needed for it
    reduced: bool = True  # JPEG files of large people are decoded at a half, a quarter or an eighth


@dataclass(frozen=True)
class View:
    """Where a crop is taken."""

    matrix: np.ndarray  # [2, 3] float64 picture -> crop pixels
    mirrored: bool


class CropSamples(Dataset):
    """Draw number -> (crop [3, H, W] uint8, joints [K, 2] crop pixels, weights [K], person or -1 - person).

    The last is negative where the picture could not be read: the crop is then empty and nothing in it weighs.
    """

    def __init__(
        self,
        people: Sequence[Person],
        skeleton: Skeleton,
        recipe: CropRecipe,
        draws: Draws | None,  # None = validation: in order, nothing changed
    ) -> None:
        self.people, self.skeleton, self.recipe, self.draws = people, skeleton, recipe, draws
        self.upper = upper_body(skeleton)

    def __len__(self) -> int:
        return len(self.people)

    def __getitem__(self, draw: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, int]:
        number = draw if self.draws is None else self.draws.sample(draw)
        person = self.people[number]
        view = plain_view(person, self.recipe) if self.draws is None else self._view(draw, person)
        joints, weights = seen_joints(person, view, self.skeleton)
        crop = read_crop(person.image, view.matrix, self.recipe)
        if crop is None:
            crop, weights, number = np.zeros((*self.recipe.size, 3), np.uint8), np.zeros_like(weights), -1 - number
        return as_tensor(crop), torch.from_numpy(joints.astype(np.float32)), torch.from_numpy(weights), number

    def _view(self, draw: int, person: Person) -> View:
        return drawn_view(person, self.recipe, self.upper, self.draws.generator(draw))


def unreadable(batch: list[torch.Tensor], people: Sequence[Person]) -> list[Path]:
    """The pictures of a batch that could not be read."""
    return [people[-1 - number].image for number in batch[-1].tolist() if number < 0]


def plain_view(person: Person, recipe: CropRecipe) -> View:
    """The crop without any change."""
    height, width = recipe.size
    return View(published_matrices(person.centre[None], person.scale[None], (width, height))[0], False)


def drawn_view(person: Person, recipe: CropRecipe, upper: np.ndarray, rng: np.random.Generator) -> View:
    """The crop with half body, size, rotation and mirror by chance, in the published order."""
    height, width = recipe.size
    centre, scale = person.centre, person.scale
    visible = person.weights > 0
    if visible.sum() > recipe.half_body_joints and rng.random() < recipe.half_body:
        half = half_body(person.joints, visible, upper, width / height, rng.standard_normal())
        if half is not None and has_extent(*half):
            centre, scale = half
    factor, angle, mirrored = jitter(rng, recipe.scale, recipe.rotation)
    mirrored = mirrored and recipe.flip
    matrix = published_matrices(centre[None], (scale * factor)[None], (width, height), np.array([angle]))[0]
    if mirrored:  # the picture is mirrored before it is cropped; the two maps are one, in which its width cancels
        matrix = np.column_stack([-matrix[:, 0], matrix[:, 1], matrix[:, 2] + 2 * centre[0] * matrix[:, 0]])
    return View(matrix, mirrored)


def seen_joints(person: Person, view: View, skeleton: Skeleton) -> tuple[np.ndarray, np.ndarray]:
    """Joints [K, 2] in crop pixels and weights [K]; left and right change places in a mirror."""
    joints, weights = transform_points(person.joints[None], view.matrix[None])[0], person.weights
    if view.mirrored:
        joints, weights = joints[skeleton.flip_order], weights[skeleton.flip_order]
    return np.where(weights[:, None] > 0, joints, 0), weights


def read_crop(path: Path, matrix: np.ndarray, recipe: CropRecipe) -> np.ndarray | None:
    """[H, W, 3] uint8; None where the file is no picture.

    Where a crop shrinks the picture to a half or less, JPEG files are decoded smaller at once, which is several
    times faster and averages pixels that the sampling would skip.
    """
    height, width = recipe.size
    shrink = 1 / max(np.hypot(matrix[0, 0], matrix[1, 0]), 1e-9)
    factor = next((f for f in (8, 4, 2) if recipe.reduced and shrink >= f), 1)
    image = read_picture(path, _REDUCED[factor] if factor > 1 else STORED)
    if image is None:
        return None
    if factor > 1:  # pixel i of the small picture covers the pixels from i * factor on
        matrix = np.column_stack(
            [matrix[:, :2] * factor, matrix[:, 2] + matrix[:, :2].sum(axis=1) * (factor - 1) / 2]
        )
    crop = cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR)
    return cv2.cvtColor(crop, cv2.COLOR_BGR2RGB) if recipe.rgb else crop


def as_tensor(crop: np.ndarray) -> torch.Tensor:
    """[3, H, W] uint8"""
    return torch.from_numpy(np.ascontiguousarray(crop.transpose(2, 0, 1)))
