"""Small data sets in the layouts that training presets expect, out of COCO-form files with people."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from posedata.formats.labels import read_labels, write_labels
from posedata.sequence import FrameRef, Sequence
from posedata.skeletons import COCO_17, MPII_16, POSETRACK_15, POSETRACK_17, SKELETONS, Skeleton, mapping


def lay_out(root: Path, annotations: Path, skeleton: str, count: int) -> Path:
    """The first `count` people of the file in the forms of COCO, MPII, PoseTrack18 and 17."""
    content = json.loads(annotations.read_text())
    files = {i["id"]: annotations.parent / i["file_name"] for i in content["images"]}
    people = [a for a in content["annotations"] if sum(v > 0 for v in a["keypoints"][2::3]) >= 12][:count]
    source = SKELETONS[skeleton]
    coco, mpii, eighteen, seventeen = root / "coco", root / "mpii", root / "pt18", root / "pt17"
    for folder in (coco / "annotations", mpii / "annot", mpii / "images"):
        folder.mkdir(parents=True)
    for tracked in (eighteen, seventeen):
        for part in ("train", "val"):
            (tracked / "annotations" / part).mkdir(parents=True)
        (tracked / "images").mkdir()
    for split in ("train", "val"):
        (coco / "images" / f"{split}2017").mkdir(parents=True)
    for number, person in enumerate(people):
        image = files[person["image_id"]]
        places = [coco / "images" / "train2017", coco / "images" / "val2017", mpii / "images"]
        for place in (*places, eighteen / "images", seventeen / "images"):
            (place / f"{number:06d}.jpg").write_bytes(image.read_bytes())
    for split in ("train", "val"):
        made = _coco(people, source, COCO_17, "")
        (coco / "annotations" / f"person_keypoints_{split}2017.json").write_text(json.dumps(made))
        tracked = _coco(people, source, POSETRACK_17, "images/")
        (eighteen / "annotations" / split / "a.json").write_text(json.dumps(tracked))
        (seventeen / "annotations" / split / "a.json").write_text(json.dumps(_annolist(people, source)))
    for folder in (eighteen, seventeen):
        _propagated(folder)
    records = [_mpii(person, source, number) for number, person in enumerate(people)]
    for name in ("train", "valid"):
        (mpii / "annot" / f"{name}.json").write_text(json.dumps(records))
    _heads(mpii / "annot" / "gt_valid.mat", len(people))
    return root


def shorten(folder: Path, root: Path, count: int) -> None:
    """The first `count` pictures with people, and the first without, of a folder's train.json and val.json."""
    (root / "images").mkdir(parents=True)
    for name in ("train.json", "val.json"):
        content = json.loads((folder / name).read_text())
        peopled = {a["image_id"] for a in content["annotations"]}
        images = [i for i in content["images"] if i["id"] in peopled][:count]
        images += [i for i in content["images"] if i["id"] not in peopled][:1]
        kept = {i["id"] for i in images}
        content |= {"images": images, "annotations": [a for a in content["annotations"] if a["image_id"] in kept]}
        (root / name).write_text(json.dumps(content))
        for image in images:
            (root / image["file_name"]).write_bytes((folder / image["file_name"]).read_bytes())


def data_of(root: Path, preset: str) -> Path:
    """The layout that a preset is for."""
    if preset.startswith("compact"):
        return root / preset
    if "mpii" in preset:
        return root / "mpii"
    if "posetrack17" in preset:
        return root / "pt17"
    return root / "pt18" if "posetrack" in preset or preset.startswith("posewarper") else root / "coco"


def _points(person: dict, source: Skeleton, target: Skeleton) -> np.ndarray:
    """[K, 3] x, y, 0 or 2"""
    own = np.array(person["keypoints"], np.float64).reshape(-1, 3)
    xy, score = mapping(source, target).apply(own[None, :, :2], (own[None, :, 2] > 0).astype(np.float64))
    return np.column_stack([xy[0], 2.0 * (score[0] > 0)]) * (score[0] > 0)[:, None]


def _coco(people: list[dict], source: Skeleton, target: Skeleton, folder: str) -> dict:
    annotations = []
    for number, person in enumerate(people):
        points = _points(person, source, target)
        entry = {"id": number, "image_id": number, "category_id": 1, "iscrowd": 0, "bbox": person["bbox"]}
        entry |= {"area": person["area"], "num_keypoints": int((points[:, 2] > 0).sum())}
        head = {"bbox_head": [0, 0, 30, 40]} if folder else {}
        annotations.append({**entry, **head, "keypoints": points.ravel().tolist()})
    images = [{"id": k, "file_name": f"{folder}{k:06d}.jpg"} for k in range(len(people))]
    category = {"id": 1, "name": "person", "keypoints": list(target.joints)}
    return {"images": images, "annotations": annotations, "categories": [category]}


def _mpii(person: dict, source: Skeleton, number: int) -> dict:
    points = _points(person, source, MPII_16)
    x, y, width, height = person["bbox"]
    size = {"center": [x + width / 2, y + height / 2], "scale": height / 200}
    joints = {"joints": (points[:, :2] + 1).tolist(), "joints_vis": (points[:, 2] > 0).astype(int).tolist()}
    return {"image": f"{number:06d}.jpg", **size, **joints}


def _annolist(people: list[dict], source: Skeleton) -> dict:
    frames = []
    for number, person in enumerate(people):
        points = _points(person, source, POSETRACK_15)
        point = [
            {"id": [k], "x": [x], "y": [y], "is_visible": [1]} for k, (x, y, v) in enumerate(points.tolist()) if v > 0
        ]
        rect = {"x1": [0], "y1": [0], "x2": [30], "y2": [40], "annopoints": [{"point": point}], "track_id": [0]}
        frames.append({"image": [{"name": f"images/{number:06d}.jpg"}], "annorect": [rect]})
    return {"annolist": frames}


def _propagated(root: Path) -> None:
    """What `ptrack propagate` writes of the training labels where it moves none."""
    path = root / "annotations" / "train" / "a.json"
    frames = tuple(FrameRef(image, f"images/{image.name}") for image in sorted((root / "images").iterdir()))
    labels = read_labels(path, Sequence("a", root / "images", frames, path))
    write_labels(root / "propagated" / "a.json", labels, labels.people, [])


def _heads(path: Path, count: int) -> None:
    from scipy.io import savemat

    boxes = np.tile(np.array([[0.0, 30], [0, 40]])[..., None], (1, 1, count))
    empty = {"pos_gt_src": np.zeros((16, 2, count)), "jnt_missing": np.zeros((16, count))}
    savemat(path, {"headboxes_src": boxes, **empty})
