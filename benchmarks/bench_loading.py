"""Training crops a second of one process: read, decoded, augmented, cropped to 256x192, with joints.

    python benchmarks/bench_loading.py ANNOTATIONS.json IMAGES [--seconds 5]

A COCO keypoint file and its pictures. CPU time counts, not the clock: other work on the machine does not spoil it.
"""

from __future__ import annotations

import argparse
import time
from itertools import count
from pathlib import Path

import cv2
import numpy as np
import torch

from configs.recipes import PoseSource
from posedata.skeletons import COCO_17
from stages.train.datasets.crops import CropRecipe, CropSamples
from stages.train.datasets.people import read_people
from stages.train.samples import Draws


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("annotations", type=Path)
    parser.add_argument("images", type=Path)
    parser.add_argument("--seconds", type=float, default=5.0)
    args = parser.parse_args()
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    people = read_people(PoseSource(annotations=args.annotations, images=args.images), COCO_17, 192 / 256, print)
    print(f"{len(people)} people, 256x192, size, rotation, mirror and half body by chance")
    for name, reduced in (("whole pictures decoded", False), ("large people's JPEG files decoded smaller", True)):
        recipe = CropRecipe((256, 192), False, 0.3, 40.0, flip=True, half_body=0.3, reduced=reduced)
        samples = CropSamples(people, COCO_17, recipe, Draws(np.arange(len(people)), 0))
        began, done = time.process_time(), 0
        for done in count(1):
            samples[done]
            if time.process_time() - began > args.seconds:
                break
        print(f"{name}: {done / (time.process_time() - began):.0f} samples per CPU second")


if __name__ == "__main__":
    main()
