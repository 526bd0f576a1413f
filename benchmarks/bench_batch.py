"""Two workers against one, and what Ray adds to a sequence; ratios of one run.

    python benchmarks/bench_batch.py [--sequences 8] [--frames 40] [--only workers|ray]

Both halves render their own sequences. "two workers": `ptrack run` with one thread a worker, all included, and
again without the seconds that a process needs to start and load its networks (taken from runs of one frame). "Ray":
sequences of one frame with given boxes, so that nothing but the handling is timed; with and without an actor between.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from configs.settings import Settings
from posedata.sequences import discover
from posedata.synthetic import write_posetrack18
from stages.batch.drive import InProcess, Listener, Workers, drive
from stages.batch.runner import Job, Runner
from stages.batch.tasks import tasks_of
from stages.wiring import GivenDetections, Recipe
from stages.work import WorkFolder

_HANDLED = 100  # sequences of which nothing but the handling is timed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sequences", type=int, default=8)
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--only", choices=("workers", "ray"))
    arguments = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as folder:
        if arguments.only != "ray":
            two_workers(Path(folder), arguments.sequences, arguments.frames)
        if arguments.only != "workers":
            through_ray(Path(folder))


def two_workers(folder: Path, sequences: int, frames: int) -> None:
    split = folder / "split"
    for number in range(sequences):
        name = f"9{number:05d}_mpii_test"
        write_posetrack18(split, sequence=name, seed=number, frames=frames, size=(320, 240), people=2)
    walls = {count: _run(folder, split, count) for count in (1, 2)}
    starts = {count: _run(folder, split, count, "--frames", "0-0") for count in (1, 2)}
    print(f"{sequences} sequences of {frames} frames, one thread a worker")
    print(f"  one worker {walls[1]:.1f} s, two workers {walls[2]:.1f} s: {walls[1] / walls[2]:.2f} times as fast")
    working = {count: walls[count] - starts[count] for count in (1, 2)}
    print(f"  without start and loading: {working[1] / working[2]:.2f} times as fast")


def _run(folder: Path, split: Path, workers: int, *more: str) -> float:
    """Seconds of one command."""
    ptrack = Path(sys.executable).with_name("ptrack")
    with tempfile.TemporaryDirectory(dir=folder) as work:
        command = [ptrack, "run", split, "--work", work, "--no-render", "--threads", "1", "-q"]
        began = time.perf_counter()
        subprocess.run([*map(str, command), "--workers", str(workers), *more], check=True)
        return time.perf_counter() - began


def through_ray(folder: Path) -> None:
    from stages.batch.ray_workers import RayWorkers

    write_posetrack18(folder / "one", seed=1, frames=1, size=(64, 64), people=1)
    picture = next((folder / "one" / "images").rglob("*.jpg"))
    frames = folder / "frames"
    for number in range(_HANDLED):
        (frames / f"s{number:04d}").mkdir(parents=True)
        (frames / f"s{number:04d}" / "0.jpg").write_bytes(picture.read_bytes())
    plain = _handled(folder / "plain", frames, InProcess)
    ray = _handled(folder / "ray", frames, lambda runner: RayWorkers(runner.job, None, count=1, cpus=1))
    print(f"{_HANDLED} sequences of one frame with given boxes")
    added = 1000 * (ray - plain)
    print(f"  plain loop {1000 * plain:.1f} ms, through Ray {1000 * ray:.1f} ms a sequence: Ray adds {added:.1f} ms")


def _handled(folder: Path, frames: Path, make: Callable[[Runner], Workers]) -> float:
    """Seconds a sequence, from the first that is finished to the last."""
    found = discover(frames)
    work = WorkFolder(folder)
    work.claim(frames, found.kind)
    given = GivenDetections(frames / "none.json", "0" * 64, {})
    job = Job(folder.resolve(), Recipe(("detect",), Settings(), given), run="bench")
    finished: list[float] = []
    listener = Listener(report=lambda task, report: finished.append(time.perf_counter()))
    runner = Runner(job)
    with make(runner) as workers:
        drive(runner, tasks_of(found.sequences).tasks, workers, listener)
    assert len(finished) == _HANDLED
    return (finished[-1] - finished[0]) / (len(finished) - 1)


if __name__ == "__main__":
    main()
