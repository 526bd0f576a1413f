"""The pose stage end to end (crops, network, flip test, decoding, rescoring, OKS-NMS) against the bare network on
ready tensors, in one run on one machine. The ratio says what everything around the network costs.

    python benchmarks/bench_pose.py                       # ResNet-50, 256x192, 16 people a frame and 2 beside it
    python benchmarks/bench_pose.py --model hrnet-w32-coco-256x192 --device cuda --batch-size 64

Both run the same folded network, batch size and number format; rounds take turns, and the medians of their processor
time (on a GPU: of the clock) are compared. Weights are random: they do not change the time."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from configs.models import find_model
from configs.settings import PoseSettings
from posedata.people import FramePeople
from stages.device import Runtime, runtime
from stages.pose.estimator import PoseEstimator
from stages.pose.networks import create
from stages.stream import CHUNK


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="pose-resnet50-coco-256x192")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--frames", type=int, default=1, help=f"frames a call; the pipeline gives {CHUNK}")
    parser.add_argument("--half", action=argparse.BooleanOptionalAction)
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction, default=False)
    options = parser.parse_args()
    run = runtime(options.device, options.half, options.batch_size, options.threads, options.compile)
    entry = find_model(options.model, "pose")
    estimator = PoseEstimator(create(entry.architecture, **entry.options), entry, PoseSettings(), run)
    kind = f"{run.device.type}, {run.dtype}".replace("torch.", "")
    print(
        f"{entry.name}, {kind}, batch {run.batch_size}, {options.threads} threads, flip test {estimator.recipe.flip}"
    )
    for people in (16, 2):
        frames = options.frames if people == 16 else 8 * options.frames
        measure(estimator, run, frames, people, options.rounds)


def measure(estimator: PoseEstimator, run: Runtime, frames: int, people: int, rounds: int) -> None:
    """Prints milliseconds a person for the stage and for the bare network, and the ratio."""
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 255, (720, 1280, 3), np.uint8) for _ in range(frames)]
    low = rng.uniform(0, 400, (people, 2))
    boxes = np.concatenate([low, low + rng.uniform(80, 300, (people, 2))], axis=1).astype(np.float32)
    given = [FramePeople(boxes=boxes, box_scores=np.ones(people, np.float32)) for _ in images]
    total = frames * people
    crops = torch.randint(0, 255, (min(run.batch_size, total), 3, estimator.height, estimator.width))
    ready = estimator.heatmaps.inputs(crops.to(run.device))
    passes = 2 if estimator.recipe.flip else 1

    @torch.inference_mode()
    def bare() -> None:
        for _ in range(passes):
            for start in range(0, total, run.batch_size):
                estimator.heatmaps.network(ready[: min(run.batch_size, total - start)])

    def stage() -> None:
        estimator.estimate(images, given)

    times: dict[str, list[float]] = {"bare": [], "stage": []}
    for number in range(rounds + 1):
        for name, work in (("bare", bare), ("stage", stage)):
            seconds = timed(work, run)
            if number:  # the first round warms up
                times[name].append(seconds)
    alone, whole = (statistics.median(times[name]) * 1000 / total for name in ("bare", "stage"))
    figures = f"stage {whole:8.2f} ms a person, bare network {alone:8.2f}, ratio {alone / whole:.3f}"
    print(f"{people:3} people a frame: {figures}", flush=True)


def timed(work: Callable[[], None], run: Runtime) -> float:
    """Seconds: the processor's, which other programs on the machine do not lengthen much; on a GPU the clock's."""
    if run.device.type != "cuda":
        began = time.process_time()
        work()
        return time.process_time() - began
    torch.cuda.synchronize()
    began = time.perf_counter()
    work()
    torch.cuda.synchronize()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
