"""`ptrack validate` on small data sets in the form of COCO, MPII and PoseTrack, made of rendered people."""

from __future__ import annotations

import json
import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from scipy.io import savemat

from configs.errors import SettingsError
from posedata.errors import BadInput
from posedata.skeletons import COCO_17, MPII_16, POSETRACK_15, POSETRACK_17
from posedata.synthetic import write_posetrack18
from posetrack_cli.main import main
from stages.validate.mpii import read_mpii
from stages.validate.posetrack import posewarper_joints
from stages.validate.subject import read_picture

FUNCTIONS = Path(__file__).parents[1] / "data" / "pose_functions"


@dataclass(frozen=True)
class Done:
    stdout: str
    stderr: str


def ptrack(*arguments: object, cwd: Path, code: int = 0) -> Done:
    """Runs the command in this process, in a folder, and checks its exit code."""
    before = Path.cwd()
    os.chdir(cwd)
    try:
        done = CliRunner().invoke(main, [*map(str, arguments)], standalone_mode=False)
    finally:
        os.chdir(before)
    error = done.exception
    found = 0 if error is None else getattr(error, "exit_code", 2 if isinstance(error, SettingsError) else None)
    assert found == code, f"{error!r}\n{done.output}"
    return Done(done.stdout, str(error or ""))


@pytest.fixture(scope="module")
def posetrack(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("posetrack")
    write_posetrack18(root, seed=3, frames=4, size=(320, 240), people=2)
    return root


@pytest.fixture(scope="module")
def coco(posetrack, tmp_path_factory) -> Path:
    """The same frames as COCO: its joints that PoseTrack annotates, the eyes left out."""
    folder = tmp_path_factory.mktemp("coco")
    source = json.loads(next((posetrack / "annotations").rglob("*.json")).read_text())
    images = [{**image, "width": 320, "height": 240} for image in source["images"]]
    annotations = []
    for number, entry in enumerate(source["annotations"], 1):
        joints = np.array(entry["keypoints"], float).reshape(17, 3)
        joints[1:3] = 0  # the neck and the head's top stand where COCO has the eyes
        area = entry["bbox"][2] * entry["bbox"][3]
        more = {"id": number, "area": area, "iscrowd": 0, "num_keypoints": int((joints[:, 2] > 0).sum())}
        annotations.append({**entry, **more, "keypoints": joints.ravel().tolist(), "category_id": 1})
    content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "person"}]}
    (folder / "val.json").write_text(json.dumps(content))
    (folder / "test.json").write_text(json.dumps({"images": images, "categories": content["categories"]}))
    boxes = [{"image_id": a["image_id"], "category_id": 1, "bbox": a["bbox"], "score": 0.9} for a in annotations]
    (folder / "boxes.json").write_text(json.dumps(boxes))
    return folder


def test_coco_with_the_boxes_of_a_file_and_without_annotations(coco, posetrack, tmp_path):
    files = ("--images", posetrack, "--annotations")
    truth = json.loads(ptrack("validate", *files, coco / "val.json", "--gt-boxes", "--json", cwd=tmp_path).stdout)
    boxes = ("--detections", coco / "boxes.json")
    given = json.loads(ptrack("validate", *files, coco / "val.json", *boxes, "--json", cwd=tmp_path).stdout)
    assert given["images"] == truth["images"] == 4 and 0 < truth["AP"] <= truth["AP50"]
    assert given["AP"] == pytest.approx(truth["AP"], abs=0.05)  # the same boxes
    table = ptrack("validate", *files, coco / "test.json", *boxes, "--out", "results.json", cwd=tmp_path).stdout
    assert "wrote results.json" in table and "AP" not in table
    results = json.loads((tmp_path / "results.json").read_text())
    assert len(results) == given["results"] and set(results[0]) == {"image_id", "category_id", "keypoints", "score"}
    assert len(results[0]["keypoints"]) == 51
    done = ptrack("validate", *files, coco / "test.json", "--gt-boxes", cwd=tmp_path, code=3)
    assert "annotates nobody" in done.stderr
    wrong = ptrack("validate", *files, coco / "val.json", "--detections", coco / "val.json", cwd=tmp_path, code=3)
    assert "is no list of boxes" in wrong.stderr


def test_posetrack_is_scored_by_posevals_rules(posetrack, tmp_path):
    folder = next((posetrack / "annotations").rglob("*.json")).parent
    arguments = ("validate", "--dataset", "posetrack", "--annotations", folder, "--images", posetrack, "--gt-boxes")
    figures = json.loads(ptrack(*arguments, "--out", "found", "--json", cwd=tmp_path).stdout)
    assert figures["frames"] == 4 and 0 < figures["AP"] <= 100
    scored = ptrack("eval", "found", "--gt", folder, "--metrics", "ap", "--json", "-q", cwd=tmp_path)
    assert json.loads(scored.stdout)["ap"]["ap"][-1] == pytest.approx(figures["AP"])
    table = ptrack(*arguments, cwd=tmp_path).stdout
    assert "Ankl" in table and f"{figures['AP']:.1f}" in table


@pytest.fixture(scope="module")
def mpii(posetrack, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("mpii")
    source = json.loads(next((posetrack / "annotations").rglob("*.json")).read_text())
    names = {image["id"]: image["file_name"] for image in source["images"]}
    entries, positions, missing, heads = [], [], [], []
    for entry in source["annotations"]:
        given = np.array(entry["keypoints"], float).reshape(17, 3)
        joints, seen = np.zeros((16, 2)), np.zeros(16)
        for row, joint in enumerate(MPII_16.joints):
            if joint in POSETRACK_17.joints:
                joints[row] = given[POSETRACK_17.joints.index(joint), :2] + 1
                seen[row] = given[POSETRACK_17.joints.index(joint), 2] > 0
        x, y, width, height = entry["bbox"]
        centre, scale = [x + width / 2 + 1, y + height / 2 + 1], max(width, height) / 200
        entries.append({"image": names[entry["image_id"]], "center": centre, "scale": scale})
        entries[-1] |= {"joints": joints.tolist(), "joints_vis": seen.tolist()}
        positions.append(joints)
        missing.append(1 - seen)
        heads.append([[x, y], [x + height / 8, y + height / 8]])
    (folder / "valid.json").write_text(json.dumps(entries))
    arrays = {"pos_gt_src": np.array(positions).transpose(1, 2, 0), "jnt_missing": np.array(missing).T}
    savemat(folder / "gt_valid.mat", {**arrays, "headboxes_src": np.array(heads).transpose(1, 2, 0)})
    return folder


def test_mpii_gives_pckh(mpii, posetrack, tmp_path):
    arguments = ("validate", "--dataset", "mpii", "--annotations", mpii / "valid.json", "--images", posetrack)
    figures = json.loads(ptrack(*arguments, "--gt-boxes", "--json", cwd=tmp_path).stdout)
    assert 0 < figures["PCKh@0.1"] <= figures["PCKh"] <= 100 and figures["people"] == 8
    table = ptrack(*arguments, "--gt-boxes", cwd=tmp_path).stdout
    assert "Shoulder" in table and f"{figures['PCKh']:.3f}" in table
    assert "use --gt-boxes" in ptrack(*arguments, "--own-boxes", cwd=tmp_path, code=2).stderr
    (tmp_path / "valid.json").write_text("[{}]")
    wrong = (*arguments[:3], "--annotations", tmp_path / "valid.json", "--mat", mpii / "gt_valid.mat")
    assert "is not in MPII's form" in ptrack(*wrong, "--images", posetrack, "--gt-boxes", cwd=tmp_path, code=3).stderr
    os.mkfifo(tmp_path / "pipe.mat")
    piped = ptrack(*arguments, "--gt-boxes", "--mat", tmp_path / "pipe.mat", cwd=tmp_path, code=3)
    assert "pipe.mat: is not a regular file" in piped.stderr


@pytest.mark.parametrize(
    "arguments, words",
    [
        ((), "choose one of --gt-boxes, --own-boxes and --detections"),
        (("--gt-boxes", "--own-boxes"), "choose one of"),
        (("simplepose", "--gt-boxes"), "finds people by itself"),
        (("simplepose",), "--checkpoint FILE"),
    ],
)
def test_boxes_come_from_one_place(coco, posetrack, tmp_path, arguments, words):
    files = ("--annotations", coco / "val.json", "--images", posetrack)
    assert words in ptrack("validate", *arguments, *files, cwd=tmp_path, code=2).stderr


def test_mpiis_people_as_published(tmp_path):
    content = json.loads((FUNCTIONS / "mpii_db.json").read_text())
    arrays = np.load(FUNCTIONS / "mpii_db.npz")
    (tmp_path / "valid.json").write_text(json.dumps(content["annotations"]))
    people = read_mpii(tmp_path / "valid.json")
    np.testing.assert_allclose(people.centre, arrays["center"], atol=1e-6)
    np.testing.assert_allclose(people.scale, arrays["scale"], atol=1e-9)
    np.testing.assert_allclose(people.joints, arrays["joints"][..., :2], atol=1e-6)
    np.testing.assert_array_equal(people.visible, arrays["vis"][..., 0] > 0)


def test_posewarpers_fifteen_joints_as_published():
    content = json.loads((FUNCTIONS / "posewarper_to_posetrack.json").read_text())
    poses = np.load(FUNCTIONS / "posewarper_to_posetrack.npz")["poses"]
    order = [POSETRACK_17.joints.index(joint) for joint in POSETRACK_15.joints]
    result = content["results"][0]
    keypoints, scores = posewarper_joints(
        poses[0, :, :2].transpose(0, 2, 1), poses[0, :, 2], np.array(result["box_scores"])
    )
    for person, entry in enumerate(result["annorect"]):
        expected = [[p["x"][0], p["y"][0], p["score"][0]] for p in entry["annopoints"][0]["point"]]
        np.testing.assert_allclose(np.c_[keypoints[person], scores[person]][order], expected, atol=1e-9)


def test_annotations_are_of_the_pixels_as_stored(coco, posetrack, tmp_path):
    """A picture whose EXIF wants it turned is not turned: its annotations were not."""
    source = json.loads((coco / "val.json").read_text())
    image = source["images"][0]
    picture = cv2.imread(str(posetrack / image["file_name"]))
    data = cv2.imencode(".jpg", picture)[1].tobytes()
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    turned = data[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + data[2:]
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.jpg").write_bytes(turned)
    assert cv2.imread(str(tmp_path / "images" / "a.jpg")).shape[:2] == (320, 240)
    source["annotations"] = [a for a in source["annotations"] if a["image_id"] == image["id"]]
    source["images"] = [{**image, "file_name": "a.jpg"}]
    (tmp_path / "val.json").write_text(json.dumps(source))
    arguments = ("--annotations", "val.json", "--images", "images", "--gt-boxes", "--json")
    assert json.loads(ptrack("validate", *arguments, cwd=tmp_path).stdout)["AP50"] > 0


def _changed(coco: Path, change) -> dict:
    content = json.loads((coco / "val.json").read_text())
    content["categories"][0]["keypoints"] = list(COCO_17.joints)
    change(content)
    return content


def _backwards(content: dict) -> None:
    """The joints in another order, with two that COCO does not have, of category 7 beside one of dogs."""
    names = [*COCO_17.joints, "head_bottom", "head_top"]
    content["categories"] = [{"id": 1, "name": "dog"}, {"id": 7, "name": "person", "keypoints": names[::-1]}]
    for entry in content["annotations"]:
        entry["category_id"] = 7
        triplets = np.array([*entry["keypoints"], 5, 5, 2, 6, 6, 2]).reshape(19, 3)
        entry |= {"keypoints": triplets[::-1].ravel().tolist(), "num_keypoints": entry["num_keypoints"] + 2}
    content["annotations"].append({"category_id": 1, "image_id": content["images"][0]["id"], "bbox": [0, 0, 9, 9]})


def test_joints_are_taken_by_name_and_people_by_their_category(coco, posetrack, tmp_path):
    (tmp_path / "other.json").write_text(json.dumps(_changed(coco, _backwards)))
    arguments = ("--images", posetrack, "--gt-boxes", "--json", "--annotations")
    one = json.loads(ptrack("validate", *arguments, coco / "val.json", cwd=tmp_path).stdout)
    other = json.loads(ptrack("validate", *arguments, "other.json", "--out", "found.json", cwd=tmp_path).stdout)
    assert other == one
    assert {entry["category_id"] for entry in json.loads((tmp_path / "found.json").read_text())} == {7}


def _first(part: str, **change):
    return lambda content: content[part][0].update(change)


@pytest.mark.parametrize(
    "change, words",
    [
        (_first("categories", keypoints=list(POSETRACK_17.joints)), "categories[0].keypoints lacks left_eye"),
        (_first("categories", id="1"), "categories[0].id is '1'"),
        (lambda c: c["categories"].append({"id": 1, "name": "person"}), "categories[1].id is 1 like another's"),
        (lambda c: c["categories"].append({"id": 2, "name": "person"}), "2 are named person"),
        (lambda c: c.pop("categories"), "no list 'categories'"),
        (_first("annotations", area="big"), "annotations[0].area: area is 'big'"),
        (_first("annotations", keypoints=[1, 2, 2] * 19), "annotations[0].keypoints"),
        (
            lambda c: c["annotations"][1].pop("num_keypoints"),
            "annotations[1].num_keypoints: num_keypoints is missing",
        ),
        (_first("annotations", iscrowd=[0]), "iscrowd is [0]"),
        (_first("annotations", iscrowd="no"), "iscrowd is 'no'"),
        (_first("annotations", category_id="1"), "annotations[0].category_id is '1'"),
        (_first("annotations", bbox=[0, 0, 1e300, 1]), "annotations[0].bbox holds a number beyond"),
        (lambda c: c["images"].append(c["images"][0]), "like that of images[0]"),
        (_first("images", id=[0]), "images[0].id is '[0]'"),
        (_first("images", file_name=3), "images[0].file_name is '3'"),
        (lambda c: c.update(images=None), "no list 'images'"),
        (lambda c: c.update(images=3), "no list 'images'"),
        (lambda c: [a.update(image_id=-5) for a in c["annotations"]], "is on one of its images"),
    ],
)
@pytest.mark.parametrize("boxes", ["given", "file"])
def test_wrong_truth_is_told_before_the_pictures_are_looked_at(coco, tmp_path, change, words, boxes):
    (tmp_path / "val.json").write_text(json.dumps(_changed(coco, change)))
    chosen = ("--gt-boxes",) if boxes == "given" else ("--detections", coco / "boxes.json")
    done = ptrack("validate", *chosen, "--annotations", "val.json", "--images", "nowhere", cwd=tmp_path, code=3)
    assert words in done.stderr and done.stderr.startswith("val.json") and "\n" not in done.stderr


@pytest.mark.parametrize(
    "change, words",
    [
        ({"center": [None, 2]}, "[1].center is no list of numbers"),
        ({"center": [1]}, "[1].center has 1 numbers"),
        ({"scale": None}, "[1].scale is no list of numbers"),
        ({"scale": 1e300}, "[1].scale holds a number beyond"),
        ({"scale": 0}, "[1].scale is 0"),
        ({"joints": [[1, 2]]}, "[1].joints is no list of MPII's 16"),
        ({"joints": [[1, 2]] * 15 + [[1, "2"]]}, "[1].joints[15] is no list of numbers"),
        ({"image": 3}, "[1] is not in MPII's form"),
    ],
)
def test_mpiis_wrong_entries_are_named(mpii, tmp_path, change, words):
    content = json.loads((mpii / "valid.json").read_text())
    content[1] |= change
    (tmp_path / "valid.json").write_text(json.dumps(content))
    with pytest.raises(BadInput) as caught:
        read_mpii(tmp_path / "valid.json")
    assert f"valid.json: {words}" in str(caught.value)


@pytest.mark.parametrize("out", [".", "file/x/found.json", "x" * 300])
def test_a_place_that_cannot_be_written_is_told_first(coco, tmp_path, out):
    (tmp_path / "file").write_text("")
    files = ("--annotations", coco / "val.json", "--images", "nowhere")
    done = ptrack("validate", *files, "--gt-boxes", "--out", out, cwd=tmp_path, code=2)
    assert done.stderr.startswith(f"--out {out}: ") and ".part" not in done.stderr


def test_figures_are_printed_before_the_results_are_written(coco, posetrack, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("posetrack_cli.validate.write_atomically", full)
    files = ("--annotations", coco / "val.json", "--images", posetrack)
    done = ptrack("validate", *files, "--gt-boxes", "--out", "found.json", cwd=tmp_path, code=2)
    assert "AP .75" in done.stdout and "--out found.json: cannot be written (No space left" in done.stderr


def test_pictures_that_would_hang_or_break_the_decoder_are_unreadable(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    header = b"IHDR" + struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    (tmp_path / "huge.png").write_bytes(data)
    for name in ("pipe.png", "huge.png", "nothing.png"):
        with pytest.raises(BadInput, match=f"{name}: cannot be read as a picture"):
            read_picture(tmp_path / name, "image 1")
