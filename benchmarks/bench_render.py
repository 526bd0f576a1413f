"""How long a frame takes to draw, to encode and to decode, in milliseconds: medians, and ratios within this run.

python benchmarks/bench_render.py [--size 1280x720] [--people 10] [--frames 90]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import av
import cv2
import numpy as np

from posedata.people import FramePeople
from posedata.skeletons import PTRACK_19
from stages.render.draw import Style, draw_people
from stages.render.overlay import overlay_writer


def moving_people(
    number: int,  # of the frame
    count: int,
    width: int,  # pixels
    height: int,
) -> FramePeople:
    """Invented people of many sizes: enough for lines of every length and thickness."""
    rng = np.random.default_rng(3)
    tall = rng.uniform(0.25, 0.9, count) * height
    wide = 0.4 * tall
    left = (rng.uniform(0, 1, count) * (width - wide) + number * rng.uniform(-3, 3, count)) % (width - wide)
    top = rng.uniform(0, 1, count) * (height - tall)
    keypoints = rng.uniform(0, 1, (count, len(PTRACK_19), 2)) * np.stack([wide, tall], 1)[:, None]
    return FramePeople(
        boxes=np.stack([left, top, left + wide, top + tall], 1),
        box_scores=np.full(count, 0.9),
        keypoints=keypoints + np.stack([left, top], 1)[:, None],
        keypoint_scores=rng.uniform(0.3, 1, (count, len(PTRACK_19))),
        person_scores=rng.uniform(0.3, 1, count),
        track_ids=np.arange(count),
    )


def background(
    number: int,  # of the frame
    width: int,  # pixels
    height: int,
) -> np.ndarray:
    """[height, width, 3] uint8 RGB: a textured scene that pans, which costs an encoder about what a video does."""
    rng = np.random.default_rng(5)
    coarse = rng.integers(30, 220, (24, 48, 3), np.uint8)
    scene = cv2.resize(coarse, (width + 200, height), interpolation=cv2.INTER_CUBIC)
    scene = cv2.add(scene, rng.integers(0, 12, scene.shape, np.uint8))
    shift = number * 2 % 200
    return np.ascontiguousarray(scene[:, shift : shift + width])


def milliseconds(seconds: list[float]) -> float:
    """The median."""
    return 1000 * statistics.median(seconds)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", default="1280x720")
    parser.add_argument("--people", type=int, default=10)
    parser.add_argument("--frames", type=int, default=90)
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    draw, encode, decode = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "overlay.mp4"
        began = time.perf_counter()
        with overlay_writer(path, width, height, fps=30.0) as overlay:
            making = 0.0
            for number in range(options.frames):
                start = time.perf_counter()
                image = background(number, width, height)
                people = moving_people(number, options.people, width, height)
                ready = time.perf_counter()
                draw_people(image, people, PTRACK_19, Style())
                drawn = time.perf_counter()
                overlay.write(image, number / 30)
                making += ready - start
                draw.append(drawn - ready)
                encode.append(time.perf_counter() - drawn)
        together = (time.perf_counter() - began - making) / options.frames
        with av.open(str(path)) as container:
            start = time.perf_counter()
            for frame in container.decode(video=0):
                frame.to_ndarray(format="rgb24")
                decode.append(time.perf_counter() - start)
                start = time.perf_counter()
    times = {"draw": milliseconds(draw), "hand to the encoder": milliseconds(encode), "decode": milliseconds(decode)}
    print(f"{width}x{height}, {options.people} people, {options.frames} frames, OpenCV {cv2.__version__}")
    for name, value in times.items():
        print(f"  {name:22} {value:7.2f} ms   {value / times['decode']:5.2f} x decode")
    # the encoder works in threads of its own: what it costs in all is seen in the whole, with its tail
    rest = 1000 * together - times["draw"]
    print(
        f"  {'draw and encode, whole':22} {1000 * together:7.2f} ms   drawing : encoding = {times['draw'] / rest:.2f}"
    )


if __name__ == "__main__":
    main()
