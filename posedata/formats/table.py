"""The rows of a long table, one a joint; CSV and Parquet files have the same columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from posedata.formats.exported import Chosen, ExportSequence, Keep, Tally, choose
from posedata.people import Origin
from posedata.records import FrameRecord
from posedata.skeletons import mapping


class Row(NamedTuple):
    """One joint of one person in one frame; the fields are the columns, in order."""

    sequence: str
    frame: int  # from 0
    time: float  # seconds
    person: int  # the person's number in the frame, from 0
    track_id: int  # -1 = none
    origin: str | None  # detected, propagated, filled
    person_score: float
    box_x1: float  # pixels
    box_y1: float
    box_x2: float
    box_y2: float
    box_score: float | None
    joint: str
    x: float  # pixels
    y: float
    keypoint_score: float


COLUMNS = Row._fields


def rows_of(sequence: ExportSequence, keep: Keep, tally: Tally) -> Iterator[Row]:
    """The rows in order of frame, person and joint, the joints being those of the record's own skeleton."""
    joints = mapping(sequence.skeleton, sequence.skeleton)
    tally.add("sequences", 1)
    for record in sequence.frames():
        tally.add("frames", 1)
        tally.status(record.people)
        chosen = choose(record.people, joints, keep, tally, with_identity=False)
        for person in range(len(chosen)):
            yield from _of_person(sequence, record, chosen, person)


def _of_person(sequence: ExportSequence, record: FrameRecord, chosen: Chosen, person: int) -> Iterator[Row]:
    origin = None if chosen.origin is None else Origin(int(chosen.origin[person])).name.lower()
    box = chosen.boxes[person].tolist()
    box_score = None if chosen.box_scores is None else float(chosen.box_scores[person])
    for joint in np.flatnonzero(chosen.present[person]).tolist():
        x, y = chosen.keypoints[person, joint].tolist()
        yield Row(
            sequence.id,
            record.index,
            record.time,
            person,
            int(chosen.track_ids[person]),
            origin,
            float(chosen.person_scores[person]),
            *box,
            box_score,
            sequence.skeleton.joints[joint],
            x,
            y,
            float(chosen.scores[person, joint]),
        )
