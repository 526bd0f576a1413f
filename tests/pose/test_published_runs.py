"""Bottom-up and temporal models through the command line. Where a network runs its weights are drawn by the recipe:
that everything fits together is what is shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import recipe
import torch
from command import ptrack

from configs.models import find_model
from posedata.records import read_footer, read_header
from posedata.synthetic import write_video
from stages.pose.networks import create


@pytest.fixture(scope="module")
def video(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("videos") / "walkers.mp4"
    write_video(path, seed=5, frames=4, size=(192, 144), people=2, fps=25.0)
    return path


def checkpoint(name: str, folder: Path) -> Path:
    entry = find_model(name, "pose")
    network = create(entry.architecture, **entry.options)
    recipe.fill(network, "run")
    torch.save(network.state_dict(), folder / f"{name}.pth")
    return folder / f"{name}.pth"


@pytest.mark.parametrize(
    "arguments, words",
    [
        (("pose", "--model", "simplepose"), "add --checkpoint FILE"),
        (("run", "--pose-model", "posewarper-w48", "--checkpoint", "gone.pth"), "gone.pth: cannot be read"),
        (("propagate", "--checkpoint", "gone.pth", "--out", "out"), "gone.pth"),
    ],
)
def test_a_published_model_asks_for_its_weights(video, tmp_path, arguments, words):
    done = ptrack(arguments[0], video, *arguments[1:], cwd=tmp_path, code=3 if arguments[0] == "propagate" else 2)
    assert words in done.stderr


@pytest.mark.slow
def test_bottom_up_needs_no_detector_and_its_people_are_tracked(video, tmp_path):
    weights = checkpoint("simplepose", tmp_path)
    small = ("--checkpoint", weights, "--no-flip", "--set", "pose.scales=[0.2]", "--frames", "0-1", "-q")
    ptrack("run", video, "--pose-model", "simplepose", *small, "--work", "whole", cwd=tmp_path)
    folder = tmp_path / "whole" / "walkers"
    assert not (folder / "detect.json").exists() and (folder / "overlay.mp4").exists()
    assert read_header(folder / "pose.json").skeleton == "coco-17"
    assert str(tmp_path) not in (folder / "pose.json").read_text()
    assert read_footer(folder / "track.json").counts["frames"] == 2
    ptrack("pose", video, "--model", "simplepose", *small, "--work", "single", cwd=tmp_path)
    ptrack("track", video, "--frames", "0-1", "-q", "--work", "single", cwd=tmp_path)
    for stage in ("pose", "track"):
        assert (folder / f"{stage}.json").read_bytes() == (tmp_path / f"single/walkers/{stage}.json").read_bytes()


@pytest.mark.slow
def test_posewarper_one_by_one_and_its_labels_through_time(video, tmp_path):
    weights = checkpoint("posewarper-w48", tmp_path)
    rows = "".join(f"{frame},-1,40,30,50,90,0.9,-1,-1,-1\n" for frame in (1, 2))  # one box: crops are shared
    (tmp_path / "boxes.txt").write_text(rows)
    ptrack("detect", video, "--detections", "boxes.txt", "--frames", "0-1", "--work", "w", "-q", cwd=tmp_path)
    model = ("--checkpoint", weights)
    arguments = ("--model", "posewarper-w48", *model, "--frames", "0-1", "--work", "w", "-q")
    ptrack("pose", video, *arguments, cwd=tmp_path)
    header = read_header(tmp_path / "w" / "walkers" / "pose.json")
    assert header.skeleton == "posetrack-17" and read_footer(tmp_path / "w/walkers/pose.json").counts["people"] == 2
    keypoints = [60.0, 60.0, 2] * 17
    labels = {
        "images": [{"id": 10 + f, "file_name": f"walkers/{f:06d}.jpg"} for f in (0, 1)],
        "annotations": [{"image_id": 10, "bbox": [40, 30, 50, 90], "keypoints": keypoints, "track_id": 5}],
    }
    (tmp_path / "labels.json").write_text(json.dumps(labels))
    done = ptrack(
        "propagate", video, "--annotations", "labels.json", *model, "--out", "moved", "--json", cwd=tmp_path
    )
    row = json.loads(done.stdout)["sequences"][0]
    assert (row["labelled"], row["propagated"], row["unreached"]) == (1, 1, 0)
    added = json.loads((tmp_path / "moved" / "walkers.json").read_text())["annotations"][1]
    assert added["propagated_from"] == 10 and added["track_id"] == 5 and added["image_id"] == 11
