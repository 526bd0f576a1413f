"""Rendered pictures as a COCO-form training set: crops of people for a pose network, crowds for a detector, groups of
large people for a bottom-up network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import orjson

from posedata.atomic import write_atomically
from posedata.boxes import xyxy_to_xywh
from posedata.errors import UsageError
from posedata.picture_file import read_picture
from posedata.skeletons import PTRACK_19
from posedata.synthetic.frame import SyntheticFrame
from posedata.synthetic.stills import Somebody, random_crowd, random_person

KINDS = ("pose", "detector", "group")
SOURCE = "rendered"
MIN_VISIBLE = 0.25  # share of a figure's pixels below which a box of a crowd or group is an ignore box
_QUALITY = 88  # JPEG
_GROUP = {"size": (320, 320), "people": (1, 4), "heights": (0.4, 0.8)}  # of pictures; `random_crowd`
_BACKGROUND_SHARE = 0.5  # of the pictures that stand before a photograph, where there are any


def write_training_set(
    root: Path,
    kind: str,  # pose | detector | group
    count: int,  # pictures
    seed: int,
    backgrounds: Sequence[Path] = (),  # pictures without people
    somebody: Somebody | None = None,  # gives a detector's people, in place of rendered figures
    source: str = SOURCE,
) -> Path:
    """Writes `root/images/*.jpg` and `root/train.json`; returns the latter. The same arguments, the same bytes.

    Half of the rendered pictures stand before a photograph, all of those of `somebody`, where there are any.

    Raises:
        UsageError: an unknown kind.
        OSError: the disk refuses.
    """
    if kind not in KINDS:
        raise UsageError(f"{root}: {kind!r} is no kind of training set; choose one of {', '.join(KINDS)}")
    (root / "images").mkdir(parents=True, exist_ok=True)
    images, annotations = [], []
    for number in range(count):
        rng = np.random.default_rng((seed, number))
        frame = _picture(kind, rng, backgrounds, somebody)
        name = f"images/{number:06d}.jpg"
        _, code = cv2.imencode(
            ".jpg", cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
        )
        (root / name).write_bytes(code)
        height, width = frame.image.shape[:2]
        images.append({"id": number, "file_name": name, "width": width, "height": height, "source": source})
        # of a pose picture only the main person is sought; the others are there to disturb
        for row in range(1 if kind == "pose" else len(frame.boxes)):
            annotations.append(_annotation(frame, row, number, len(annotations), kind, source))
    category = {"id": 1, "name": "person", "keypoints": list(PTRACK_19.joints)}
    content = {"images": images, "annotations": annotations, "categories": [category]}
    write_atomically(root / "train.json", orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY))
    return root / "train.json"


def _picture(
    kind: str, rng: np.random.Generator, backgrounds: Sequence[Path], somebody: Somebody | None
) -> SyntheticFrame:
    background = None
    if backgrounds and rng.random() < (_BACKGROUND_SHARE if somebody is None else 1):
        photograph = read_picture(backgrounds[int(rng.integers(len(backgrounds)))], cv2.IMREAD_COLOR)
        background = None if photograph is None else cv2.cvtColor(photograph, cv2.COLOR_BGR2RGB)
    if kind == "pose":
        return random_person(rng, background=background)
    return random_crowd(rng, background=background, somebody=somebody, **(_GROUP if kind == "group" else {}))


def _annotation(
    frame: SyntheticFrame, row: int, image: int, number: int, kind: str, source: str
) -> dict[str, object]:
    x, y, width, height = (round(float(v), 1) for v in xyxy_to_xywh(frame.boxes[row]))
    labelled = frame.visibility[row] > 0
    if kind == "group":  # nobody can say where a joint behind somebody else is
        labelled &= ~frame.covered[row]
    points = np.where(labelled[:, None], np.round(frame.keypoints[row].astype(np.float64), 1), 0)
    triplets = np.column_stack([points, np.where(labelled, frame.visibility[row], 0)])
    hidden = kind != "pose" and frame.visible_fraction[row] < MIN_VISIBLE
    return {
        "id": number,
        "image_id": image,
        "category_id": 1,
        "bbox": [x, y, width, height],
        "area": round(0.53 * width * height, 1),
        "iscrowd": int(hidden),
        "keypoints": triplets.reshape(-1).tolist(),
        "num_keypoints": int(labelled.sum()),
        "source": source,
    }
