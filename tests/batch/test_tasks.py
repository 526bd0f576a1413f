"""Lengths, order and shards."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from posedata.errors import UsageError
from posedata.sequences import FrameRef, Sequence
from posedata.synthetic import write_video
from stages.batch.tasks import Task, longest_first, shard, slurm_shard, tasks_of


def tasks(*lengths: int) -> list[Task]:
    return [Task(Sequence(f"s{i:03d}", Path(f"s{i:03d}")), length) for i, length in enumerate(lengths)]


def ids(chosen) -> set[str]:
    return {task.sequence.id for task in chosen}


@pytest.mark.parametrize(
    "lengths, of",
    [
        ((), 2),
        ((7,), 3),  # more shards than tasks: some are empty
        ((5, 5, 5, 5), 2),
        ((100, 1, 1, 1, 1, 1), 3),  # one giant
        (tuple(range(1, 60)), 7),
        ((0, 0, 0, 0), 2),  # lengths unknown: as many to each
    ],
)
def test_shards_hold_every_task_once_and_are_balanced(lengths, of):
    whole = tasks(*lengths)
    parts = [shard(whole, number, of) for number in range(of)]
    assert sum(map(len, parts)) == len(whole) and set().union(*map(ids, parts)) == ids(whole)
    loads = [sum(max(task.length, 1) for task in part) for part in parts]
    # longest first: no shard is more than one of its own tasks ahead of the least
    assert max(loads) - min(loads) <= max((max(t.length, 1) for t in whole), default=0)
    for part in parts:
        assert part == longest_first(part)


def test_a_shard_is_the_same_whatever_order_the_files_are_listed_in():
    whole = tasks(*(random.Random(1).choices(range(50, 300), k=80)))
    mixed = random.Random(2).sample(whole, len(whole))
    for number in range(6):
        assert shard(whole, number, 6) == shard(mixed, number, 6)


def test_frames_in_folders_are_counted_and_asked_for_ranges_cut(tmp_path):
    frames = tuple(FrameRef(tmp_path / f"{i}.jpg", f"{i}.jpg") for i in range(30))
    sequence = Sequence("a", tmp_path, frames)
    assert tasks_of([sequence]).tasks[0].length == 30
    assert tasks_of([sequence], (10, 14)).tasks[0].length == 5
    assert tasks_of([sequence], (25, 99)).tasks[0].length == 5
    assert tasks_of([sequence], (50, 99)).tasks[0].length == 0


def test_videos_are_asked_for_their_length_and_broken_ones_do_no_harm(tmp_path):
    write_video(tmp_path / "long.mp4", seed=1, frames=30, size=(64, 64), people=1)
    write_video(tmp_path / "short.mp4", seed=1, frames=10, size=(64, 64), people=1)
    (tmp_path / "broken.mp4").write_bytes(b"no video" * 100)
    names = ("short", "broken", "long")
    found = tasks_of([Sequence(name, tmp_path / f"{name}.mp4") for name in names])
    assert found.unit == "frames" and [task.length for task in found.tasks] == [10, 0, 30]
    assert [task.sequence.id for task in longest_first(found.tasks)] == ["long", "short", "broken"]


def test_of_very_many_videos_the_sizes_must_do(tmp_path, monkeypatch):
    monkeypatch.setattr("stages.batch.tasks.MEASURED_VIDEOS", 1)
    for name, size in (("a", 5000), ("b", 100)):
        (tmp_path / f"{name}.mp4").write_bytes(bytes(size))
    sequences = [Sequence(name, tmp_path / f"{name}.mp4") for name in ("b", "a", "gone")]
    found = tasks_of(sequences)
    assert found.unit == "bytes" and [task.length for task in found.tasks] == [100, 5000, 0]


@pytest.mark.parametrize(
    "variables, expected",
    [
        ({}, None),
        ({"ID": "3"}, None),  # no count: not an array
        ({"ID": "0", "COUNT": "3", "MIN": "0", "MAX": "2", "STEP": "1"}, (0, 3)),
        ({"ID": "100", "COUNT": "100", "MIN": "1", "STEP": "1"}, (99, 100)),  # --array=1-100
        ({"ID": "6", "COUNT": "4", "MIN": "0", "STEP": "2"}, (3, 4)),  # --array=0-6:2
    ],
)
def test_the_slurm_array_says_the_shard(variables, expected):
    environment = {f"SLURM_ARRAY_TASK_{name}": value for name, value in variables.items()}
    assert slurm_shard(environment) == expected


@pytest.mark.parametrize("task", ["9", "seven"])
def test_an_array_with_gaps_is_refused(task):
    """--array=1,4,9 would leave shards undone."""
    environment = {"SLURM_ARRAY_TASK_ID": task, "SLURM_ARRAY_TASK_COUNT": "3", "SLURM_ARRAY_TASK_MIN": "1"}
    with pytest.raises(UsageError, match="no range"):
        slurm_shard(environment)
