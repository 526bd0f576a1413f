"""Labels moved to the frames around: which frames, by which label, and what is written."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from small_models import small_model

from configs.models import find_model
from posedata.errors import BadInput, UsageError
from posedata.formats.labels import FrameLabels, read_labels, write_labels
from posedata.formats.posetrack18 import read_people
from posedata.sequences import discover
from posedata.skeletons import COCO_17, POSETRACK_17
from posedata.synthetic import write_posetrack18
from posedata.video import open_sequence
from posetrack_cli.propagate import propagate_command
from stages.device import Runtime
from stages.pose.networks import create
from stages.train.propagation import Propagator, chosen_labels, propagate, sources

ENTRY = small_model((384, 288), "posewarper_pair", "posetrack-17")


class Shifting(torch.nn.Module):
    """Warps every map by whole cells to the right, whatever it sees."""

    def __init__(self, cells: int) -> None:
        super().__init__()
        self.cells = cells

    def heatmaps(self, crops: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.avg_pool2d(crops, 4).mean(dim=1, keepdim=True).expand(-1, 17, -1, -1)

    def warp(self, difference: torch.Tensor, maps: torch.Tensor) -> torch.Tensor:
        return maps.roll(self.cells, dims=3)


def propagator(cells: int = 0) -> Propagator:
    return Propagator(Shifting(cells), ENTRY, Runtime(torch.device("cpu"), False, 4))


@pytest.mark.parametrize(
    "labelled, expected",
    [
        (range(30), [3, 10, 17, 24, 29]),  # the last is beyond three frames of the 24th
        (range(28), [3, 10, 17, 24]),
        ([*range(8), *range(50, 60)], [3, 7, 53, 59]),
        ([5, 6], [6]),  # a run too short for the published rule
        ([*range(5), 9], [3, 9]),
    ],
)
def test_labels_that_are_kept_to_try_it_out(labelled, expected):
    assert chosen_labels(labelled, every=7) == expected


def test_each_frame_takes_the_nearest_label_and_of_two_the_earlier():
    assert sources(range(12), [2, 6]) == {0: 2, 1: 2, 3: 2, 4: 2, 5: 6, 7: 6, 8: 6, 9: 6}
    assert sources(range(4), [], 3) == {}
    assert sources(range(5), [0], 9) == {1: 0, 2: 0, 3: 0, 4: 0}


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("posetrack")
    write_posetrack18(folder, seed=3, frames=9, size=(320, 240), people=2)
    return folder


def test_poses_stay_where_the_warp_leaves_them_and_move_with_it(root, tmp_path):
    sequence = discover(root).sequences[0]
    labels = read_labels(sequence.annotation, sequence)
    assert set(labels.people) == set(range(9))
    given = {4: labels.people[4]}
    moved = {}
    for cells in (0, 2):
        with open_sequence(sequence) as frames:
            found = list(propagate(frames, given, sources(labels.frames, given).items(), propagator(cells)))
        assert [(frame, source) for frame, source, _, _ in found] == [(f, 4) for f in (1, 2, 3, 5, 6, 7)]
        moved[cells] = {frame: (source, people, scores) for frame, source, people, scores in found}
    (_, still, scores), (_, shifted, _) = moved[0][3], moved[2][3]
    seen = still.visible & shifted.visible
    width = (given[4].boxes[:, 2:] - given[4].boxes[:, :2]).max(axis=1, keepdims=True)
    assert seen.any() and (scores[still.visible] > 0.2).all() and not (still.visible & ~given[4].visible).any()
    off = np.abs(still.keypoints - given[4].keypoints)[seen]
    assert off.max() < width.max() * 1.25 / 72  # less than a cell
    step = (shifted.keypoints - still.keypoints)[seen]
    assert (step[:, 0] > 0).all() and np.abs(step[:, 1]).max() < 1e-3
    np.testing.assert_array_equal(still.track_ids, given[4].track_ids)

    rows = [(frame, *rest) for frame, rest in moved[0].items()]
    count = write_labels(tmp_path / "labels.json", labels, given, rows)
    content = json.loads((tmp_path / "labels.json").read_text())
    assert count == len(content["annotations"]) == 2 * 7
    assert [i["is_labeled"] for i in content["images"]] == [False, *[True] * 7, False]
    ids = [image["id"] for image in content["images"]]
    added = [a for a in content["annotations"] if "propagated_from" in a]
    assert {a["propagated_from"] for a in added} == {ids[4]} and len(added) == 12
    assert len(read_people(tmp_path / "labels.json")) == 9  # other readers take it
    again = read_labels(tmp_path / "labels.json", sequence)
    np.testing.assert_allclose(again.people[4].keypoints[given[4].visible], given[4].keypoints[given[4].visible])


@pytest.mark.parametrize("size, cells", [((384, 288), 3), ((128, 96), 1)])
def test_labels_are_as_wide_for_every_size_of_crop_as_the_published_size_has_them(size, cells):
    class Remembering(Shifting):
        def warp(self, difference, maps):
            self.maps = maps
            return maps

    network = Remembering(0)
    moving = Propagator(network, ENTRY.model_copy(update={"input": size}), Runtime(torch.device("cpu"), False, 4))
    joints, visible = np.full((1, 17, 2), 50.0, np.float32), np.ones((1, 17), bool)
    labels = FrameLabels(np.array([[20, 20, 80, 80]], np.float32), joints, visible, np.zeros(1, np.int64), np.ones(1))
    image = np.zeros((100, 100, 3), np.uint8)
    moving.move(labels, image, image)
    [row] = np.unique(moving.network.maps[0].amax(dim=1).numpy(), axis=0)
    peak = int(row.argmax())
    assert row[peak] == 1 and row[peak + cells] == pytest.approx(np.exp(-0.5))  # a standard deviation away


def test_labels_of_a_video_name_their_frames(root, tmp_path):
    sequence = discover(root).sequences[0]
    content = json.loads(sequence.annotation.read_text())
    content["images"] = content["images"][2:5]
    path = tmp_path / "some.json"
    path.write_text(json.dumps(content))
    assert read_labels(path, sequence).frames == (2, 3, 4)


@pytest.mark.parametrize(
    "change, words",
    [
        ({"annotations": 3}, "no lists 'images' and 'annotations', nor 'annolist'"),
        ({"images": [{"id": 1}]}, "images[0] lacks"),
        ({"images": [{"id": 1, "file_name": "elsewhere.jpg"}]}, "'elsewhere.jpg') is no frame of"),
        ({"annotations": [{"image_id": "a"}]}, "annotations[0].image_id"),
        ({"annotations": [{"image_id": 1, "category_id": "1"}]}, "annotations[0].category_id is '1'"),
        ({"categories": [{"id": 1, "keypoints": ["tail"]}]}, "categories[0].keypoints names none of"),
        ({"categories": [{"id": 1, "keypoints": ["nose"] * 17}]}, "categories[0].keypoints names 'nose' twice"),
        ({"images": [{"id": 1, "frame": f, "file_name": "a"} for f in (0, 1)]}, "images[1].id is 1 like another"),
    ],
)
def test_wrong_labels_are_named(root, tmp_path, change, words):
    sequence = discover(root).sequences[0]
    path = tmp_path / "labels.json"
    path.write_text(json.dumps(json.loads(sequence.annotation.read_text()) | change))
    with pytest.raises(BadInput) as caught:
        read_labels(path, sequence)
    assert words in str(caught.value) and str(path) in str(caught.value)


def test_joints_are_taken_by_their_names(root, tmp_path):
    sequence = discover(root).sequences[0]
    content = json.loads(sequence.annotation.read_text())
    expected = read_labels(sequence.annotation, sequence).people
    content["categories"] = [{"id": 3, "name": "person", "keypoints": list(COCO_17.joints)}, {"id": 1, "name": "dog"}]
    for entry in content["annotations"]:
        named = dict(zip(POSETRACK_17.joints, np.array(entry["keypoints"]).reshape(17, 3).tolist()))
        triplets = [named.get(joint, [7, 7, 2]) for joint in COCO_17.joints]
        entry |= {"keypoints": np.ravel(triplets).tolist(), "category_id": 3}
    content["annotations"].append({"image_id": content["images"][0]["id"], "category_id": 1})
    path = tmp_path / "labels.json"
    path.write_text(json.dumps(content))
    labels = read_labels(path, sequence)
    write_labels(tmp_path / "written.json", labels, labels.people, [])
    for found in (labels.people, read_labels(tmp_path / "written.json", sequence).people):
        for frame, people in found.items():
            assert not people.visible[:, 1:3].any()  # the neck and the head's top, which COCO does not have
            there = people.visible
            assert np.array_equal(there[:, 3:], expected[frame].visible[:, 3:]) and there.any()
            np.testing.assert_allclose(people.keypoints[there], expected[frame].keypoints[there], atol=1e-3)


def test_a_track_id_beyond_64_bits_is_named(root, tmp_path):
    sequence = discover(root).sequences[0]
    content = json.loads(sequence.annotation.read_text())
    content["annotations"][0]["track_id"] = 2**63
    (tmp_path / "labels.json").write_text(json.dumps(content))
    with pytest.raises(BadInput, match=r"annotations\[0\]\.track_id is 9223372036854775808"):
        read_labels(tmp_path / "labels.json", sequence)


@pytest.fixture
def clip(root, tmp_path) -> Path:
    """A folder of frames with labels of the fourth alone, and a checkpoint."""
    sequence = discover(root).sequences[0]
    (tmp_path / "clip").mkdir()
    for frame in sequence.frames:
        shutil.copy(frame.path, tmp_path / "clip" / frame.path.name)
    content = json.loads(sequence.annotation.read_text())
    fourth = content["images"][3]["id"]
    content["annotations"] = [a for a in content["annotations"] if a["image_id"] == fourth]
    for image in content["images"]:
        image |= {"is_labeled": image["id"] == fourth, "file_name": Path(image["file_name"]).name}
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "clip.json").write_text(json.dumps(content))
    entry = find_model("posewarper-small", "pose")
    torch.save(create(entry.architecture, **entry.options).state_dict(), tmp_path / "w.pt")
    return tmp_path


def moved(folder: Path, out: str):
    words = [folder / "clip", "--annotations", folder / "labels" / "clip.json", "--out", folder / out]
    model = ("--model", "posewarper-small", "--checkpoint", folder / "w.pt", "--json")
    return CliRunner().invoke(propagate_command, [str(word) for word in (*words, *model)], standalone_mode=False)


def test_frames_without_pictures_are_named(clip):
    for place in (3, 5):
        sorted((clip / "clip").iterdir())[place].write_bytes(b"no picture")
    done = moved(clip, "out")
    assert json.loads(done.stdout)["sequences"][0]["propagated"] == 0
    first, second = done.stderr.splitlines()
    assert "clip: frame 3 is labelled but has no picture" in first and "frame 5 is listed but has no" in second


@pytest.mark.parametrize(
    "out, words", [("labels", "clip.json are the labels themselves"), ("w.pt/out", "cannot be written (")]
)
def test_places_where_nothing_may_be_written_are_refused_first(clip, out, words):
    before = (clip / "labels" / "clip.json").read_bytes()
    error = moved(clip, out).exception
    assert isinstance(error, UsageError) and words in str(error) and str(error).startswith(f"--out {clip / out}: ")
    assert (clip / "labels" / "clip.json").read_bytes() == before


def test_a_person_needs_all_seventeen_joints(root, tmp_path):
    sequence = discover(root).sequences[0]
    content = json.loads(sequence.annotation.read_text())
    content["annotations"][0]["keypoints"] = [1, 2, 2]
    path = tmp_path / "labels.json"
    path.write_text(json.dumps(content))
    with pytest.raises(BadInput, match=r"annotations\[0\]\.keypoints has 3 numbers"):
        read_labels(path, sequence)


def test_nobody_is_moved_nowhere():
    nobody = FrameLabels(
        np.zeros((0, 4)), np.zeros((0, 17, 2)), np.zeros((0, 17), bool), np.zeros(0, np.int64), np.zeros(0)
    )
    image = np.zeros((40, 40, 3), np.uint8)
    people, scores = propagator().move(nobody, image, image)
    assert len(people) == 0 and scores.shape == (0, 17)
