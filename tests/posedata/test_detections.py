"""Boxes that a user brings, in every form, matched to the frames of the source."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from posedata.errors import BadInput
from posedata.formats.detections import read_detections
from posedata.people import Origin
from posedata.sequences import FrameRef, Sequence, discover

BOX = [10.0, 20.0, 30.0, 40.0]  # x, y, width, height
XYXY = [10.0, 20.0, 40.0, 60.0]


def frames(folder: str, names: list[str], prefix: str = "") -> tuple[FrameRef, ...]:
    return tuple(FrameRef(Path(folder) / name, prefix + name) for name in names)


def source(folder: Path) -> tuple[Sequence, ...]:
    """Two PoseTrack18 sequences of three frames, a folder of frames, and a video."""
    found = []
    for number, name in ((1, "000001_mpii_test"), (2, "000002_mpii_test")):
        names = [f"{f:06d}.jpg" for f in range(3)]
        images = [{"file_name": f"images/val/{name}/{n}", "id": 1000 * number + f} for f, n in enumerate(names)]
        path = folder / f"{name}.json"
        path.write_text(json.dumps({"images": images, "annotations": [], "categories": []}))
        folder_of = f"/data/images/val/{name}"
        found.append(Sequence(name, Path(folder_of), frames(folder_of, names, f"images/val/{name}/"), path, 25.0))
    found.append(Sequence("rooms/hall", Path("/data/rooms/hall"), frames("/data/rooms/hall", ["a.png", "77.png"])))
    found.append(Sequence("walk", Path("/data/walk.mp4")))
    return tuple(found)


def written(folder: Path, name: str, content: object) -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def entry(**more: object) -> dict[str, object]:
    return {"category_id": 1, "bbox": BOX, "score": 0.5, **more}


def posetrack18(file_name: str, image: int, **person: object) -> dict[str, object]:
    annotation = {"image_id": image, "track_id": 0, "bbox": BOX, "score": 0.5, **person}
    return {"images": [{"file_name": file_name, "id": image}], "annotations": [annotation], "categories": []}


def posetrack17(name: str, **rect: object) -> dict[str, object]:
    points = [{"id": [0], "x": [10.0], "y": [20.0]}, {"id": [1], "x": [40.0], "y": [60.0]}]
    person = {"track_id": [0], "score": [0.5], "annopoints": [{"point": points}], **rect}
    return {"annolist": [{"image": [{"name": name}], "annorect": [person]}]}


MATCHED = {
    # name: (file name, content, sequence, frame)
    "COCO results by annotation id": ("d.json", [entry(image_id=2001)], "000002_mpii_test", 1),
    "COCO results by number in the name": ("d.json", [entry(image_id=77)], "rooms/hall", 1),
    "COCO results by file name": ("d.json", [entry(file_name="images/val/000001_mpii_test/000002.jpg")], None, 2),
    "COCO results by last two parts": ("d.json", [entry(image_name="x/y/000001_mpii_test/000002.jpg")], None, 2),
    "COCO results by a name of its own": ("d.json", [entry(image_name="a.png")], "rooms/hall", 0),
    "COCO results by video and frame": ("d.json", [entry(image_name="walk.mp4", frame=7)], "walk", 7),
    "COCO results by folder and frame": ("d.json", [entry(image_name="rooms/hall", frame=1)], "rooms/hall", 1),
    "PoseTrack18 by name": ("d.json", posetrack18("images/val/000001_mpii_test/000001.jpg", 5), None, 1),
    "PoseTrack18 by id": ("d.json", posetrack18("elsewhere/0.jpg", 2002), "000002_mpii_test", 2),
    "PoseTrack18 named after a video": ("walk.json", posetrack18("images/900001_mpii_test/000000.jpg", 5), "walk", 0),
    "PoseTrack17": ("d.json", posetrack17("images/val/000001_mpii_test/000001.jpg"), None, 1),
    "PoseTrack17 with the person's box": (
        "d.json",
        posetrack17("a.png", x1=[10], y1=[20], x2=[40], y2=[60]),
        "rooms/hall",
        0,
    ),
    "PoseTrack17 with a head box": (
        "d.json",
        posetrack17("a.png", x1=[12], y1=[22], x2=[15], y2=[25]),
        "rooms/hall",
        0,
    ),
    "MOT text": ("walk.txt", "3,-1,10,20,30,40,0.5,-1,-1,-1\n\n", "walk", 2),
    "MOT text with blanks": ("hall.txt", "1 1 10 20 30 40 0.5", "rooms/hall", 0),
}


@pytest.mark.parametrize("name", MATCHED)
def test_boxes_find_their_frame(name, tmp_path):
    file, content, sequence, frame = MATCHED[name]
    found = read_detections(written(tmp_path, file, content), source(tmp_path))
    sequence = sequence or "000001_mpii_test"
    assert list(found.frames) == [sequence] and list(found.frames[sequence]) == [frame]
    people = found.frames[sequence][frame]
    np.testing.assert_allclose(people.boxes, [XYXY])
    np.testing.assert_allclose(people.box_scores, [0.5])
    assert people.origin.tolist() == [Origin.DETECTED] and not found.warnings


def test_mot_text_of_any_name_belongs_to_the_only_sequence(tmp_path):
    path = written(tmp_path, "det.txt", "1,-1,10,20,30,40,0.5\n1,-1,0,0,5,5,0.1\n2,-1,10,20,30,40,1")
    found = read_detections(path, source(tmp_path)[3:]).frames
    assert {frame: len(people) for frame, people in found["walk"].items()} == {0: 2, 1: 1}


def test_the_order_of_boxes_in_a_frame_stays(tmp_path):
    entries = [entry(image_id=1000, score=s) for s in (0.2, 0.9, 0.5)]
    found = read_detections(written(tmp_path, "d.json", entries), source(tmp_path)).frames
    np.testing.assert_allclose(found["000001_mpii_test"][0].box_scores, [0.2, 0.9, 0.5])


def test_without_a_box_the_joints_give_one(tmp_path):
    keypoints = [12, 15, 1, 0, 0, 0, 30, 60, 0]
    content = posetrack18("a.png", 5, bbox=[0, 0, 0, 0], keypoints=keypoints, score=None, scores=[0.4, 0, 0.8])
    people = read_detections(written(tmp_path, "d.json", content), source(tmp_path)).frames["rooms/hall"][0]
    np.testing.assert_allclose(people.boxes, [[12, 15, 30, 60]])
    np.testing.assert_allclose(people.box_scores, [0.6])


PARTLY = {
    "COCO id": ("d.json", [entry(image_id=1000), entry(image_id=9), entry(image_id=8)], 2, "image 9"),
    "COCO name": ("d.json", [entry(image_id=1000), entry(file_name="other/000001.jpg")], 1, "other/000001.jpg"),
    "a name that fits two": ("d.json", [entry(image_id=1000), entry(file_name="000001.jpg")], 1, "000001.jpg"),
    "frame beyond": ("d.json", [entry(image_id=1000), entry(file_name="rooms/hall", frame=2)], 1, "frame 2 of"),
    "MOT frame beyond": ("hall.txt", "1,1,10,20,30,40,1\n3,1,10,20,30,40,1", 1, "frame 3 of hall"),
    "PoseTrack18 image not listed": (
        "d.json",
        {
            "images": [{"file_name": "a.png", "id": 5}],
            "annotations": [{"image_id": 5, "bbox": BOX}, {"image_id": 6, "bbox": BOX}],
        },
        1,
        "image 6",
    ),
}


@pytest.mark.parametrize("name", PARTLY)
def test_boxes_of_unknown_images_are_counted_in_one_warning(name, tmp_path):
    file, content, count, where = PARTLY[name]
    found = read_detections(written(tmp_path, file, content), source(tmp_path))
    [warning] = found.warnings
    assert f": {count} boxes left out" in warning and where in warning and str(tmp_path / file) in warning
    assert sum(len(people) for f in found.frames.values() for people in f.values()) == 1


REFUSED = {
    "none matches": ("d.json", [entry(image_id=9)], "none of its 1 boxes.*image 9"),
    "MOT of no sequence": ("other.txt", "1,1,10,20,30,40,1", "none of its 1 boxes.*frame 1 of other"),
    "empty list": ("d.json", [], "holds no boxes"),
    "only another category": ("d.json", [entry(image_id=1000, category_id=2)], "holds no boxes"),
    "empty text": ("walk.txt", "", "holds no boxes"),
    "no JSON": ("d.json", "{", "JSON"),
    "bare NaN": ("d.json", '[{"image_id": 1000, "bbox": [NaN, 0, 1, 1]}]', "JSON"),
    "another form": ("d.json", {"boxes": []}, "in no form"),
    "entry is a number": ("d.json", [entry(image_id=1000), 3], "entry 1 is no object"),
    "no image": ("d.json", [entry()], "entry 0 names no image"),
    "image is true": ("d.json", [entry(image_id=True)], "entry 0 names no image"),
    "frame is negative": ("d.json", [entry(file_name="walk", frame=-1)], r"entry 0\.frame"),
    "no box": ("d.json", [{"image_id": 1000}], "entry 0 has no bbox"),
    "box of three": ("d.json", [entry(image_id=1000, bbox=[1, 2, 3])], r"entry 0\.bbox"),
    "box of text": ("d.json", [entry(image_id=1000, bbox=["1", 2, 3, 4])], r"entry 0\.bbox"),
    "box without width": ("d.json", [entry(image_id=1000, bbox=[1, 2, 0, 4])], r"entry 0\.bbox"),
    "huge box": ("d.json", [entry(image_id=1000, bbox=[1, 2, 1e300, 4])], r"entry 0\.bbox"),
    "box that ends too far away": ("d.json", [entry(image_id=1000, bbox=[9e6, 2, 9e6, 4])], r"entry 0\.bbox"),
    "huge whole number": ("d.json", [entry(image_id=1000, bbox=[1, 2, 10**30, 4])], r"d\.json"),
    "score is text": ("d.json", [entry(image_id=1000, score="high")], r"entry 0\.score"),
    "PoseTrack18 annotations": ("d.json", {"images": [], "annotations": 3}, "'annotations' is no list"),
    "PoseTrack18 person": ("d.json", {"images": [], "annotations": [None]}, r"annotations\[0\] is no object"),
    "PoseTrack18 image": ("d.json", posetrack18("a.png", 5, image_id="5"), r"annotations\[0\]\.image_id"),
    "PoseTrack18 box": ("d.json", posetrack18("a.png", 5, bbox=[1, 2]), r"annotations\[0\]\.bbox"),
    "PoseTrack18 joints": ("d.json", posetrack18("a.png", 5, bbox=None, keypoints=[1, 2]), r"\[0\]\.keypoints"),
    "PoseTrack17 people": (
        "d.json",
        {"annolist": [{"image": [{"name": "a.png"}], "annorect": 3}]},
        r"\[0\]\.annorect",
    ),
    "PoseTrack17 joint": (
        "d.json",
        posetrack17("a.png", annopoints=[{"point": [{"id": [1]}]}]),
        r"annorect\[0\]\.annopoints\[0\]\.point\[0\] has no x",
    ),
    "PoseTrack17 score": ("d.json", posetrack17("a.png", score=["x"]), r"annorect\[0\]\.score"),
    "MOT too short": ("walk.txt", "1,1,10,20,30,40\n1,1,2", "line 2 has 3 values"),
    "MOT word": ("walk.txt", "1,1,ten,20,30,40", "line 1: left is 'ten'"),
    "MOT NaN": ("walk.txt", "1,1,nan,20,30,40", "line 1: left"),
    "MOT too far away": ("walk.txt", "1,1,9e6,20,9e6,40", "line 1: left"),
    "MOT frame 0": ("walk.txt", "0,1,10,20,30,40", "line 1: frame is 0"),
    "MOT half a frame": ("walk.txt", "1.5,1,10,20,30,40", "line 1: frame is 1.5"),
    "MOT inside out": ("walk.txt", "1,1,10,20,-30,40", "line 1: width and height"),
    "MOT binary": ("walk.txt", "\x00\x01\x02", "line 1 has"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_used_is_refused_by_entry_and_field(name, tmp_path):
    file, content, message = REFUSED[name]
    path = written(tmp_path, file, content)
    with pytest.raises(BadInput, match=message) as caught:
        read_detections(path, source(tmp_path))
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    for name in ("none.json", "none.txt"):
        with pytest.raises(BadInput, match=name):
            read_detections(tmp_path / name, source(tmp_path))


def test_published_detections_match_the_published_annotations(test_data):
    root = test_data / "media" / "posetrack18_mmpose"
    path = root / "annotations" / "test_posetrack18_human_detections.json"
    found = read_detections(path, discover(root).sequences)
    boxes = json.loads(path.read_bytes())
    read = sum(len(people) for frames in found.frames.values() for people in frames.values())
    left = sum(int(w.split(": ")[1].split()[0]) for w in found.warnings)
    assert read > 0 and read + left == len(boxes)
