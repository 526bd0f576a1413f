"""The people of PoseTrack18 and PoseTrack21 files: all annotations at once, or one by one where one is irregular."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain

import numpy as np

from eval.json_file import Json
from eval.reading import Reading, number, score_number, short


@dataclass(frozen=True)
class Category:
    """The keypoint list of the file's only category."""

    count: int  # K
    column: np.ndarray  # [P] numbers of the used keypoints in a list of K
    joint: np.ndarray  # [P] which of the fifteen joints each is


@dataclass(frozen=True)
class Rows:
    """N annotations as arrays."""

    track: np.ndarray  # [N]
    head: np.ndarray  # [N, 4] xyxy
    has_head: np.ndarray  # [N]
    keypoints: np.ndarray  # [N, K, 3]
    scores: np.ndarray  # [N, K]
    has_scores: np.ndarray  # [N]
    person_score: np.ndarray  # [N]


def read_rows(
    annotations: list[Json],
    numbers: list[int],  # N places in `annotations`
    frame_names: list[str],  # N
    category: Category,
    reading: Reading,
) -> Rows | None:
    """The chosen annotations as arrays, or None after noting what is wrong with them."""
    rows = _rows_fast([annotations[i] for i in numbers], category)
    return _rows_slow(annotations, numbers, frame_names, category, reading) if rows is None else rows


def _rows_fast(annotations: list[dict[str, Json]], category: Category) -> Rows | None:
    """All annotations at once where every one of them is regular; None where one is not."""
    count, k = len(annotations), category.count
    if not count:
        nothing = np.zeros(0)
        return Rows(
            nothing, np.zeros((0, 4)), nothing > 0, np.zeros((0, k, 3)), np.zeros((0, k)), nothing > 0, nothing
        )
    try:
        keypoints = _regular([a["keypoints"] for a in annotations], (count, 3 * k))
        track = _regular([a["track_id"] for a in annotations], (count,))
        has_head = np.array(["bbox_head" in a for a in annotations])
        some_heads = _regular([a["bbox_head"] for a in annotations if "bbox_head" in a], (int(has_head.sum()), 4))
        has_scores = np.array([bool(a.get("scores")) for a in annotations])
        some_scores = _regular([a["scores"] for a in annotations if a.get("scores")], (int(has_scores.sum()), k))
        boxes = [a["bbox"] for a in annotations if "bbox" in a]
        regular_boxes = all(type(box) is list and len(box) >= 4 for box in boxes)
        person_score = np.array([_person_score(a) for a in annotations], np.float64)
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError):
        return None
    if keypoints is None or track is None or some_heads is None or some_scores is None or not regular_boxes:
        return None
    head, scores = np.zeros((count, 4)), np.full((count, k), np.nan)
    head[has_head] = np.concatenate([some_heads[:, :2], some_heads[:, :2] + some_heads[:, 2:]], axis=1)
    scores[has_scores] = some_scores
    return Rows(track, head, has_head, keypoints.reshape(count, k, 3), scores, has_scores, person_score)


def _regular(values: list[Json], shape: tuple[int, ...]) -> np.ndarray | None:
    """Nested lists of numbers as float64, or None where they are not numbers of that shape."""
    if not values:
        return np.zeros(shape)
    array = np.array(values)
    if array.dtype.kind not in "iuf" or array.shape != shape:
        return None
    return array.astype(np.float64, copy=False)


def _person_score(annotation: dict[str, Json]) -> float:
    value = number(annotation.get("score"))
    return float("nan") if value is None else value


def _rows_slow(
    annotations: list[Json],
    numbers: list[int],
    frame_names: list[str],
    category: Category,
    reading: Reading,
) -> Rows | None:
    """One annotation after the other: takes every form that the official tool takes, and names what it does not."""
    k = category.count
    track, heads, has_head, keypoints, scores, has_scores, person = [], [], [], [], [], [], []
    sound = True
    for position, frame_name in zip(numbers, frame_names):
        annotation = annotations[position]
        place = _Place(reading, frame_name, f"annotations[{position}]")
        if not isinstance(annotation, dict):
            place.fault("annotation", "", "is not an object", "write an object per person")
            sound = False
            continue
        row = (
            _track_id(annotation, place),
            _keypoints(annotation, k, place),
            _head(annotation, place),
            _scores(annotation, category, place),
        )
        if any(part is None for part in row) or not _box_ok(annotation, place):
            sound = False
            continue
        track.append(row[0])
        keypoints.append(row[1])
        heads.append(row[2][0])
        has_head.append(row[2][1])
        scores.append(row[3][0])
        has_scores.append(row[3][1])
        person.append(_person_score(annotation))
    if not sound:
        return None
    return Rows(
        np.array(track, np.float64),
        np.array(heads, np.float64).reshape(-1, 4),
        np.array(has_head, bool),
        np.array(keypoints, np.float64).reshape(-1, k, 3),
        np.array(scores, np.float64).reshape(-1, k),
        np.array(has_scores, bool),
        np.array(person, np.float64),
    )


@dataclass(frozen=True)
class _Place:
    """One annotation, for messages."""

    reading: Reading
    frame: str
    field: str

    def fault(self, kind: str, name: str, what: str, remedy: str) -> None:
        field = f"{self.field}.{name}" if name else self.field
        self.reading.fault(kind, what, remedy, self.frame, field)


def _track_id(annotation: dict[str, Json], place: _Place) -> float | None:
    value = number(annotation.get("track_id"))
    if value is None or value != value:
        found = f"is {short(annotation['track_id'])}" if "track_id" in annotation else "is missing"
        remedy = "give every person a whole number (the official tool asks for it even for AP)"
        place.fault("track-id-missing", "track_id", f"track_id {found}", remedy)
        return None
    return value


def _keypoints(annotation: dict[str, Json], k: int, place: _Place) -> np.ndarray | None:
    values = annotation.get("keypoints")
    flat = values
    if isinstance(values, list) and values and all(isinstance(part, list) for part in values):
        flat = list(chain.from_iterable(values))
    if not isinstance(flat, list) or len(flat) != 3 * k:
        found = f"has {len(flat)} values" if isinstance(flat, list) else "is not a list"
        place.fault(
            "keypoints-length",
            "keypoints",
            f"keypoints {found}, not {3 * k} (x, y, v of {k} names)",
            "write a triple for every keypoint name, zeros where there is none",
        )
        return None
    numbers = [number(value) for value in flat]
    if None in numbers:
        bad = flat[numbers.index(None)]
        place.fault("keypoints-value", "keypoints", f"keypoints hold {short(bad)}, not a number", "write numbers")
        return None
    return np.array(numbers, np.float64)


def _head(annotation: dict[str, Json], place: _Place) -> tuple[list[float], bool] | None:
    if "bbox_head" not in annotation:
        return [0.0] * 4, False
    values = annotation["bbox_head"]
    numbers = [number(value) for value in values[:4]] if isinstance(values, list) else []
    if len(numbers) < 4 or None in numbers:
        place.fault(
            "head-box",
            "bbox_head",
            f"bbox_head is {short(values)}, not [x, y, width, height]",
            "write four numbers, or leave the field out of predictions",
        )
        return None
    x, y, width, height = numbers
    return [x, y, x + width, y + height], True


def _box_ok(annotation: dict[str, Json], place: _Place) -> bool:
    values = annotation.get("bbox", [0, 0, 0, 0])
    if isinstance(values, list) and len(values) >= 4 and None not in [number(value) for value in values[:4]]:
        return True
    place.fault("box", "bbox", f"bbox is {short(values)}, not [x, y, width, height]", "write four numbers or no bbox")
    return False


def _scores(annotation: dict[str, Json], category: Category, place: _Place) -> tuple[list[float], bool] | None:
    k = category.count
    values = annotation.get("scores")
    if not values:
        return [float("nan")] * k, False
    needed = int(category.column.max()) + 1
    if not isinstance(values, list) or len(values) < needed:
        found = f"{len(values)} values" if isinstance(values, list) else short(values)
        place.fault(
            "scores-length",
            "scores",
            f"scores are {found}, not {k} (one a keypoint name)",
            "write a score for every keypoint name, 0 for the unused",
        )
        return None
    numbers = [score_number(value) for value in values[:k]]
    if None in numbers:
        bad = values[numbers.index(None)]
        place.fault("scores-value", "scores", f"scores hold {short(bad)}, not a number", "write numbers")
        return None
    return numbers + [float("nan")] * (k - len(numbers)), True
