"""SimplePose without its network: people out of maps that are drawn as the network is taught to draw them."""

from __future__ import annotations

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from configs.models import find_model
from configs.settings import PoseSettings
from eval.keypoint_ap import evaluate_keypoints, keypoint_results
from posedata.people import FramePeople, FrameStatus
from posedata.skeletons import COCO_17, PTRACK_19
from posedata.synthetic import random_crowd
from stages.device import Runtime
from stages.pose.bottom_up.body import FLIP_LIMBS, FLIP_PARTS, LIMBS, parts_of_coco
from stages.pose.bottom_up.estimator import BottomUpEstimator, nobody, people_of
from stages.pose.bottom_up.maps import upsampled
from stages.pose.bottom_up.peaks import find_peaks
from stages.pose.bottom_up.stage import BottomUpStage
from stages.stream import Clock, Item
from stages.train.bottom_up_targets import ABSENT, bottom_up_targets
from stages.validate.coco import validate_coco
from stages.validate.coco_truth import read_truth
from stages.validate.subject import Subject

# a standing person in COCO's order, x and y as parts of the height
_STANDING = (
    "0 .08, .02 .06, -.02 .06, .05 .08, -.05 .08, .1 .2, -.1 .2, .16 .34, -.16 .34, .18 .48, -.18 .48, "
    ".07 .52, -.07 .52, .08 .74, -.08 .74, .08 .96, -.08 .96"
)
STANDING = np.array([pair.split() for pair in _STANDING.split(", ")], np.float64)


def standing(*places: tuple[float, float, float]) -> np.ndarray:
    """[N, 17, 3] people with the middle of their heads' tops at x, y and of a height."""
    people = np.ones((len(places), 17, 3))
    for person, (x, y, height) in zip(people, places):
        person[:, :2] = STANDING * height + (x, y)
    return people


def drawn(coco: np.ndarray, height: int, width: int, part_sigma: float = 4.0, limb_sigma: float = 3.0) -> np.ndarray:
    """[48, H, W] float32; a joint whose third value is 2 is absent, and so are its limbs."""
    y, x = np.mgrid[:height, :width].astype(np.float64)
    maps = np.zeros((48, height, width), np.float32)
    for person in parts_of_coco(coco):
        for part, (px, py, seen) in enumerate(person):
            if seen != 2:
                value = np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * part_sigma**2))
                np.maximum(maps[30 + part], value, out=maps[30 + part], casting="same_kind")
        for limb, (a, b) in enumerate(LIMBS):
            start, along = person[a, :2], person[b, :2] - person[a, :2]
            if 2 in (person[a, 2], person[b, 2]):
                continue
            share = np.clip(((x - start[0]) * along[0] + (y - start[1]) * along[1]) / (along**2).sum(), 0, 1)
            distance = (x - start[0] - share * along[0]) ** 2 + (y - start[1] - share * along[1]) ** 2
            np.maximum(maps[limb], np.exp(-distance / (2 * limb_sigma**2)), out=maps[limb], casting="same_kind")
    return maps


def by_place(people: FramePeople) -> np.ndarray:
    return people.keypoints[np.argsort(people.keypoints[:, 0, 0])]


def test_people_side_by_side_are_found_to_the_pixel():
    truth = standing((30, 10, 100), (80, 12, 110), (130, 15, 95))
    found = people_of(drawn(truth, 130, 170))
    assert len(found) == 3 and (found.keypoint_scores > 0.3).all()
    assert np.abs(by_place(found) - truth[..., :2]).max() < 1
    assert (np.diff(found.person_scores) <= 0).all() and found.person_scores.max() < 1
    low, high = truth[..., :2].min(axis=1), truth[..., :2].max(axis=1)
    boxes = found.boxes[np.argsort(found.boxes[:, 0])]
    assert (boxes[:, :2] < low).all() and (boxes[:, 2:] > high).all()


def test_the_published_refinement_swaps_the_offsets():
    truth = standing((40.3, 10.0, 101.0))
    maps = drawn(truth, 130, 90)
    fixed, published = people_of(maps), people_of(maps, compat=True)
    error = [np.abs(p.keypoints - truth[..., :2]).mean() for p in (fixed, published)]
    assert error[0] < error[1]


def test_joints_that_are_not_seen_are_zero_with_score_zero():
    truth = standing((40, 10, 100), (100, 10, 100))
    truth[0, [9, 15], 2] = 2  # a wrist and an ankle
    found = people_of(drawn(truth, 130, 150))
    first = int(np.argmin(found.keypoints[:, 0, 0]))
    assert len(found) == 2 and not found.keypoints[first, [9, 15]].any()
    assert (found.keypoint_scores[first] == 0).nonzero()[0].tolist() == [9, 15]


@pytest.mark.parametrize("truth", [standing(), standing((20, 5, 50))])
def test_without_limbs_there_is_nobody(truth):
    maps = drawn(truth, 64, 64)
    maps[:30] = 0
    found = people_of(maps)
    assert len(found) == 0 and found.keypoints.shape == (0, 17, 2) and found.boxes.shape == (0, 4)


def test_of_two_equal_pixels_one_is_a_peak():
    maps = np.zeros((1, 20, 20), np.float32)
    maps[0, 8:10, 8:11] = 0.9
    assert len(find_peaks(maps).part) == 1 and len(find_peaks(maps, compat=True).part) == 6


def test_noise_is_bounded():
    maps = np.random.default_rng(0).random((48, 200, 200), np.float32)
    assert np.bincount(find_peaks(maps[30:]).part).max() == 128
    people_of(maps)  # comes to an end


class Drawing(torch.nn.Module):
    """Gives the maps of two people for any picture [N, H, W, 3], mirrored for every second one."""

    def __init__(self, truth: np.ndarray, frame: tuple[int, int]) -> None:
        super().__init__()
        self.truth, self.frame, self.shapes = truth, frame, []

    def forward(self, pictures: torch.Tensor) -> list[list[torch.Tensor]]:
        self.shapes.append(tuple(pictures.shape))
        count, height, width, _ = pictures.shape
        scaled = self.truth.copy()
        scaled[..., :2] = (scaled[..., :2] + 0.5) * (min(height, 640) / self.frame[0]) / 4 - 0.5
        maps = np.zeros((count, 50, height // 4, width // 4), np.float32)
        maps[:, :48] = drawn(scaled, height // 4, width // 4, 5.0, 4.0)
        maps[1::2, :48] = maps[1::2, np.concatenate([FLIP_LIMBS, 30 + FLIP_PARTS])][..., ::-1]
        return [[torch.from_numpy(maps)]]


def estimator(truth: np.ndarray, frame: tuple[int, int], **settings: object) -> BottomUpEstimator:
    entry = find_model("simplepose", "pose")
    runtime = Runtime(torch.device("cpu"), False, 4)
    return BottomUpEstimator(Drawing(truth, frame), entry, PoseSettings(model="simplepose", **settings), runtime)


@pytest.mark.parametrize("flip", [True, False])
def test_frames_are_scaled_padded_mirrored_and_brought_back(flip):
    truth = standing((40, 10, 100), (100, 12, 96))
    found = estimator(truth, (128, 150), flip=flip, compat="off")
    people = found.find([np.zeros((128, 150, 3), np.uint8)])[0]
    assert found.network.shapes == [(1 + flip, 640, 768, 3)]  # 128 x 150 at five times, to multiples of 64
    assert len(people) == 2 and np.abs(by_place(people) - truth[..., :2]).max() < 1


def test_frames_that_cannot_be_decoded_hold_nobody():
    truth = standing((40, 10, 100), (100, 12, 96))
    picture = np.zeros((128, 150, 3), np.uint8)
    lost = Item(1, 0.04, None, FramePeople(status=FrameStatus.UNDECODABLE), "broken")
    items = [Item(0, 0.0, picture, FramePeople()), lost, replace(lost, index=2, image=picture, people=FramePeople())]
    done = list(BottomUpStage(estimator(truth, (128, 150), flip=False)).run(iter(items), Clock()))
    assert [len(i.people) for i in done] == [2, 0, 2] and done[1].people.status is FrameStatus.UNDECODABLE
    assert done[1].people.keypoints.shape == nobody().keypoints.shape == (0, 17, 2)


def test_validation_on_coco_takes_people_without_boxes(tmp_path):
    truth = standing((40, 10, 100), (100, 12, 96))
    cv2.imwrite(str(tmp_path / "1.png"), np.zeros((128, 150, 3), np.uint8))
    people = []
    for number, person in enumerate(truth, 1):
        keypoints = np.concatenate([person[:, :2], np.full((17, 1), 2)], axis=1).ravel().tolist()
        entry = {"id": number, "image_id": 1, "category_id": 1, "iscrowd": 0, "bbox": [0, 0, 50, 100], "area": 5000}
        people.append({**entry, "num_keypoints": 17, "keypoints": keypoints})
    images = [{"id": 1, "file_name": "1.png", "width": 150, "height": 128}]
    content = {"images": images, "annotations": people, "categories": [{"id": 1, "name": "person"}]}
    (tmp_path / "val.json").write_text(json.dumps(content))
    subject = Subject(estimator(truth, (128, 150), flip=False))
    done = validate_coco(read_truth(tmp_path / "val.json", tmp_path), tmp_path, subject, None, lambda: None)
    assert done.images == 1 and len(done.results) == 2 and done.poses.ap > 0.9


def test_a_network_that_is_trained_is_left_as_it_is():
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1, bias=False), torch.nn.BatchNorm2d(4))
    runtime = Runtime(torch.device("cpu"), False, 1)
    BottomUpEstimator(network, find_model("simplepose", "pose"), PoseSettings(model="simplepose"), runtime)
    assert isinstance(network[1], torch.nn.BatchNorm2d) and network[0].bias is None


def test_the_maps_that_are_taught_give_the_people_back():
    """What SimplePose is trained to draw, read as its answers are: rendered groups, on frames 256 high."""
    truth, found = [], []
    group = {"size": (320, 320), "people": (2, 3), "heights": (0.4, 0.8)}
    frames = [random_crowd(np.random.default_rng((seed, 1)), **group) for seed in range(6)]
    to_coco = [PTRACK_19.joints.index(joint) for joint in COCO_17.joints]
    for number, frame in enumerate(frames):
        seen = ((frame.visibility > 0) & ~frame.covered)[:, to_coco]
        joints = frame.keypoints[:, to_coco].astype(np.float64)
        small = np.dstack([(joints + 0.5) * 0.8 - 0.5, np.where(seen, 1, ABSENT)])
        targets = bottom_up_targets(parts_of_coco(small), LIMBS, np.zeros((64, 64), np.float32))
        people = people_of(upsampled(targets[:48], (256, 256), (320, 320)))
        keypoints, scores = people.keypoints, people.keypoint_scores
        found += keypoint_results([number] * len(people), keypoints, scores, people.person_scores)
        for row in range(len(frame)):
            sides = frame.boxes[row, 2:] - frame.boxes[row, :2]
            entry = {"image_id": number, "category_id": 1, "area": 0.53 * float(sides.prod())}
            entry |= {
                "bbox": [*frame.boxes[row, :2].tolist(), *sides.tolist()],
                "num_keypoints": int(seen[row].sum()),
            }
            triplets = np.column_stack([joints[row], 2 * seen[row]]) * seen[row][:, None]
            truth.append(entry | {"keypoints": triplets.ravel().tolist()})
    images = [{"id": number} for number in range(len(frames))]
    ap = evaluate_keypoints({"images": images, "annotations": truth, "categories": [{"id": 1}]}, found)
    assert ap.ap50 > 0.9 and ap.ap > 0.75
