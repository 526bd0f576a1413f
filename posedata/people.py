"""The people found in one frame: the only thing that travels between stages."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from enum import IntEnum

import numpy as np

MAX_COORDINATE = 1e7  # pixels; beyond this a number is damage, not a coordinate


class Origin(IntEnum):
    """How a person came into the frame."""

    DETECTED = 0
    PROPAGATED = 1
    FILLED = 2


class FrameStatus(IntEnum):
    """Whether a frame was looked at."""

    OK = 0
    SKIPPED = 1
    UNDECODABLE = 2


@dataclass(frozen=True)
class FramePeople:
    """N people of one frame; every array has N rows, absent parts are None.

    Pixel centres lie at integer coordinates, the origin is the top left pixel. An empty frame is legal.
    """

    boxes: np.ndarray | None = None  # [N, 4] float32 xyxy, pixels
    box_scores: np.ndarray | None = None  # [N] float32, 0..1
    keypoints: np.ndarray | None = None  # [N, K, 2] float32 xy, pixels
    keypoint_scores: np.ndarray | None = None  # [N, K] float32
    person_scores: np.ndarray | None = None  # [N] float32
    track_ids: np.ndarray | None = None  # [N] int64, -1 = unassigned
    origin: np.ndarray | None = None  # [N] uint8, values of Origin
    status: FrameStatus = FrameStatus.OK

    def __post_init__(self) -> None:
        shapes = {
            "boxes": (np.float32, (4,)),
            "box_scores": (np.float32, ()),
            "keypoints": (np.float32, (None, 2)),
            "keypoint_scores": (np.float32, (None,)),
            "person_scores": (np.float32, ()),
            "track_ids": (np.int64, ()),
            "origin": (np.uint8, ()),
        }
        count: int | None = None
        for name, (dtype, tail) in shapes.items():
            value = getattr(self, name)
            if value is None:
                continue
            array = np.ascontiguousarray(value, dtype=dtype)
            if array.ndim != 1 + len(tail) or any(t not in (None, s) for t, s in zip(tail, array.shape[1:])):
                want = ", ".join(["N", *("K" if t is None else str(t) for t in tail)])
                raise ValueError(f"{name} must have shape [{want}], not {list(array.shape)}")
            if count is not None and len(array) != count:
                raise ValueError(f"{name} has {len(array)} rows where the other parts have {count}")
            count = len(array)
            if dtype == np.float32 and not np.isfinite(array).all():
                raise ValueError(f"{name} holds a value that is not finite")
            array = array.view()  # the caller's own array stays as it was
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        if self.keypoint_scores is not None:
            if self.keypoints is None:
                raise ValueError("keypoint_scores without keypoints")
            if self.keypoint_scores.shape[1] != self.keypoints.shape[1]:
                raise ValueError(
                    f"keypoint_scores has {self.keypoint_scores.shape[1]} joints, keypoints {self.keypoints.shape[1]}"
                )
        for name in ("boxes", "keypoints"):
            value = getattr(self, name)
            if value is not None and value.size and np.abs(value).max() > MAX_COORDINATE:
                raise ValueError(f"{name} holds a coordinate beyond {MAX_COORDINATE:g} pixels")
        if self.origin is not None and self.origin.size and self.origin.max() > max(Origin):
            raise ValueError(f"origin holds {int(self.origin.max())}, known are 0..{int(max(Origin))}")

    def __len__(self) -> int:
        """The number of people."""
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray):
                return len(value)
        return 0

    def take(
        self,
        rows: np.ndarray,  # [M] row numbers or [N] bool
    ) -> FramePeople:
        """The chosen people, in the order asked for."""
        rows = np.asarray(rows)
        if rows.dtype != bool:
            rows = rows.astype(np.int64)
        return replace(
            self,
            **{
                f.name: getattr(self, f.name)[rows]
                for f in fields(self)
                if isinstance(getattr(self, f.name), np.ndarray)
            },
        )


def concatenate(
    first: FramePeople,
    second: FramePeople,
) -> FramePeople:
    """The people of both, in order; both must have the same parts.

    Raises:
        ValueError: one side has a part that the other lacks.
    """
    if not len(second):
        return first
    if not len(first):
        return replace(second, status=first.status)
    merged = {}
    for field in fields(first):
        a, b = getattr(first, field.name), getattr(second, field.name)
        if field.name == "status":
            continue
        if (a is None) != (b is None):
            raise ValueError(f"only one of the two has {field.name}")
        if a is not None:
            merged[field.name] = np.concatenate([a, b])
    return replace(first, **merged)
