"""People of Leeds Sports Pose and its extension: `joints.mat` beside `im0001.jpg`, `im0002.jpg`, ..."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from configs.recipes import PoseSource
from posedata.errors import BadInput
from posedata.formats.fields import MAX_GIVEN
from posedata.formats.matlab import read_matlab
from posedata.skeletons import Skeleton
from stages.train.datasets.people import Images, Person, box_of_joints, columns_of, crop_of, in_skeleton

JOINTS = (
    *("right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle", "right_wrist"),
    *("right_elbow", "right_shoulder", "left_shoulder", "left_elbow", "left_wrist", "head_bottom", "head_top"),
)
_MARGIN = 0.3  # joints end at ankles and wrists; the person does not


def read_lsp(path: Path, source: PoseSource, skeleton: Skeleton, aspect: float) -> list[Person]:
    """Everybody. LSP has an array [3, 14, N] whose third row marks hidden joints, which are labelled all the same;
    the extended set [14, 3, N], whose third column says whether there is a label.

    Raises:
        BadInput: the file cannot be read or is in another form.
    """
    content = read_matlab(path, "LSP's joints.mat")
    try:
        joints = np.asarray(content["joints"], np.float64)
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(f"{path}: holds no array joints of numbers ({error}); give LSP's joints.mat") from None
    if not (np.abs(joints) <= MAX_GIVEN).all():
        raise BadInput(f"{path}: joints holds a number that is not finite or beyond {MAX_GIVEN:g}; write pixels")
    if joints.ndim == 3 and joints.shape[:2] == (3, 14):
        triplets = joints.transpose(2, 1, 0).copy()
        triplets[..., 2] = (triplets[..., :2] > 0).all(axis=2)
    elif joints.ndim == 3 and joints.shape[:2] == (14, 3):
        triplets = joints.transpose(2, 0, 1)
    else:
        raise BadInput(
            f"{path}: joints has shape {list(joints.shape)}, not [3, 14, N] (LSP) or [14, 3, N] (extended)"
        )
    root = Path(source.images or path.parent / "images").resolve()
    digits = _digits(Images().listing(root))
    columns = columns_of(JOINTS, skeleton, path)
    people = []
    for row, triplet in enumerate(triplets):
        points, weights = in_skeleton(triplet, columns)
        if not weights.any():
            continue
        box = box_of_joints(points, weights > 0, _MARGIN)
        area = float((box[2:] - box[:2]).prod())
        file = root / f"im{row + 1:0{digits}d}.jpg"
        people.append(Person(file, *crop_of(box, aspect), points, weights, box, area))
    return people


def _digits(names: frozenset[str]) -> int:
    """Of the pictures' numbers: four in LSP, five in the extended set."""
    return 5 if "im00001.jpg" in names else 4
