"""`ptrack pose --model NAME --checkpoint FILE` end to end on a real clip, each family at its published input size.

The weights are the recipe's, so that the joints mean nothing; that they are the joints which the network gives for
these crops, colours and sizes is checked against a second, plain way of computing them.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import recipe
import torch

from configs.models import ModelEntry, find_model
from posedata.records import iter_frames, read_header
from posedata.sequences import discover
from posedata.video import open_sequence
from posetrack_cli.main import main
from stages.pose.networks import create

CLIP = Path("media") / "clips" / "basketball_2p_pan.mp4"
FRAMES = 2
BOXES = ((60, 30, 80, 180), (250, 60, 120, 150))  # x, y, width, height, pixels

TOP_DOWN = [  # model, options; the flip test doubles the time, three of them show that it is right
    ("pose-resnet50-coco-256x192", []),
    ("pose-resnet50-coco-384x288", ["--no-flip"]),
    ("pose-resnet50-mpii-256x256", ["--no-flip"]),
    ("pose-resnet50-caffe-coco-256x192", ["--no-flip"]),
    ("mrheat1-resnet50-coco-256x192", ["--no-flip"]),
    ("mrheat2-resnet50-mpii-256x256", []),
    ("mrfea1-resnet50-coco-256x192", ["--no-flip"]),
    ("mrfea2-resnet50-coco-256x192", ["--no-flip"]),
    ("hrnet-w32-coco-256x192", []),
    ("hrnet-w48-coco-384x288", ["--no-flip"]),
]


def run(*arguments: object) -> None:
    assert main([str(a) for a in arguments], standalone_mode=False) in (0, None)


@pytest.fixture(scope="module")
def clip(test_data) -> Path:
    path = test_data / CLIP
    if not path.exists():
        pytest.skip(f"{path} is missing")
    return path


def detected(clip: Path, work: Path) -> None:
    """`detect.json` with the same two boxes in every frame."""
    rows = [f"{frame + 1},-1,{x},{y},{w},{h},0.9,-1,-1,-1" for frame in range(FRAMES) for x, y, w, h in BOXES]
    given = work.parent / "boxes.txt"  # MOTChallenge counts frames from 1
    given.write_text("\n".join(rows) + "\n")
    run("detect", clip, "--detections", given, "--frames", f"0-{FRAMES - 1}", "--work", work, "-q")


def filled(entry: ModelEntry, path: Path) -> torch.nn.Module:
    """A checkpoint in the authors' layout, and its network."""
    network = recipe.fill(create(entry.architecture, **entry.options), "g1").eval()
    weights = {"module." + key: value for key, value in network.state_dict().items() if "num_batches" not in key}
    torch.save({"epoch": 1, "state_dict": weights}, path)
    return network


def pictures(clip: Path) -> list[np.ndarray]:
    with open_sequence(discover(clip, "auto", None).sequences[0], 0, FRAMES - 1) as source:
        return [frame.image for frame in source]


def plain(entry: ModelEntry, network: torch.nn.Module, image: np.ndarray, flip: bool) -> np.ndarray:
    """[N, K, 2] joints of the boxes, a crop at a time, as the published code computes them."""
    height, width = entry.input
    joints = []
    for x, y, w, h in BOXES:
        centre = np.array([x + w / 2, y + h / 2], np.float32)
        w = np.float32(max(w, h * width / height) * 1.25)
        source = np.array([centre, centre - (0, w / 2), centre - (w / 2, w / 2)], np.float32)

        def matrix(size: tuple[int, int], back: bool, source: np.ndarray = source) -> np.ndarray:
            middle = np.array(size) / 2
            target = np.array([middle, middle - (0, size[0] / 2), middle - (size[0] / 2, size[0] / 2)], np.float32)
            return cv2.getAffineTransform(*((target, source) if back else (source, target)))

        crop = cv2.warpAffine(image, matrix((width, height), False), (width, height), flags=cv2.INTER_LINEAR)
        crop = crop[..., ::-1] if entry.colour == "BGR" else crop
        values = (crop.astype(np.float32) / 255 - np.float32(entry.mean)) / np.float32(entry.std)
        inputs = torch.from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1)))[None]
        maps = network(inputs)[0].numpy()
        if flip:
            other = network(inputs.flip(-1))[0].numpy()[..., ::-1]
            for left, right in {"coco-17": COCO, "mpii-16": MPII}[entry.skeleton]:
                other[[left, right]] = other[[right, left]]
            maps = (maps + np.concatenate([other[..., :1], other[..., :-1]], axis=2)) / 2
        back = matrix(maps.shape[:0:-1], True)
        joints.append([back @ (*cell(m), 1) for m in maps])
    return np.array(joints)


COCO = [(1, 2), (3, 4), (5, 6), (7, 8), (9, 10), (11, 12), (13, 14), (15, 16)]
MPII = [(0, 5), (1, 4), (2, 3), (10, 15), (11, 14), (12, 13)]


def cell(heatmap: np.ndarray) -> tuple[float, float]:
    """The peak, a quarter cell towards its higher neighbour."""
    height, width = heatmap.shape
    y, x = np.unravel_index(heatmap.argmax(), heatmap.shape)
    if heatmap[y, x] <= 0:
        return 0.0, 0.0
    if 1 < x < width - 1 and 1 < y < height - 1:
        dx = np.sign(heatmap[y, x + 1] - heatmap[y, x - 1])
        dy = np.sign(heatmap[y + 1, x] - heatmap[y - 1, x])
        return x + 0.25 * dx, y + 0.25 * dy
    return float(x), float(y)


@pytest.mark.slow
@pytest.mark.parametrize("name, options", TOP_DOWN, ids=[name for name, _ in TOP_DOWN])
def test_a_published_top_down_model_runs_end_to_end(clip, tmp_path, name, options):
    entry, work, checkpoint = find_model(name, "pose"), tmp_path / "work", tmp_path / "some.pth.tar"
    detected(clip, work)
    network = filled(entry, checkpoint)
    chosen = ["--model", name, "--checkpoint", checkpoint, "--set", "pose.nms=none", *options]
    run("pose", clip, "--frames", f"0-{FRAMES - 1}", "--work", work, "--threads", 1, "-q", *chosen)
    record = work / clip.stem / "pose.json"
    header = read_header(record)
    assert header.skeleton == entry.skeleton and header.model.name == name
    assert str(tmp_path) not in record.read_text()  # no path in a record
    with torch.inference_mode():
        expected = [plain(entry, network, image, "--no-flip" not in options) for image in pictures(clip)]
    for frame, joints in zip(iter_frames(record), expected, strict=True):
        order = [int(np.abs(frame.people.boxes[:, 0] - box[0]).argmin()) for box in BOXES]
        off = np.abs(frame.people.keypoints[order] - joints).max(axis=2)
        # where two cells are equal but for the last digit, the peak may be the other one
        assert (off < 0.05).mean() > 0.95


@pytest.mark.slow
def test_posewarper_runs_over_five_frames(clip, tmp_path):
    entry, work, checkpoint = find_model("posewarper-w48", "pose"), tmp_path / "work", tmp_path / "final_state.pth"
    detected(clip, work)
    filled(entry, checkpoint)
    chosen = ["--model", entry.name, "--checkpoint", checkpoint]
    run("pose", clip, "--frames", f"0-{FRAMES - 1}", "--work", work, "--threads", 1, "-q", *chosen)
    frames = list(iter_frames(work / clip.stem / "pose.json"))
    assert [len(f.people) for f in frames] == [len(BOXES)] * FRAMES
    assert all(f.people.keypoints.shape == (2, 17, 2) and np.isfinite(f.people.keypoints).all() for f in frames)
