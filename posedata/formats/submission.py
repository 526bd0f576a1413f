"""What PoseTrack17 and PoseTrack18 submissions have in common: names, frames, identities.

Rules: leonid-pishchulin/poseval reads image names as `.../NNNNNN_{mpii|bonn|mpiinew}[_...]/FFFFFF.ext` with frame
numbers below 10000, pairs frames by their place, and wants identities 0..999 that are unique in a frame.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import PurePosixPath

import numpy as np

from posedata.errors import BadInput
from posedata.formats.annotated import annotation_name, first_sequence, read_image_list
from posedata.formats.exported import Chosen, ExportSequence, Keep, Tally, choose, say_joints
from posedata.people import FramePeople
from posedata.skeletons import Skeleton, mapping

MAX_IDENTITIES = 1000
MAX_FRAMES = 10_000  # poseval reads frame numbers below this
_NAME = re.compile(r"(\d{5,6})_(?:mpiinew|mpii|bonn)(?:_[A-Za-z0-9_]+)?$")
_SQUEEZED = 0.99  # joint scores above come closer together
_OURS = 900_001  # the first number of sequences that are no PoseTrack sequences


@dataclass(frozen=True)
class SubmissionFrame:
    """One image of a submission file."""

    name: str
    id: int  # PoseTrack18
    number: int  # PoseTrack17's imgnum, from 1


@dataclass(frozen=True)
class Submission:
    """One file of a submission: every frame of the sequence, in the order of its annotation."""

    name: str  # the file's name without .json
    sequence: ExportSequence
    frames: tuple[SubmissionFrame, ...]


def plan(
    sequences: tuple[ExportSequence, ...],
) -> tuple[tuple[Submission, ...], dict[str, str]]:
    """The files to write, and name -> sequence id of those that got a name of ours.

    Raises:
        BadInput: an annotation cannot be read, or does not fit the record.
    """
    names = [_own_name(sequence) for sequence in sequences]
    taken: set[str] = set()
    for place, name in enumerate(names):
        if name in taken:
            names[place] = None  # two sequences of one name: the second gets a name of ours
        elif name is not None:
            taken.add(name)
    numbers = {int(match[1]) for name in taken if (match := _NAME.match(name))}
    free = (number for number in range(_OURS, 1_000_000) if number not in numbers)
    submissions: list[Submission] = []
    renamed: dict[str, str] = {}
    for sequence, name in zip(sequences, names):
        if name is None:
            number = next(free, None)
            if number is None:
                raise BadInput(f"sequence {sequence.id}: there is no number left to name it by; export fewer at once")
            name = f"{number}_mpii_test"
            renamed[name] = sequence.id
        submissions.append(Submission(name, sequence, _frames(sequence, name)))
    return tuple(submissions), renamed


def frames_of(
    submission: Submission,
    skeleton: Skeleton,  # the format's
    keep: Keep,
    tally: Tally,
) -> Iterator[tuple[SubmissionFrame, Chosen]]:
    """Every frame of the file with its people, empty where nobody is; identities are 0.. by first appearance.

    People of no track, where they are kept, get numbers from 999 down, anew in every frame.

    Raises:
        BadInput: more than 1000 identities, one twice in a frame, or a frame that the sequence does not have.
    """
    sequence = submission.sequence
    joints = mapping(sequence.skeleton, skeleton)
    say_joints(sequence, joints, tally)
    nobody = choose(FramePeople(), joints, keep, tally, with_identity=False)
    identities: dict[int, int] = {}
    waiting = iter(submission.frames)
    done = 0
    tally.add("sequences", 1)
    tally.add("frames", len(submission.frames))
    for record in sequence.frames():
        if record.index >= len(submission.frames):
            where = sequence.annotation or "its images"
            raise BadInput(
                f"sequence {sequence.id}: the record has frame {record.index}, {where} lists "
                f"{len(submission.frames)} frames; run ptrack on that source again"
            )
        while done < record.index:
            tally.add("frames_padded", 1)
            yield next(waiting), nobody
            done += 1
        tally.status(record.people)
        chosen = choose(record.people, joints, keep, tally, with_identity=not keep.unassigned)
        tracks = chosen.track_ids[chosen.track_ids >= 0].tolist()
        loose = len(chosen) - len(tracks)
        if len(set(tracks)) < len(tracks):
            twice = max(tracks, key=tracks.count)
            raise BadInput(
                f"sequence {sequence.id}: frame {record.index}: track_id {twice} is twice; run ptrack track again"
            )
        for track in tracks:
            identities.setdefault(track, len(identities))
        if len(identities) + loose > MAX_IDENTITIES:
            raise BadInput(
                f"sequence {sequence.id}: frame {record.index} brings identity number {len(identities) + loose}, "
                f"a file may have {MAX_IDENTITIES}; leave out weak people "
                f"with --min-person-score or --min-keypoint-score"
            )
        ids = np.full(len(chosen), -1, np.int64)
        ids[chosen.track_ids >= 0] = [identities[track] for track in tracks]
        ids[chosen.track_ids < 0] = MAX_IDENTITIES - 1 - np.arange(loose)
        yield next(waiting), replace(chosen, track_ids=ids, scores=within_rules(chosen.scores))
        done += 1
    for frame in waiting:
        tally.add("frames_padded", 1)
        yield frame, nobody


def within_rules(
    scores: np.ndarray,  # any shape
) -> np.ndarray:
    """Joint scores in 0..1, where PoseTrack's rules want them, in the same order, which is all that AP looks at.

    A heatmap's peak can be above 1: what is above 0.99 is squeezed into the last hundredth.
    """
    over = np.maximum(scores - _SQUEEZED, 0.0)
    return np.where(over > 0, 1 - (1 - _SQUEEZED) ** 2 / (1 - _SQUEEZED + over), np.maximum(scores, 0.0))


def _own_name(sequence: ExportSequence) -> str | None:
    """The PoseTrack name that the sequence already has."""
    if sequence.annotation is not None:
        return annotation_name(sequence.annotation)
    last = PurePosixPath(sequence.id).name
    return last if _NAME.match(last) else None


def _frames(sequence: ExportSequence, name: str) -> tuple[SubmissionFrame, ...]:
    match = _NAME.match(name)
    base = (10**6 + int(match[1])) * MAX_FRAMES if match else 10**10  # PoseTrack18: 1, the sequence, the frame
    if sequence.annotation is not None:
        listed = first_sequence(read_image_list(sequence.annotation))
        if sequence.frame_names is not None and len(sequence.frame_names) != len(listed):
            raise BadInput(
                f"sequence {sequence.id}: has {len(sequence.frame_names)} images, {sequence.annotation} lists "
                f"{len(listed)}; take the annotation that was there when it was run"
            )
        return tuple(
            SubmissionFrame(
                frame.name,
                base + place if frame.id is None else frame.id,
                place + 1 if frame.number is None else frame.number,
            )
            for place, frame in enumerate(listed)
        )
    names = _image_names(sequence, name)
    return tuple(
        SubmissionFrame(image, base + int(PurePosixPath(image).stem), place + 1) for place, image in enumerate(names)
    )


def _image_names(sequence: ExportSequence, name: str) -> list[str]:
    """The images' own names where poseval can read them, else the frames' numbers."""
    names = [] if sequence.frame_names is None else list(sequence.frame_names)
    stems = [PurePosixPath(image).stem for image in names]
    if stems and _are_numbers(stems):
        if all(_NAME.match(PurePosixPath(image).parent.name) for image in names):
            return names
        return [f"images/test/{name}/{PurePosixPath(image).name}" for image in names]
    count = len(names)
    if sequence.frame_names is None:
        for record in sequence.frames():
            count = record.index + 1
    if count > MAX_FRAMES:
        raise BadInput(
            f"sequence {sequence.id}: has {count} frames, PoseTrack's image names count to {MAX_FRAMES - 1}; "
            "export it as coco, csv or mot"
        )
    return [f"images/test/{name}/{place:06d}.jpg" for place in range(count)]


def _are_numbers(stems: list[str]) -> bool:
    """Whether image names are rising frame numbers that poseval takes."""
    if not all(re.fullmatch(r"[0-9]{1,12}", stem) and int(stem) < MAX_FRAMES for stem in stems):
        return False
    return all(a < b for a, b in pairwise(map(int, stems)))
