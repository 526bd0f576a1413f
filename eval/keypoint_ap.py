"""COCO average precision of keypoints (OKS) and of boxes (IoU), through pycocotools; values 0..1."""

from __future__ import annotations

import contextlib
import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eval.findings import Findings
from eval.json_file import Json, read_json
from eval.reading import number, short

Record = Mapping[str, Json]  # one annotation or result in COCO form


@dataclass(frozen=True)
class KeypointAp:
    """The ten figures of the COCO keypoint challenge (at most 20 people an image), 0..1; nan where nothing counts."""

    ap: float  # mean over OKS 0.50 .. 0.95
    ap50: float
    ap75: float
    ap_medium: float  # people of 32^2 .. 96^2 square pixels
    ap_large: float
    ar: float
    ar50: float
    ar75: float
    ar_medium: float
    ar_large: float


@dataclass(frozen=True)
class BoxAp:
    """The twelve figures of the COCO detection challenge, 0..1; nan where nothing counts."""

    ap: float  # mean over IoU 0.50 .. 0.95
    ap50: float
    ap75: float
    ap_small: float  # below 32^2 square pixels
    ap_medium: float
    ap_large: float
    ar1: float  # at most one box an image
    ar10: float
    ar100: float
    ar_small: float
    ar_medium: float
    ar_large: float


def evaluate_keypoints(
    ground_truth: str | Path | Mapping[str, Json],  # a COCO annotation file or its content
    results: str | Path | Sequence[Record],  # image_id, category_id, keypoints [3K], score
    sigmas: np.ndarray | None = None,  # [K] OKS sigmas; None = COCO's seventeen
    image_ids: Sequence[int] | None = None,  # evaluate on these images only
    name: str = "ground truth",  # of content, for messages
) -> KeypointAp:
    """Keypoint AP and AR.

    Raises:
        ScoringInputError: with every fault of both sides.
    """
    from pycocotools.cocoeval import Params

    sigmas = Params("keypoints").kpt_oks_sigmas if sigmas is None else np.asarray(sigmas, np.float64)
    stats = _evaluate(ground_truth, results, "keypoints", image_ids, None, sigmas, name)
    return KeypointAp(*stats)


def evaluate_boxes(
    ground_truth: str | Path | Mapping[str, Json],  # a COCO annotation file or its content
    results: str | Path | Sequence[Record],  # image_id, category_id, bbox [x, y, width, height], score
    category_ids: Sequence[int] | None = None,  # None = all categories
    image_ids: Sequence[int] | None = None,  # evaluate on these images only
    name: str = "ground truth",  # of content, for messages
) -> BoxAp:
    """Box AP and AR.

    Raises:
        ScoringInputError: with every fault of both sides.
    """
    return BoxAp(*_evaluate(ground_truth, results, "bbox", image_ids, category_ids, None, name))


def keypoint_results(
    image_ids: Sequence[int],  # N
    keypoints: np.ndarray,  # [N, K, 2] pixels
    keypoint_scores: np.ndarray,  # [N, K]; written as the third value, which the evaluation does not read
    scores: np.ndarray,  # [N] what the people are ranked by
    category_id: int = 1,
) -> list[dict[str, Json]]:
    """Arrays as COCO results."""
    triples = np.concatenate([np.asarray(keypoints, np.float64), np.asarray(keypoint_scores)[..., None]], axis=-1)
    return [
        {"image_id": image, "category_id": category_id, "keypoints": row.reshape(-1).tolist(), "score": float(score)}
        for image, row, score in zip(image_ids, triples, scores, strict=True)
    ]


def _evaluate(
    ground_truth: str | Path | Mapping[str, Json],
    results: str | Path | Sequence[Record],
    kind: str,  # "keypoints" or "bbox"
    image_ids: Sequence[int] | None,
    category_ids: Sequence[int] | None,
    sigmas: np.ndarray | None,
    name: str,
) -> list[float]:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    findings = Findings()
    truth = _truth(ground_truth, sigmas, findings, name)
    findings.raise_faults()
    found = _results(results, {image["id"] for image in truth["images"]}, kind, sigmas, findings)
    findings.raise_faults()
    # pycocotools tells its progress on stdout, where a command's results belong.
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = truth
        coco.createIndex()
        if found:
            detections = coco.loadRes(found)
        else:  # loadRes looks at the first result
            detections = COCO()
            detections.dataset = {**truth, "annotations": []}
            detections.createIndex()
        run = COCOeval(coco, detections, kind)
        if sigmas is not None:
            run.params.kpt_oks_sigmas = sigmas
        if image_ids is not None:
            run.params.imgIds = sorted(set(image_ids))
        if category_ids is not None:
            run.params.catIds = sorted(set(category_ids))
        run.evaluate()
        run.accumulate()
        run.summarize()
    return [float("nan") if value < 0 else float(value) for value in run.stats]


def _truth(
    source: str | Path | Mapping[str, Json], sigmas: np.ndarray | None, findings: Findings, name: str
) -> dict[str, Json]:
    """Checked ground truth whose annotations may be written to.

    Annotations are numbered anew: pycocotools takes a match with annotation 0 for none.
    """
    name = name if isinstance(source, Mapping) else str(source)
    data = source if isinstance(source, Mapping) else read_json(Path(source), findings)
    parts: dict[str, list[Json]] = {}
    for part in ("images", "annotations", "categories"):
        value = data.get(part) if isinstance(data, Mapping) else None
        if not isinstance(value, list) or not all(isinstance(entry, Mapping) for entry in value):
            if data is not None:
                findings.fault(f"no-{part}", f"has no list '{part}'", "give a COCO annotation file", name, field=part)
            value = []
        parts[part] = value
    known: set[Json] = set()
    for position, image in enumerate(parts["images"]):
        field, number = f"images[{position}].id", image.get("id")
        if not _is_key(number):
            findings.fault("image-id", "an image has no id", "number the images", name, field=field)
        elif number in known:
            what = f"two images have the id {short(number)}"
            findings.fault("image-id-twice", what, "number the images apart", name, field=field)
        else:
            known.add(number)
    fields = _truth_fields(None if sigmas is None else len(sigmas))
    annotations = []
    for position, entry in enumerate(parts["annotations"]):
        _check({"iscrowd": 0, **entry}, fields, name, f"annotations[{position}]", findings)
        annotations.append({"iscrowd": 0, "area": _box_area(entry), **entry, "id": position + 1})
    return {**parts, "annotations": annotations, "info": {}}


def check_person(entry: Record, joints: int, name: str, place: str, findings: Findings) -> None:
    """Notes what keeps an annotation from being ground truth of poses; `name` and `place` say where it stands."""
    _check({"iscrowd": 0, **entry}, _truth_fields(joints), name, place, findings)


def _truth_fields(joints: int | None) -> dict[str, Callable[[Json], bool]]:
    """What annotations need, and whether a value will do; without joints they are of boxes alone."""
    fields = {"image_id": _is_key, "category_id": _is_key, "bbox": _is_box, "iscrowd": _is_flag}
    if joints is None:
        return fields
    return fields | {
        "area": _is_number,
        "keypoints": lambda value: _is_numbers(value, 3 * joints),
        "num_keypoints": _is_number,
    }


def _results(
    source: str | Path | Sequence[Record], images: set[Json], kind: str, sigmas: np.ndarray | None, findings: Findings
) -> list[dict[str, Json]]:
    """Checked results that may be written to."""
    is_path = isinstance(source, (str, Path))
    name = str(source) if is_path else "results"
    data = read_json(Path(source), findings) if is_path else source
    if not isinstance(data, Sequence) or isinstance(data, str):
        if not findings.faults:
            findings.fault("no-results", "is not a list of results", "give a COCO results file", name)
        return []
    fields = {"image_id": lambda value: _is_key(value) and value in images, "category_id": _is_key}
    fields["score"] = _is_number
    if kind == "keypoints":
        length = 0 if sigmas is None else 3 * len(sigmas)
        fields["keypoints"] = lambda value: _is_numbers(value, length)
    else:
        fields["bbox"] = _is_box
    for position, entry in enumerate(data):
        if isinstance(entry, Mapping):
            _check(entry, fields, name, f"[{position}]", findings)
        else:
            findings.fault("result", f"{short(entry)} is not an object", "give result objects", name, f"[{position}]")
    kept = (
        (*fields, "bbox") if all(isinstance(e, Mapping) and _is_box(e.get("bbox")) for e in data) else tuple(fields)
    )
    return [{key: entry[key] for key in kept} for entry in data] if not findings.faults else []


def _check(
    entry: Record, fields: Mapping[str, Callable[[Json], bool]], name: str, place: str, findings: Findings
) -> None:
    for field, good in fields.items():
        if not good(entry.get(field)):
            found = f"is {short(entry[field])}" if field in entry else "is missing"
            remedy = "list the image in the ground truth" if field == "image_id" else "write it as COCO defines it"
            findings.fault(f"field-{field}", f"{field} {found}", remedy, name, field=f"{place}.{field}")


def _is_key(value: Json) -> bool:
    return isinstance(value, (int, str)) and not isinstance(value, bool)


def _is_flag(value: Json) -> bool:
    return isinstance(value, (int, float)) and value in (0, 1)


def _is_number(value: Json) -> bool:
    as_float = number(value)
    return as_float is not None and math.isfinite(as_float)


def _is_numbers(value: Json, length: int) -> bool:
    return isinstance(value, (list, tuple)) and len(value) == length and all(_is_number(part) for part in value)


def _is_box(value: Json) -> bool:
    return _is_numbers(value, 4)


def _box_area(entry: Record) -> float:
    box = entry.get("bbox")
    return float(box[2] * box[3]) if _is_box(box) else 0.0
