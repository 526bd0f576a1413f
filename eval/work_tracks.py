"""The tracks of a ptrack work folder as predictions to score."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from eval.findings import Findings
from eval.joints import N_JOINTS
from eval.raw import RawSequence, no_regions
from eval.reading import Reading, check_track_ids
from posedata.errors import BadRecord
from posedata.records import iter_frames, read_header
from posedata.skeletons import POSETRACK_15, SKELETONS, mapping

RECORD = "track.json"
_SEQUENCE = re.compile(r"\d+_(?:mpiinew|mpii|bonn)")  # what both years' names of a PoseTrack sequence begin with


def is_work_folder(path: Path) -> bool:
    """Whether a folder holds tracks of ptrack rather than PoseTrack files."""
    if not path.is_dir():
        return False
    # Not a search through everything: the folder may be one of videos and frames.
    shallow = (next(path.glob(pattern), None) for pattern in (f"*/{RECORD}", f"*/*/{RECORD}"))
    return (path / "work.json").is_file() or any(found is not None for found in shallow)


def track_records(folder: Path, findings: Findings) -> dict[str, Path]:
    """The finished tracks under a work folder, by sequence id."""
    records: dict[str, Path] = {}
    for path in sorted(folder.rglob(RECORD)):
        try:
            records[read_header(path).sequence] = path
        except BadRecord as error:
            findings.fault("record", str(error), file="")
    if not records and not findings.faults:
        what = "holds no finished tracks"
        findings.fault("no-tracks", what, "run ptrack track on its source first", file=str(folder))
    return records


def record_for(name: str, records: dict[str, Path]) -> Path | None:
    """The record of the sequence that a ground-truth file is named after.

    The last part of the sequence's id is the file's name; else both begin with the same PoseTrack sequence
    (`000342_mpii`), as the files of 2017 and 2018 name one sequence differently.
    """
    by_last = {sequence.rpartition("/")[2]: path for sequence, path in records.items()}
    if name in by_last:
        return by_last[name]
    wanted = _SEQUENCE.match(name)
    found = [p for last, p in by_last.items() if wanted and (m := _SEQUENCE.match(last)) and m[0] == wanted[0]]
    return found[0] if len(found) == 1 else None


def read_record(path: Path, reading: Reading) -> RawSequence | None:
    """A sequence's tracks, or None after noting why they cannot be read.

    Joints are mapped to the fifteen by name; a joint of score 0 is not there, a person without identity is left out
    with a warning.
    """
    try:
        header = read_header(path)
        frames = list(iter_frames(path))
    except BadRecord as error:
        reading.findings.fault("record", str(error))
        return None
    if header.skeleton is None:
        reading.fault("record", "the record holds no poses", "run ptrack pose and ptrack track first")
        return None
    to_joints = mapping(SKELETONS[header.skeleton], POSETRACK_15)
    if to_joints.missing:
        what = f"skeleton {header.skeleton} has no {', '.join(to_joints.missing)}; they are not predicted"
        reading.warn("joints-missing", what, "estimate poses with a model that has them")
    names = tuple(f"{header.sequence}/{frame.index:06d}" for frame in frames)
    person_frame, track, xy, score, person_score = [], [], [], [], []
    unassigned = 0
    for number, frame in enumerate(frames):
        people = frame.people
        if not len(people) or people.keypoints is None or not reading.wants(number):
            continue
        ids = people.track_ids if people.track_ids is not None else np.full(len(people), -1)
        assigned = ids >= 0
        unassigned += int((~assigned).sum())
        scores = people.keypoint_scores
        if scores is None:
            scores = np.ones(people.keypoints.shape[:2], np.float32)
        mapped, mapped_scores = to_joints.apply(people.keypoints[assigned], scores[assigned])
        person_frame.append(np.full(int(assigned.sum()), number))
        track.append(ids[assigned].astype(np.float64))
        xy.append(mapped.astype(np.float64))
        score.append(mapped_scores.astype(np.float64))
        own = people.person_scores
        person_score.append(np.full(len(ids), np.nan)[assigned] if own is None else own[assigned].astype(np.float64))
    if unassigned:
        reading.warn("unassigned", "people without an identity are left out", count=unassigned)
    frame_of = np.concatenate([*person_frame, np.zeros(0, np.int64)]).astype(np.int64)
    tracks = np.concatenate([*track, np.zeros(0)])
    check_track_ids(reading, frame_of, tracks, names)
    all_xy = np.concatenate([*xy, np.zeros((0, N_JOINTS, 2))])
    all_scores = np.concatenate([*score, np.zeros((0, N_JOINTS))])
    person, joint = np.nonzero(all_scores > 0)
    return RawSequence(
        name=reading.name,
        file=reading.file,
        frame_names=names,
        labelled=np.bincount(frame_of, minlength=len(names)) > 0,
        flagged=np.zeros(len(names), bool),
        person_frame=frame_of,
        track=tracks,
        head=np.zeros((len(tracks), 4)),
        has_head=np.zeros(len(tracks), bool),
        has_points=np.ones(len(tracks), bool),
        person_score=np.concatenate([*person_score, np.zeros(0)]),
        point_person=person,
        point_joint=joint,
        point_xy=all_xy[person, joint],
        point_score=all_scores[person, joint],
        has_score=np.ones(len(person), bool),
        regions=no_regions(),
    )
