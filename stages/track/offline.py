"""The offline pass: with the whole sequence known, tracks are stitched together and short gaps filled in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from tempfile import SpooledTemporaryFile
from typing import IO

import numpy as np

from configs.settings import TrackSettings
from posedata.people import FrameStatus
from posedata.record_lines import decode_frame, encode_frame
from stages.stream import Item
from stages.track.confirm import Tracked
from stages.track.stitch import Sighting, Tracklet, gaps_of, stitch, with_filled

_IN_MEMORY = 8 << 20  # bytes of frames that wait in memory; the others wait on the disk


def looked_back(frames: Iterator[Tracked], settings: TrackSettings) -> Iterator[Item]:
    """The frames again when the last one has come, with identities of the whole sequence.

    Only the ends and gaps of tracks are held in memory; the frames wait in a temporary file. Tracks of fewer frames
    than `min_track` lose their identity.
    """
    with SpooledTemporaryFile(_IN_MEMORY) as spool:
        tracklets: dict[int, Tracklet] = {}
        joints = None
        for frame in frames:
            _remember(frame, tracklets)
            people = frame.item.people
            joints = None if people.keypoints is None else people.keypoints.shape[1]
            spool.write(encode_frame(frame.item.index, frame.item.time, people, frame.item.note) + b"\n")
        spool.seek(0)
        yield from _second_time(spool, joints, list(tracklets.values()), settings)


def _remember(frame: Tracked, tracklets: dict[int, Tracklet]) -> None:
    people = frame.item.people
    for row, identity in enumerate(people.track_ids.tolist()):
        if identity >= 0:
            look = None if frame.looks is None else frame.looks[row]
            sighting = Sighting(frame.item.index, people.take(np.array([row])), frame.scene)
            tracklets.setdefault(identity, Tracklet(identity)).add(sighting, look)


def _second_time(
    spool: IO[bytes], joints: int | None, tracklets: list[Tracklet], settings: TrackSettings
) -> Iterator[Item]:
    root = stitch(tracklets, settings.stitch_gap, settings.stitch_similarity, settings.stitch_appearance)
    frames_of: dict[int, int] = {}
    for tracklet in tracklets:
        frames_of[root[tracklet.identity]] = frames_of.get(root[tracklet.identity], 0) + tracklet.frames
    kept = {identity for identity, frames in frames_of.items() if frames >= settings.min_track}
    gaps = sorted(
        (
            gap
            for gap in gaps_of(tracklets, root)
            if gap[0] in kept and gap[2].index - gap[1].index - 1 <= settings.fill_gap
        ),
        key=lambda gap: gap[1].index,
    )
    renamed: dict[int, int] = {}
    open_gaps: list = []
    following = 0
    for line in spool:
        frame = decode_frame(line, joints)
        while following < len(gaps) and gaps[following][1].index < frame.index:
            open_gaps.append(gaps[following])
            following += 1
        open_gaps = [gap for gap in open_gaps if gap[2].index > frame.index]
        people = frame.people
        own = [root[i] if i >= 0 and root[i] in kept else -1 for i in people.track_ids.tolist()]
        people = replace(people, track_ids=np.array(own, np.int64))
        if people.status is not FrameStatus.UNDECODABLE:
            people = with_filled(people, frame.index, open_gaps)
        own = [renamed.setdefault(i, len(renamed)) if i >= 0 else -1 for i in people.track_ids.tolist()]
        people = replace(people, track_ids=np.array(own, np.int64))
        yield Item(frame.index, frame.time, None, people, frame.note)
