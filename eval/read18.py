"""Reading PoseTrack18 and PoseTrack21 files (COCO style): images, annotations, one category."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eval.joints import JOINTS_2018
from eval.json_file import Json
from eval.raw import MISSING_SCORE, RawSequence, Regions, no_regions, regions_of
from eval.read18_rows import Category, Rows, read_rows
from eval.reading import Reading, check_track_ids, short

SOURCES = ("mpii", "bonn", "mpiinew")


@dataclass(frozen=True)
class _Images:
    """The frames of the file's first video."""

    names: tuple[str, ...]
    frames_of: dict[Json, list[int]]  # image id -> frame numbers
    elsewhere: frozenset[Json]  # ids of images of further videos
    infos: tuple[dict[str, Json], ...]


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
    rows = read_rows(annotations, numbers, [images.names[f] for f in frame], category, reading)
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
    rows: Rows,
    keep: np.ndarray,
    category: Category,
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
        has_score=has_score,
        regions=regions,
    )


def _category(data: dict[str, Json], reading: Reading) -> Category | None:
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
    return Category(len(names), column, joint)


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
