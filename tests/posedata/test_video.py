"""Reading videos: upright, right colours, right times; nothing lost or invented where files are bad."""

from __future__ import annotations

import gc
import os
import struct
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from posedata.errors import BadInput
from posedata.sequence import Sequence
from posedata.video import open_sequence

WIDTH, HEIGHT = 64, 48
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def quarters(width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """Red and green above, blue and white below."""
    image = np.zeros((height, width, 3), np.uint8)
    image[: height // 2, : width // 2], image[: height // 2, width // 2 :] = RED, GREEN
    image[height // 2 :, : width // 2], image[height // 2 :, width // 2 :] = BLUE, WHITE
    return image


def write_video(path: Path, images, *, codec="mpeg4", times=None, rate=10, pixels="yuv420p", **options) -> Path:
    """A video of the images; `times` in seconds where they are not even."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options={k: str(v) for k, v in options.items()})
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = pixels
        stream.bit_rate = 4_000_000
        if times is not None:
            stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for number, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, "rgb24")
            if times is not None:
                frame.pts, frame.time_base = round(times[number] * 1000), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def noise(count: int, width: int = WIDTH, height: int = HEIGHT) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [cv2.resize(rng.integers(0, 255, (6, 8, 3), np.uint8), (width, height)) for _ in range(count)]


def read(path: Path, first: int = 0, last: int | None = None):
    """Info, frames and warnings of a video."""
    with open_sequence(Sequence("clip", path), first, last) as source:
        frames = list(source)
    return source.info, frames, source.warnings


def corners(image: np.ndarray) -> list[tuple[int, ...]]:
    """The colours of the four quarters in reading order, each channel 0 or 255."""
    height, width = image.shape[:2]
    places = [(y, x) for y in (height // 4, 3 * height // 4) for x in (width // 4, 3 * width // 4)]
    return [tuple(int(v > 127) * 255 for v in image[place]) for place in places]


# Orientation -----------------------------------------------------------------------------------------------------


def set_display_matrix(path: Path, a: int, b: int, c: int, d: int) -> None:
    """Writes the turn into the track header of an mp4, as a telephone does."""
    data = bytearray(path.read_bytes())
    box = data.find(b"tkhd") + 4
    place = box + 4 + (20 if data[box] == 0 else 32) + 16
    x, y = (WIDTH if a < 0 else HEIGHT if c < 0 else 0), (HEIGHT if d < 0 else WIDTH if b < 0 else 0)
    data[place : place + 36] = struct.pack(">9i", a << 16, b << 16, 0, c << 16, d << 16, 0, x << 16, y << 16, 1 << 30)
    path.write_bytes(data)


@pytest.mark.parametrize(
    "matrix, shown",
    [
        pytest.param((1, 0, 0, 1), [RED, GREEN, BLUE, WHITE], id="upright"),
        pytest.param((0, 1, -1, 0), [BLUE, RED, WHITE, GREEN], id="quarter turn right"),
        pytest.param((-1, 0, 0, -1), [WHITE, BLUE, GREEN, RED], id="upside down"),
        pytest.param((0, -1, 1, 0), [GREEN, WHITE, RED, BLUE], id="quarter turn left"),
        pytest.param((-1, 0, 0, 1), [GREEN, RED, WHITE, BLUE], id="mirrored"),
        pytest.param((0, 1, 1, 0), [RED, BLUE, GREEN, WHITE], id="transposed"),
    ],
)
def test_a_turned_video_comes_out_upright(tmp_path, matrix, shown):
    path = write_video(tmp_path / "phone.mp4", [quarters()] * 3)
    set_display_matrix(path, *matrix)
    info, frames, _ = read(path)
    lying = matrix[0] == 0
    assert (info.width, info.height) == ((HEIGHT, WIDTH) if lying else (WIDTH, HEIGHT))
    for frame in frames:
        assert frame.image.shape == (info.height, info.width, 3) and frame.image.flags.c_contiguous
        assert corners(frame.image) == shown


# Colours ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width, height", [(64, 48), (63, 47), (17, 16)])
@pytest.mark.parametrize(
    "codec, pixels, suffix",
    [
        ("mpeg4", "yuv420p", ".mp4"),
        ("ffv1", "yuv420p", ".mkv"),
        ("ffv1", "yuv422p", ".mkv"),
        ("ffv1", "yuv420p10le", ".mkv"),
        ("ffv1", "yuv444p16le", ".mkv"),
        ("ffv1", "yuva420p", ".mkv"),
        ("ffv1", "bgra", ".mkv"),
        ("rawvideo", "nv12", ".nut"),
        ("rawvideo", "rgb24", ".nut"),
        ("mjpeg", "yuvj420p", ".avi"),
        ("mjpeg", "yuvj444p", ".mkv"),
        ("png", "rgb48be", ".mov"),
    ],
)
def test_pixel_formats_come_out_in_rgb(tmp_path, codec, pixels, suffix, width, height):
    path = write_video(tmp_path / f"clip{suffix}", [np.full((height, width, 3), (200, 60, 30), np.uint8)] * 2,
                       codec=codec, pixels=pixels)  # fmt: skip
    info, frames, warnings = read(path)
    assert (info.width, info.height, len(frames), warnings) == (width, height, 2, [])
    assert frames[0].image.dtype == np.uint8 and frames[0].image.shape == (height, width, 3)
    assert np.abs(frames[0].image.astype(int) - (200, 60, 30)).max() <= 6


@pytest.mark.parametrize("pixels", ["gray", "gray10le", "gray16le"])
def test_grey_videos_come_out_grey(tmp_path, pixels):
    path = write_video(tmp_path / "clip.mkv", [np.full((48, 64, 3), 90, np.uint8)], codec="ffv1", pixels=pixels)
    _, frames, _ = read(path)
    assert np.abs(frames[0].image.astype(int) - 90).max() <= 2


@pytest.mark.parametrize("full", [False, True], ids=["limited range", "full range"])
@pytest.mark.parametrize("matrix", ["bt709", "smpte170m"])
def test_the_colour_matrix_and_range_that_a_video_states_are_used(tmp_path, matrix, full):
    red_part, blue_part, number = {"bt709": (0.2126, 0.0722, 1), "smpte170m": (0.299, 0.114, 6)}[matrix]
    colour = np.array([200, 60, 30]) / 255
    luma = colour @ (red_part, 1 - red_part - blue_part, blue_part)
    chroma = (colour[2] - luma) / (2 - 2 * blue_part), (colour[0] - luma) / (2 - 2 * red_part)
    scale, black, half = (255, 0, 255) if full else (219, 16, 224)
    planes = (black + scale * luma, 128 + half * chroma[0], 128 + half * chroma[1])
    frame = av.VideoFrame(64, 48, "yuv444p")
    for plane, value in zip(frame.planes, planes):
        plane.update(bytes([round(value)]) * plane.buffer_size)
    with av.open(str(tmp_path / "clip.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv444p"
        stream.codec_context.colorspace = frame.colorspace = number
        stream.codec_context.color_range = frame.color_range = 2 if full else 1
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    _, frames, _ = read(tmp_path / "clip.mkv")
    assert np.abs(frames[0].image.astype(int) - (200, 60, 30)).max() <= 3


# Times -----------------------------------------------------------------------------------------------------------


def test_a_variable_frame_rate_keeps_its_times(tmp_path):
    times = [0, 0.04, 0.08, 1.5, 1.54, 4.0, 4.001]
    _, frames, warnings = read(write_video(tmp_path / "clip.mkv", noise(len(times)), codec="ffv1", times=times))
    assert [f.time for f in frames] == pytest.approx(times, abs=1e-3) and warnings == []
    assert [f.index for f in frames] == list(range(len(times)))


def test_times_begin_at_zero_wherever_the_container_begins(tmp_path):
    times = [7.0, 7.1, 7.3]
    _, frames, _ = read(write_video(tmp_path / "clip.mkv", noise(3), codec="ffv1", times=times))
    assert [f.time for f in frames] == pytest.approx([0, 0.1, 0.3], abs=2e-3)


def test_a_stream_without_times_counts_at_its_rate(tmp_path):
    path = write_video(tmp_path / "clip.m4v", noise(5), rate=20)
    _, frames, _ = read(path)
    assert len(frames) == 5 and all(a.time < b.time for a, b in pairwise(frames))


def test_times_rise_through_reordered_pictures(tmp_path):
    path = write_video(tmp_path / "clip.mp4", noise(12), bf=2, codec="mpeg4")
    _, frames, warnings = read(path)
    assert [f.time for f in frames] == pytest.approx([i / 10 for i in range(12)], abs=1e-3) and warnings == []


# Ranges ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ten(tmp_path_factory) -> Path:
    return write_video(tmp_path_factory.mktemp("ten") / "ten.mkv", noise(10), codec="ffv1")


@pytest.mark.parametrize(
    "first, last, numbers",
    [
        (0, None, range(10)),
        (0, 0, [0]),
        (3, 5, [3, 4, 5]),
        (8, 400, [8, 9]),
        (10, None, []),
        (400, None, []),
        (5, 4, []),
    ],
)
def test_a_range_gives_the_same_frames_as_the_whole(ten, first, last, numbers):
    _, whole, _ = read(ten)
    info, part, _ = read(ten, first, last)
    assert [f.index for f in part] == list(numbers) and (info.width, info.height) == (WIDTH, HEIGHT)
    for frame in part:
        assert frame.time == whole[frame.index].time and (frame.image == whole[frame.index].image).all()


def test_one_frame_at_a_time_is_held(tmp_path):
    path = write_video(tmp_path / "clip.mp4", noise(30))
    set_display_matrix(path, 0, 1, -1, 0)
    gc.collect()
    gc.disable()  # a frame that only the collector would free is a frame held
    try:
        with open_sequence(Sequence("clip", path)) as source:
            held = [sum(isinstance(o, av.VideoFrame) for o in gc.get_objects()) for _ in source]
    finally:
        gc.enable()
    assert len(held) == 30 and max(held) <= 4


# Damage ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "suffix, codec", [(".avi", "mpeg4"), (".mkv", "mpeg4"), (".avi", "mjpeg"), (".mpg", "mpeg2video")]
)
@pytest.mark.parametrize("part", [0.3, 0.62, 0.85])
def test_a_truncated_video_gives_what_is_there_and_one_warning(tmp_path, suffix, codec, part):
    whole = write_video(tmp_path / f"whole{suffix}", noise(40, 160, 120), codec=codec, rate=25,
                        pixels="yuvj420p" if codec == "mjpeg" else "yuv420p", g=5)  # fmt: skip
    _, expected, _ = read(whole)
    data = whole.read_bytes()
    cut = tmp_path / f"cut{suffix}"
    cut.write_bytes(data[: int(len(data) * part)])
    _, frames, warnings = read(cut)
    assert 0.5 * part * len(expected) < len(frames) < len(expected)
    for frame, other in zip(frames[:-2], expected):
        assert (frame.image == other.image).all()
    assert len(warnings) == 1 and "breaks off after frame" in warnings[0]


def test_an_mp4_without_its_index_is_refused(tmp_path):
    whole = write_video(tmp_path / "whole.mp4", noise(10))
    (tmp_path / "cut.mp4").write_bytes(whole.read_bytes()[:-600])
    with pytest.raises(BadInput, match=r"cut\.mp4: (cannot be read as a|holds no) video"):
        read(tmp_path / "cut.mp4")


def test_an_mp4_whose_tail_is_gone_but_has_its_index_warns_once(tmp_path):
    whole = write_video(tmp_path / "whole.mp4", noise(30, 160, 120), g=5)
    with (
        av.open(str(whole)) as source,
        av.open(str(tmp_path / "front.mp4"), "w", options={"movflags": "faststart"}) as target,
    ):
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    data = (tmp_path / "front.mp4").read_bytes()
    assert data.find(b"moov") < data.find(b"mdat")
    (tmp_path / "cut.mp4").write_bytes(data[: len(data) * 2 // 3])
    _, frames, warnings = read(tmp_path / "cut.mp4")
    assert 10 < len(frames) < 30  # the container still says 30
    assert len(warnings) == 1 and "breaks off after frame" in warnings[0] and str(tmp_path) not in warnings[0]


def test_damage_in_the_middle_does_not_end_the_video(tmp_path):
    whole = write_video(tmp_path / "whole.avi", noise(40, 160, 120), codec="mjpeg", pixels="yuvj420p")
    data = bytearray(whole.read_bytes())
    starts = [i for i in range(len(data) - 1) if data[i : i + 2] == b"\xff\xd8"]
    data[starts[15] : starts[16] - 40] = bytes(starts[16] - 40 - starts[15])
    (tmp_path / "hit.avi").write_bytes(data)
    _, frames, warnings = read(tmp_path / "hit.avi")
    assert len(frames) == 39 and frames[-1].time == pytest.approx(3.9, abs=1e-3)
    assert len(warnings) == 1 and "frame 15" in warnings[0]


def test_a_damaged_video_reads_the_same_every_time(tmp_path):
    path = write_video(tmp_path / "clip.mp4", noise(30, 160, 120), g=10)
    data, rng = bytearray(path.read_bytes()), np.random.default_rng(3)
    for place in rng.integers(len(data) // 4, 3 * len(data) // 4, 25):
        data[place] ^= 0x55
    path.write_bytes(data)
    (_, first, said), (_, second, said_again) = read(path), read(path)
    assert said == said_again and "damaged" in said[0] and len(first) == len(second)
    assert all((a.image == b.image).all() and a.time == b.time for a, b in zip(first, second))


def audio_only(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())


def no_frames(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        container.start_encoding()


def playlist(path: Path) -> None:
    write_video(path.with_name("secret.mp4"), noise(2))
    path.write_text("ffconcat version 1.0\nfile secret.mp4\n")


def hls(path: Path) -> None:
    write_video(path.with_name("secret.ts"), noise(2), codec="mpeg2video")
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsecret.ts\n#EXT-X-ENDLIST\n")


@pytest.mark.parametrize(
    "name, make, words",
    [
        ("missing.mp4", lambda path: None, "No such file"),
        ("empty.mp4", lambda path: path.write_bytes(b""), "cannot be read as a video"),
        ("text.mp4", lambda path: path.write_text("dear diary\n" * 500), "cannot be read as a video"),
        ("noise.avi", lambda path: path.write_bytes(np.random.default_rng(1).bytes(20000)), "cannot be read"),
        ("folder.mp4", lambda path: path.mkdir(), "cannot be read as a video"),
        ("song.mkv", audio_only, "holds no video"),
        ("nothing.mkv", no_frames, "clip|one frame|cannot be read|no stream"),
        ("list.mp4", playlist, "cannot be read as a video"),
        ("list.m3u8", hls, "cannot be read as a video"),
    ],
)
def test_what_is_no_video_is_one_sentence(tmp_path, name, make, words):
    make(tmp_path / name)
    with pytest.raises(BadInput, match=words) as caught:
        read(tmp_path / name)
    said = str(caught.value)
    assert said.startswith(f"{tmp_path / name}: ") and said.count(str(tmp_path)) == 1 and "\n" not in said


@pytest.mark.parametrize(
    "name", ["bär läuft ünter 雨.mkv", "http:x.mkv", "a%03d b'c.mkv", os.fsdecode(b"bad\xff.mkv")]
)
def test_odd_file_names_are_only_names(ten, tmp_path, name, monkeypatch):
    (tmp_path / name).write_bytes(ten.read_bytes())
    monkeypatch.chdir(tmp_path)
    info, frames, _ = read(Path(name))
    assert len(frames) == 10
    info.name.encode()


def test_a_change_of_size_in_the_middle_gives_the_frames_as_they_are(tmp_path):
    parts = [
        write_video(tmp_path / f"{w}.mpg", noise(6, w, h), codec="mpeg2video", rate=25).read_bytes()
        for w, h in ((160, 120), (96, 80))
    ]
    (tmp_path / "both.mpg").write_bytes(b"".join(parts))
    info, frames, warnings = read(tmp_path / "both.mpg")
    shapes = [f.image.shape[:2] for f in frames]
    assert (info.width, info.height) == (160, 120) and shapes[0] == (120, 160) and shapes[-1] == (80, 96)
    assert sum("96x80" in w for w in warnings) == 1


def test_a_refused_sequence_raises_its_fault(tmp_path):
    sequence = Sequence("s", tmp_path, (), None, None, "val.json: image 3: leads out of the data set")
    with pytest.raises(BadInput, match="image 3"), open_sequence(sequence):
        pass


def test_leaving_in_the_middle_closes_the_file(ten):
    with open_sequence(Sequence("clip", ten)) as source:
        next(iter(source))
    if os.path.isdir("/proc/self/fd"):
        held = [
            os.readlink(f"/proc/self/fd/{n}")
            for n in os.listdir("/proc/self/fd")
            if os.path.exists(f"/proc/self/fd/{n}")
        ]
        assert str(ten) not in held


# Real clips ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, size, frames, seconds",
    [
        ("clips/exercise_3gymnasts.avi", (384, 288), 393, 39.2),
        ("clips/exercise_3gymnasts_8s.mp4", (384, 288), 80, 7.9),
        ("clips/tai_chi_1p.mp4", (340, 256), 300, 9.977),
        ("clips_jhmdb/A_Beautiful_Mind_4_run_f_cm_np1_ba_med_9.avi", (320, 240), 16, 0.6),  # its container says 19
        ("posetrack18_mmpose/videos/000001_mpiinew_test/000001_mpiinew_test.mp4", (1280, 720), 5, 0.133),
    ],
)
def test_real_clips(test_data, name, size, frames, seconds):
    with open_sequence(Sequence("clip", test_data / "media" / name)) as source:
        count, last = 0, -1.0
        for frame in source:
            assert frame.index == count and frame.time > last and frame.image.shape == (*size[::-1], 3)
            count, last = count + 1, frame.time
    assert (source.info.width, source.info.height) == size and source.warnings == []
    assert count == frames and last == pytest.approx(seconds, abs=0.002)
