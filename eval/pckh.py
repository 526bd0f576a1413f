"""PCKh of MPII Human Pose: the share of joints within half a head size of the truth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from posedata.errors import BadInput
from posedata.formats.matlab import read_matlab

SCALE_BIAS = 0.6  # head size = 0.6 of the head box's diagonal
EXCLUDED = (6, 7)  # pelvis and thorax count in no mean
COLUMNS = (
    ("Head", (9,)),
    ("Shoulder", (13, 12)),
    ("Elbow", (14, 11)),
    ("Wrist", (15, 10)),
    ("Hip", (3, 2)),
    ("Knee", (4, 1)),
    ("Ankle", (5, 0)),
)


@dataclass(frozen=True)
class MpiiTruth:
    """Ground truth of N people, as `gt_valid.mat` holds it."""

    positions: np.ndarray  # [N, 16, 2] float64 pixels, 1-based
    visible: np.ndarray  # [N, 16] bool
    head_boxes: np.ndarray  # [N, 2, 2] float64 corners, pixels

    def __post_init__(self) -> None:
        n = len(self.positions)
        for name, shape in (("positions", (n, 16, 2)), ("visible", (n, 16)), ("head_boxes", (n, 2, 2))):
            found = getattr(self, name).shape
            if found != shape:
                raise ValueError(f"{name} must have shape {list(shape)}, not {list(found)}")


@dataclass(frozen=True)
class Pckh:
    """Percent right; nan where no joint is visible."""

    columns: tuple[tuple[str, float], ...]  # Head .. Ankle, at half a head size
    joints: np.ndarray  # [16] each joint, in MPII order
    mean: float  # over the visible joints without pelvis and thorax
    mean_01: float  # the same at a tenth of a head size
    mean_01_reference: float  # what the reference prints as Mean@0.1: it looks up 0.11


def evaluate_pckh(
    predictions: np.ndarray,  # [N, 16, >= 2] pixels, 0-based
    truth: MpiiTruth,
) -> Pckh:
    """PCKh as in the reference's MPII evaluation.

    Source: microsoft/human-pose-estimation.pytorch (MIT), `lib/dataset/mpii.py`. Its Mean@0.1 reads the entry
    of 0.11 from a list of thresholds; published values of that column are of this kind.

    Raises:
        BadInput: predictions and truth do not have the same people.
    """
    if predictions.ndim != 3 or predictions.shape[:2] != truth.visible.shape or predictions.shape[2] < 2:
        raise BadInput(
            f"predictions have the shape {list(predictions.shape)}, the ground truth needs "
            f"[{len(truth.visible)}, 16, 2]; predict every person of the ground truth, in its order"
        )
    error = np.linalg.norm(predictions[..., :2] + 1.0 - truth.positions, axis=2)  # [N, 16]
    size = np.linalg.norm(truth.head_boxes[:, 1] - truth.head_boxes[:, 0], axis=1) * SCALE_BIAS
    with np.errstate(invalid="ignore", divide="ignore"):
        scaled = error / size[:, None]
    joints = _right(scaled, truth.visible, 0.5)
    weight = truth.visible.sum(axis=0).astype(np.float64)
    weight[list(EXCLUDED)] = 0

    def mean(percent: np.ndarray) -> float:
        used = weight > 0
        return float((percent[used] * weight[used]).sum() / weight.sum()) if used.any() else float("nan")

    return Pckh(
        columns=tuple((name, float(joints[list(of)].mean())) for name, of in COLUMNS),
        joints=joints,
        mean=mean(joints),
        mean_01=mean(_right(scaled, truth.visible, 0.1)),
        mean_01_reference=mean(_right(scaled, truth.visible, np.arange(0, 0.51, 0.01)[11])),
    )


def load_gt_valid(path: str | Path) -> MpiiTruth:
    """Ground truth from the `gt_valid.mat` that the MPII evaluations share.

    Raises:
        BadInput: the file cannot be read, or an array is missing or of another shape.
    """
    content = read_matlab(path, "MPII's gt_valid.mat")
    for name in ("pos_gt_src", "jnt_missing", "headboxes_src"):
        if name not in content:
            raise BadInput(f"{path}: holds no array {name}; give MPII's gt_valid.mat")
    return truth_of_arrays(content["pos_gt_src"], content["jnt_missing"], content["headboxes_src"], str(path))


def truth_of_arrays(
    pos_gt_src: np.ndarray,  # [16, 2, N] pixels, 1-based
    jnt_missing: np.ndarray,  # [16, N] 1 = not annotated
    headboxes_src: np.ndarray,  # [2, 2, N] corner, xy
    source: str = "ground truth",
) -> MpiiTruth:
    """Ground truth from the arrays of `gt_valid.mat`.

    Raises:
        BadInput: the arrays do not fit together.
    """
    try:
        return MpiiTruth(
            np.asarray(pos_gt_src, np.float64).transpose(2, 0, 1),
            np.asarray(jnt_missing).T == 0,
            np.asarray(headboxes_src, np.float64).transpose(2, 0, 1),
        )
    except ValueError as error:
        raise BadInput(f"{source}: the arrays do not fit together ({error}); give MPII's gt_valid.mat") from error


def _right(
    scaled: np.ndarray,  # [N, 16] errors in head sizes
    visible: np.ndarray,  # [N, 16] bool
    threshold: float,
) -> np.ndarray:
    """[16] percent of the visible joints within the threshold; nan where none is visible."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return 100.0 * ((scaled <= threshold) & visible).sum(axis=0) / visible.sum(axis=0)
