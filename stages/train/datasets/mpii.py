"""People of MPII Human Pose: the json files that Simple Baselines passes on, head sizes from `gt_valid.mat`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from configs.recipes import PoseSource
from posedata.errors import BadInput
from posedata.formats.fields import MAX_GIVEN
from posedata.jsonio import read_json
from posedata.paths import inside
from posedata.skeletons import MPII_16, Skeleton
from stages.pose.crop import PIXEL_STD
from stages.train.datasets.people import Person, columns_of, in_skeleton

_PADDING = 1.25
_DOWN = 15  # pixels for each unit of scale, by which the centre is moved down


def mpii_person(
    record: dict,  # center, scale, joints, joints_vis of the json file, 1-based
) -> tuple[np.ndarray, float, np.ndarray, np.ndarray]:
    """Centre [2] pixels, scale (side in units of 200 pixels), joints [16, 2] and visibility [16], 0-based.

    Source: microsoft/human-pose-estimation.pytorch (MIT), `lib/dataset/mpii.py`. A centre of -1 marks an unknown
    one, which is neither moved nor padded.

    Raises:
        KeyError, ValueError: naming the field.
    """
    centre, scale = _array(record["center"], "center", (2,)), float(_array(record["scale"], "scale", ()))
    if centre[0] != -1:
        if scale <= 0:
            raise ValueError(f"scale is {scale:g}, not positive")
        centre[1] += _DOWN * scale
        scale *= _PADDING
    count = len(MPII_16)
    visible = _array(record.get("joints_vis", [0] * count), "joints_vis", (count,))
    joints = _array(record.get("joints", [[0, 0]] * count), "joints", (count, 2))
    return centre - 1, scale, joints - 1, visible


def _array(value: object, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers of that shape, float64."""
    try:
        array = np.asarray(value)
    except ValueError:  # rows of different lengths
        array = np.empty(0)
    if array.shape != shape or array.dtype.kind not in "iuf" or not (np.abs(array.astype(float)) <= MAX_GIVEN).all():
        wanted = " x ".join(map(str, shape)) or "one"
        raise ValueError(f"{name} is {str(value)[:40]!r}, not {wanted} numbers up to {MAX_GIVEN:g}")
    return array.astype(np.float64)


def read_mpii(path: Path, source: PoseSource, skeleton: Skeleton, aspect: float, truth: Path | None) -> list[Person]:
    """Every person whose centre is known.

    Raises:
        BadInput: naming file, person and field; or ground truth of other people.
    """
    records = read_json(path)
    if not isinstance(records, list) or not all(isinstance(r, dict) for r in records):
        raise BadInput(f"{path}: is no list of people; give MPII's train.json or valid.json")
    heads = _head_sizes(truth, len(records), path)
    root = Path(source.images or path.parent).resolve()
    columns = columns_of(MPII_16.joints, skeleton, path)
    people = []
    for row, record in enumerate(records):
        where = f"{path}: person {row}"
        try:
            file = inside(root, record["image"], where)
            centre, side, joints, visible = mpii_person(record)
        except (KeyError, TypeError, ValueError) as error:
            raise BadInput(f"{where}: wrong or missing field ({error}); give MPII's train.json") from None
        if centre[0] == -2:  # unknown
            continue
        joints, weights = in_skeleton(np.column_stack([joints, visible]), columns)
        half = side * PIXEL_STD / _PADDING / 2
        scale = np.array([side, side / aspect] if aspect < 1 else [side * aspect, side], np.float32)
        box = np.concatenate([centre - half, centre + half])
        people.append(
            Person(file, centre.astype(np.float32), scale, joints, weights, box, 4 * half**2, heads[row], row)
        )
    return people


def _head_sizes(truth: Path | None, count: int, path: Path) -> np.ndarray:
    """[count] pixels, nan where no ground truth is given."""
    if truth is None:
        return np.full(count, np.nan)
    from eval.pckh import SCALE_BIAS, load_gt_valid

    heads = load_gt_valid(truth).head_boxes
    if len(heads) != count:
        raise BadInput(f"{truth}: is of {len(heads)} people, {path} of {count}; give the files that belong together")
    return np.linalg.norm(heads[:, 1] - heads[:, 0], axis=1) * SCALE_BIAS
