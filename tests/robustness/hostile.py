"""Bad and odd inputs, each made in a folder of its own."""

from __future__ import annotations

import json
import pickle
import struct
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from posedata.synthetic import render_sequence

SIZE = (96, 72)  # width, height


def pictures(count: int, size: tuple[int, int] = SIZE, people: int = 1) -> list[np.ndarray]:
    """[H, W, 3] uint8 RGB each."""
    return [frame.image for frame in render_sequence(3, count, size, people)]


def blank(count: int) -> list[np.ndarray]:
    return [np.full((SIZE[1], SIZE[0], 3), 120, np.uint8) for _ in range(count)]


def video(
    path: Path,
    images: list[np.ndarray],
    *,
    times: list[float] | None = None,  # seconds
    codec: str = "libx264",
    pixels: str = "yuv420p",
) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = pixels
        stream.options = {"g": "4"} if codec == "libx264" else {}
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for number, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, "rgb24")
            if times is not None:
                frame.pts, frame.time_base = round(times[number] * 1000), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def sound_only(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.rate, frame.pts = 16000, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def no_frames(path: Path) -> Path:
    """A matroska file with a video stream and not one packet."""
    with av.open(str(path), "w", format="matroska") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.start_encoding()
    return path


def cut(path: Path, source: Path, part: float) -> Path:
    data = source.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    return path


def turned(path: Path) -> Path:
    """An mp4 whose track header says that it is to be shown turned by a quarter, as phones write it."""
    video(path, pictures(3))
    data = bytearray(path.read_bytes())
    place = data.find(b"tkhd") + 4
    place += 4 + (20 if data[place] == 0 else 32) + 16
    one = 1 << 16
    data[place : place + 36] = struct.pack(">9i", 0, one, 0, -one, 0, 0, SIZE[1] * one, 0, 1 << 30)
    path.write_bytes(data)
    return path


def frames(folder: Path, images: list[np.ndarray], suffix: str = ".png") -> Path:
    """A folder of numbered images; [H, W], [H, W, 3] and [H, W, 4] of 8 or 16 bit."""
    folder.mkdir(parents=True)
    for number, image in enumerate(images):
        image = image if image.ndim == 2 else image[..., [2, 1, 0, *range(3, image.shape[2])]]
        assert cv2.imwrite(str(folder / f"{number:06d}{suffix}"), image)
    return folder


def sixteen_grey_alpha(folder: Path) -> Path:
    first, second, third, fourth = pictures(4)
    alpha = np.dstack([third, np.full(third.shape[:2], 40, np.uint8)])
    grey16 = cv2.cvtColor(fourth, cv2.COLOR_RGB2GRAY).astype(np.uint16) * 257
    return frames(folder, [first.astype(np.uint16) * 257, cv2.cvtColor(second, cv2.COLOR_RGB2GRAY), alpha, grey16])


def one_corrupt(folder: Path) -> Path:
    frames(folder, pictures(4))
    (folder / "000002.png").write_bytes(b"\x89PNG\r\n\x1a\n not an image")
    return folder


def mixed_sizes(folder: Path) -> Path:
    return frames(folder, [*pictures(2), *pictures(2, (64, 96))])


def posetrack(root: Path, names: list[str], sequence: str = "900002_mpii_test") -> Path:
    """Adds an annotation file with these image names to a PoseTrack18 root."""
    images = [
        {"file_name": name, "id": 9000020000 + i, "frame_id": 9000020000 + i, "vid_id": "900002", "is_labeled": True}
        for i, name in enumerate(names)
    ]
    path = root / "annotations" / "val" / f"{sequence}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"images": images, "annotations": [], "categories": []}))
    return path


class _Bomb:
    """Creates a file when it is unpickled."""

    def __init__(self, proof: Path) -> None:
        self.proof = str(proof)

    def __reduce__(self) -> tuple:
        return open, (self.proof, "w")


def pickle_with_code(path: Path, proof: Path, *, as_zip: bool = False) -> Path:
    """A checkpoint that creates the file `proof` where it is unpickled; torch's old form, or its zip form."""
    weights = {"state_dict": {"conv1.weight": _Bomb(proof)}, "epoch": 3}
    if as_zip:
        import zipfile

        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", pickle.dumps(weights, protocol=2))
            archive.writestr("archive/version", "3\n")
    else:
        path.write_bytes(pickle.dumps(weights, protocol=2))
    return path
