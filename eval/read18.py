"""Reading PoseTrack18 and PoseTrack21 files (COCO style): images, annotations, one category."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain

import numpy as np

from eval.joints import JOINTS_2018
from eval.json_file import Json
from eval.raw import MISSING_SCORE, RawSequence, Regions, no_regions, regions_of
from eval.reading import Reading, check_track_ids, number, score_number, short

SOURCES = ("mpii", "bonn", "mpiinew")


@dataclass(frozen=True)
class _Category:
    """The keypoint list of the file's only category."""

    count: int  # K
    column: np.ndarray  # [P] numbers of the used keypoints in a list of K
    joint: np.ndarray  # [P] which of the fifteen joints each is


@dataclass(frozen=True)
class _Images:
    """The frames of the file's first video."""

    names: tuple[str, ...]
    frames_of: dict[Json, list[int]]  # image id -> frame numbers
    elsewhere: frozenset[Json]  # ids of images of further videos
    infos: tuple[dict[str, Json], ...]


@dataclass(frozen=True)
class _Rows:
    """N annotations as arrays."""

    track: np.ndarray  # [N]
    head: np.ndarray  # [N, 4] xyxy
    has_head: np.ndarray  # [N]
    keypoints: np.ndarray  # [N, K, 3]
    scores: np.ndarray  # [N, K]
    has_scores: np.ndarray  # [N]
    person_score: np.ndarray  # [N]


def read_2018(data: dict[str, Json], reading: Reading) -> RawSequence | None:
    """The sequence, or None after noting why it cannot be read.

    A keypoint is there unless x, y and v are all 0 (so v = 0 with coordinates counts), as in the official
    conversion; ears are dropped; annotations of unknown images are dropped with a warning.
    """
    category = _category(data, reading)
    images = _images(data, reading)
    annotations = data.get("annotations")
    if not isinstance(annotations, list):
        reading.fault("no-annotations", "has no list 'annotations'", "write one, empty if nobody is there")
        return None
    if category is None or images is None:
        return None
    split = _split(annotations, images, reading)
    if split is None:
        return None
    numbers, frame = split
    rows = _rows_fast([annotations[i] for i in numbers], category, reading)
    if rows is None:
        rows = _rows_slow(annotations, numbers, frame, category, images, reading)
    if rows is None:
        return None
    check_track_ids(reading, frame, rows.track, images.names)
    labelled = np.bincount(frame, minlength=len(images.names)) > 0
    regions = _regions(images, labelled, reading)
    keep = np.ones(len(frame), bool) if reading.wanted is None else np.zeros(len(frame), bool)
    if reading.wanted is not None:
        inside = frame < len(reading.wanted)
        keep[inside] = reading.wanted[frame[inside]]
    return _sequence(reading, images, labelled, frame, rows, keep, category, regions)


def _sequence(
    reading: Reading,
    images: _Images,
    labelled: np.ndarray,
    frame: np.ndarray,
    rows: _Rows,
    keep: np.ndarray,
    category: _Category,
    regions: Regions,
) -> RawSequence:
    points = rows.keypoints[keep][:, category.column]  # [N, P, 3]
    if not np.isfinite(points[..., :2]).all():
        bad = ~np.isfinite(points[..., :2]).all(axis=(1, 2))
        first = images.names[frame[keep][int(np.argmax(bad))]]
        what = "keypoint coordinates are not finite; they match nothing"
        reading.warn("not-finite", what, "write finite numbers", first, "keypoints", int(bad.sum()))
    there = ~((points[..., 0] == 0) & (points[..., 1] == 0) & (points[..., 2] == 0))
    person, column = np.nonzero(there)
    score = rows.scores[keep][:, category.column][person, column]
    has_score = rows.has_scores[keep][person]
    return RawSequence(
        name=reading.name,
        file=reading.file,
        frame_names=images.names,
        labelled=labelled,
        flagged=np.array([info.get("is_labeled") in (True, 1) for info in images.infos], bool),
        person_frame=frame[keep],
        track=rows.track[keep],
        head=rows.head[keep],
        has_head=rows.has_head[keep],
        has_points=np.ones(int(keep.sum()), bool),
        person_score=rows.person_score[keep],
        point_person=person.astype(np.int64),
        point_joint=category.joint[column],
        point_xy=points[person, column, :2],
        point_score=np.where(has_score, score, MISSING_SCORE),
        point_visible=points[person, column, 2],
        has_score=has_score,
        regions=regions,
    )


def _category(data: dict[str, Json], reading: Reading) -> _Category | None:
    categories = data.get("categories")
    if not isinstance(categories, list) or len(categories) != 1 or not isinstance(categories[0], dict):
        found = f"{len(categories)} entries" if isinstance(categories, list) else "no list"
        remedy = "write exactly one category, named person, with its keypoint names"
        reading.fault("categories", f"needs exactly one category, there is {found}", remedy, field="categories")
        return None
    category = categories[0]
    if category.get("name") != "person":
        what = f"the category is named {short(category.get('name'))}, not 'person'"
        reading.fault("category-name", what, "name it person", field="categories[0].name")
        return None
    names = category.get("keypoints")
    if not isinstance(names, list) or len(names) not in (15, 17):
        found = f"{len(names)}" if isinstance(names, list) else "no list"
        remedy = "list the 15 PoseTrack joints, or 17 with both ears"
        reading.fault(
            "keypoint-names",
            f"needs 15 or 17 keypoint names, there are {found}",
            remedy,
            field="categories[0].keypoints",
        )
        return None
    missing = [name for name in JOINTS_2018 if name not in names]
    if missing:
        remedy = "name all fifteen (the neck is head_bottom)"
        reading.fault(
            "landmark-missing", f"keypoint names lack {', '.join(missing)}", remedy, field="categories[0].keypoints"
        )
        return None
    used = [(column, JOINTS_2018.index(name)) for column, name in enumerate(names) if name in JOINTS_2018]
    column, joint = np.array(used, np.int64).T
    return _Category(len(names), column, joint)


def _images(data: dict[str, Json], reading: Reading) -> _Images | None:
    images = data["images"]
    if not isinstance(images, list) or not images:
        reading.fault(
            "no-images", "'images' is not a list with at least one image", "list every frame", field="images"
        )
        return None
    first_info: dict[Json, dict[str, Json]] = {}
    names: list[str] = []
    infos: list[dict[str, Json]] = []
    frames_of: dict[Json, list[int]] = {}
    elsewhere: set[Json] = set()
    folders: dict[str, str | None] = {}  # folder of the frames -> video id, None where it cannot be parsed
    video: str | None = None
    sound = True
    for position, entry in enumerate(images):
        field = f"images[{position}]"
        if not isinstance(entry, dict) or not isinstance(entry.get("file_name"), str) or "id" not in entry:
            reading.fault("image-entry", "needs the fields id and file_name", "write both", field=field)
            sound = False
            continue
        key = entry["id"]
        if not isinstance(key, (int, float, str)):
            reading.fault("image-id", f"id is {short(key)}, not a number", "number the images", field=f"{field}.id")
            sound = False
            continue
        info = first_info.setdefault(key, entry)
        if info is not entry:
            what = f"image id {short(key)} stands twice; the official tool then reads the first image both times"
            reading.warn("image-id-twice", what, "give each image its own id", info["file_name"], f"{field}.id")
        name = info["file_name"]
        folder, _, base = name.rpartition("/")
        if folder not in folders:
            folders[folder] = _video_id(folder)
        if folders[folder] is None or not _frame_number_ok(base):
            what = f"file_name {short(name)} cannot be parsed"
            remedy = "name frames .../NNNNNN_SOURCE[_...]/FFFFFF.jpg with SOURCE mpii, bonn or mpiinew, frame < 10000"
            reading.fault("file-name", what, remedy, field=f"{field}.file_name")
            sound = False
            continue
        if video is None:
            video = folders[folder]
        if folders[folder] != video:
            elsewhere.add(key)
            continue
        frames_of.setdefault(key, []).append(len(names))
        names.append(name)
        infos.append(info)
    if elsewhere:
        what = f"{len(elsewhere)} images belong to other videos than {video}; only the first video is scored"
        reading.warn("several-videos", what, "write one file per sequence", field="images")
    return _Images(tuple(names), frames_of, frozenset(elsewhere), tuple(infos)) if sound else None


def _video_id(folder: str) -> str | None:
    parts = folder.rstrip("/").rpartition("/")[2].split("_")
    try:
        int(parts[0])
    except ValueError:
        return None
    return parts[0] if len(parts) > 1 and parts[1] in SOURCES else None


def _frame_number_ok(base: str) -> bool:
    try:
        return 0 <= int(base.split(".")[0]) < 10000
    except ValueError:
        return False


def _split(annotations: list[Json], images: _Images, reading: Reading) -> tuple[list[int], np.ndarray] | None:
    """Numbers of the annotations on scored images in frame order, and their frames [N]."""
    pairs: list[tuple[int, int]] = []
    unknown: list[Json] = []
    sound = True
    for position, annotation in enumerate(annotations):
        try:
            key = annotation["image_id"]
            frames = images.frames_of.get(key)
        except (TypeError, KeyError, IndexError):
            what = "needs the field image_id, holding an image's id"
            reading.fault("image-id-missing", what, "write it", field=f"annotations[{position}].image_id")
            sound = False
            continue
        if frames is not None:
            pairs.extend((frame, position) for frame in frames)
        elif key not in images.elsewhere:
            unknown.append(key)
    if unknown:
        what = f"image_id {short(unknown[0])} is not among the images; such annotations are dropped"
        reading.warn("unknown-image", what, "use the ids of 'images'", field="annotations", count=len(unknown))
    if not sound:
        return None
    pairs.sort()
    return [position for _, position in pairs], np.array([frame for frame, _ in pairs], np.int64)


def _rows_fast(annotations: list[dict[str, Json]], category: _Category, reading: Reading) -> _Rows | None:
    """All annotations at once where every one of them is regular; None where one is not."""
    count, k = len(annotations), category.count
    if not count:
        nothing = np.zeros(0)
        return _Rows(
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
    return _Rows(track, head, has_head, keypoints.reshape(count, k, 3), scores, has_scores, person_score)


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
    frame: np.ndarray,
    category: _Category,
    images: _Images,
    reading: Reading,
) -> _Rows | None:
    """One annotation after the other: takes every form that the official tool takes, and names what it does not."""
    k = category.count
    track, heads, has_head, keypoints, scores, has_scores, person = [], [], [], [], [], [], []
    sound = True
    for position, f in zip(numbers, frame):
        annotation = annotations[position]
        place = _Place(reading, images.names[f], f"annotations[{position}]")
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
    return _Rows(
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


def _scores(annotation: dict[str, Json], category: _Category, place: _Place) -> tuple[list[float], bool] | None:
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


def _regions(images: _Images, labelled: np.ndarray, reading: Reading) -> Regions:
    """The ignore regions of the labelled frames; those of predictions are only checked for form."""
    polygons: list[tuple[int, np.ndarray]] = []
    for frame, info in enumerate(images.infos):
        if "ignore_regions_x" not in info or "ignore_regions_y" not in info:
            continue
        all_x, all_y = info["ignore_regions_x"], info["ignore_regions_y"]
        if not isinstance(all_x, list) or not isinstance(all_y, list):
            what = "ignore_regions_x and ignore_regions_y must be lists of lists of numbers"
            reading.fault("regions", what, "write one list a polygon", images.names[frame], "ignore_regions_x")
            continue
        for xs, ys in zip(all_x, all_y):
            if not isinstance(xs, list) or not isinstance(ys, list):
                what = "ignore_regions_x and ignore_regions_y must be lists of lists of numbers"
                reading.fault("regions", what, "write one list a polygon", images.names[frame], "ignore_regions_x")
                break
            if reading.truth and labelled[frame]:
                corners = _corners(xs, ys)
                if corners is None:
                    what = "an ignore region holds something that is not a number"
                    reading.fault("regions", what, "write numbers", images.names[frame], "ignore_regions_x")
                    break
                polygons.append((frame, corners))
    return regions_of(polygons) if polygons else no_regions()


def _corners(xs: list[Json], ys: list[Json]) -> np.ndarray | None:
    """[P, 2] corners; surplus values of the longer list are left away, as the official tool does."""
    length = min(len(xs), len(ys))
    if not length:
        return np.zeros((0, 2))
    try:
        array = np.array([xs[:length], ys[:length]])
    except ValueError:
        return None
    return array.T.astype(np.float64) if array.dtype.kind in "iufb" and array.ndim == 2 else None
