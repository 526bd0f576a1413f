"""Rendered sequences as files: a PoseTrack18 folder with exact ground truth, and a video."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import orjson

from posedata.atomic import replacing, write_atomically
from posedata.errors import SequenceFailed, UsageError
from posedata.skeletons import POSETRACK_17, PTRACK_19
from posedata.synthetic.frame import SyntheticFrame
from posedata.synthetic.sequence import render_sequence

MAX_FRAMES = 10_000  # image ids have four digits for the frame
MAX_PEOPLE = 100  # annotation ids have two for the person
_SEQUENCE = re.compile(r"(\d{6})_(mpii|bonn|mpiinew)(_\w+)?", re.ASCII)
_SPLIT = re.compile(r"\w+", re.ASCII)
_COLUMNS = np.array([PTRACK_19.joints.index(j) for j in POSETRACK_17.joints])
_EARS = np.array([j.endswith("_ear") for j in POSETRACK_17.joints])
_JPEG_QUALITY = 92
# the category of the published annotation files, skeleton included
_CATEGORY = {
    "supercategory": "person",
    "id": 1,
    "name": "person",
    "keypoints": list(POSETRACK_17.joints),
    "skeleton": [
        [16, 14], [14, 12], [17, 15], [15, 13], [12, 13], [6, 12], [7, 13], [6, 7], [6, 8], [7, 9], [8, 10], [9, 11],
        [2, 3], [1, 2], [1, 3], [2, 4], [3, 5], [4, 6], [5, 7],
    ],
}  # fmt: skip


def write_posetrack18(
    root: Path,
    *,
    sequence: str = "900001_mpii_test",
    split: str = "val",
    seed: int = 7,
    frames: int = 90,
    size: tuple[int, int] = (640, 360),  # width, height
    people: int = 4,
    fps: float = 25.0,
) -> Path:
    """Renders `root/images/<split>/<sequence>/000000.jpg ...` and returns `root/annotations/<split>/<sequence>.json`.

    As in the published files, joints outside the frame or behind somebody else, and the ears, are (0, 0, 0); joints
    hidden by the person's own body are annotated; people without an annotated joint are left out. The annotation file
    is written last and at once, so that it exists only when all is there.

    Raises:
        UsageError: a name that the official evaluator cannot parse, or numbers that cannot be rendered.
        OSError: the disk refuses.
    """
    parts = _SEQUENCE.fullmatch(sequence)
    if parts is None or _SPLIT.fullmatch(split) is None:
        raise UsageError(
            f"{split}/{sequence} cannot name a PoseTrack sequence: give six digits, then _mpii, _bonn or _mpiinew, "
            "such as 900001_mpii_test, and a split such as val"
        )
    if frames > MAX_FRAMES:
        raise UsageError(f"{sequence}: PoseTrack numbers at most {MAX_FRAMES} frames, not {frames}; ask for fewer")
    if people > MAX_PEOPLE:
        raise UsageError(f"{sequence}: PoseTrack numbers at most {MAX_PEOPLE} people, not {people}; ask for fewer")
    folder = f"images/{split}/{sequence}"
    vid = parts[1]
    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    for number, frame in enumerate(render_sequence(seed, frames, size, people, fps)):
        name = f"{folder}/{number:06d}.jpg"
        image_id = int(f"1{vid}{number:04d}")
        write_atomically(root / name, _jpeg(frame.image))
        rows = [_annotation(frame, row, image_id) for row in range(len(frame))]
        labelled = [annotation for annotation in rows if annotation is not None]
        annotations += labelled
        images.append(_image_entry(name, image_id, vid, frames, frame) | {"has_labeled_person": bool(labelled)})
    path = root / "annotations" / split / f"{sequence}.json"
    content = {"images": images, "annotations": annotations, "categories": [_CATEGORY]}
    write_atomically(path, orjson.dumps(content))
    return path


def write_video(
    path: Path,  # .mp4
    *,
    seed: int = 0,
    frames: int = 90,
    size: tuple[int, int] = (640, 360),  # width, height; both even
    people: int = 4,
    fps: float = 25.0,
) -> Path:
    """The frames of `render_sequence` as an H.264 video; returns `path`, which exists only when it is whole.

    Raises:
        UsageError: an odd size, or numbers that cannot be rendered.
        SequenceFailed: this build of PyAV has no H.264 encoder.
        OSError: the disk refuses.
    """
    if size[0] % 2 or size[1] % 2:
        raise UsageError(f"{path}: an H.264 video needs even sides, not {size[0]}x{size[1]}; change the size by one")
    rendered = render_sequence(seed, frames, size, people, fps)
    with replacing(path) as part:
        _encode(part, rendered, size, Fraction(fps).limit_denominator(60_060))
    return path


def _encode(path: Path, frames: Iterator[SyntheticFrame], size: tuple[int, int], rate: Fraction) -> None:
    import av

    with av.open(str(path), "w", format="mp4") as container:
        try:
            stream = container.add_stream("libx264", rate=rate)
        except ValueError as error:  # PyAV's error for an unknown codec is one
            raise SequenceFailed(
                f"{path}: this build of PyAV has no H.264 encoder (libx264); install PyAV's own wheel: "
                "pip install --force-reinstall av"
            ) from error
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": "18", "preset": "veryfast"}
        for number, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(frame.image, format="rgb24")
            picture.pts, picture.time_base = number, 1 / rate
            container.mux(stream.encode(picture))
        container.mux(stream.encode())


def _jpeg(image: np.ndarray) -> bytes:
    _, code = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return code.tobytes()


def _image_entry(name: str, image_id: int, vid: str, frames: int, frame: SyntheticFrame) -> dict[str, object]:
    height, width = frame.image.shape[:2]
    return {
        "has_no_densepose": True,
        "is_labeled": True,
        "file_name": name,
        "nframes": frames,
        "frame_id": image_id,
        "id": image_id,
        "vid_id": vid,
        "width": width,
        "height": height,
        "ignore_regions_x": [[round(float(v), 2) for v in p[:, 0]] for p in frame.ignore_regions],
        "ignore_regions_y": [[round(float(v), 2) for v in p[:, 1]] for p in frame.ignore_regions],
    }


def _annotation(frame: SyntheticFrame, row: int, image_id: int) -> dict[str, object] | None:
    """One person of one frame; None without an annotated joint."""
    labelled = (frame.visibility[row] > 0) & ~frame.covered[row]
    labelled = labelled[_COLUMNS] & ~_EARS
    if not labelled.any():
        return None
    points = np.where(labelled[:, None], frame.keypoints[row, _COLUMNS], 0.0)
    triplets = np.column_stack([points, labelled])
    return {
        "id": image_id * 100 + int(frame.track_ids[row]),
        "image_id": image_id,
        "track_id": int(frame.track_ids[row]),
        "person_id": int(frame.track_ids[row]),
        "category_id": 1,
        "iscrowd": False,
        "num_keypoints": int(labelled.sum()),
        "bbox": _xywh(frame.boxes[row]),
        "bbox_head": _xywh(frame.head_boxes[row]),
        "keypoints": [round(float(v), 2) for v in triplets.ravel()],
        "scores": [],
    }


def _xywh(box: np.ndarray) -> list[float]:
    x1, y1, x2, y2 = (float(v) for v in box)
    return [round(x1, 2), round(y1, 2), round(x2 - x1, 2), round(y2 - y1, 2)]
