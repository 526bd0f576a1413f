"""Rendered training sets, as the training stages read them."""

from __future__ import annotations

from functools import partial

import cv2
import numpy as np
import orjson
import pytest

from posedata.errors import UsageError
from posedata.skeletons import PTRACK_19
from posedata.synthetic import random_crowd, random_person, write_training_set

COUNT = 12
RENDER = {
    "pose": random_person,
    "detector": random_crowd,
    "group": partial(random_crowd, size=(320, 320), people=(1, 4), heights=(0.4, 0.8)),
}


@pytest.fixture(scope="module", params=list(RENDER))
def training_set(request, tmp_path_factory):
    root = tmp_path_factory.mktemp(request.param)
    return request.param, write_training_set(root, request.param, COUNT, seed=5)


def contents(path):
    return orjson.loads(path.read_bytes())


def test_every_picture_is_there_with_its_size(training_set):
    kind, path = training_set
    images = contents(path)["images"]
    assert path.name == "train.json"
    assert [image["id"] for image in images] == list(range(COUNT))
    for image in images:
        picture = cv2.imread(str(path.parent / image["file_name"]))
        assert picture.shape == (image["height"], image["width"], 3)
        assert image["source"] == "rendered"
        assert kind != "pose" or max(picture.shape) <= 256


def test_annotations_are_the_rendered_truth(training_set):
    kind, path = training_set
    content = contents(path)
    assert [c["keypoints"] for c in content["categories"]] == [list(PTRACK_19.joints)]
    assert [a["id"] for a in content["annotations"]] == list(range(len(content["annotations"])))
    for number in range(COUNT):
        frame = RENDER[kind](np.random.default_rng((5, number)))
        rows = [a for a in content["annotations"] if a["image_id"] == number]
        assert len(rows) == (1 if kind == "pose" else len(frame))  # the others of a pose picture disturb only
        for row, annotation in enumerate(rows):
            points = np.array(annotation["keypoints"]).reshape(-1, 3)
            known = ~frame.covered[row] if kind == "group" else True  # what somebody else hides is not labelled
            assert points[:, 2].tolist() == (frame.visibility[row] * known).tolist()
            seen = points[:, 2] > 0
            np.testing.assert_allclose(points[seen, :2], frame.keypoints[row][seen], atol=0.051)
            assert not points[~seen].any()
            assert annotation["num_keypoints"] == seen.sum()
            x, y, width, height = annotation["bbox"]
            np.testing.assert_allclose([x, y, x + width, y + height], frame.boxes[row], atol=0.11)


def test_who_is_almost_hidden_need_not_be_found(training_set):
    kind, path = training_set
    crowd = [bool(a["iscrowd"]) for a in contents(path)["annotations"]]
    if kind == "pose":
        assert not any(crowd)
        return
    frames = [RENDER[kind](np.random.default_rng((5, number))) for number in range(COUNT)]
    assert crowd == [bool(f < 0.25) for frame in frames for f in frame.visible_fraction]
    assert any(crowd) and not all(crowd)


def test_the_pose_training_reads_everybody_who_can_be_seen(training_set):
    pytest.importorskip("torch")
    from configs.training import Phase, PoseTraining, TrainingSet
    from stages.train.pose_data import read_people

    _, path = training_set
    source = TrainingSet(annotations=path)
    settings = PoseTraining(train=(source,), val=source, phases=(Phase(size=(64, 48), samples=1, batch=1),))
    people = read_people(source, PTRACK_19, settings, print)
    labelled = [a for a in contents(path)["annotations"] if a["num_keypoints"] and not a["iscrowd"]]
    assert [int((p.weights > 0).sum()) for p in people] == [a["num_keypoints"] for a in labelled]
    assert {p.source for p in people} == {"rendered"}


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(tmp_path):
    roots = {name: write_training_set(tmp_path / name, "pose", 2, seed).parent for name, seed in
             (("once", 1), ("again", 1), ("other", 2))}  # fmt: skip
    files = {name: [p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()] for name, root in roots.items()}
    assert len(files["once"]) == 3
    assert files["once"] == files["again"]
    assert all(a != b for a, b in zip(files["once"], files["other"]))


def test_an_empty_set_is_legal(tmp_path):
    content = contents(write_training_set(tmp_path, "detector", 0, seed=0))
    assert content["images"] == [] and content["annotations"] == []


def test_an_unknown_kind_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(UsageError, match=r"'poes' .* pose, detector, group"):
        write_training_set(tmp_path / "set", "poes", 1, seed=0)
    assert not (tmp_path / "set").exists()
