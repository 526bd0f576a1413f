"""What every export has in common: the sequences given, who is left out and why, and the report."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np

from posedata.errors import BadInput
from posedata.people import FramePeople, FrameStatus
from posedata.records import FrameRecord, VideoHeader
from posedata.skeletons import Mapping as JointMapping
from posedata.skeletons import Skeleton

COORDINATE_DECIMALS = 3  # pixels
SCORE_DECIMALS = 7  # a record's six, times the one digit of a derived joint's factor

NAME_MAP = "name_map.json"  # beside a submission: which sequence got which name


@dataclass(frozen=True)
class ExportSequence:
    """One sequence to export; `frames` may be called several times and begins anew each time."""

    id: str
    video: VideoHeader
    skeleton: Skeleton
    frames: Callable[[], Iterator[FrameRecord]]
    frame_names: tuple[str, ...] | None = None  # image names in order, where the source is images
    annotation: Path | None = None  # the PoseTrack file whose image list defines the frames


@dataclass(frozen=True)
class ExportReport:
    """The files written, what is in them, and what was left out, counted by reason."""

    files: tuple[Path, ...]
    counts: Mapping[str, int]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Keep:
    """Joints and people below these scores are left out."""

    keypoint_score: float = 0.0
    person_score: float = 0.0
    unassigned: bool = False  # submissions hold people of no track, too


@dataclass
class Tally:
    """Counts and warnings while an export is written."""

    counts: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("sequences", "frames", "people", "keypoints"), 0)
    )
    warnings: list[str] = field(default_factory=list)

    def add(self, name: str, number: int) -> None:
        if number:
            self.counts[name] = self.counts.get(name, 0) + int(number)

    def warn(self, warning: str) -> None:
        if warning not in self.warnings:
            self.warnings.append(warning)

    def status(self, people: FramePeople) -> None:
        """Counts frames that nobody looked at."""
        if people.status is not FrameStatus.OK:
            self.add(f"frames_{people.status.name.lower()}", 1)


@dataclass(frozen=True)
class Chosen:
    """The M people of one frame that are exported; a joint that is left out is (0, 0) with score 0."""

    keypoints: np.ndarray  # [M, K, 2] float64 pixels
    scores: np.ndarray  # [M, K] float64
    present: np.ndarray  # [M, K] bool
    boxes: np.ndarray  # [M, 4] float64 xyxy pixels; around the joints where the record has none
    box_scores: np.ndarray | None  # [M] float64
    person_scores: np.ndarray  # [M] float64; the mean joint score where the record has none
    track_ids: np.ndarray  # [M] int64, -1 = none
    origin: np.ndarray | None  # [M]

    def __len__(self) -> int:
        return len(self.keypoints)


def choose(
    people: FramePeople,
    joints: JointMapping,  # from the record's skeleton to the format's
    keep: Keep,
    tally: Tally,
    *,
    with_identity: bool,  # leave out people without a track
    with_joints: bool = True,  # leave out people without a joint; else only those without a box, too
) -> Chosen:
    """The people that a file gets, in the record's order; everybody else is counted by the reason.

    A joint is there when its score is above 0 and at least `keep.keypoint_score`.
    """
    count = len(people)
    source = people.keypoints
    if source is None:
        source = np.zeros((count, len(joints.source), 2), np.float32)
        scores = np.zeros(source.shape[:2], np.float32)
    else:
        scores = people.keypoint_scores
        if scores is None:
            scores = np.ones(source.shape[:2], np.float32)
    keypoints, scores = joints.apply(source, scores)
    keypoints, scores = rounded(keypoints, COORDINATE_DECIMALS), rounded(scores, SCORE_DECIMALS)
    there = scores > 0
    present = there & (scores >= keep.keypoint_score)
    ids = np.full(count, -1, np.int64) if people.track_ids is None else people.track_ids
    if people.person_scores is not None:
        person_scores = rounded(people.person_scores, SCORE_DECIMALS)
    else:
        person_scores = rounded((scores * there).sum(axis=1) / np.maximum(there.sum(axis=1), 1), SCORE_DECIMALS)

    left = np.ones(count, bool)
    reasons = (
        ("people_without_identity", (ids < 0) if with_identity else np.zeros(count, bool)),
        ("people_below_score", person_scores < keep.person_score),
        ("people_without_joints", ~present.any(axis=1) & (with_joints or people.boxes is None)),
    )
    for name, bad in reasons:
        tally.add(name, (left & bad).sum())
        left &= ~bad
    tally.add("people", left.sum())
    if with_joints:
        tally.add("keypoints", present[left].sum())
        tally.add("keypoints_below_score", (there & ~present)[left].sum())
    return Chosen(
        np.where(present[..., None], keypoints, 0.0)[left],
        np.where(present, scores, 0.0)[left],
        present[left],
        (_around(keypoints, present) if people.boxes is None else rounded(people.boxes, COORDINATE_DECIMALS))[left],
        None if people.box_scores is None else rounded(people.box_scores, SCORE_DECIMALS)[left],
        person_scores[left],
        ids[left],
        None if people.origin is None else people.origin[left],
    )


def rounded(values: np.ndarray, decimals: int) -> np.ndarray:
    """float64 as it is written; a minus zero becomes zero."""
    return np.round(values.astype(np.float64), decimals) + 0.0


def file_of(folder: Path, sequence: str, suffix: str) -> Path:
    """The file of a sequence, `a/b` in a folder of its own.

    Raises:
        BadInput: the sequence's id leads out of the folder.
    """
    inside = PurePosixPath(sequence)
    if inside.is_absolute() or ".." in inside.parts or not inside.parts or "\0" in sequence or "\\" in sequence:
        raise BadInput(f"sequence {sequence!r}: its name leads out of {folder}; rename the source and run it again")
    return folder.joinpath(*inside.parts[:-1], inside.name + suffix)


def say_joints(sequence: ExportSequence, joints: JointMapping, tally: Tally) -> None:
    """Warns of joints that the format has and the poses have not."""
    derived = [j for j in joints.derived if j not in joints.missing]
    if derived:
        tally.warn(f"{', '.join(derived)} computed from other joints, skeleton {sequence.skeleton.name} has none")
    if joints.missing:
        tally.warn(f"{', '.join(joints.missing)} left out, skeleton {sequence.skeleton.name} has none")


def _around(keypoints: np.ndarray, present: np.ndarray) -> np.ndarray:
    """[N, 4] boxes around the joints that are there; zeros where none is."""
    low = np.where(present[..., None], keypoints, np.inf).min(axis=1, initial=np.inf)
    high = np.where(present[..., None], keypoints, -np.inf).max(axis=1, initial=-np.inf)
    return np.where(present.any(axis=1)[:, None], np.concatenate([low, high], axis=1), 0.0)
