"""Frames that lie as one image file each: upright, 8 bit RGB, and an unreadable one stays a frame."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest

from posedata.errors import BadInput
from posedata.people import FrameStatus
from posedata.sequence import FrameRef, Sequence
from posedata.video import open_sequence

WIDTH, HEIGHT = 64, 48
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def quarters(width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """Red and green above, blue and white below."""
    image = np.zeros((height, width, 3), np.uint8)
    image[: height // 2, : width // 2], image[: height // 2, width // 2 :] = RED, GREEN
    image[height // 2 :, : width // 2], image[height // 2 :, width // 2 :] = BLUE, WHITE
    return image


def corners(image: np.ndarray) -> list[tuple[int, ...]]:
    """The colours of the four quarters in reading order, each channel 0 or 255."""
    height, width = image.shape[:2]
    places = [(y, x) for y in (height // 4, 3 * height // 4) for x in (width // 4, 3 * width // 4)]
    return [tuple(int(v > 127) * 255 for v in image[place]) for place in places]


def images_sequence(folder: Path, *names: str, fps: float | None = 25.0) -> Sequence:
    return Sequence("frames", folder, tuple(FrameRef(folder / n, n) for n in names), None, fps)


@pytest.mark.parametrize(
    "orientation, shown",
    [
        (1, [RED, GREEN, BLUE, WHITE]),
        (3, [WHITE, BLUE, GREEN, RED]),
        (6, [BLUE, RED, WHITE, GREEN]),
        (8, [GREEN, WHITE, RED, BLUE]),
    ],
)
def test_the_exif_orientation_of_an_image_counts(tmp_path, orientation, shown):
    jpeg = cv2.imencode(".jpg", quarters()[..., ::-1])[1].tobytes()
    tags = b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    exif = b"Exif\0\0" + tags
    (tmp_path / "0.jpg").write_bytes(jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:])
    with open_sequence(images_sequence(tmp_path, "0.jpg")) as source:
        (frame,) = source
    assert corners(frame.image) == shown
    assert frame.image.shape[:2] == (source.info.height, source.info.width)


@pytest.mark.parametrize(
    "name, pixels",
    [
        ("grey.png", lambda rgb: rgb[..., 0]),
        ("deep.png", lambda rgb: rgb.astype(np.uint16) * 257),
        ("deep_grey.png", lambda rgb: rgb[..., 0].astype(np.uint16) * 257),
        ("deep.tiff", lambda rgb: rgb.astype(np.uint16) * 257),
        ("alpha.png", lambda rgb: np.dstack([rgb, np.full(rgb.shape[:2], 40, np.uint8)])),
        ("plain.bmp", lambda rgb: rgb),
        ("plain.webp", lambda rgb: rgb),
    ],
)
def test_every_kind_of_image_comes_out_as_8_bit_rgb(tmp_path, name, pixels):
    grey = "grey" in name
    image = np.full((31, 21, 3), 77 if grey else (30, 60, 200), np.uint8)  # OpenCV's order
    (tmp_path / name).write_bytes(cv2.imencode(Path(name).suffix, pixels(image))[1].tobytes())
    with open_sequence(images_sequence(tmp_path, name)) as source:
        (frame,) = source
    assert frame.image.dtype == np.uint8 and frame.image.shape == (31, 21, 3)
    assert np.abs(frame.image.astype(int) - (77 if grey else (200, 60, 30))).max() <= 3


def test_opening_for_the_size_alone_reads_no_further(tmp_path):
    for number in range(3):
        cv2.imwrite(str(tmp_path / f"{number}.png"), quarters())
    (tmp_path / "3.png").write_bytes(b"broken")
    with open_sequence(images_sequence(tmp_path, *(f"{i}.png" for i in range(4)))) as source:
        assert (source.info.width, source.info.height, source.info.fps) == (WIDTH, HEIGHT, 25.0)
    assert source.warnings == []


def test_an_image_that_cannot_be_read_is_a_frame_without_pixels(tmp_path):
    good = cv2.imencode(".jpg", quarters())[1].tobytes()
    contents = {"0.jpg": good[: len(good) // 2], "1.jpg": good, "2.jpg": b"", "3.jpg": b"no image", "5.jpg": good}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "6.jpg").mkdir()
    os.mkfifo(tmp_path / "7.jpg")  # nobody ever writes to it
    sequence = images_sequence(tmp_path, *(f"{i}.jpg" for i in range(8)))
    with open_sequence(sequence) as source:
        frames = list(source)
    good_ones = [f.index for f in frames if f.status is FrameStatus.OK]
    assert good_ones == [1, 5] and len(frames) == 8
    assert (source.info.width, source.info.height) == (WIDTH, HEIGHT)  # of the first that can be read
    for frame in frames:
        assert (frame.image is None) == (frame.status is FrameStatus.UNDECODABLE) == bool(frame.note)
        assert frame.time == pytest.approx(frame.index / 25)
        if frame.note:
            assert frame.note.startswith(f"{frame.index}.jpg ") and str(tmp_path) not in frame.note
    assert "missing" in frames[4].note and "empty" in frames[2].note
    assert len(source.warnings) == 1 and "frame 0: 0.jpg" in source.warnings[0] and "6 frames" in source.warnings[0]


def test_images_of_several_sizes_warn_once(tmp_path):
    for number, size in enumerate([(10, 20), (10, 20), (12, 20), (30, 8)]):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.zeros((*size, 3), np.uint8))
    with open_sequence(images_sequence(tmp_path, *(f"{i}.png" for i in range(4)))) as source:
        shapes = [f.image.shape[:2] for f in source]
    assert shapes == [(10, 20), (10, 20), (12, 20), (30, 8)]
    assert len(source.warnings) == 1 and "frame 2: 2.png is 20x12, the first image is 20x10" in source.warnings[0]


def test_a_picture_too_large_to_be_true_is_undecodable(tmp_path):
    chunk = b"IHDR" + struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    (tmp_path / "0.png").write_bytes(b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + bytes(40))
    cv2.imwrite(str(tmp_path / "1.png"), quarters())
    with open_sequence(images_sequence(tmp_path, "0.png", "1.png")) as source:
        assert [f.status for f in source] == [FrameStatus.UNDECODABLE, FrameStatus.OK]


def test_a_folder_of_which_nothing_can_be_read_is_refused(tmp_path):
    (tmp_path / "0.png").write_bytes(b"x")
    with (
        pytest.raises(BadInput, match=r"none of its 2 images can be read; the first: 0\.png"),
        open_sequence(images_sequence(tmp_path, "0.png", "1.png")),
    ):
        pass


def test_unrelated_images_have_no_rate(tmp_path):
    for number in range(2):
        cv2.imwrite(str(tmp_path / f"{number}.png"), quarters())
    with open_sequence(images_sequence(tmp_path, "0.png", "1.png", fps=None)) as source:
        assert source.info.fps is None and [f.time for f in source] == [0.0, 1.0]


def test_a_folder_given_as_the_current_one_has_a_name(tmp_path, monkeypatch):
    cv2.imwrite(str(tmp_path / "0.png"), quarters())
    monkeypatch.chdir(tmp_path)
    with open_sequence(images_sequence(Path("."), "0.png")) as source:
        assert source.info.name == tmp_path.name


@pytest.mark.parametrize(
    "first, last, numbers", [(0, None, range(6)), (0, 0, [0]), (2, 4, [2, 3, 4]), (4, 99, [4, 5]), (9, None, [])]
)
def test_a_range_keeps_numbers_and_times(tmp_path, first, last, numbers):
    for number in range(6):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((8, 9, 3), 40 * number, np.uint8))
    sequence = images_sequence(tmp_path, *(f"{i}.png" for i in range(6)))
    with open_sequence(sequence, first, last) as source:
        frames = list(source)
    assert [f.index for f in frames] == list(numbers)
    assert all((f.image == 40 * f.index).all() and f.time == f.index / 25 for f in frames)
