"""What both PoseTrack readers need: numbers of unknown type, track ids, and the row tables they fill."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eval.findings import Findings
from eval.json_file import Json
from eval.raw import MAX_TRACK_ID

LARGEST_ID = 2**53  # beyond it neighbouring ids are one and the same float


@dataclass(frozen=True)
class Reading:
    """Which file is being read, as what, and where its findings go."""

    file: str
    name: str  # the sequence
    truth: bool  # ground truth, not predictions
    wanted: np.ndarray | None  # [F] bool: only these frames will be scored; None = every frame
    findings: Findings

    def wants(self, frame: int) -> bool:
        """Whether the frame's people are read; what is said about the others is only checked for form."""
        return self.wanted is None or (frame < len(self.wanted) and bool(self.wanted[frame]))

    def fault(self, kind: str, what: str, remedy: str = "", frame: str = "", field: str = "") -> None:
        """A fault of this file."""
        self.findings.fault(kind, what, remedy, self.file, frame, field)

    def warn(self, kind: str, what: str, remedy: str = "", frame: str = "", field: str = "", count: int = 1) -> None:
        """A warning about this file."""
        self.findings.warn(kind, what, remedy, self.file, frame, field, count)


def number(value: Json) -> float | None:
    """A JSON number as float; None for everything else."""
    if isinstance(value, (int, float)):
        try:
            return float(value)
        except OverflowError:
            return None
    return None


def score_number(value: Json) -> float | None:
    """A score as numpy would take it into a float array: numbers, null (nan) and numerals in a string."""
    if value is None:
        return float("nan")
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return None
    return number(value)


def short(value: Json) -> str:
    """The value for a message, cut to a readable length."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def check_track_ids(
    reading: Reading,
    frame: np.ndarray,  # [N] frame numbers, rising
    track: np.ndarray,  # [N] float64, nan = none
    frame_names: tuple[str, ...],
) -> None:
    """Note ids out of range, and ids that one frame of a prediction holds twice."""

    def first(mask: np.ndarray) -> str:
        return frame_names[frame[int(np.argmax(mask))]]

    known = ~np.isnan(track)
    high = known & (track >= MAX_TRACK_ID)
    if high.any():
        what = f"track_id {track[high][0]:g} is not below {MAX_TRACK_ID}"
        remedy = "number the tracks of a sequence from 0 on (0..999 for a submission)"
        reading.fault("track-id-range", what, remedy, first(high), "track_id")
    exact = known & (np.abs(track) > LARGEST_ID)
    if exact.any():
        what = f"track_id {track[exact][0]:g} is too large to be told from its neighbours"
        reading.fault("track-id-range", what, "use small whole numbers", first(exact), "track_id")
    if reading.truth:
        return
    odd = known & ~high & ((track < 0) | (track != np.floor(track)))
    if odd.any():
        what = f"track_id {track[odd][0]:g} is negative or fractional; the official tool takes it as it is"
        reading.warn("track-id-odd", what, "use whole numbers from 0 on", first(odd), "track_id", int(odd.sum()))
    many = known & ~high & (track > 999)
    if many.any():
        what = f"track_id {track[many][0]:g} is above 999; the official tool scores it, its rules allow 0..999"
        remedy = "renumber the tracks before submitting"
        reading.warn("track-id-above-999", what, remedy, first(many), "track_id", int(many.sum()))
    order = np.lexsort((track, frame))
    same = (np.diff(frame[order]) == 0) & (np.diff(track[order]) == 0)
    for row in np.flatnonzero(same):
        person = order[row]
        reading.fault(
            "track-id-twice",
            f"two people have track_id {track[person]:g}",
            "give each person of a frame its own track_id",
            frame_names[frame[person]],
            "track_id",
        )
