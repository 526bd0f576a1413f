"""PoseWarper's five frames: which they are, that crops of one picture are looked at once, and that chunks, resuming
and single stages change nothing. A small network stands in for the real one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from small_models import small_model

from configs.settings import PoseSettings
from posedata.people import FramePeople, FrameStatus
from posedata.records import read_footer
from posedata.sequences import discover
from posedata.skeletons import POSETRACK_17
from posedata.synthetic import write_posetrack18, write_video
from stages.device import Runtime
from stages.pipeline import Part, Pipeline
from stages.pose.networks.posewarper import FRAME_ORDER, FRAME_WEIGHTS
from stages.pose.temporal.estimator import Scene, WarpEstimator
from stages.pose.temporal.stage import WarpStage
from stages.pose.temporal.window import windows
from stages.stream import CHUNK, Clock, Item
from stages.validate.posetrack import annotated_sequences, validate_posetrack
from stages.validate.subject import Subject
from stages.work import WorkFolder

ENTRY = small_model((32, 24), "posewarper_pair", "posetrack-17")


class SmallWarper(torch.nn.Module):
    """Heatmaps are the crop's brightness, joint after joint a little stronger; warping leaves maps where they are."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = 0

    def heatmaps(self, crops: torch.Tensor) -> torch.Tensor:
        self.seen += len(crops)
        maps = torch.nn.functional.avg_pool2d(crops.mean(dim=1, keepdim=True), 4) + 3
        return maps * torch.linspace(1, 2, 17).view(1, 17, 1, 1)

    def aggregate(self, maps: torch.Tensor) -> torch.Tensor:
        return sum(part * weight for part, weight in zip(maps.chunk(len(FRAME_ORDER)), FRAME_WEIGHTS))


def estimator() -> WarpEstimator:
    return WarpEstimator(SmallWarper(), ENTRY, PoseSettings(model="small"), Runtime(torch.device("cpu"), False, 8))


def picture(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 255, (60, 80, 3), np.uint8)


def frames(count: int, lost: tuple[int, ...] = (), still: bool = False) -> list[Item]:
    found = []
    for number in range(count):
        corner = np.array([10, 10] if still else [10 + number % 7, 10], np.float32)
        boxes = np.concatenate([corner, corner + (20, 30)])[None]
        people = FramePeople(boxes=boxes, box_scores=np.array([0.9]))
        if number in lost:
            empty = FramePeople(boxes=np.zeros((0, 4)), box_scores=np.zeros(0), status=FrameStatus.UNDECODABLE)
            found.append(Item(number, number / 25, None, empty))
        else:
            found.append(Item(number, number / 25, picture(number), people))
    return found


@pytest.mark.parametrize(
    "count, lost, frame, expected",
    [
        (9, (), 4, (4, 3, 2, 5, 6)),
        (9, (), 0, (0, 0, 0, 1, 2)),
        (9, (), 1, (1, 0, 0, 2, 3)),
        (9, (), 8, (8, 7, 6, 8, 8)),
        (1, (), 0, (0, 0, 0, 0, 0)),
        (9, (3,), 4, (4, 4, 2, 5, 6)),  # no picture: the frame itself
        (9, (0,), 1, (1, 1, 1, 2, 3)),
        (40, (), 15, (15, 14, 13, 16, 17)),  # over the border of two chunks
        (40, (), 16, (16, 15, 14, 17, 18)),
        (17, (), 15, (15, 14, 13, 16, 16)),
        (18, (), 16, (16, 15, 14, 17, 17)),
    ],
)
def test_the_frames_of_a_window(count, lost, frame, expected):
    every = [w for chunk in windows(iter(frames(count, lost)), []) for w in chunk]
    assert [w.item.index for w in every] == list(range(count))
    assert tuple(f.index for f in every[frame].frames) == expected


def test_no_more_than_a_chunk_and_two_frames_are_read_ahead():
    read = []

    def counted():
        for item in frames(50):
            read.append(item.index)
            yield item

    stream = windows(counted(), [])
    assert len(next(stream)) == CHUNK and read[-1] == CHUNK + 1


def test_all_five_crops_are_cut_with_the_middle_frames_box():
    found = estimator()
    box = np.array([[10, 10, 30, 40]], np.float32)
    people = FramePeople(boxes=box, box_scores=np.ones(1))
    pictures = tuple(picture(k) for k in range(5))
    joint = found.aggregate([Scene(people, pictures, tuple(range(5)))])[0].keypoint_scores
    single = [found.aggregate([Scene(people, (p,) * 5, (0,) * 5)])[0] for p in pictures]
    assert joint.shape == (1, 17) and found.network.seen == 5 + 5
    assert joint.max() < max(s.keypoint_scores.max() for s in single)  # peaks of different pictures are averaged


@pytest.mark.parametrize("still, expected", [(True, 12), (False, 12 * 5 - 6)])
def test_a_picture_and_crop_seen_before_is_not_looked_at_again(still, expected):
    items = frames(12, still=still)
    found = estimator()
    list(WarpStage(found).run(iter(items), Clock(), []))
    assert found.network.seen == expected  # the ends have fewer frames around them


def test_taken_up_at_a_chunk_nothing_changes():
    items = frames(40, lost=(5, 15, 17))
    whole = list(WarpStage(estimator()).run(iter(items), Clock(), []))
    rest = list(WarpStage(estimator()).run(iter(items[CHUNK:]), Clock(), items[:CHUNK]))
    assert [i.index for i in rest] == list(range(CHUNK, 40))
    for a, b in zip(whole[CHUNK:], rest):
        for name in ("keypoints", "keypoint_scores", "person_scores", "boxes"):
            np.testing.assert_array_equal(getattr(a.people, name), getattr(b.people, name))
    assert len(whole[5].people) == 0 and whole[5].people.keypoints.shape == (0, 17, 2)


@pytest.fixture(scope="module")
def video(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("videos") / "walkers.mp4"
    write_video(path, seed=5, frames=40, size=(160, 120), people=2, fps=25.0)
    return path


class Boxes:
    """A detector that finds one person who moves a pixel a frame."""

    name, needs_pixels = "detect", True

    def run(self, items: Iterator[Item], clock: Clock) -> Iterator[Item]:
        for item in items:
            boxes = np.array([[20 + item.index, 20, 60 + item.index, 110]], np.float32)
            yield replace(item, people=FramePeople(boxes=boxes, box_scores=np.ones(1), origin=np.zeros(1)))


def run(video: Path, work: Path, *stages: str, stop_at: int | None = None) -> None:
    def progress(item: Item) -> None:
        if item.index == stop_at:
            raise KeyboardInterrupt

    made = {
        "detect": Part("detect", lambda header, before: Boxes(), {}, None, None),
        "pose": Part("pose", lambda header, before: WarpStage(estimator()), {}, None, "posetrack-17"),
    }
    parts = [made[name] for name in stages]
    folder = WorkFolder(work)
    folder.claim(video, "video")
    sequence = discover(video).sequences[0]
    Pipeline(folder, parts, progress=progress).run(sequence)


def test_records_are_the_same_in_one_run_stage_by_stage_and_taken_up(video, tmp_path):
    run(video, tmp_path / "whole", "detect", "pose")
    run(video, tmp_path / "single", "detect")
    run(video, tmp_path / "single", "pose")
    with pytest.raises(KeyboardInterrupt):
        run(video, tmp_path / "killed", "detect", "pose", stop_at=25)
    assert not (tmp_path / "killed" / "walkers" / "pose.json").exists()
    run(video, tmp_path / "killed", "detect", "pose")
    expected = (tmp_path / "whole" / "walkers" / "pose.json").read_bytes()
    assert read_footer(tmp_path / "whole" / "walkers" / "pose.json").counts["people"] == 40
    for name in ("single", "killed"):
        assert (tmp_path / name / "walkers" / "pose.json").read_bytes() == expected, name


def test_without_neighbours_each_frame_is_its_own_past_and_future():
    found = estimator()
    items = [replace(i, index=0) for i in frames(3)]
    one_by_one = found.estimate([i.image for i in items], [i.people for i in items])
    for item, posed in zip(items, one_by_one):
        alone = next(WarpStage(found).run(iter([item]), Clock(), []))
        np.testing.assert_array_equal(posed.keypoints, alone.people.keypoints)


def test_published_settings_of_posewarper():
    found = estimator().recipe
    assert (found.flip, found.nms, found.decode, found.published) == (False, "none", "quarter", True)


def test_validation_on_posetrack_submits_posewarpers_joints(tmp_path):
    root = tmp_path / "root"
    write_posetrack18(root, seed=3, frames=4, size=(160, 120), people=1)
    folder = next((root / "annotations").rglob("*.json")).parent
    sequences = annotated_sequences(root, folder)
    found = estimator()
    done = validate_posetrack(folder, sequences, Subject(found), None, tmp_path / "out", lambda: None)
    assert done.frames == 4 and done.ap.ap[-1] >= 0 and found.network.seen > 4  # neighbours are looked at, too
    content = json.loads(next((tmp_path / "out").glob("*.json")).read_text())
    neck, left, right = (POSETRACK_17.joints.index(j) for j in ("head_bottom", "left_shoulder", "right_shoulder"))
    for person in content["annotations"]:
        joints = np.array(person["keypoints"]).reshape(17, 3)[:, :2]
        np.testing.assert_allclose(joints[neck], (joints[left] + joints[right]) / 2, atol=2e-3)
