"""A model's pose AP on PoseTrack17, 18 or 21, by poseval's rules; nobody is tracked."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from eval.average_precision import ApTable
from eval.poseval import score
from posedata.errors import BadInput
from posedata.formats.annotated import annotation_name
from posedata.formats.export import export
from posedata.formats.exported import ExportSequence
from posedata.formats.fields import as_people
from posedata.people import FramePeople
from posedata.records import FrameRecord, VideoHeader
from posedata.sequences import Sequence, discover
from posedata.skeletons import POSETRACK_17, Skeleton
from posedata.video import open_sequence
from stages.pose.bottom_up.estimator import nobody
from stages.pose.stage import without_joints
from stages.pose.temporal.estimator import WarpEstimator
from stages.pose.temporal.stage import WarpStage
from stages.stream import Clock, Item
from stages.validate.subject import Subject

_LEAST_GIVEN = 0.2  # score of boxes from a file that PoseWarper's evaluation looks at


@dataclass(frozen=True)
class PoseTrackValidation:
    frames: int  # that count
    ap: ApTable
    sequences: int


def annotated_sequences(images: Path, annotations: Path) -> tuple[Sequence, ...]:
    """The sequences of a PoseTrack root whose annotations lie in a folder.

    Raises:
        BadInput: there are none.
    """
    folder = annotations.resolve()
    found = tuple(
        s for s in discover(images).sequences if s.annotation is not None and s.annotation.resolve().parent == folder
    )
    if not found:
        raise BadInput(f"{annotations}: holds no annotations of the PoseTrack data in {images}; give the root there")
    return found


def validate_posetrack(
    annotations: Path,  # the folder of the split's files
    sequences: tuple[Sequence, ...],
    subject: Subject,
    given: Mapping[str, Mapping[int, FramePeople]] | None,  # sequence -> frame -> boxes; None = annotated or detected
    out: Path | None,  # where predictions go; None = nowhere
    progress: Callable[[], object],
) -> PoseTrackValidation:
    """Poses in the frames that annotations label, exported as a submission and scored.

    Raises:
        BadInput: annotations or frames cannot be used; or as `eval.poseval.score`.
    """
    with tempfile.TemporaryDirectory() as spare:
        folder = out or Path(spare)
        exported = [_sequence(s, subject, given, progress) for s in sequences]
        export(exported, "posetrack18", folder, unassigned=True)
        result = score(folder, annotations, mot=False)
    return PoseTrackValidation(result.frames, result.ap, len(sequences))


def _sequence(
    sequence: Sequence,
    subject: Subject,
    given: Mapping[str, Mapping[int, FramePeople]] | None,
    progress: Callable[[], object],
) -> ExportSequence:
    boxes = _annotated_boxes(sequence)
    if given is not None:
        mine = given.get(sequence.id, {})
        boxes = {frame: _sure(mine.get(frame, as_people([])), subject) for frame in boxes}
    records = []
    with open_sequence(sequence) as frames:
        info = frames.info
        items = (Item(f.index, f.time, f.image, FramePeople(status=f.status), f.note) for f in frames)
        for item in _posed(items, subject, boxes):
            people = replace(item.people, track_ids=np.arange(len(item.people)))
            records.append(FrameRecord(item.index, item.time, people, item.note))
            progress()
    video = VideoHeader(info.name, info.fps, info.width, info.height)
    return ExportSequence(
        sequence.id, video, subject.skeleton, lambda: iter(records), sequence.frame_names, sequence.annotation
    )


def _posed(items: Iterator[Item], subject: Subject, boxes: Mapping[int, FramePeople]) -> Iterator[Item]:
    """Every frame, with poses in those that have an entry in `boxes`."""
    if isinstance(subject.estimator, WarpEstimator):
        boxed = (replace(i, people=_boxes(i, subject, boxes)) for i in items)
        for item in WarpStage(subject.estimator).run(boxed, Clock(), []):
            compat = subject.compat and subject.skeleton is POSETRACK_17
            yield replace(item, people=as_posewarper_submits(item.people)) if compat else item
        return
    for item in items:
        people = _boxes(item, subject, boxes)
        if item.index in boxes and item.image is not None and (len(people) or not subject.needs_boxes):
            yield replace(item, people=subject.poses(item.image, people), image=None)
        else:
            empty = without_joints(people, len(subject.skeleton)) if subject.needs_boxes else nobody()
            yield replace(item, people=replace(empty, status=item.people.status), image=None)


def _boxes(item: Item, subject: Subject, boxes: Mapping[int, FramePeople]) -> FramePeople:
    """The boxes of a frame; none where it does not count or has no picture."""
    if item.index not in boxes or item.image is None:
        return replace(as_people([]), status=item.people.status)
    return subject.boxes(item.image, boxes[item.index])


def _sure(people: FramePeople, subject: Subject) -> FramePeople:
    """As published, PoseWarper looks at the surer ones of given boxes."""
    if not (subject.compat and isinstance(subject.estimator, WarpEstimator)):
        return people
    return people.take(people.box_scores >= _LEAST_GIVEN)


def _annotated_boxes(sequence: Sequence) -> dict[int, FramePeople]:
    """Labelled frame -> its people's boxes, with score 1."""
    from posedata.formats import posetrack17, posetrack18
    from posedata.jsonio import read_json

    content = read_json(sequence.annotation)
    reader = posetrack17 if "annolist" in content else posetrack18
    images = reader.people_of(content, sequence.annotation)
    names = {name: frame for frame, name in enumerate(sequence.frame_names or ())}
    found = {}
    for image in images:
        if image.name in names and len(image.people):
            found[names[image.name]] = replace(image.people, box_scores=np.ones(len(image.people)))
    if not found:
        raise BadInput(f"{sequence.annotation}: labels nobody; {annotation_name(sequence.annotation)} cannot count")
    return found


def as_posewarper_submits(people: FramePeople) -> FramePeople:
    """PoseWarper's people as its authors send them in: the neck is the middle of the shoulders, not the predicted
    one, and a joint's score is multiplied by its box's."""
    keypoints, scores = posewarper_joints(people.keypoints, people.keypoint_scores, people.box_scores)
    return replace(people, keypoints=keypoints, keypoint_scores=scores)


def posewarper_joints(
    keypoints: np.ndarray,  # [N, 17, 2] pixels, PoseTrack's order
    scores: np.ndarray,  # [N, 17]
    box_scores: np.ndarray,  # [N]
    skeleton: Skeleton = POSETRACK_17,
) -> tuple[np.ndarray, np.ndarray]:
    """Keypoints and scores with the neck in the place of `head_bottom`.

    Source: facebookresearch/PoseWarper (Apache-2.0), its conversion of results to PoseTrack's 15 joints.
    """
    neck, left, right = (skeleton.joints.index(j) for j in ("head_bottom", "left_shoulder", "right_shoulder"))
    keypoints, scores = np.array(keypoints), np.array(scores)
    keypoints[:, neck] = (keypoints[:, left] + keypoints[:, right]) / 2
    scores[:, neck] = (scores[:, left] + scores[:, right]) / 2
    return keypoints, scores * box_scores[:, None]
