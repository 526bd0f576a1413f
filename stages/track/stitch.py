"""Looking back over a whole sequence: which tracks are one person, and what lies in their gaps."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from posedata.people import FramePeople, Origin, concatenate
from stages.track.look import blended, looks_alike

_VELOCITY_SPAN = 6  # sightings over which the speed at a track's end is measured


@dataclass(frozen=True)
class Sighting:
    """One person of one frame."""

    index: int  # frame
    person: FramePeople  # one row
    scene: int  # counted up by cuts

    @property
    def centre(self) -> np.ndarray:
        """[2] middle of the box, pixels."""
        box = self.person.boxes[0].astype(np.float64)
        return (box[:2] + box[2:]) / 2

    @property
    def size(self) -> float:
        """Square root of the box's area, pixels."""
        box = self.person.boxes[0].astype(np.float64)
        return float(np.sqrt(max(1.0, (box[2] - box[0]) * (box[3] - box[1]))))


@dataclass
class Tracklet:
    """What is kept of one track: its ends and its gaps, not its frames."""

    identity: int
    start: list[Sighting] = field(default_factory=list)  # the first few
    end: list[Sighting] = field(default_factory=list)  # the last few
    gaps: list[tuple[Sighting, Sighting]] = field(default_factory=list)  # (last before, first after)
    frames: int = 0
    look: np.ndarray | None = None  # [C]

    def add(self, sighting: Sighting, look: np.ndarray | None) -> None:
        """The next frame in which the person is."""
        if self.end and sighting.index > self.end[-1].index + 1:
            self.gaps.append((self.end[-1], sighting))
        if len(self.start) < _VELOCITY_SPAN:
            self.start.append(sighting)
        self.end = [*self.end, sighting][-_VELOCITY_SPAN:]
        self.frames += 1
        if look is not None:
            self.look = blended(self.look, look)


def stitch(
    tracklets: list[Tracklet],  # in order of appearance
    max_gap: int,  # frames
    min_similarity: float,  # 0..1
    appearance: float,  # weight of the colours, 0..1
) -> dict[int, int]:
    """Identity -> the identity of the track it continues, for all; one track has at most one follower.

    A pair is alike where the later track begins near the place that the earlier one was moving to, and looks alike.
    How far it may be off grows with the gap. Tracks of two scenes are never one.
    """
    pairs: dict[tuple[int, int], float] = {}
    starts = sorted(range(len(tracklets)), key=lambda k: tracklets[k].start[0].index)
    begins = [tracklets[k].start[0].index for k in starts]
    for i, first in enumerate(tracklets):
        end = first.end[-1]
        for j in starts[bisect_right(begins, end.index) : bisect_right(begins, end.index + max_gap)]:
            if tracklets[j].start[0].scene == end.scene:
                score = _likeness(first, tracklets[j], appearance)
                if score >= min_similarity:
                    pairs[i, j] = score
    root = {t.identity: t.identity for t in tracklets}
    for i, j in _best(pairs, len(tracklets)):
        root[tracklets[j].identity] = tracklets[i].identity
    for k in starts:  # so that what a track continues is resolved already
        identity = tracklets[k].identity
        root[identity] = root[root[identity]]
    return root


def _best(pairs: dict[tuple[int, int], float], count: int) -> list[tuple[int, int]]:
    """The one-to-one pairs of the greatest sum, solved group by group: most tracks have few that might follow."""
    if not pairs:
        return []
    rows, columns = np.array(list(pairs)).T
    graph = coo_matrix((np.ones(len(rows)), (rows, columns + count)), shape=(2 * count, 2 * count))
    _, group = connected_components(graph, directed=False)
    chosen = []
    for members in {int(g): None for g in group[rows]}:
        inside = group[rows] == members
        own_rows, own_columns = np.unique(rows[inside]), np.unique(columns[inside])
        scores = np.zeros((len(own_rows), len(own_columns)))
        for i, j in zip(rows[inside].tolist(), columns[inside].tolist()):
            scores[np.searchsorted(own_rows, i), np.searchsorted(own_columns, j)] = pairs[i, j]
        for a, b in zip(*linear_sum_assignment(scores, maximize=True)):
            if scores[a, b] > 0:
                chosen.append((int(own_rows[a]), int(own_columns[b])))
    return chosen


def gaps_of(
    tracklets: list[Tracklet],
    root: dict[int, int],  # identity -> identity after stitching
) -> list[tuple[int, Sighting, Sighting]]:
    """(identity after stitching, last before, first after) of every gap, also those between stitched tracks."""
    found = [(root[t.identity], *gap) for t in tracklets for gap in t.gaps]
    chains: dict[int, list[Tracklet]] = {}
    for tracklet in tracklets:
        chains.setdefault(root[tracklet.identity], []).append(tracklet)
    for identity, chain in chains.items():
        chain.sort(key=lambda t: t.start[0].index)
        for before, after in pairwise(chain):
            if after.start[0].index > before.end[-1].index + 1:
                found.append((identity, before.end[-1], after.start[0]))
    return found


def with_filled(
    people: FramePeople,
    index: int,  # frame
    gaps: list[tuple[int, Sighting, Sighting]],  # those that the frame lies in
) -> FramePeople:
    """The frame's people and, half-way by time, those whom the frames on both sides have."""
    for identity, before, after in gaps:
        people = concatenate(people, between(before, after, index, identity))
    return people


def between(before: Sighting, after: Sighting, index: int, identity: int) -> FramePeople:
    """The person at a frame between two sightings, by a straight line; each score the lower one of both ends."""
    share = (index - before.index) / (after.index - before.index)
    a, b = before.person, after.person
    return FramePeople(
        boxes=a.boxes * (1 - share) + b.boxes * share,
        box_scores=np.minimum(a.box_scores, b.box_scores),
        keypoints=a.keypoints * (1 - share) + b.keypoints * share,
        keypoint_scores=np.minimum(a.keypoint_scores, b.keypoint_scores),
        person_scores=np.minimum(a.person_scores, b.person_scores),
        track_ids=np.array([identity]),
        origin=np.array([Origin.FILLED], np.uint8),
    )


def _likeness(first: Tracklet, second: Tracklet, appearance: float) -> float:
    """0..1 from place and colours."""
    score = _near(first, second)
    if not appearance or first.look is None or second.look is None:
        return score
    return score * (1 - appearance) + float(looks_alike(first.look[None], [second.look])[0, 0]) * appearance


def _near(first: Tracklet, second: Tracklet) -> float:
    """0..1: how well the way from one track's end leads to the other's start, both speeds looked at."""
    end, start = first.end[-1], second.start[0]
    gap = start.index - end.index
    size = (end.size + start.size) / 2
    if not 0.5 < end.size / start.size < 2:
        return 0.0
    ahead = end.centre + _speed(first.end) * gap
    back = start.centre - _speed(second.start) * gap
    direct = np.linalg.norm(start.centre - end.centre)
    miss = min(direct, float(np.linalg.norm(ahead - start.centre)), float(np.linalg.norm(back - end.centre)))
    reach = size * (0.25 + 0.05 * gap)
    return float(np.exp(-((miss / reach) ** 2) / 2))


def _speed(sightings: list[Sighting]) -> np.ndarray:
    """[2] pixels a frame between the first and the last of the sightings."""
    frames = sightings[-1].index - sightings[0].index
    return (sightings[-1].centre - sightings[0].centre) / max(frames, 1)
