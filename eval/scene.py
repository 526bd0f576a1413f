"""A sequence ready for scoring: the official tool's cleaning, then dense arrays of the frames that count."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eval.findings import Findings
from eval.ignore import check_regions, inside_regions
from eval.joints import N_JOINTS
from eval.raw import MISSING_SCORE, RawSequence

HEAD_FACTOR = 0.6  # reference length = 0.6 of the head box's diagonal


@dataclass(frozen=True)
class People:
    """N people of one sequence, in frame order."""

    frame: np.ndarray  # [N] int64, numbers of kept frames, rising
    track: np.ndarray  # [N] float64; nan where there is none
    xy: np.ndarray  # [N, 15, 2] float64 pixels; 0 where absent
    has: np.ndarray  # [N, 15] bool
    score: np.ndarray  # [N, 15] float64
    person_score: np.ndarray  # [N] float64; nan where there is none
    head: np.ndarray  # [N] float64 reference length in pixels; nan where there is no head box

    def __len__(self) -> int:
        return len(self.frame)

    def take(
        self,
        rows: np.ndarray,  # [M] numbers or [N] bool
    ) -> People:
        """The chosen people."""
        return People(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class Scene:
    """The labelled frames of one sequence, after the removal of ignored joints."""

    name: str
    frame_names: tuple[str, ...]  # F kept frames
    truth: People
    found: People  # the predictions


def clean(
    truth: RawSequence,
    found: RawSequence,
    labelled: np.ndarray,  # [F] bool: the frames that count
    findings: Findings,
) -> Scene:
    """The official cleaning, in its order: unlabelled frames, people without points, joints in ignore regions.

    Faults: an ignore region without area where it is used, a person without id or a ground-truth person without
    head box in a frame where both sides have people.
    """
    kept = np.flatnonzero(labelled)
    number = np.full(len(labelled), -1, np.int64)
    number[kept] = np.arange(len(kept))
    names = tuple(truth.frame_names[i] for i in kept)
    check_regions(truth, findings)
    truth_people, truth_rows = _drop_ignored(truth, truth, number)
    found_people, found_rows = _drop_ignored(found, truth, number)
    both = np.zeros(len(kept), bool)
    both[truth_people.frame] = True
    seen = np.zeros(len(kept), bool)
    seen[found_people.frame] = True
    both &= seen
    for side, people, rows in ((truth, truth_people, truth_rows), (found, found_people, found_rows)):
        lost = np.isnan(people.track) & both[people.frame]
        if lost.any():
            findings.fault(
                "track-id-missing",
                "a person has no track_id",
                "give every person a whole number (the official tool asks for it even for AP)",
                side.file,
                names[people.frame[int(np.argmax(lost))]],
                "track_id",
            )
        if side is truth:
            headless = ~side.has_head[rows] & both[people.frame]
            if headless.any():
                findings.fault(
                    "head-box-missing",
                    "a ground-truth person has no head box",
                    "write bbox_head (2018) or x1, y1, x2, y2 (2017): distances are measured in head sizes",
                    side.file,
                    names[people.frame[int(np.argmax(headless))]],
                    "bbox_head",
                )
            empty = side.has_head[rows] & ~(people.head > 0) & both[people.frame]
            if empty.any():
                findings.warn(
                    "head-box-empty",
                    "the head box of a ground-truth person has no size; nothing can match this person",
                    "correct the box",
                    side.file,
                    names[people.frame[int(np.argmax(empty))]],
                    "bbox_head",
                    int(empty.sum()),
                )
    return Scene(truth.name, names, truth_people, found_people)


def _drop_ignored(side: RawSequence, truth: RawSequence, number: np.ndarray) -> tuple[People, np.ndarray]:
    """The people that stay, dense, and their rows in `side`."""
    in_range = side.person_frame < len(number)
    frame = (
        np.where(in_range, number[np.minimum(side.person_frame, len(number) - 1)], -1)
        if len(number)
        else (np.full(len(side.person_frame), -1))
    )
    stays = side.has_points & (frame >= 0)
    point_stays = stays[side.point_person]
    with_regions = np.zeros(len(number), bool)
    with_regions[truth.regions.frame] = True
    if with_regions.any():
        point_frame = side.person_frame[side.point_person]
        candidates = np.flatnonzero(point_stays & with_regions[np.minimum(point_frame, len(number) - 1)])
        inside = inside_regions(side.point_xy[candidates], point_frame[candidates], truth.regions)
        point_stays[candidates[inside]] = False
        left = np.bincount(side.point_person[point_stays], minlength=len(stays)) > 0
        in_region_frame = with_regions[np.minimum(side.person_frame, len(number) - 1)]
        stays &= left | ~in_region_frame
        point_stays &= stays[side.point_person]
    rows = np.flatnonzero(stays)
    return _dense(side, frame, rows, point_stays), rows


def _dense(side: RawSequence, frame: np.ndarray, rows: np.ndarray, point_stays: np.ndarray) -> People:
    """[N, 15] tables; of several points of one joint the first counts."""
    new_row = np.full(len(side.person_frame), -1, np.int64)
    new_row[rows] = np.arange(len(rows))
    points = np.flatnonzero(point_stays & (side.point_joint >= 0))[::-1]  # the first one is written last
    person, joint = new_row[side.point_person[points]], side.point_joint[points]
    xy = np.zeros((len(rows), N_JOINTS, 2))
    has = np.zeros((len(rows), N_JOINTS), bool)
    score = np.full((len(rows), N_JOINTS), MISSING_SCORE)
    xy[person, joint] = side.point_xy[points]
    has[person, joint] = True
    score[person, joint] = side.point_score[points]
    box = side.head[rows]
    with np.errstate(over="ignore", invalid="ignore"):
        dx, dy = box[:, 2] - box[:, 0], box[:, 3] - box[:, 1]
        head = HEAD_FACTOR * np.sqrt(dx * dx + dy * dy)
    head = np.where(side.has_head[rows], head, np.nan)
    return People(frame[rows], side.track[rows], xy, has, score, side.person_score[rows], head)
