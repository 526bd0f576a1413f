"""The overlay file: what a player sees of it, and that it is there whole or not at all."""

from __future__ import annotations

import os
import resource
import signal

import av
import numpy as np
import pytest

from posedata.errors import SequenceFailed
from stages.render.overlay import OverlayWriter, overlay_writer, read_comment


def picture(level: int, size: tuple[int, int] = (48, 64)) -> np.ndarray:
    return np.full((*size, 3), (level, 40, 200 - level), np.uint8)


def write(path, times, **options) -> OverlayWriter:
    with overlay_writer(path, 64, 48, fps=25.0, **options) as writer:
        for number, time in enumerate(times):
            writer.write(picture(10 * number), time)
    return writer


def played(path) -> tuple[list[float], list[np.ndarray]]:
    with av.open(os.fspath(path)) as container:
        frames = list(container.decode(video=0))
        return [float(f.pts * f.time_base) for f in frames], [f.to_ndarray(format="rgb24") for f in frames]


@pytest.mark.parametrize(
    "times, expected",
    [
        pytest.param([0, 0.04, 0.08, 0.12], [0, 0.04, 0.08, 0.12], id="regular"),
        pytest.param([0, 0.04, 0.30, 0.31, 2.0], [0, 0.04, 0.30, 0.31, 2.0], id="variable frame rate"),
        pytest.param([7.5, 7.6, 7.7], [0, 0.1, 0.2], id="begins later"),
        pytest.param([0, 0, 0, 0.5], [0, 0.04, 0.08, 0.5], id="times that do not rise"),
        pytest.param([0, 0.5, 0.1, 0.6], [0, 0.5, 0.54, 0.6], id="a time that falls"),
        pytest.param([0, 1e300, 0.08, 1e9], [0, 0.04, 0.08, 0.12], id="times that cannot be"),
        pytest.param([3], [0], id="one picture"),
    ],
)
def test_the_times_are_kept(tmp_path, times, expected):
    writer = write(tmp_path / "overlay.mp4", times)
    found, _ = played(tmp_path / "overlay.mp4")
    assert found == pytest.approx(expected, abs=1e-4)
    assert (writer.retimed > 0) == (sorted(set(times)) != times)


def test_every_player_can_show_it(tmp_path):
    path = tmp_path / "overlay.mp4"
    write(path, [i / 25 for i in range(10)])
    with av.open(os.fspath(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert (stream.codec_context.width, stream.codec_context.height) == (64, 48)
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")  # the index stands first: it plays while it loads
    _, pictures = played(path)
    assert np.abs(pictures[4].astype(int) - picture(40)).mean() < 6


def test_the_comment_is_kept_and_a_file_without_one_is_nobodys(tmp_path):
    write(tmp_path / "overlay.mp4", [0, 0.04], comment="ptrack 12ab")
    assert read_comment(tmp_path / "overlay.mp4") == "ptrack 12ab"
    write(tmp_path / "other.mp4", [0, 0.04])
    assert not read_comment(tmp_path / "other.mp4")
    (tmp_path / "torn.mp4").write_bytes((tmp_path / "overlay.mp4").read_bytes()[:200])
    assert read_comment(tmp_path / "torn.mp4") is None and read_comment(tmp_path / "none.mp4") is None


def test_an_error_leaves_the_old_overlay_and_no_part_file(tmp_path):
    path = tmp_path / "overlay.mp4"
    write(path, [0, 0.04])
    before = path.read_bytes()
    with pytest.raises(KeyboardInterrupt), overlay_writer(path, 64, 48, fps=25.0) as writer:
        writer.write(picture(0), 0.0)
        raise KeyboardInterrupt
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["overlay.mp4"]


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SequenceFailed, match=r"overlay.mp4: cannot be written \(.+\); mend that and render again"):
        write(tmp_path / "file" / "overlay.mp4", [0])


def test_a_disk_that_fills_up_is_a_sentence_and_leaves_nothing(tmp_path):
    """A file size limit stands for the full disk: the writes fail in FFmpeg, at any depth."""
    noise = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        for size in (0, 30, 3000, 60_000):
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
            with (
                pytest.raises(SequenceFailed, match=r"overlay\.mp4: cannot be written"),
                overlay_writer(tmp_path / "overlay.mp4", 64, 48, fps=25.0, crf=1) as writer,
            ):
                for number in range(120):
                    writer.write(np.roll(noise, number * 7, axis=1), number / 25)
            assert os.listdir(tmp_path) == []
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("width, height", [(2, 2), (1920, 2), (2, 1920)])
@pytest.mark.parametrize("fps", [None, 1e-300, 1e300, 29.97])
def test_small_pictures_and_strange_rates(tmp_path, width, height, fps):
    with overlay_writer(tmp_path / "overlay.mp4", width, height, fps=fps) as writer:
        for number in range(3):
            writer.write(picture(number, (height, width)), number / 10)
    assert played(tmp_path / "overlay.mp4")[1][0].shape == (height, width, 3)


def test_odd_sides_are_refused(tmp_path):
    with pytest.raises(ValueError, match="even sides, not 63x48"), overlay_writer(tmp_path, 63, 48, fps=None):
        pass


def test_an_error_of_the_caller_is_not_called_a_full_disk(tmp_path):
    with (
        pytest.raises(OSError, match="camera unplugged"),
        overlay_writer(tmp_path / "overlay.mp4", 64, 48, fps=None) as writer,
    ):
        writer.write(picture(0), 0.0)
        raise OSError(5, "camera unplugged")
    assert os.listdir(tmp_path) == []
