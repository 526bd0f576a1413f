"""One sequence as its file says it, before the cleaning that scoring asks for: flat arrays in file order."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

MISSING_SCORE = -9999.0  # what the official tool puts where a predicted joint has no score
MAX_TRACK_ID = 10000  # the official tool refuses ids from here on; its README allows 0..999


@dataclass(frozen=True)
class Regions:
    """Ignore regions of a sequence: R polygons over a common list of corners."""

    frame: np.ndarray  # [R] int64 frame numbers
    start: np.ndarray  # [R + 1] int64: polygon r has the corners start[r] .. start[r + 1]
    corners: np.ndarray  # [C, 2] float64 xy, pixels


@dataclass(frozen=True)
class RawSequence:
    """F frames, N people, M points of one file.

    People are in frame order and, within a frame, in the file's order; points in the order of their people.
    """

    name: str
    file: str
    frame_names: tuple[str, ...]  # F image names
    labelled: np.ndarray  # [F] bool: the frame lists at least one person
    flagged: np.ndarray  # [F] bool: the file's own is_labeled, which the official tool never reads
    person_frame: np.ndarray  # [N] int64
    track: np.ndarray  # [N] float64; nan where the person has no id
    head: np.ndarray  # [N, 4] float64 xyxy head box; meaningful where has_head
    has_head: np.ndarray  # [N] bool
    has_points: np.ndarray  # [N] bool: there is a list of points, though it may be empty
    person_score: np.ndarray  # [N] float64; nan where there is none
    point_person: np.ndarray  # [M] int64, rising
    point_joint: np.ndarray  # [M] int64, 0..14, or -1 for a point that is none of the fifteen
    point_xy: np.ndarray  # [M, 2] float64 pixels
    point_score: np.ndarray  # [M] float64; MISSING_SCORE where there is none
    has_score: np.ndarray  # [M] bool
    regions: Regions


def no_regions() -> Regions:
    """No ignore region at all."""
    return Regions(np.zeros(0, np.int64), np.zeros(1, np.int64), np.zeros((0, 2)))


def regions_of(
    polygons: list[tuple[int, np.ndarray]],  # (frame number, [P, 2] corners)
) -> Regions:
    """The polygons as one table."""
    if not polygons:
        return no_regions()
    lengths = [len(corners) for _, corners in polygons]
    return Regions(
        np.array([frame for frame, _ in polygons], np.int64),
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        np.concatenate([corners.reshape(-1, 2) for _, corners in polygons]).astype(np.float64),
    )


def without_low_scores(
    sequence: RawSequence,
    keypoint_score: float,  # joints below it are left out
    person_score: float,  # people below it are left out
) -> RawSequence:
    """The sequence as it would be submitted with these thresholds; a person with no joint left is not submitted.

    A person without a score of its own, a joint without a score, and scores that are not numbers stay.
    """
    people = ~(sequence.person_score < person_score)
    points = ~(sequence.has_score & (sequence.point_score < keypoint_score)) & people[sequence.point_person]
    people &= np.bincount(sequence.point_person[points], minlength=len(people)) > 0
    row = np.cumsum(people) - 1
    changed = {name: getattr(sequence, name)[people] for name in _OF_PEOPLE}
    changed |= {name: getattr(sequence, name)[points] for name in _OF_POINTS}
    changed["point_person"] = row[changed["point_person"]]
    return replace(sequence, **changed)


_OF_PEOPLE = ("person_frame", "track", "head", "has_head", "has_points", "person_score")
_OF_POINTS = ("point_person", "point_joint", "point_xy", "point_score", "has_score")
