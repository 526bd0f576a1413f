"""People cut out of labelled crops: what of a picture is taken, and the sets that are composed of them."""

import json
from functools import partial

import cv2
import numpy as np
import pytest

from configs.errors import SettingsError
from configs.training import PoseTraining, TrainingSet
from configs.training_presets import training_settings
from posedata.errors import BadInput
from posedata.skeletons import PTRACK_19
from posedata.synthetic.training_set import write_training_set
from stages.train.cutouts import outline, random_sprite, read_cutouts
from stages.train.pose_data import read_people
from stages.train.rendered import made_sets

STANDING = {
    "head_top": (50, 12), "head_bottom": (50, 30), "nose": (50, 22), "left_eye": (52, 19), "right_eye": (48, 19),
    "left_ear": (55, 20), "right_ear": (45, 20), "left_shoulder": (62, 34), "right_shoulder": (38, 34),
    "left_elbow": (68, 55), "right_elbow": (32, 55), "left_wrist": (70, 75), "right_wrist": (30, 75),
    "left_hip": (58, 76), "right_hip": (42, 76), "left_knee": (59, 105), "right_knee": (41, 105),
    "left_ankle": (60, 135), "right_ankle": (40, 135),
}  # fmt: skip
RED = (220, 20, 20)


@pytest.fixture
def labelled(tmp_path):
    """One picture that is red all over, of a person standing, and one of somebody without legs."""
    cv2.imwrite(str(tmp_path / "red.png"), np.full((150, 100, 3), RED[::-1], np.uint8))
    joints = np.array([(*STANDING[name], 2) for name in PTRACK_19.joints], float)
    legless = joints.copy()
    legless[[PTRACK_19.joints.index(f"{side}_ankle") for side in ("left", "right")]] = 0
    annotation = {"category_id": 1, "bbox": [28, 10, 45, 130], "iscrowd": 0}
    content = {
        "images": [{"id": n, "file_name": "red.png", "width": 100, "height": 150, "source": "made"} for n in (0, 1)],
        "annotations": [
            {**annotation, "id": n, "image_id": n, "keypoints": points.reshape(-1).tolist()}
            for n, points in enumerate((joints, legless))
        ],
        "categories": [{"id": 1, "name": "person", "keypoints": list(PTRACK_19.joints)}],
    }
    (tmp_path / "train.json").write_text(json.dumps(content))
    return TrainingSet(annotations=tmp_path / "train.json")


def changed(labelled: TrainingSet, change) -> TrainingSet:
    content = json.loads(labelled.annotations.read_text())
    change(content)
    labelled.annotations.write_text(json.dumps(content))
    return labelled


def test_only_who_has_all_limbs_labelled_is_cut_out(labelled):
    [person] = read_cutouts(labelled, print)
    assert person.stands
    with pytest.raises(BadInput, match=r"train\.json: holds nobody with neck, crown and all limbs"):
        read_cutouts(changed(labelled, lambda content: content["annotations"].pop(0)), print)


def test_nobody_whose_joints_all_lie_in_one_place_is_cut_out(labelled):
    in_one_place = changed(labelled, lambda content: content["annotations"][0].update(keypoints=[50, 50, 2] * 19))
    with pytest.raises(BadInput, match="holds nobody"):
        read_cutouts(in_one_place, print)


def test_a_label_of_another_length_is_named(labelled):
    broken = changed(labelled, lambda content: content["annotations"][1].update(keypoints=[1, 2, 3]))
    with pytest.raises(BadInput, match=r"train\.json: annotation 1: wrong or missing keypoints"):
        read_cutouts(broken, print)


def test_the_outline_holds_the_body_and_leaves_the_rest():
    points = np.array([STANDING[name] for name in PTRACK_19.joints], float)
    mask = outline(points, (100, 150))
    x, y = points.astype(int).T
    assert (mask[y, x] > 0.5).all()
    assert mask[20, 5] == 0 and mask[120, 50] < 0.5 and mask[140, 95] == 0  # beside, between and outside the legs
    assert 0.15 < (mask > 0.5).mean() < 0.5


def test_a_composed_box_is_full_of_its_person(labelled, tmp_path):
    somebody = partial(random_sprite, read_cutouts(labelled, print))
    write_training_set(tmp_path / "set", "detector", 12, 3, somebody=somebody, source="composed")
    content = json.loads((tmp_path / "set" / "train.json").read_bytes())
    pictures = {i["id"]: cv2.imread(str(tmp_path / "set" / i["file_name"]))[..., ::-1] for i in content["images"]}
    reds = 0
    for annotation in content["annotations"]:
        x, y, width, height = (int(v) for v in annotation["bbox"])
        if annotation["iscrowd"] or min(width, height) < 12:
            continue
        part = pictures[annotation["image_id"]][y : y + height, x : x + width].astype(int)
        red = (part[..., 0] > part[..., 1] + 40) & (part[..., 0] > part[..., 2] + 40)
        reds += red.mean() > 0.25
        assert red.any()
    assert reds >= 5
    assert all(a["source"] == "composed" for a in content["annotations"])


def test_cutouts_whose_pictures_cannot_be_read_are_named_and_leave_no_empty_set(labelled, tmp_path):
    settings = PoseTraining(
        train=(labelled,),
        val=labelled,
        phases=[{"samples": 6, "batch": 6}],
        composed=4,
        cutouts=labelled,
        device="cpu",
    )
    (tmp_path / "red.png").write_bytes(b"no picture")
    with pytest.raises(BadInput, match=r"red\.png for one") as error:
        made_sets("pose", settings, tmp_path / "run", print)
    assert str(error.value).startswith(f"{labelled.annotations}: ")
    cv2.imwrite(str(tmp_path / "red.png"), np.full((150, 100, 3), RED[::-1], np.uint8))
    [made] = made_sets("pose", settings, tmp_path / "run", print)
    assert json.loads(made.annotations.read_text())["annotations"]


def test_the_same_seed_composes_the_same_pictures(labelled, tmp_path):
    somebody = partial(random_sprite, read_cutouts(labelled, print))
    for name in ("a", "b"):
        write_training_set(tmp_path / name, "detector", 2, 5, somebody=somebody)
    for file in ("train.json", "images/000000.jpg", "images/000001.jpg"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_small_people_and_ignore_regions_are_no_crops(labelled):
    def with_others(content):
        first = content["annotations"][0]
        content["annotations"] += [{**first, "id": 7, "iscrowd": 1}, {**first, "id": 8, "bbox": [1, 1, 9, 20]}]

    source = changed(labelled, with_others)
    phases = [{"size": (64, 48), "samples": 6, "batch": 6}]
    everybody = PoseTraining(train=(source,), val=source, phases=phases)
    assert len(read_people(source, PTRACK_19, everybody, print)) == 3
    assert len(read_people(source, PTRACK_19, everybody.model_copy(update={"min_side": 32}), print)) == 2


def test_composing_needs_people_to_cut_out(tmp_path):
    with pytest.raises(SettingsError, match="composed needs cutouts"):
        training_settings("detector", "compact-detector", tmp_path, ["composed=5"])


def test_cutouts_and_backgrounds_are_looked_up_where_the_data_lies(tmp_path):
    settings = training_settings(
        "pose",
        "compact-pose",
        tmp_path,
        ["composed=5", "cutouts={annotations: people.json}", "backgrounds={annotations: empty.json}"],
    )
    assert settings.cutouts.annotations == tmp_path / "people.json"
    assert settings.backgrounds.annotations == tmp_path / "empty.json"
