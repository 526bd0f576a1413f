"""Reading PoseTrack17 files (`annolist`): one entry a frame, every scalar in a list of one element."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import chain

import numpy as np

from eval.joints import N_JOINTS
from eval.json_file import Json
from eval.raw import MISSING_SCORE, RawSequence, Regions, no_regions, regions_of
from eval.reading import Reading, check_track_ids, number, score_number, short

_BOX = ("x1", "y1", "x2", "y2")


def read_2017(data: dict[str, Json], reading: Reading) -> RawSequence | None:
    """The sequence, or None after noting why it cannot be read.

    A person without `annopoints[0].point` has no points; the people of frames that are not scored are read only
    as far as their track ids, as the official tool does.
    """
    frames = data["annolist"]
    if not isinstance(frames, list):
        reading.fault("annolist", "'annolist' is not a list", "write one entry a frame", field="annolist")
        return None
    names = tuple(_name(frame, position) for position, frame in enumerate(frames))
    people: list[dict[str, Json]] = []
    person_frame: list[int] = []
    sound = True
    for position, entry in enumerate(frames):
        rects = entry.get("annorect") if isinstance(entry, dict) else None
        if not isinstance(rects, list) or not all(isinstance(rect, dict) for rect in rects):
            remedy = "write a list of people, empty if nobody is there"
            found = "is missing" if not isinstance(entry, dict) or "annorect" not in entry else f"is {short(rects)}"
            reading.fault(
                "annorect",
                f"annorect {found}, not a list of objects",
                remedy,
                names[position],
                f"annolist[{position}].annorect",
            )
            sound = False
            continue
        people.extend(rects)
        person_frame.extend([position] * len(rects))
    if not sound:
        return None
    frame = np.array(person_frame, np.int64)
    labelled = np.bincount(frame, minlength=len(frames)) > 0
    track = _tracks(people, frame, names, reading)
    if track is None:
        return None
    check_track_ids(reading, frame, track, names)
    wanted = labelled if reading.wanted is None else np.zeros(len(frames), bool)
    if reading.wanted is not None:
        common = min(len(frames), len(reading.wanted))
        wanted[:common] = reading.wanted[:common]
    keep = np.flatnonzero(wanted[frame]) if len(frame) else np.zeros(0, np.int64)
    kept = [people[i] for i in keep]
    table = _points_fast(kept)
    if table is None:
        table = _points_slow(kept, frame[keep], names, reading)
    if table is None:
        return None
    head, has_head = _heads(kept)
    return RawSequence(
        name=reading.name,
        file=reading.file,
        frame_names=names,
        labelled=labelled,
        flagged=np.array([_single(entry, "is_labeled") == 1 for entry in frames], bool),
        person_frame=frame[keep],
        track=track[keep],
        head=head,
        has_head=has_head,
        has_points=table.has_points,
        person_score=np.array([_person_score(rect) for rect in kept], np.float64),
        point_person=table.person,
        point_joint=table.joint,
        point_xy=table.xy,
        point_score=table.score,
        has_score=table.has_score,
        regions=_regions(frames, names, wanted, reading) if reading.truth else no_regions(),
    )


@dataclass(frozen=True)
class _Points:
    has_points: np.ndarray  # [N] bool
    person: np.ndarray  # [M] int64
    joint: np.ndarray  # [M] int64
    xy: np.ndarray  # [M, 2]
    score: np.ndarray  # [M]
    has_score: np.ndarray  # [M] bool


def _name(frame: Json, position: int) -> str:
    try:
        name = frame["image"][0]["name"]
    except (TypeError, KeyError, IndexError):
        name = None
    return name if isinstance(name, str) else f"number {position}"


def _tracks(
    people: list[dict[str, Json]], frame: np.ndarray, names: tuple[str, ...], reading: Reading
) -> np.ndarray | None:
    """[N] ids, nan where there is none; that is a fault only where the frame is compared."""
    track = np.full(len(people), np.nan)
    sound = True
    for i, rect in enumerate(people):
        if "track_id" not in rect:
            continue
        value = rect["track_id"]
        single = number(value[0]) if isinstance(value, list) and value else None
        if single is None or single != single:
            what = f"track_id is {short(value)}, not a list of one number"
            reading.fault("track-id-missing", what, "write a whole number in a list", names[frame[i]], "track_id")
            sound = False
            continue
        track[i] = single
    return track if sound else None


def _points_fast(people: list[dict[str, Json]]) -> _Points | None:
    """All points at once where every one of them is regular; None where one is not."""
    try:
        lists = []
        for rect in people:
            holder = rect.get("annopoints")
            has = holder is not None and len(holder) > 0 and len(holder[0]) > 0 and "point" in holder[0]
            if holder is None and "annopoints" in rect:
                return None
            lists.append(holder[0]["point"] if has else None)
        points = list(chain.from_iterable(part for part in lists if part))
        scored = [point for point in points if "score" in point]
        if scored and len(scored) < len(points):
            return None
        joint = np.array([point["id"][0] for point in points])
        x = np.array([point["x"][0] for point in points])
        y = np.array([point["y"][0] for point in points])
        score = np.array([point["score"][0] for point in scored])
    except (KeyError, TypeError, IndexError, AttributeError, ValueError, OverflowError):
        return None
    if points and (joint.dtype.kind not in "iu" or any(a.dtype.kind not in "iuf" or a.ndim != 1 for a in (x, y))):
        return None
    if scored and (score.dtype.kind not in "iuf" or score.ndim != 1):
        return None
    lengths = [len(part) if part else 0 for part in lists]
    return _Points(
        np.array([part is not None for part in lists], bool),
        np.repeat(np.arange(len(people)), lengths).astype(np.int64),
        np.where((joint >= 0) & (joint < N_JOINTS), joint, -1).astype(np.int64),
        np.stack([x, y], axis=1).astype(np.float64),
        score.astype(np.float64) if scored else np.full(len(points), MISSING_SCORE),
        np.full(len(points), bool(scored)),
    )


@dataclass
class _Growing:
    """The point table while it is read one by one."""

    person: list[int] = field(default_factory=list)
    joint: list[int] = field(default_factory=list)
    xy: list[tuple[float, float]] = field(default_factory=list)
    score: list[float] = field(default_factory=list)
    has_score: list[bool] = field(default_factory=list)


def _points_slow(
    people: list[dict[str, Json]], frame: np.ndarray, names: tuple[str, ...], reading: Reading
) -> _Points | None:
    """One point after the other: takes every form that the official tool takes, and names what it does not."""
    has_points = np.zeros(len(people), bool)
    table = _Growing()
    sound = True
    for i, rect in enumerate(people):
        where = names[frame[i]]
        try:
            points = _point_list(rect)
        except (TypeError, KeyError, IndexError):
            what = f"annopoints is {short(rect['annopoints'])}, not a list of one object with a list 'point'"
            reading.fault("annopoints", what, 'write [{"point": [...]}]', where, "annopoints")
            sound = False
            continue
        if points is None:
            continue
        has_points[i] = True
        for point in points:
            sound &= _take(point, i, table, where, reading)
    if not sound:
        return None
    return _Points(
        has_points,
        np.array(table.person, np.int64),
        np.array(table.joint, np.int64),
        np.array(table.xy, np.float64).reshape(-1, 2),
        np.array(table.score, np.float64),
        np.array(table.has_score, bool),
    )


def _point_list(rect: dict[str, Json]) -> list[Json] | None:
    """The person's points; None where the person has no list of them."""
    if "annopoints" not in rect:
        return None
    holder = rect["annopoints"]
    if not len(holder) or not len(holder[0]) or "point" not in holder[0]:
        return None
    points = holder[0]["point"]
    if not isinstance(points, list):
        raise TypeError
    return points


def _take(point: Json, person: int, table: _Growing, frame: str, reading: Reading) -> bool:
    """Add one point to the table; False after noting why it cannot be read."""
    if not isinstance(point, dict) or "id" not in point:
        reading.fault("point", f"a point is {short(point)}", "write objects with id, x and y", frame, "point")
        return False
    key = point["id"]
    if key is not None and not (isinstance(key, list) and key):
        reading.fault("point-id", f"a point's id is {short(key)}", "write a list of one number", frame, "id")
        return False
    joint = number(key[0]) if key is not None else None
    known = joint is not None and joint in range(N_JOINTS)
    xy = [_single(point, name) for name in ("x", "y")]
    if None in xy:
        bad = ("x", "y")[xy.index(None)]
        found = f"is {short(point[bad])}" if bad in point else "is missing"
        reading.fault(
            "point-xy", f"a point's {bad} {found}, not a list of one number", "write one number in a list", frame, bad
        )
        return False
    score = MISSING_SCORE
    if "score" in point:
        value = point["score"]
        single = score_number(value[0]) if isinstance(value, list) and value else None
        if single is None:
            reading.fault(
                "point-score",
                f"a point's score is {short(value)}, not a list of one number",
                "write one number in a list, or no score",
                frame,
                "score",
            )
            return False
        score = single
    table.person.append(person)
    table.joint.append(int(joint) if known else -1)
    table.xy.append((xy[0], xy[1]))
    table.score.append(score)
    table.has_score.append("score" in point)
    return True


def _single(holder: dict[str, Json], name: str) -> float | None:
    value = holder.get(name)
    return number(value[0]) if isinstance(value, list) and value else None


def _heads(people: list[dict[str, Json]]) -> tuple[np.ndarray, np.ndarray]:
    """[N, 4] xyxy head boxes and [N] bool whether there is one."""
    head, has_head = np.zeros((len(people), 4)), np.zeros(len(people), bool)
    for i, rect in enumerate(people):
        corners = [_single(rect, name) for name in _BOX]
        if None not in corners:
            head[i], has_head[i] = corners, True
    return head, has_head


def _person_score(rect: dict[str, Json]) -> float:
    value = _single(rect, "score")
    return float("nan") if value is None else value


def _regions(frames: list[dict[str, Json]], names: tuple[str, ...], wanted: np.ndarray, reading: Reading) -> Regions:
    """The ignore regions of the labelled frames."""
    polygons: list[tuple[int, np.ndarray]] = []
    for position in np.flatnonzero(wanted):
        regions = frames[position].get("ignore_regions", [])
        try:
            for region in regions:
                points = region["point"]
                corners = np.array([[point["x"][0], point["y"][0]] for point in points])
                if len(points) and (corners.dtype.kind not in "iufb" or corners.shape != (len(points), 2)):
                    raise TypeError
                polygons.append((int(position), corners.reshape(-1, 2).astype(np.float64)))
        except (TypeError, KeyError, IndexError, ValueError):
            what = "ignore_regions is not a list of objects with a list 'point' of x and y"
            reading.fault(
                "regions", what, 'write {"point": [{"x": [..], "y": [..]}]}', names[position], "ignore_regions"
            )
    return regions_of(polygons)
