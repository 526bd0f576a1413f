"""Flow, moving joints with it, and cuts."""

import cv2
import numpy as np
import pytest

from posedata.errors import BadInput
from posedata.formats.flo import read_flo, write_flo
from posedata.synthetic import write_posetrack18
from stages.stream import Clock, Item
from stages.track.ahead import with_motion
from stages.track.flow import DisFlow, FloFolder, RaftFlow, SavedFlow, motion_between, picture_of
from stages.track.memory import Poses, move_poses
from stages.track.motion import motion_of, still
from tests.stages.test_tracker import people


def texture(seed: int, width: int = 320, height: int = 180, blur: float = 3) -> np.ndarray:
    """A picture with something everywhere."""
    noise = np.random.default_rng(seed).uniform(0, 255, (height, width, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), blur)
    return np.clip((smooth - 127) * 2 * blur + 127, 0, 255).astype(np.uint8)


def shifted(image: np.ndarray, x: float, y: float, gain: float = 1.0) -> np.ndarray:
    matrix = np.array([[1, 0, x], [0, 1, y]], np.float64)
    moved = cv2.warpAffine(image, matrix, image.shape[1::-1], borderMode=cv2.BORDER_REFLECT)
    return np.clip(moved * gain, 0, 255).astype(np.uint8)


def motion(before: np.ndarray, after: np.ndarray, side: int = 320, check: bool = False):
    return motion_between(DisFlow(), picture_of(before, 0, side), picture_of(after, 1, side), check)


@pytest.mark.parametrize("x, y", [(0, 0), (5, -3), (-12, 4)])
@pytest.mark.parametrize("size", [(320, 180), (640, 360), (1280, 720)])
def test_joints_move_with_the_picture_at_every_size_of_frame(x, y, size):
    scale = size[0] / 320
    before = texture(1, *size, blur=3 * scale)
    moved = motion(before, shifted(before, x * scale, y * scale))
    points = np.array([[100, 60], [200, 90], [160, 120]], float) * scale
    np.testing.assert_allclose(moved.move(points) - points, np.array([[x, y]] * 3) * scale, atol=0.7 * scale)
    assert not moved.cut


def test_one_wrong_vector_beside_a_joint_does_not_carry_it_away():
    flow = np.full((40, 60, 2), 2, np.float32)
    flow[20, 30] = 50
    assert motion_of(flow, (60, 40)).move(np.array([30.0, 20.0])).tolist() == [32, 22]


def test_unknown_flow_is_no_motion_and_not_trusted():
    flow = np.full((40, 60, 2), 2, np.float32)
    flow[:, 30:] = np.nan
    moved = motion_of(flow, (60, 40))
    assert moved.move(np.array([50.0, 20.0])).tolist() == [50, 20]
    assert moved.trust(np.array([[10.0, 20.0], [50.0, 20.0]])).tolist() == [True, False]


def test_the_way_back_shows_what_was_covered():
    before = texture(2)
    after = shifted(before, 4, 0)
    after[60:120, 150:200] = texture(3)[60:120, 150:200]  # something came in front
    checked = motion(before, after, check=True)
    around = np.array([[40.0, 40.0], [60.0, 150.0]])
    assert checked.trust(around).all()
    inside = np.stack(np.meshgrid(np.arange(155, 190, 5.0), np.arange(70, 110, 5.0)), axis=-1)
    assert checked.trust(inside).mean() < 0.5


def test_an_untrusted_joint_moves_with_its_person():
    flow = np.full((40, 60, 2), 3, np.float32)
    flow[:, 40:] = np.nan
    pose = Poses(
        np.array([[[10, 10], [20, 20], [50, 20]]], float), np.ones((1, 3), bool), np.array([[0, 0, 59, 39.0]])
    )
    moved = move_poses(pose, motion_of(flow, (60, 40)))
    assert moved.keypoints.tolist() == [[[13, 13], [23, 23], [53, 23]]]
    assert moved.boxes.tolist() == [[3, 3, 62, 42]]


@pytest.mark.parametrize("other", [(7, 0, 1.0), (0, 9, 1.0), (3, 3, 0.6), (0, 0, 1.5), (20, 0, 1.0)])
def test_a_pan_or_a_change_of_light_is_no_cut(other):
    before = texture(4, blur=6)
    assert not motion(before, shifted(before, *other)).cut


def test_another_scene_is_a_cut_and_the_same_scene_is_none(tmp_path):
    scenes = []
    for seed in range(3):
        write_posetrack18(tmp_path / str(seed), seed=seed, frames=2, size=(160, 120), people=1)
        files = sorted((tmp_path / str(seed)).rglob("*.jpg"))
        scenes.append([cv2.imread(str(file))[..., ::-1] for file in files])
    for number, (first, second) in enumerate(scenes):
        assert not motion(first, second).cut
        assert motion(second, scenes[number - 1][0]).cut


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_flat_picture_that_stays_is_no_cut(level):
    flat = np.full((180, 320, 3), level, np.uint8)
    assert not motion(flat, flat).cut


def test_a_frame_of_another_size_is_a_cut():
    assert motion(texture(1), texture(1, 200, 200)).cut


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_the_flow_does_not_depend_on_threads(threads):
    before, after = texture(1), shifted(texture(1), 4, 2)
    expected = motion(before, after).field
    own = cv2.getNumThreads()
    try:
        cv2.setNumThreads(threads)
        np.testing.assert_array_equal(motion(before, after).field, expected)
    finally:
        cv2.setNumThreads(own)


def items(images: list[np.ndarray | None]) -> list[Item]:
    return [Item(i, i / 25, image, people((50, 50))) for i, image in enumerate(images)]


class Counting:
    """A flow that counts its pairs."""

    def __init__(self) -> None:
        self.pairs: list[tuple[int, int]] = []

    def between(self, before, after):
        self.pairs.append((before.index, after.index))
        return np.zeros((*before.grey.shape, 2), np.float32)


def test_one_flow_for_each_pair_of_readable_neighbours():
    flow = Counting()
    images = [texture(1), texture(1), None, texture(1), *[texture(1)] * 40]
    found = list(with_motion(iter(items(images)), flow, 320, False, Clock()))
    assert [f.item.index for f in found] == list(range(44))
    assert flow.pairs == [(0, 1), *((i, i + 1) for i in range(3, 43))]
    assert [f.motion.field is None for f in found[:5]] == [True, False, True, True, False]


def test_few_frames_wait_whatever_the_length():
    taken = 0

    def endless():
        nonlocal taken
        for item in items([texture(1)] * 200):
            taken += 1
            yield item

    most = 0
    for given, _ in enumerate(with_motion(endless(), Counting(), 64, False, Clock()), 1):
        most = max(most, taken - given)
    assert most <= 20


def test_an_error_of_the_flow_comes_up(tmp_path):
    write_flo(tmp_path / "0.flo", np.zeros((18, 32, 2)))
    flow = FloFolder(tmp_path)
    with pytest.raises(BadInput, match="no flow from frame 1 to 2"):
        list(with_motion(iter(items([texture(1)] * 4)), flow, 320, False, Clock()))


def test_flow_files_in_another_size_than_the_frame_are_scaled(tmp_path):
    write_flo(tmp_path / "a.flo", np.full((90, 160, 2), (2.0, 1.0)))
    before = texture(1)
    pair = picture_of(before, 0, 320), picture_of(shifted(before, 4, 2), 1, 320)
    moved = motion_between(FloFolder(tmp_path), *pair, False)
    assert moved.move(np.array([10.0, 10.0])).tolist() == [14, 12] and not moved.cut


def test_saved_flow_gives_the_same_motion_when_read_again(tmp_path):
    images = [shifted(texture(1), 3 * t, 0) for t in range(4)]
    first = [m.motion for m in with_motion(iter(items(images)), SavedFlow(DisFlow(), tmp_path), 160, False, Clock())]
    again = [m.motion for m in with_motion(iter(items(images)), FloFolder(tmp_path), 160, False, Clock())]
    assert len(list(tmp_path.iterdir())) == 3 and read_flo(tmp_path / "000000.flo").shape == (90, 160, 2)
    for a, b in zip(first[1:], again[1:]):
        np.testing.assert_array_equal(a.field, b.field)


@pytest.mark.parametrize("content", [None, "empty"])
def test_a_folder_without_flow_is_named(tmp_path, content):
    folder = tmp_path / "flows"
    if content:
        folder.mkdir()
    with pytest.raises(BadInput, match="flows"):
        FloFolder(folder)


def test_raft_sees_padded_pictures_and_its_last_answer_counts():
    torch = pytest.importorskip("torch")
    shapes = []

    def network(first, second):
        shapes.append(tuple(first.shape))
        assert first.min() >= -1 and first.max() <= 1
        answer = torch.zeros(1, 2, *first.shape[2:])
        answer[:, 0] = 3
        return [answer * 0, answer]

    moved = motion_between(
        RaftFlow(network, "cpu"),
        picture_of(texture(1, 300, 170), 0, 320),
        picture_of(texture(1, 300, 170), 1, 320),
        False,
    )
    assert shapes == [(1, 3, 176, 304)]
    assert moved.move(np.array([10.0, 10.0])).tolist() == [13, 10]


def test_without_motion_nothing_moves():
    assert still((10, 10)).move(np.array([3.0, 4.0])).tolist() == [3, 4]
