"""The data sets' own figures for poses on ground-truth boxes, as a training watches them; 0..1."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np

from configs.recipes import PoseSource
from posedata.skeletons import Skeleton
from stages.train.datasets.people import Person

_SURE = 0.2  # joints above count in a person's score


def figures(
    source: PoseSource,
    skeleton: Skeleton,
    people: Sequence[Person],  # N
    joints: np.ndarray,  # [N, K, 2] pixels, predicted
    scores: np.ndarray,  # [N, K]
) -> dict[str, float]:
    """OKS AP for COCO, poseval's AP for PoseTrack, PCKh for MPII where `truth` gives the sizes of heads.

    Where the truth lacks what a figure needs, and for LSP, OKS AP.
    """
    heads = np.array([p.head for p in people])
    if source.format == "mpii" and np.isfinite(heads).all():
        return _pckh(people, joints, heads)
    if source.format in ("posetrack", "annolist") and np.isfinite(heads).any():
        return {"poseval_ap": poseval_ap(skeleton, people, joints, scores)}
    return _oks_ap(skeleton, people, joints, scores)


def person_scores(
    scores: np.ndarray,  # [N, K]
) -> np.ndarray:
    """[N] the mean of the joints that are sure."""
    sure = scores > _SURE
    return (scores * sure).sum(axis=1) / np.maximum(sure.sum(axis=1), 1)


def _oks_ap(skeleton: Skeleton, people: Sequence[Person], joints: np.ndarray, scores: np.ndarray) -> dict[str, float]:
    from eval.keypoint_ap import evaluate_keypoints, keypoint_results

    numbers = {path: k for k, path in enumerate(dict.fromkeys(p.image for p in people))}
    images = [numbers[p.image] for p in people]
    truth = {
        "images": [{"id": k} for k in numbers.values()],
        "categories": [{"id": 1}],
        "annotations": [
            {
                "image_id": image,
                "category_id": 1,
                "keypoints": np.column_stack([p.joints, 2 * (p.weights > 0)]).ravel().tolist(),
                "num_keypoints": int((p.weights > 0).sum()),
                "area": p.area,
                "bbox": [*p.box[:2].tolist(), *(p.box[2:] - p.box[:2]).tolist()],
            }
            for p, image in zip(people, images)
        ],
    }
    found = keypoint_results(images, joints, scores, person_scores(scores))
    result = evaluate_keypoints(truth, found, skeleton.sigma_array)
    return {"ap": result.ap, "ap50": result.ap50, "ap75": result.ap75, "ar": result.ar}


def _pckh(people: Sequence[Person], joints: np.ndarray, heads: np.ndarray) -> dict[str, float]:
    """MPII's mean over the labelled joints without pelvis and thorax, at half and a tenth of a head's size."""
    from eval.pckh import EXCLUDED

    away = np.linalg.norm(joints - np.stack([p.joints for p in people]), axis=2) / heads[:, None]
    labelled = np.stack([p.weights > 0 for p in people])
    if labelled.shape[1] == 16:
        labelled[:, list(EXCLUDED)] = False
    return {f"pckh{name}": float((away[labelled] <= t).mean()) for name, t in (("", 0.5), ("_01", 0.1))}


def poseval_ap(skeleton: Skeleton, people: Sequence[Person], joints: np.ndarray, scores: np.ndarray) -> float:
    """The mean of the fifteen joints, 0..1; a folder of pictures is a sequence."""
    from eval.poseval import score

    rows = sorted(range(len(people)), key=lambda k: people[k].image)
    truth, found = [], []
    for folder, group in groupby(rows, key=lambda k: people[k].image.parent):
        members = list(group)
        labelled = np.stack([people[k].weights > 0 for k in members])
        own = np.stack([people[k].joints for k in members])
        chosen = [people[k] for k in members]
        truth.append(_raw(str(folder), skeleton, chosen, own, np.ones(labelled.shape), labelled))
        found.append(_raw(str(folder), skeleton, chosen, joints[members], scores[members], labelled | True))
    return float(score(tuple(found), tuple(truth), mot=False).ap.ap[-1]) / 100


def _raw(
    name: str,
    skeleton: Skeleton,
    people: Sequence[Person],  # N, by picture
    joints: np.ndarray,  # [N, K, 2]
    scores: np.ndarray,  # [N, K]
    there: np.ndarray,  # [N, K] bool
):
    """One sequence in the evaluator's own form."""
    from eval.joints import JOINTS_2018
    from eval.raw import RawSequence, no_regions

    number_of = np.array([JOINTS_2018.index(j) if j in JOINTS_2018 else -1 for j in skeleton.joints])
    frames = list(dict.fromkeys(p.image.name for p in people))
    row, column = np.nonzero(there & (number_of >= 0))
    heads = np.array([p.head for p in people])
    side = np.where(np.isfinite(heads), heads, 0) / 0.6  # a box of this diagonal; its place does not matter
    place = {frame: k for k, frame in enumerate(frames)}
    return RawSequence(
        name=name,
        file=name,
        frame_names=tuple(frames),
        labelled=np.ones(len(frames), bool),
        flagged=np.ones(len(frames), bool),
        person_frame=np.array([place[p.image.name] for p in people]),
        track=np.arange(len(people), dtype=np.float64),
        head=np.column_stack([np.zeros((len(people), 2)), side, np.zeros(len(people))]),
        has_head=np.isfinite(heads),
        has_points=np.ones(len(people), bool),
        person_score=np.full(len(people), np.nan),
        point_person=row,
        point_joint=number_of[column],
        point_xy=joints[row, column].astype(np.float64),
        point_score=scores[row, column].astype(np.float64),
        has_score=np.ones(len(row), bool),
        regions=no_regions(),
    )
