"""Milliseconds of the bundled networks on the CPU, with and without folded batch normalisation, in one run.

python benchmarks/bench_networks.py [--threads 2] [--runs 15]
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time

import torch
from torch import nn

from stages.detect.compact import CompactDetector
from stages.pose.networks.compact import CompactPose
from stages.weights import fused


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=15)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    for name, network, shape in (
        ("pose, a person of 8 at 256x192", CompactPose(19), (8, 3, 256, 192)),
        ("pose, a person of 8 at 192x144", CompactPose(19), (8, 3, 192, 144)),
        ("detector, a frame of 416x416", CompactDetector(), (1, 3, 416, 416)),
        ("detector, a frame of 416x256", CompactDetector(), (1, 3, 256, 416)),
    ):
        million = sum(p.numel() for p in network.parameters()) / 1e6
        plain = network.eval().to(memory_format=torch.channels_last)
        folded = fused(copy.deepcopy(plain)).to(memory_format=torch.channels_last)
        slow, fast = medians((plain, folded), shape, arguments.runs)
        print(
            f"{name}: {fast:.1f} ms ({million:.2f} M parameters); not folded {slow:.1f} ms, ratio {slow / fast:.2f}"
        )


def medians(networks: tuple[nn.Module, ...], shape: tuple[int, ...], runs: int) -> list[float]:
    """Median milliseconds a picture of each network, measured by turns."""
    inputs = torch.randn(shape).to(memory_format=torch.channels_last)
    seconds: list[list[float]] = [[] for _ in networks]
    with torch.inference_mode():
        for number in range(runs + 2):
            for network, taken in zip(networks, seconds):
                began = time.perf_counter()
                network(inputs)
                if number >= 2:
                    taken.append(time.perf_counter() - began)
    return [1000 * statistics.median(s) / shape[0] for s in seconds]


if __name__ == "__main__":
    main()
