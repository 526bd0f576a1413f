"""People of published data sets, their joints brought to one skeleton by name; what a source lacks weighs nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from configs.recipes import PoseSource
from configs.training import TrainingSet
from posedata.errors import BadInput
from posedata.skeletons import Skeleton
from stages.pose.crop import PIXEL_STD, published_rectangles

JOINT_MARGIN = 0.15  # by which a box around joints is longer than their extent (Simple Baselines, section 4.2)
# names that other data sets give to our joints
_ALIASES = {"neck": "head_bottom", "top_head": "head_top", "upper_neck": "head_bottom"}


@dataclass(frozen=True)
class Person:
    """One labelled person of a training or validation set."""

    image: Path
    centre: np.ndarray  # [2] float32 pixels, of the crop
    scale: np.ndarray  # [2] float32, the crop's sides in units of 200 pixels
    joints: np.ndarray  # [K, 2] float64 pixels
    weights: np.ndarray  # [K] float32, 0 = not labelled
    box: np.ndarray  # [4] float64 xyxy, pixels
    area: float  # square pixels; what OKS is measured by
    head: float = float("nan")  # pixels; what PCKh is measured by
    row: int = -1  # in a separate file of ground truth


@dataclass
class Images:
    """Which files are there, asked for a folder at a time; counts and names what is missing."""

    missing: list[Path] = field(default_factory=list)
    _folders: dict[Path, frozenset[str]] = field(default_factory=dict)

    def there(self, path: Path) -> bool:
        """Whether the file exists; else it is noted, once for each question."""
        if path.name in self.listing(path.parent):
            return True
        self.missing.append(path)
        return False

    def listing(self, folder: Path) -> frozenset[str]:
        """The names in a folder; none where it does not exist."""
        if folder not in self._folders:
            try:
                self._folders[folder] = frozenset(os.listdir(folder))
            except (OSError, ValueError):  # ValueError: a name with a null character
                self._folders[folder] = frozenset()
        return self._folders[folder]


@dataclass
class Unreadable:
    """Pictures that a validation leaves out because they cannot be read, each said once."""

    say: Callable[[str], None]
    paths: set[Path] = field(default_factory=set)

    def note(self, path: Path) -> None:
        if path not in self.paths:
            self.paths.add(path)
            self.say(f"{path}: cannot be read as a picture; left out of the validation")


def read_people(
    source: PoseSource,
    skeleton: Skeleton,
    aspect: float,  # width / height of the crop
    say: Callable[[str], None],
) -> list[Person]:
    """Every person with a labelled joint of the skeleton whose picture is there, in the file's order.

    Raises:
        BadInput: the annotations are wrong, or not one person remains.
    """
    from stages.train.datasets.annolist import read_annolist
    from stages.train.datasets.coco import read_coco
    from stages.train.datasets.lsp import read_lsp
    from stages.train.datasets.mpii import read_mpii

    readers = {"coco": read_coco, "posetrack": read_coco, "annolist": read_annolist, "lsp": read_lsp}
    readers |= {"mpii": partial(read_mpii, truth=source.truth)}
    images = Images()
    people: list[Person] = []
    for file in annotation_files(source):
        found = readers[source.format](file, source, skeleton, aspect)
        people += [
            p for p in found if (p.weights > 0).any() and has_extent(p.centre, p.scale) and images.there(p.image)
        ]
    report_missing(images, source, say)
    if not people:
        why = (
            f"all {len(images.missing)} pictures are missing"
            if images.missing
            else "nobody has a labelled joint and a box"
        )
        raise BadInput(f"{source.annotations}: no person of {skeleton.name} to train on: {why}; check `images`")
    return people


def report_missing(images: Images, source: PoseSource | TrainingSet, say: Callable[[str], None]) -> None:
    """One sentence on the pictures that are not there."""
    if not images.missing:
        return
    names = sorted({str(p) for p in images.missing})
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    count = "one picture is" if len(names) == 1 else f"{len(names)} pictures are"
    say(f"{source.annotations}: {count} missing and left out: {', '.join(names[:5])}{more}")


def annotation_files(source: PoseSource) -> list[Path]:
    """The file, or the files of a folder.

    Raises:
        BadInput: there is none.
    """
    path = source.annotations
    if path.is_dir():
        files = sorted(path.glob("*.json"))
        if not files:
            raise BadInput(f"{path}: holds no annotation files (*.json); check `train` and `val` of the settings")
        return files
    if not path.exists():
        raise BadInput(f"{path}: is not there; check --data, and `train` and `val` of the settings")
    return [path]


def columns_of(joints: Iterable[str], skeleton: Skeleton, path: Path) -> np.ndarray:
    """[K] for each joint of the skeleton its place in a source's list of names, -1 = not there.

    Raises:
        BadInput: not one is there.
    """
    names = [_ALIASES.get(name, name) for name in joints]
    columns = np.array([names.index(j) if j in names else -1 for j in skeleton.joints])
    if columns.max(initial=-1) < 0:
        raise BadInput(f"{path}: names no joint of {skeleton.name}: {names}")
    return columns


def in_skeleton(
    triplets: np.ndarray,  # [J, 3] x, y, whether labelled (> 0)
    columns: np.ndarray,  # [K]
) -> tuple[np.ndarray, np.ndarray]:
    """Joints [K, 2] float64 and weights [K] float32 of 0 and 1; what is not labelled lies at 0, 0."""
    chosen = np.where(columns[:, None] >= 0, triplets[columns], 0.0)
    labelled = chosen[:, 2] > 0
    return np.where(labelled[:, None], chosen[:, :2], 0.0), labelled.astype(np.float32)


def box_of_joints(
    joints: np.ndarray,  # [K, 2]
    labelled: np.ndarray,  # [K] bool
    margin: float = JOINT_MARGIN,
) -> np.ndarray:
    """[4] xyxy around the labelled joints, `margin` longer than their extent."""
    points = joints[labelled]
    low, high = points.min(axis=0), points.max(axis=0)
    grown = np.maximum(high - low, 1) * margin / 2
    return np.concatenate([low - grown, high + grown])


def has_extent(
    centre: np.ndarray,  # [2] pixels
    scale: np.ndarray,  # [2] in units of 200 pixels
) -> bool:
    """Whether a crop is large enough for float32 to tell its corners apart."""
    furthest = max(map(abs, centre.tolist()))  # faster than numpy for two
    return max(scale.tolist()) * PIXEL_STD > max(0.1, 1e-5 * furthest)


def crop_of(
    box: np.ndarray,  # [4] xyxy
    aspect: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Centre [2] and scale [2] of the crop around a box."""
    centre, scale = published_rectangles(box[None], aspect)
    return centre[0], scale[0]
