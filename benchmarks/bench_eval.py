"""Times `ptrack eval` on a set of the size of PoseTrack's validation split, beside reading the same files.

    python benchmarks/bench_eval.py [--sequences 74] [--frames 103] [--people 4.2]

Prints, from one run: the wall time of `ptrack eval` as a whole process (AP and MOT), the time that the standard
library's `json.load` takes for the same files, their ratio, and the peak memory of the process.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

NAMES = [
    *("nose", "head_bottom", "head_top", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow"),
    *("right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle"),
    "right_ankle",
]
CATEGORY = [{"supercategory": "person", "id": 1, "name": "person", "keypoints": NAMES, "skeleton": []}]
# A standing person of height 1, in the order of NAMES.
SHAPE = np.array(
    [
        (0.5, 0.08), (0.5, 0.16), (0.5, 0.0), (0, 0), (0, 0), (0.6, 0.2), (0.4, 0.2), (0.65, 0.35), (0.35, 0.35),
        (0.68, 0.5), (0.32, 0.5), (0.57, 0.52), (0.43, 0.52), (0.57, 0.75), (0.43, 0.75), (0.57, 0.98), (0.43, 0.98),
    ]
)  # fmt: skip


def write_sequence(folder: Path, number: int, frames: int, people: int, rng: np.random.Generator) -> int:
    """One sequence's two files; the number of labelled frames."""
    name = f"{number:06d}_mpii_test"
    middle = frames // 2
    labelled = [abs(f - middle) <= 15 or f % 4 == 0 for f in range(frames)]
    height = rng.uniform(120, 400, people)
    start, speed = rng.uniform(0, 1200, (people, 2)), rng.normal(0, 2, (people, 2))
    images, truth, found = [], [], []
    for f in range(frames):
        image = {
            "id": 10_000_000_000 + number * 10_000 + f,
            "file_name": f"images/val/{name}/{f:06d}.jpg",
            "is_labeled": labelled[f],
            "nframes": frames,
            "vid_id": f"{number:06d}",
        }
        if labelled[f]:
            image["ignore_regions_x"] = [[5, 200, 200, 5], [900, 1000, 950]]
            image["ignore_regions_y"] = [[5, 5, 80, 80], [10, 10, 90]]
        images.append(image)
        for p in range(people):
            pose = start[p] + speed[p] * f + SHAPE * height[p]
            if labelled[f]:
                seen = (rng.random(17) > 0.1) & ~np.isin(np.arange(17), (3, 4))
                xyv = np.concatenate([np.round(pose, 2) * seen[:, None], seen[:, None]], axis=1)
                head = [float(v) for v in np.round([pose[2, 0] - 20, pose[2, 1], height[p] * 0.1, height[p] * 0.14])]
                truth.append(
                    {
                        "image_id": image["id"],
                        "id": image["id"] * 100 + p,
                        "track_id": p,
                        "category_id": 1,
                        "bbox_head": head,
                        "bbox": [0, 0, 10, 10],
                        "keypoints": xyv.reshape(-1).tolist(),
                    }
                )
            if rng.random() < 0.9:
                noisy = pose + rng.normal(0, height[p] * rng.choice([0.01, 0.05]), (17, 2))
                found.append(person(image["id"], p if rng.random() < 0.98 else p + people, noisy, rng))
        if rng.random() < 0.3:
            found.append(person(image["id"], 900, rng.uniform(0, 1200, 2) + SHAPE * 200, rng))
    for side, people_of_side in (("gt", truth), ("pred", found)):
        content = {"images": images, "annotations": people_of_side, "categories": CATEGORY}
        (folder / side / f"{name}.json").write_text(json.dumps(content))
    return sum(labelled)


def person(image: int, track: int, pose: np.ndarray, rng: np.random.Generator) -> dict[str, object]:
    """One predicted person in the 2018 form."""
    xyv = np.concatenate([np.round(pose, 2), np.ones((17, 1))], axis=1)
    return {
        "image_id": image,
        "track_id": track,
        "keypoints": xyv.reshape(-1).tolist(),
        "scores": np.round(rng.random(17), 6).tolist(),
    }


def build(folder: Path, sequences: int, people: float, frames: int, seed: int = 0) -> tuple[int, int, int]:
    """The whole set; frames, labelled frames and bytes."""
    rng = np.random.default_rng(seed)
    for side in ("gt", "pred"):
        (folder / side).mkdir(parents=True)
    total = labelled = 0
    for number in range(1, sequences + 1):
        length = int(rng.integers(int(frames * 0.6), int(frames * 1.4) + 1))
        total += length
        labelled += write_sequence(folder, number, length, max(1, rng.poisson(people)), rng)
    return total, labelled, sum(path.stat().st_size for path in folder.rglob("*.json"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sequences", type=int, default=74)
    parser.add_argument("--frames", type=int, default=103, help="mean length of a sequence")
    parser.add_argument("--people", type=float, default=4.2, help="mean people a sequence")
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        total, labelled, size = build(folder, args.sequences, args.people, args.frames)
        print(f"{args.sequences} sequences, {total} frames ({labelled} labelled), {size / 1e6:.1f} MB of JSON")
        command = ["ptrack", "eval", str(folder / "pred"), "--gt", str(folder / "gt")]
        command[0] = str(Path(sys.executable).with_name("ptrack"))
        loads, evals = [], []
        for _ in range(args.repeats):
            start = time.perf_counter()
            for path in sorted(folder.rglob("*.json")):
                with open(path) as file:
                    json.load(file)
            loads.append(time.perf_counter() - start)
            start = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            evals.append(time.perf_counter() - start)
        load, whole = statistics.median(loads), statistics.median(evals)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(f"json.load of the files  {load:6.2f} s (median of {args.repeats})")
        print(f"ptrack eval, AP and MOT {whole:6.2f} s (median of {args.repeats}, whole process)")
        print(f"ratio                   {whole / load:6.2f}")
        print(f"peak memory             {peak:6.0f} MiB")


if __name__ == "__main__":
    main()
