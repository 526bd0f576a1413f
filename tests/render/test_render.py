"""`render_sequence`, from a file to files: as many pictures as the record has frames, whatever is missing."""

from __future__ import annotations

import os
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from configs.settings import RenderSettings
from posedata.errors import BadRecord
from posedata.people import FramePeople, FrameStatus
from posedata.records import Header, RecordWriter, VideoHeader
from posedata.sequences import Sequence, discover
from stages.render.colours import identity_colour
from stages.render.overlay import overlay_writer
from stages.render.render import is_rendered, render_sequence

WIDTH, HEIGHT, FRAMES = 160, 120, 20


@pytest.fixture(scope="module")
def sequence(tmp_path_factory) -> Sequence:
    """A grey video of 20 frames at irregular times, each a little lighter than the one before."""
    path = tmp_path_factory.mktemp("videos") / "clip.mp4"
    with overlay_writer(path, WIDTH, HEIGHT, fps=10.0) as writer:
        for index in range(FRAMES):
            writer.write(np.full((HEIGHT, WIDTH, 3), 60 + 4 * index, np.uint8), time_of(index))
    return discover(path, "auto", None).sequences[0]


def time_of(index: int) -> float:
    return index / 10 + (1.0 if index >= 10 else 0.0)


def record(path: Path, indices, *, missing: tuple[int, ...] = (), size=(WIDTH, HEIGHT)) -> Path:
    """One person standing at the left, except in the frames that are missing."""
    header = Header.create(
        stage="track",
        sequence="clip",
        video=VideoHeader("clip.mp4", 10.0, *size),
        skeleton="coco-17",
        ptrack_version="0",
        settings={},
        input_identity="x",
    )
    steps = np.linspace(0, 1, 17)[:, None]
    people = FramePeople(
        boxes=[[20, 30, 60, 110]],
        keypoints=[np.hstack([20 + 40 * steps, 30 + 80 * steps])],
        keypoint_scores=np.full((1, 17), 0.9),
        person_scores=[0.8],
        track_ids=[3],
    )
    with RecordWriter(path, header, chunk=1000) as writer:
        for index in indices:
            gone = FramePeople(status=FrameStatus.UNDECODABLE)
            writer.append(index, time_of(index), gone if index in missing else people)
        writer.finish()
    return path


def played(path: Path) -> tuple[list[float], list[np.ndarray]]:
    with av.open(os.fspath(path)) as container:
        frames = list(container.decode(video=0))
        return [float(f.pts * f.time_base) for f in frames], [f.to_ndarray(format="rgb24") for f in frames]


def test_an_overlay_and_a_sheet_of_a_whole_video(tmp_path, sequence):
    done: list[int] = []
    report = render_sequence(
        sequence, record(tmp_path / "track.json", range(FRAMES)), tmp_path, RenderSettings(), done.append
    )
    assert report.files == tuple(tmp_path / name for name in ("overlay.mp4", "contact_sheet.png", "timeline.png"))
    assert (report.frames, report.warnings, done[-1]) == (FRAMES, (), FRAMES)
    times, pictures = played(tmp_path / "overlay.mp4")
    assert times == pytest.approx([time_of(i) for i in range(FRAMES)], abs=0.001)
    for index, image in enumerate(pictures):
        assert image.shape == (HEIGHT, WIDTH, 3)
        assert abs(float(image[60:, 120:].mean()) - (60 + 4 * index)) < 4  # its own frame, untouched over there
        assert np.abs(image[28:33, 25:58].astype(int) - identity_colour(3)).sum(axis=2).min() < 130
    sheet = cv2.imread(str(tmp_path / "contact_sheet.png"))
    assert sheet.shape[1] == 4 * 488 + 8 and sheet.shape[0] > 3 * 368
    assert sorted(os.listdir(tmp_path)) == ["contact_sheet.png", "overlay.mp4", "timeline.png", "track.json"]


def test_missing_frames_hold_the_last_picture_in_grey(tmp_path, sequence):
    path = record(tmp_path / "track.json", range(FRAMES), missing=(0, 7, 8))
    report = render_sequence(sequence, path, tmp_path, RenderSettings())
    _, pictures = played(tmp_path / "overlay.mp4")
    assert len(pictures) == FRAMES
    assert "3 of 20 frames could not be decoded" in report.warnings[0]
    assert pictures[0][60:, 120:].mean() < 5
    for image in pictures[7:9]:
        assert abs(float(image[60:, 120:].mean()) - (60 + 4 * 6) / 2) < 4
    assert abs(float(pictures[9][60:, 120:].mean()) - (60 + 4 * 9)) < 4


def test_a_record_that_is_longer_than_the_video_keeps_its_length(tmp_path, sequence):
    path = record(tmp_path / "track.json", range(FRAMES + 5))
    report = render_sequence(sequence, path, tmp_path, RenderSettings())
    assert len(played(tmp_path / "overlay.mp4")[1]) == report.frames == FRAMES + 5
    assert "5 of 25 frames" in report.warnings[0]


def test_a_part_of_the_frames(tmp_path, sequence):
    path = record(tmp_path / "track.json", [8, 9, 12, 13])
    assert render_sequence(sequence, path, tmp_path, RenderSettings()).warnings == ()
    times, pictures = played(tmp_path / "overlay.mp4")
    assert times == pytest.approx([0, 0.1, 1.4, 1.5], abs=0.001)
    for index, image in zip([8, 9, 12, 13], pictures):
        assert abs(float(image[60:, 120:].mean()) - (60 + 4 * index)) < 4


def test_a_record_without_frames_renders_nothing_and_says_so(tmp_path, sequence):
    report = render_sequence(sequence, record(tmp_path / "track.json", []), tmp_path, RenderSettings())
    assert report.files == () and "holds no frames" in report.warnings[0]
    assert os.listdir(tmp_path) == ["track.json"]


def test_large_frames_are_scaled_down(tmp_path, sequence):
    path = record(tmp_path / "track.json", range(3))
    render_sequence(sequence, path, tmp_path, RenderSettings(max_side=101))
    assert played(tmp_path / "overlay.mp4")[1][0].shape == (76, 102, 3)


def test_what_is_rendered_is_known_until_the_record_or_a_setting_changes(tmp_path, sequence):
    path = record(tmp_path / "track.json", range(3))
    settings = RenderSettings()
    assert not is_rendered(path, tmp_path, settings)
    render_sequence(sequence, path, tmp_path, settings)
    assert is_rendered(path, tmp_path, settings)
    assert not is_rendered(path, tmp_path, RenderSettings(crf=30))
    record(path, range(4))
    assert not is_rendered(path, tmp_path, settings)


def test_a_damaged_record_leaves_the_old_overlay(tmp_path, sequence):
    path = record(tmp_path / "track.json", range(6))
    render_sequence(sequence, path, tmp_path, RenderSettings())
    before = (tmp_path / "overlay.mp4").read_bytes()
    path.write_bytes(path.read_bytes().replace(b'"index":4', b'"index":2'))
    with pytest.raises(BadRecord, match="index is 2"):
        render_sequence(sequence, path, tmp_path, RenderSettings())
    assert (tmp_path / "overlay.mp4").read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["contact_sheet.png", "overlay.mp4", "timeline.png", "track.json"]
