"""Poses that a user brings, in every form, matched to the frames of the source."""

import json
from pathlib import Path

import numpy as np
import pytest

from posedata.errors import BadInput
from posedata.formats.poses import read_poses
from posedata.sequences import FrameRef, Sequence
from posedata.skeletons import COCO_17, POSETRACK_15, POSETRACK_17

POINTS = np.arange(51, dtype=float).reshape(17, 3) + 1
POINTS[:, 2] = 0.5


@pytest.fixture
def source(tmp_path) -> tuple[Sequence, ...]:
    """A sequence of three annotated frames, and one of two numbered images."""
    names = [f"images/val/000001_mpii_test/{f:06d}.jpg" for f in range(3)]
    truth = tmp_path / "truth" / "000001_mpii_test.json"
    truth.parent.mkdir()
    images = [{"file_name": n, "id": 100 + f} for f, n in enumerate(names)]
    truth.write_text(json.dumps({"images": images, "annotations": []}))
    refs = tuple(FrameRef(Path("/data") / n, n) for n in names)
    plain = tuple(FrameRef(Path(f"/data/coco/{n}.jpg"), f"{n}.jpg") for n in ("000000000007", "000000000009"))
    return (
        Sequence("000001_mpii_test", Path("/data/images/val/000001_mpii_test"), refs, truth, 25.0),
        Sequence("coco", Path("/data/coco"), plain, None, 25.0),
    )


def save(folder: Path, name: str, content: object) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps(content))
    return folder / name


def posetrack18(**person: object) -> dict[str, object]:
    entry = {"image_id": 101, "track_id": 7, "bbox": [10, 20, 30, 40], "score": 0.9, **person}
    names = [f"images/val/000001_mpii_test/{f:06d}.jpg" for f in range(3)]
    return {
        "images": [{"file_name": n, "id": 100 + f} for f, n in enumerate(names)],
        "annotations": [{"keypoints": POINTS.ravel().tolist(), **entry}],
        "categories": [{"keypoints": POSETRACK_17.joints}],
    }


def test_posetrack18_poses_keep_joints_scores_and_box(tmp_path, source):
    scores = np.linspace(0, 1, 17).tolist()
    save(tmp_path / "poses", "000001_mpii_test.json", posetrack18(scores=scores))
    given = read_poses(tmp_path / "poses", source)
    people = given.frames["000001_mpii_test"][1]
    assert given.skeleton is POSETRACK_17 and list(given.frames["000001_mpii_test"]) == [1] and not given.warnings
    np.testing.assert_allclose(people.keypoint_scores[0], scores, atol=1e-6)
    np.testing.assert_array_equal(people.keypoints[0, 1:], POINTS[1:, :2])
    assert people.keypoints[0, 0].tolist() == [0, 0], "a joint of score 0 is not there"
    assert people.boxes.tolist() == [[10, 20, 40, 60]] and people.person_scores.tolist() == [np.float32(0.9)]
    assert people.track_ids is None, "identities in the file are left aside"


@pytest.mark.parametrize("scores", [None, []])
def test_annotated_poses_have_sure_joints_and_a_box_around_them(tmp_path, source, scores):
    visible = POINTS.copy()
    visible[:, 2] = 1
    visible[3] = 0
    person = posedata_without_box(visible, scores)
    people = read_poses(save(tmp_path, "p.json", person), source).frames["000001_mpii_test"][1]
    assert people.keypoint_scores[0].tolist() == [1, 1, 1, 0, *[1] * 13]
    assert people.boxes[0, 0] < 1 and people.boxes[0, 2] > 49, "15 % longer than the joints reach"


def posedata_without_box(points: np.ndarray, scores: object) -> dict[str, object]:
    content = posetrack18(keypoints=points.ravel().tolist(), scores=scores)
    for name in ("bbox", "score"):
        del content["annotations"][0][name]
    return content


def test_posetrack17_poses(tmp_path, source):
    points = [{"id": [j], "x": [10.0 + j], "y": [20.0 + 2 * j], "score": [0.5]} for j in range(13)]
    name = "images/val/000001_mpii_test/000002.jpg"
    rect = {"track_id": [3], "score": [0.8], "annopoints": [{"point": points}]}
    content = {"annolist": [{"image": [{"name": name}], "imgnum": [3], "annorect": [rect]}]}
    given = read_poses(save(tmp_path, "000001_mpii_test.json", content), source)
    people = given.frames["000001_mpii_test"][2]
    assert given.skeleton is POSETRACK_15
    assert people.keypoints[0, 12].tolist() == [22, 44] and people.keypoint_scores[0, 13:].tolist() == [0, 0]


def test_coco_results_are_placed_by_image_number(tmp_path, source):
    entries = [
        {"image_id": image, "category_id": 1, "keypoints": POINTS.ravel().tolist(), "score": 0.6}
        for image in (7, 9, 8)
    ]
    given = read_poses(save(tmp_path, "results.json", entries), source)
    assert given.skeleton is COCO_17 and sorted(given.frames["coco"]) == [0, 1]
    assert len(given.warnings) == 1 and "1 poses left out" in given.warnings[0]


@pytest.mark.parametrize(
    "change, words",
    [
        ({"keypoints": [1.0] * 50}, ["annotations[0].keypoints", "50 numbers"]),
        ({"keypoints": None}, ["annotations[0]", "no keypoints"]),
        ({"scores": [0.5] * 3}, ["annotations[0].scores", "3 numbers"]),
        ({"scores": [float("nan")] * 17}, ["p.json", "NaN"]),
        ({"score": "high"}, ["annotations[0].score", "high"]),
        ({"image_id": 999}, ["none of its 1 poses", "p.json"]),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path, source, change, words):
    path = save(tmp_path, "p.json", posetrack18(**change))
    with pytest.raises(BadInput) as error:
        read_poses(path, source)
    assert all(word.lower() in str(error.value).lower() for word in words), error.value


def test_files_of_two_skeletons_do_not_go_together(tmp_path, source):
    save(tmp_path / "poses", "a.json", posetrack18())
    save(tmp_path / "poses", "b.json", [])
    with pytest.raises(BadInput, match="coco-17"):
        read_poses(tmp_path / "poses", source)


@pytest.mark.parametrize("content", [{}, 3, {"images": [], "categories": [{"keypoints": ["nose", "tail"]}]}])
def test_other_files_are_refused(tmp_path, source, content):
    with pytest.raises(BadInput, match=r"p\.json"):
        read_poses(save(tmp_path, "p.json", content), source)
