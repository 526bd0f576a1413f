"""Milliseconds of SimplePose's assembly of ten people from ready maps of 512 x 512 pixels, by its steps.

The maps are Gaussians and lines as the network is trained to draw them. The upsampling from the network's cells is
printed beside it: it belongs to the maps, not to the assembly.

OMP_NUM_THREADS=1 python benchmarks/bench_assembly.py [--people 10] [--side 512] [--runs 31]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import cv2
import numpy as np

from stages.pose.bottom_up.body import LIMBS, parts_of_coco
from stages.pose.bottom_up.estimator import frame_people
from stages.pose.bottom_up.limbs import find_limbs
from stages.pose.bottom_up.maps import STRIDE, upsampled
from stages.pose.bottom_up.peaks import find_peaks
from stages.pose.bottom_up.people import assemble

# a standing person in COCO's order, x and y as parts of the height
_STANDING = (
    "0 .08, .02 .06, -.02 .06, .05 .08, -.05 .08, .1 .2, -.1 .2, .16 .34, -.16 .34, .18 .48, -.18 .48, "
    ".07 .52, -.07 .52, .08 .74, -.08 .74, .08 .96, -.08 .96"
)
_PART_SIGMA, _LIMB_SIGMA = 9.0, 7.0  # pixels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=10)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--runs", type=int, default=31)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    maps = drawn(people(arguments.people, arguments.side), arguments.side)
    heat, paf = maps[len(LIMBS) :], maps[: len(LIMBS)]
    peaks = find_peaks(heat)
    limbs = find_limbs(paf, peaks)
    found = frame_people(assemble(limbs, peaks), peaks)
    print(f"{len(found)} people, {len(peaks.part)} peaks, {len(limbs.limb)} limbs at {arguments.side} pixels")

    def everything() -> None:
        own = find_peaks(heat)
        frame_people(assemble(find_limbs(paf, own), own), own)

    cells = np.ascontiguousarray(maps[:, ::STRIDE, ::STRIDE])
    size = (arguments.side, arguments.side)
    steps: dict[str, Callable[[], object]] = {
        "assembly": everything,
        "of it peaks": lambda: find_peaks(heat),
        "of it limbs": lambda: find_limbs(paf, peaks),
        "of it people": lambda: frame_people(assemble(limbs, peaks), peaks),
        "upsampling of 48 maps": lambda: upsampled(cells, size, size),
    }
    for name, (wall, cpu) in medians(steps, arguments.runs).items():
        print(f"{name}: {wall:.2f} ms, of CPU time {cpu:.2f} ms")


def medians(steps: dict[str, Callable[[], object]], runs: int) -> dict[str, tuple[float, float]]:
    """Median milliseconds of each step, by the clock and of CPU time, measured by turns."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in steps}
    for number in range(runs + 2):
        for name, step in steps.items():
            wall, cpu = time.perf_counter(), time.process_time()
            step()
            if number >= 2:
                taken[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    return {n: tuple(1000 * statistics.median(c) for c in zip(*pairs)) for n, pairs in taken.items()}


def people(count: int, side: int) -> np.ndarray:
    """[count, 17, 3] people in rows of five, each a little different."""
    rng = np.random.default_rng(1)
    body = np.array([pair.split() for pair in _STANDING.split(", ")], np.float64)
    columns = min(count, 5)
    lines = -(-count // columns)
    height = 0.9 * side / lines
    found = np.zeros((count, 17, 3))
    for i in range(count):
        corner = ((i % columns + 0.5) * side / columns, (i // columns + 0.05) * side / lines)
        shape = body + rng.normal(0, 0.01, body.shape)
        found[i, :, :2] = np.clip(corner + shape * (height * rng.uniform(0.8, 1)), 3, side - 4)
        found[i, :, 2] = 1
    return found


def drawn(
    coco: np.ndarray,  # [N, 17, 3]
    side: int,  # pixels
) -> np.ndarray:
    """[48, side, side] float32 maps: limbs as ridges between their ends, parts as Gaussians."""
    parts = parts_of_coco(coco)[..., :2]
    y, x = np.mgrid[:side, :side].astype(np.float64)
    maps = np.zeros((len(LIMBS) + parts.shape[1], side, side), np.float32)
    for person in parts:
        for part, (px, py) in enumerate(person):
            value = np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * _PART_SIGMA**2))
            maps[len(LIMBS) + part] = np.maximum(maps[len(LIMBS) + part], value)
        for limb, (a, b) in enumerate(LIMBS):
            start, along = person[a], person[b] - person[a]
            length = max(np.linalg.norm(along), 1e-6)
            share = np.clip(((x - start[0]) * along[0] + (y - start[1]) * along[1]) / length**2, 0, 1)
            distance = (x - start[0] - share * along[0]) ** 2 + (y - start[1] - share * along[1]) ** 2
            maps[limb] = np.maximum(maps[limb], np.exp(-distance / (2 * _LIMB_SIGMA**2)))
    return maps


if __name__ == "__main__":
    main()
