"""The sequences of a source as tasks: how long each is, in which order they are taken, and which shard has which."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from posedata.errors import UsageError
from posedata.sequences import Sequence

MEASURED_VIDEOS = 2000  # of more videos not even the headers are read: their sizes must do
_READERS = 8  # threads that read headers; on a network they wait rather than work


@dataclass(frozen=True)
class Task:
    """One sequence to be worked on."""

    sequence: Sequence
    length: int  # frames, or bytes where the videos are too many to look into; 0 = unknown


@dataclass(frozen=True)
class Tasks:
    """All tasks of a run in the source's order."""

    tasks: tuple[Task, ...]
    unit: str  # of the lengths: "frames" or "bytes"


def tasks_of(
    sequences: Iterable[Sequence],
    frames: tuple[int, int] | None = None,  # first and last, where only some are asked for
) -> Tasks:
    """The sequences with their lengths.

    Lists of frames are counted. Of videos the container's header is asked: a guess that only balances work, never
    what is decoded. Above `MEASURED_VIDEOS` videos, sizes in bytes stand for the lengths of all.
    """
    sequences = tuple(sequences)
    videos = [s for s in sequences if s.frames is None]
    if len(videos) > MEASURED_VIDEOS:
        return Tasks(tuple(Task(s, _size(s)) for s in sequences), "bytes")
    lengths: dict[str, int] = {}
    if videos:
        from posedata.video_file import promised_frames

        with ThreadPoolExecutor(_READERS) as readers:
            lengths = dict(zip((s.id for s in videos), readers.map(lambda s: promised_frames(s.path), videos)))

    def length(sequence: Sequence) -> int:
        count = lengths[sequence.id] if sequence.frames is None else len(sequence.frames)
        if frames is None or not count:
            return count
        return max(0, min(frames[1] + 1, count) - frames[0])

    return Tasks(tuple(Task(s, length(s)) for s in sequences), "frames")


def _size(sequence: Sequence) -> int:
    paths = [sequence.path] if sequence.frames is None else [frame.path for frame in sequence.frames]
    total = 0
    for path in paths:
        try:
            total += path.stat().st_size
        except (OSError, ValueError):
            continue  # the sequence will say so when it is opened
    return total


def longest_first(tasks: Iterable[Task]) -> list[Task]:
    """The order in which several workers end at about the same time; equal ones by their ids."""
    return sorted(tasks, key=lambda task: (-task.length, task.sequence.id))


def shard(
    tasks: Iterable[Task],
    number: int,  # from 0
    of: int,
) -> list[Task]:
    """The tasks of one of `of` shards, longest first.

    Each task goes, longest first, to the shard that has least: shards are balanced, together they hold every task
    once, and each is the same whatever order the tasks come in.
    """
    loads = [(0, index) for index in range(of)]  # ordered: a heap already
    chosen = []
    for task in longest_first(tasks):
        load, index = heapq.heappop(loads)
        heapq.heappush(loads, (load + max(task.length, 1), index))
        if index == number:
            chosen.append(task)
    return chosen


def slurm_shard(environment: Mapping[str, str]) -> tuple[int, int] | None:
    """The shard that a task of a Slurm job array has to do; None outside of one.

    Raises:
        UsageError: the array is not a plain range of numbers, as `--array=0-99`.
    """
    texts = [environment.get(f"SLURM_ARRAY_TASK_{name}") for name in ("ID", "COUNT", "MIN", "STEP")]
    if texts[0] is None or texts[1] is None:
        return None
    try:
        task, count = int(texts[0]), int(texts[1])
        first, step = int(texts[2] or 0), int(texts[3] or 1)
        number, rest = divmod(task - first, step)
    except (ValueError, ZeroDivisionError):
        number, count, rest = -1, 0, 0
    if rest or not 0 <= number < count:
        shown = ", ".join(f"{name}={text}" for name, text in zip(("ID", "COUNT", "MIN", "STEP"), texts))
        raise UsageError(
            f"SLURM_ARRAY_TASK_{{{shown}}} is no range such as --array=0-99; submit one, or give --shard I/N"
        )
    return number, count
