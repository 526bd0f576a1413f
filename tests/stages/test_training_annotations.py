"""Wrong training annotations: every reader answers with one sentence that names file, entry and field."""

from __future__ import annotations

import json
import os
import struct
import zlib

import cv2
import numpy as np
import pytest
import torch

from configs.recipes import PoseSource
from configs.training import Phase, PoseTraining, TrainingSet
from posedata.errors import BadInput
from posedata.picture_file import read_picture
from posedata.skeletons import COCO_17, MPII_16
from stages.train.cutouts import read_cutouts
from stages.train.datasets import crowds, people
from stages.train.datasets.crops import CropRecipe, CropSamples
from stages.train.datasets.outlines import run_lengths
from stages.train.detect_data import read_pictures
from stages.train.losses import spatial_cross_entropy
from stages.train.pose_data import picture
from stages.train.pose_data import read_people as read_compact
from stages.train.samples import Draws

ABSURD = [1e30, 1e300]
WRONG = [7, True, "abc", {}, [None] * 4, ["a"] * 4, [[1, 2], [3, 4]], [1, 2, 3]]


def silent(_: str) -> None:
    pass


def content() -> dict:
    """Two pictures of 80 x 60 pixels, somebody with seventeen joints in each."""
    joints = np.column_stack([np.linspace(20, 60, 17), np.linspace(15, 50, 17), np.full(17, 2)]).ravel().tolist()
    person = {"category_id": 1, "bbox": [10, 10, 60, 45], "area": 2000, "iscrowd": 0, "keypoints": joints}
    return {
        "images": [{"id": n, "file_name": f"{n}.png", "width": 80, "height": 60} for n in (0, 1)],
        "annotations": [{**person, "id": n, "image_id": n} for n in (0, 1)],
        "categories": [{"id": 1, "name": "person", "keypoints": list(COCO_17.joints)}],
    }


def compact(path):
    settings = PoseTraining(
        train=(TrainingSet(annotations=path),),
        val=TrainingSet(annotations=path),
        phases=(Phase(samples=1, batch=1),),
        skeleton="coco-17",
    )
    return read_compact(settings.val, COCO_17, settings, silent)


def published(path):
    return people.read_people(PoseSource(annotations=path), COCO_17, 0.75, silent)


def simplepose(path):
    crowds.read_truth(PoseSource(annotations=path), None, silent)
    return crowds.read_scenes(PoseSource(annotations=path), silent)


def detector(path):
    return read_pictures(TrainingSet(annotations=path), silent)


def cutouts(path):
    return read_cutouts(TrainingSet(annotations=path), silent)


EVERYBODY = [compact, published, simplepose, detector]
POSES = [compact, published, simplepose]


@pytest.fixture
def wrong(tmp_path):
    """Writes the two pictures, and the annotations with a change."""

    def write(change=lambda c: None):
        for number in (0, 1):
            cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((60, 80, 3), 90, np.uint8))
        changed = content()
        change(changed)
        (tmp_path / "set.json").write_text(json.dumps(changed))
        return tmp_path / "set.json"

    return write


def refused(read, path, *words: str) -> None:
    with pytest.raises(BadInput) as error:
        read(path)
    told = str(error.value)
    assert told.startswith(f"{path}: ") and all(word in told for word in words), told
    assert "\n" not in told


@pytest.mark.parametrize("read", EVERYBODY)
def test_right_annotations_are_read(wrong, read):
    assert len(read(wrong())) == 2


@pytest.mark.parametrize("read", EVERYBODY)
@pytest.mark.parametrize("value", [*WRONG, *([v, 0, 10, 10] for v in ABSURD), [0, 0, 1e30, 5], [5, 5, -4, 4]])
def test_wrong_boxes(wrong, read, value):
    refused(read, wrong(lambda c: c["annotations"][1].update(bbox=value)), "annotation 1", "bbox")


@pytest.mark.parametrize("read", POSES)
@pytest.mark.parametrize("value", [*WRONG, *([v, *[2] * 50] for v in ABSURD), [None, *[2] * 50], [[1] * 51]])
def test_wrong_keypoints(wrong, read, value):
    refused(read, wrong(lambda c: c["annotations"][1].update(keypoints=value)), "annotation 1", "keypoints")


@pytest.mark.parametrize("read", [published, simplepose])
@pytest.mark.parametrize("value", ["abc", [1], {}, True, 1e300])
def test_wrong_areas(wrong, read, value):
    refused(read, wrong(lambda c: c["annotations"][1].update(area=value)), "annotation 1", "area")


@pytest.mark.parametrize("read", EVERYBODY)
@pytest.mark.parametrize("value", ["abc", [1], {}, 2, "0", 0.5])
def test_wrong_marks_of_crowds(wrong, read, value):
    refused(read, wrong(lambda c: c["annotations"][1].update(iscrowd=value)), "annotation 1", "iscrowd")


@pytest.mark.parametrize("read", [*EVERYBODY, cutouts])
@pytest.mark.parametrize(
    "change, words",
    [
        (lambda c: c["images"][1].update(id=[1]), ("image [1]", "id")),
        (lambda c: c["images"][1].update(id=None), ("image None", "id")),
        (lambda c: c["images"][1].update(id=0), ("image 0", "twice")),
        (lambda c: c["images"][1].update(width="80"), ("image 1", "width")),
        (lambda c: c["images"][1].update(height=-3), ("image 1", "height")),
        (lambda c: c["annotations"][1].update(image_id=77), ("annotation 1", "image_id 77")),
        (lambda c: c["annotations"][1].update(image_id=[0]), ("annotation 1", "image_id")),
        (lambda c: c["annotations"][1].pop("image_id"), ("annotation 1", "image_id")),
        (lambda c: c["annotations"][1].update(category_id=5), ("annotation 1", "category_id 5")),
        (lambda c: c["annotations"][1].update(category_id=[1]), ("annotation 1", "category_id")),
        (lambda c: c["categories"][0].update(keypoints=None), ("keypoints",)),
        (lambda c: c["categories"][0].update(keypoints=17), ("keypoints",)),
        (lambda c: c["categories"][0].update(keypoints=[["nose"]]), ("keypoints",)),
        (lambda c: c["categories"].clear(), ("categories",)),
        (lambda c: c.update(categories=[{"id": 1, "name": "dog"}, {"id": 2, "name": "cat"}]), ("'person'",)),
        (lambda c: c.update(images=[1]), ("'images'", "COCO form")),
        (lambda c: c.clear(), ("'images'", "COCO form")),
    ],
)
def test_pictures_and_people_that_do_not_belong_together(wrong, read, change, words):
    refused(read, wrong(change), *words)


@pytest.mark.parametrize("read", EVERYBODY)
def test_dogs_are_no_people(wrong, read):
    def change(c):
        c["categories"].insert(0, {"id": 18, "name": "dog"})
        c["annotations"].append({"id": 9, "image_id": 0, "category_id": 18, "bbox": [1, 1, 30, 30], "keypoints": [1]})

    found = read(wrong(change))
    assert len(found) == 2 and (read is not detector or [len(p.boxes) for p in found] == [1, 1])


def test_wrong_heads_and_faces(wrong):
    for value in (7, "abc", [1, 2], [1e300, 0, 1, 1]):
        refused(
            published, wrong(lambda c, v=value: c["annotations"][1].update(bbox_head=v)), "annotation 1", "bbox_head"
        )
        path = wrong(lambda c, v=value: c["annotations"][1].update(pseudo_face=v))
        refused(compact, path, "annotation 1", "pseudo_face")
    path = wrong(lambda c: c["annotations"][1].update(pseudo_face=[1, 2, 0.5] * 18))
    refused(compact, path, "annotation 1", "pseudo_face")


@pytest.mark.parametrize(
    "value",
    [
        [[1, 2, 3]], [[]], 5, "abc", True, [1, 2, 3, 4, 5, 6], [None], [[1, None]], [["a", "b"]], [[1e300, 2]],
        {}, {"size": [60, 80]}, {"counts": [4800]}, {"size": 5, "counts": [4800]},
        {"size": [60, 80], "counts": [-1, 4801]}, {"size": [60, 80], "counts": [4801]},
        {"size": [60, 80], "counts": [1.5]}, {"size": [60, 80], "counts": [[4800]]}, {"size": [60, 80], "counts": []},
        {"size": [60, 80], "counts": "no runs"}, {"size": [60, 80], "counts": "Ā"}, {"size": [60, 80], "counts": ""},
        {"size": [100_000, 100_000], "counts": [10**10]}, {"size": [80, 60], "counts": [4800]},
    ],
)  # fmt: skip
def test_wrong_outlines_are_found_before_the_training(wrong, value):
    path = wrong(lambda c: c["annotations"][1].update(segmentation=value))
    refused(lambda p: crowds.read_scenes(PoseSource(annotations=p), silent), path, "annotation 1", "segmentation")


def test_run_lengths_are_those_of_coco():
    from pycocotools import mask as coco

    mask = (np.random.default_rng(0).random((37, 53)) < 0.3).astype(np.uint8)
    mask[5:30, 7:40] = 1
    text = coco.encode(np.asfortranarray(mask))["counts"].decode()
    runs = run_lengths({"size": [37, 53], "counts": text}, (53, 37), "here")
    found = crowds.people_masks((crowds.Outline(runs, np.zeros(4), True, False),), (37, 53))[0]
    np.testing.assert_array_equal(found > 0, mask > 0)
    other = crowds.people_masks((crowds.Outline(runs, np.array([1, 2, 3, 4]), True, False),), (50, 60))[0]
    assert (other > 0).sum() == 12  # a picture of another size has the box


@pytest.mark.parametrize("box", [[10, 10, 0, 0], [10, 10, 1, 1], [10, 10, 1, 0.5], [200, 10, 5, 5], [4e6, 5, 1, 1]])
def test_who_has_no_extent_is_no_crop(wrong, box):
    def change(c):
        c["annotations"][1].update(bbox=box)
        if box[0] > 1e6:
            c["images"][1].update(width=0)

    [person] = found = published(wrong(change))
    assert person.image.name == "0.png"
    CropSamples(found, COCO_17, CropRecipe((64, 48), False, 0.3, 40.0), Draws(np.arange(1), 0))[0]


def test_joints_all_in_one_place_are_no_half_body(wrong):
    found = published(wrong(lambda c: c["annotations"][0].update(keypoints=[30, 30, 2] * 17)))
    samples = CropSamples(found, COCO_17, CropRecipe((64, 48), False, half_body=1.0), Draws(np.zeros(1, int), 0))
    assert all(torch.isfinite(samples[draw][1]).all() for draw in range(5))


def test_nobody_without_height_stands_in_the_middle_of_a_scene(wrong):
    path = wrong(lambda c: c["annotations"][1].update(bbox=[10, 10, 60, 0]))
    [scene] = simplepose(path)
    assert scene.image.name == "0.png"


@pytest.mark.parametrize(
    "change, field",
    [
        *(({"center": v}, "center") for v in ([], [5], None, [1, 2, 3], [[1, 2]], "abc", ["1", "2"], [1e300, 0])),
        *(({"scale": v}, "scale") for v in (0, -1, 1e300, "a", None, [1, 2])),
        *(({"joints": v}, "joints") for v in ([], [[1, 2]], [[1, 2], [3]], [[1e300, 0]] * 16, 5)),
        *(({"joints_vis": v}, "joints_vis") for v in ([1], None, ["a"] * 16)),
    ],
)
def test_wrong_people_of_mpii(tmp_path, change, field):
    record = {"image": "a.jpg", "center": [40, 30], "scale": 0.5, "joints": [[9, 9]] * 16, "joints_vis": [1] * 16}
    (tmp_path / "train.json").write_text(json.dumps([record, {**record, **change}]))
    source = PoseSource(format="mpii", annotations=tmp_path / "train.json")
    refused(
        lambda _: people.read_people(source, MPII_16, 1.0, silent), tmp_path / "train.json", "person 1", f"({field} "
    )


@pytest.mark.parametrize("change", [{"id": [15]}, {"id": [-1]}, {"x": [1e300]}, {"y": ["a"]}, {"x": []}, {"x": None}])
def test_wrong_points_of_posetrack17(tmp_path, change):
    point = {"id": [0], "x": [5], "y": [5], **change}
    rect = {"annopoints": [{"point": [point]}]}
    frame = {"image": [{"name": "a.jpg"}], "annorect": [rect]}
    (tmp_path / "17.json").write_text(json.dumps({"annolist": [frame]}))
    source = PoseSource(format="annolist", annotations=tmp_path / "17.json")
    refused(lambda _: people.read_people(source, COCO_17, 0.75, silent), tmp_path / "17.json", "annolist[0]")


def test_damaged_files_of_lsp(tmp_path):
    from scipy.io import savemat

    path = tmp_path / "joints.mat"
    source = PoseSource(format="lsp", annotations=path)
    savemat(path, {"joints": np.random.default_rng(0).random((3, 14, 50))}, do_compression=True)
    whole = path.read_bytes()
    damaged = [b"", bytes(500), whole[:-50], whole[:300] + bytes(200) + whole[500:], whole[:128]]
    for data in damaged:
        path.write_bytes(data)
        refused(lambda _: people.read_people(source, MPII_16, 1.0, silent), path)
    for joints in (
        np.zeros((3, 14, 0)),
        np.zeros((3, 14, 2)),
        np.full((3, 14, 2), 1e300),
        np.full((14, 3, 2), np.nan),
    ):
        savemat(path, {"joints": joints})
        refused(lambda _: people.read_people(source, MPII_16, 1.0, silent), path)
    savemat(path, {"joints": np.array([["a"]], object)})
    refused(lambda _: people.read_people(source, MPII_16, 1.0, silent), path, "joints")


def test_what_is_no_picture_is_unreadable(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    header = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    huge = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    (tmp_path / "huge.png").write_bytes(huge + struct.pack(">I", 9) + b"IDAT" + bytes(13))
    for name in ("pipe.png", "folder.png", "huge.png", "gone.png", "a\0b.png"):
        assert read_picture(tmp_path / name) is None and picture(tmp_path / name) is None


def test_compact_networks_see_the_stored_pixels(tmp_path):
    """An orientation in the file's EXIF does not turn what the annotations are of."""
    _, code = cv2.imencode(".jpg", np.zeros((20, 40, 3), np.uint8))
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    data = code.tobytes()
    (tmp_path / "turned.jpg").write_bytes(data[:2] + segment + data[2:])
    assert cv2.imread(str(tmp_path / "turned.jpg")).shape == (40, 20, 3)
    assert picture(tmp_path / "turned.jpg").shape == (20, 40, 3)


def test_a_joint_without_a_label_may_lie_anywhere():
    logits = torch.randn(1, 2, 4, 4, requires_grad=True)
    weights = torch.tensor([[1.0, 0.0]])
    joints = torch.tensor([[[1.0, 2.0], [float("nan"), 1e30]]])
    loss = spatial_cross_entropy(logits, joints, weights, 1.0)
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(logits.grad).all()
    assert loss.item() == spatial_cross_entropy(logits, joints.nan_to_num(0), weights, 1.0).item()
