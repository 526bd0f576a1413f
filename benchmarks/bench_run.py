"""Frames per second of `ptrack run` on one video and the share of each stage; medians of several runs.

    python benchmarks/bench_run.py VIDEO [--runs 3] [--threads 2]

The ratio "overlap" is the sum of the stages' seconds (decoding included) over the wall time: above 1, decoding and
writing ran beside the networks.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from configs.settings import Settings
from posedata.sequences import discover
from stages.pipeline import Pipeline
from stages.wiring import Hardware, parts
from stages.work import STAGES, WorkFolder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("video", type=Path)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    found = discover(arguments.video, "auto", None)
    chain = parts(STAGES, Settings(), Hardware(threads=arguments.threads))
    walls, shares, frames = [], [], 0
    for number in range(arguments.runs + 1):
        with tempfile.TemporaryDirectory() as folder:
            work = WorkFolder(Path(folder))
            work.claim(arguments.video, found.kind)
            pipeline = Pipeline(work, chain)
            began = time.perf_counter()
            report = pipeline.run(found.sequences[0])
            wall = time.perf_counter() - began
        if number:  # the first run warms up files and kernels
            walls.append(wall)
            shares.append(report.seconds)
            frames = report.frames
    wall = statistics.median(walls)
    total = statistics.median(sum(s.values()) for s in shares)
    print(f"{arguments.video.name}: {frames} frames, {frames / wall:.1f} frames/s (median of {len(walls)} runs)")
    for stage in ("decode", "detect", "pose", "track", "write"):
        seconds = statistics.median(s.get(stage, 0.0) for s in shares)
        print(
            f"  {stage:7} {seconds:7.3f} s  {1000 * seconds / frames:7.2f} ms/frame  "
            f"{100 * seconds / wall:5.1f} % of wall"
        )
    print(f"  overlap {total / wall:.2f} (stage seconds / wall seconds)")


if __name__ == "__main__":
    main()
