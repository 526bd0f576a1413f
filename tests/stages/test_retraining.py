"""From labels through `ptrack propagate` to the training on what it writes, for PoseTrack17 and 18."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from configs.training_presets import training_settings
from posedata.errors import BadInput
from posedata.formats.labels import read_labels
from posedata.sequences import discover
from posedata.skeletons import POSETRACK_15, POSETRACK_17
from posedata.synthetic import write_posetrack18
from posetrack_cli.main import main
from stages.pose.networks import create
from stages.pose.networks.posewarper import PoseWarper
from stages.train.heatmaps import HeatmapTask

FRAMES = 12
KINDS = ("posetrack17", "posetrack18")


def as_2017(root: Path, whole: Path) -> None:
    """The same sequence as PoseTrack17 has it: frames from 1, eight digits, `annolist`, boxes of heads alone."""
    [path] = (whole / "annotations" / "train").glob("*.json")
    content = json.loads(path.read_text())
    folder = root / "images" / "bonn" / path.stem
    folder.mkdir(parents=True)
    frames, order = [], [POSETRACK_17.joints.index(j) for j in POSETRACK_15.joints]
    for number, image in enumerate(content["images"], 1):
        name = f"{number:08d}.jpg"
        (folder / name).write_bytes((whole / image["file_name"]).read_bytes())
        rects = []
        for person in (a for a in content["annotations"] if a["image_id"] == image["id"]):
            triplets = np.array(person["keypoints"]).reshape(-1, 3)[order].tolist()
            x, y, width, height = person["bbox_head"]
            corners = {"x1": [x], "y1": [y], "x2": [x + width], "y2": [y + height]}
            point = [{"id": [k], "x": [x], "y": [y]} for k, (x, y, there) in enumerate(triplets) if there]
            rects.append({**corners, "track_id": [person["track_id"]], "annopoints": [{"point": point}]})
        listed = {"image": [{"name": f"images/bonn/{path.stem}/{name}"}], "imgnum": [number], "annorect": rects}
        frames.append(listed | {"is_labeled": [1]})
    for split in ("train", "val"):
        (root / "annotations" / split).mkdir(parents=True)
        (root / "annotations" / split / path.name).write_text(json.dumps({"annolist": frames}))


@pytest.fixture(scope="module")
def roots(tmp_path_factory) -> dict[str, Path]:
    """The same people in both forms, and weights of a small PoseWarper."""
    folder = tmp_path_factory.mktemp("retraining")
    whole = folder / "posetrack18"
    path = write_posetrack18(whole, split="train", seed=3, frames=FRAMES, size=(320, 240), people=2)
    (whole / "annotations" / "val").mkdir()
    (whole / "annotations" / "val" / path.name).write_bytes(path.read_bytes())
    as_2017(folder / "posetrack17", whole)
    torch.manual_seed(0)
    torch.save(create("posewarper_pair", width=16, num_joints=17).state_dict(), folder / "small.pth")
    return {kind: folder / kind for kind in KINDS}


@pytest.fixture(autouse=True)
def still(monkeypatch) -> None:
    """A warp that leaves all where it is, in no time."""
    monkeypatch.setattr(PoseWarper, "heatmaps", lambda _, crops: crops[:, :1, ::4, ::4].expand(-1, 17, -1, -1))
    monkeypatch.setattr(PoseWarper, "warp", lambda _, difference, maps: maps)


def propagate(root: Path, *words: object) -> dict:
    command = ["propagate", root, "--split", "train", "--model", "posewarper-small", "--json", *words]
    command += ["--checkpoint", root.parent / "small.pth", "--threads", "1"]
    done = CliRunner().invoke(main, [str(word) for word in command], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    [row] = json.loads(done.stdout)["sequences"]
    return row


def silent(_: str) -> None:
    pass


@pytest.mark.parametrize("kind", KINDS)
def test_sparse_labels_are_moved_and_trained_on_once(roots, kind):
    root = roots[kind]
    row = propagate(root, "--mode", "augment", "--every", 7, "--out", root / "propagated")
    assert (row["labelled"], row["propagated"]) == (2, FRAMES - 2)
    task = HeatmapTask(training_settings("pose", f"posewarper-retrain-{kind}", root), silent)
    first = 1 if kind == "posetrack17" else 0
    counts = Counter(int(p.image.stem) - first for p in task.people)
    assert set(counts) == set(range(FRAMES))
    [sequence] = discover(root, split="train").sequences
    given = read_labels(sequence.annotation, sequence).people
    for frame in (3, 10):
        own = [p for p in task.people if int(p.image.stem) - first == frame]
        assert len(own) == len(given[frame]) > 0  # each given label once
        for person, points, visible in zip(own, given[frame].keypoints, given[frame].visible):
            np.testing.assert_allclose(person.joints[visible], points[visible], atol=0.01)
    assert [s.id for s in discover(root).sequences] == ["train/900001_mpii_test", "val/900001_mpii_test"]


@pytest.mark.parametrize("kind", KINDS)
def test_each_label_goes_to_every_frame_within_reach(roots, kind, tmp_path):
    root = roots[kind]
    row = propagate(root, "--mode", "augment", "--every", 7, "--reach", 4, "--out", tmp_path)
    content = json.loads(Path(row["file"]).read_text())
    ids = [image["id"] for image in content["images"]]
    [sequence] = discover(root, split="train").sequences
    given = read_labels(sequence.annotation, sequence).people
    labelled = {4, 11}  # of every 7th, the first as far in as the labels reach
    expected: Counter[tuple[int, int]] = Counter()
    for frame in labelled:
        for other in range(max(0, frame - 4), min(FRAMES, frame + 5)):
            expected[other, frame] += len(given[frame])
    places = [
        (ids.index(a["image_id"]), ids.index(a.get("propagated_from", a["image_id"]))) for a in content["annotations"]
    ]
    assert Counter(places) == expected and {source for frame, source in places if frame == 7} == labelled
    for place, annotation in zip(places, content["annotations"]):
        known = {a["track_id"]: a for p, a in zip(places, content["annotations"]) if p == (place[1], place[1])}
        assert annotation["bbox"] == known[annotation["track_id"]]["bbox"]
        assert annotation["area"] == known[annotation["track_id"]]["area"]
        assert set(annotation["keypoints"][2::3]) <= {0, 2}


@pytest.mark.parametrize("kind", KINDS)
def test_labels_that_were_found_again_are_evaluated_against_all_of_them(roots, kind, tmp_path):
    root = roots[kind]
    row = propagate(root, "--every", 7, "--out", tmp_path / "found")
    assert (row["labelled"], row["propagated"], row["unreached"]) == (2, FRAMES - 2, 0)
    command = ["eval", str(tmp_path / "found"), "--gt", str(root / "annotations" / "train")]
    done = CliRunner().invoke(main, command, catch_exceptions=False)
    assert done.exit_code == 0 and "precision" in done.output


@pytest.mark.parametrize("where", ["annotations/propagated", "annotations/train", "posetrack_data/x/y"])
def test_nothing_is_written_among_a_data_sets_annotations(roots, where):
    root = roots["posetrack18"]
    command = ["propagate", str(root), "--checkpoint", "any.pth", "--out", str(root / where)]
    done = CliRunner().invoke(main, command)
    assert done.exception.exit_code == 2 and str(root / "propagated") in str(done.exception)


@pytest.mark.parametrize(
    "change, words",
    [
        ({"annorect": 3}, "annolist[0].annorect is no list"),
        ({"annorect": [{"annopoints": [{"point": 3}]}]}, "annolist[0].annorect[0].annopoints[0].point is no list"),
        ({"annorect": [{"annopoints": [{"point": [{"id": [0]}]}]}]}, "point[0] has no id, x or y"),
        ({"annorect": [{"annopoints": [{"point": [{"id": [15], "x": [1], "y": [1]}]}]}]}, "point[0].id is '15'"),
        ({"annorect": [{"annopoints": [{"point": [{"id": [0], "x": ["a"], "y": [1]}]}]}]}, "point[0].x"),
    ],
)
def test_wrong_labels_of_posetrack17_are_named(roots, tmp_path, change, words):
    [sequence] = discover(roots["posetrack17"], split="train").sequences
    content = json.loads(sequence.annotation.read_text())
    content["annolist"][0] |= change
    path = tmp_path / "labels.json"
    path.write_text(json.dumps(content))
    with pytest.raises(BadInput) as caught:
        read_labels(path, sequence)
    assert words in str(caught.value) and str(path) in str(caught.value)
