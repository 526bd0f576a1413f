"""Boxes and OKS against values worked out by hand and against pycocotools."""

from __future__ import annotations

import math

import numpy as np
import pytest

from posedata import boxes
from posedata.oks import oks_matrix, oks_nms
from posedata.skeletons import COCO_17


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ([0, 0, 10, 10], [0, 0, 10, 10], 1.0),
        ([0, 0, 10, 10], [5, 0, 15, 10], 50 / 150),
        ([0, 0, 10, 10], [10, 0, 20, 10], 0.0),  # touching
        ([0, 0, 10, 10], [20, 20, 30, 30], 0.0),
        ([0, 0, 10, 10], [2, 2, 4, 4], 0.04),  # inside
        ([5, 5, 5, 5], [5, 5, 5, 5], 0.0),  # empty
        ([10, 10, 0, 0], [0, 0, 10, 10], 0.0),  # inside out
    ],
)
def test_iou(a, b, expected):
    found = boxes.iou(np.array([a], np.float32), np.array([b], np.float32))
    assert found == pytest.approx(np.array([[expected]]), abs=1e-7)
    assert boxes.iou(np.array([b], float), np.array([a], float)) == pytest.approx(np.array([[expected]]))


@pytest.mark.parametrize(("n", "m"), [(0, 0), (0, 3), (2, 0)])
def test_iou_of_nobody(n, m):
    assert boxes.iou(np.zeros((n, 4), np.float32), np.zeros((m, 4), np.float32)).shape == (n, m)


def test_iou_of_whole_numbers():
    """Boxes from an annotation are often integers."""
    assert boxes.iou(np.array([[0, 0, 10, 10]]), np.array([[5, 0, 15, 10]]))[0, 0] == pytest.approx(1 / 3)


def test_xywh_and_back():
    xywh = np.array([[1.5, 2, 10, 20], [0, 0, 0, 0]])
    assert boxes.xywh_to_xyxy(xywh).tolist() == [[1.5, 2, 11.5, 22], [0, 0, 0, 0]]
    assert boxes.xyxy_to_xywh(boxes.xywh_to_xyxy(xywh)).tolist() == xywh.tolist()
    assert boxes.area(boxes.xywh_to_xyxy(xywh)).tolist() == [200, 0]


def test_clip_to_the_frames_pixels():
    found = boxes.clip(np.array([[-5.0, 3, 700, 900]], np.float32), 640, 480)
    assert found.tolist() == [[0, 3, 639, 479]]


@pytest.mark.parametrize(
    ("scores", "threshold", "expected"),
    [
        ([0.9, 0.8, 0.7], 0.3, [0, 2]),  # 1 overlaps 0 by a third
        ([0.8, 0.9, 0.7], 0.3, [1, 2]),
        ([0.9, 0.8, 0.7], 0.5, [0, 1, 2]),
        ([0.5, 0.5, 0.9], 0.3, [2, 0]),  # a tie keeps the input's order
    ],
)
def test_nms(scores, threshold, expected):
    found = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [50, 0, 60, 10]], np.float32)
    assert boxes.nms(found, np.array(scores), threshold).tolist() == expected


def test_nms_of_nobody():
    assert boxes.nms(np.zeros((0, 4)), np.zeros(0), 0.5).tolist() == []


def test_boxes_of_keypoints_grow_by_fifteen_percent_in_all():
    points = np.array([[[10, 20], [110, 40], [999, 999]], [[1, 2], [3, 4], [5, 6]]], np.float32)
    valid = np.array([[True, True, False], [False, False, False]])
    expected = np.array([[2.5, 18.5, 117.5, 41.5], [0, 0, 0, 0]])
    assert boxes.of_keypoints(points, valid) == pytest.approx(expected)
    assert boxes.of_keypoints(np.zeros((0, 3, 2)), np.zeros((0, 3), bool)).shape == (0, 4)


def pose(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0, 100, (1, 17, 2))


def test_oks_is_one_for_itself_and_falls_as_the_formula_says():
    here = pose(1)
    moved = here + [3.0, 4.0]  # five pixels for every joint
    area = np.array([400.0])
    expected = np.mean([math.exp(-25 / (2 * s) ** 2 / 400 / 2) for s in COCO_17.sigmas])
    found = oks_matrix(here, np.concatenate([here, moved]), area, np.array([400.0, 400.0]), COCO_17.sigma_array)
    assert found[0].tolist() == pytest.approx([1, expected])


def test_oks_takes_only_joints_that_both_have():
    valid_a, valid_b = np.zeros((1, 17), bool), np.zeros((1, 17), bool)
    valid_a[0, :2], valid_b[0, 1:3] = True, True
    here, there = pose(1), pose(2)
    there[0, 1] = here[0, 1]  # the only common joint agrees
    area, sigmas = np.array([100.0]), COCO_17.sigma_array
    assert oks_matrix(here, there, area, area, sigmas, valid_a, valid_b)[0, 0] == pytest.approx(1)
    assert oks_matrix(here, there, area, area, sigmas, valid_a, ~valid_a)[0, 0] == 0


def test_oks_of_people_without_area_is_finite():
    zero = np.zeros(1)
    found = oks_matrix(pose(1), np.concatenate([pose(1), pose(2)]), zero, np.zeros(2), COCO_17.sigma_array)
    assert found.tolist() == [[1, 0]]


@pytest.mark.parametrize(("n", "m"), [(0, 0), (0, 2), (2, 0)])
def test_oks_of_nobody(n, m):
    found = oks_matrix(np.zeros((n, 17, 2)), np.zeros((m, 17, 2)), np.zeros(n), np.zeros(m), COCO_17.sigma_array)
    assert found.shape == (n, m)


def test_oks_agrees_with_pycocotools():
    """With equal areas on both sides the formula is COCO's own."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    truth, found = pose(1)[0], pose(1)[0] + np.random.default_rng(5).normal(0, 4, (17, 2))
    flat = np.concatenate([truth, np.full((17, 1), 2)], axis=1).ravel().tolist()
    annotation = {
        "id": 1,
        "image_id": 1,
        "category_id": 1,
        "iscrowd": 0,
        "bbox": [0, 0, 100, 100],
        "area": 5000.0 - np.spacing(1),
        "keypoints": flat,
        "num_keypoints": 17,
    }
    data = COCO()
    data.dataset = {
        "images": [{"id": 1}],
        "annotations": [annotation],
        "categories": [{"id": 1, "name": "person"}],
        "info": {},
    }
    data.createIndex()
    result = {"image_id": 1, "category_id": 1, "score": 0.5}
    result["keypoints"] = np.concatenate([found, np.ones((17, 1))], axis=1).ravel().tolist()
    evaluation = COCOeval(data, data.loadRes([result]), "keypoints")
    evaluation.evaluate()
    area = np.array([5000.0])
    ours = oks_matrix(found[None], truth[None], area, area, COCO_17.sigma_array)
    assert ours[0, 0] == pytest.approx(evaluation.computeOks(1, 1)[0, 0], abs=1e-9)


def test_oks_nms_keeps_the_best_of_each_person():
    poses = np.concatenate([pose(1) + 0.1, pose(1), pose(3)])
    area = np.full(3, 5000.0)
    sigmas = COCO_17.sigma_array
    assert oks_nms(poses, np.array([0.5, 0.9, 0.7]), area, sigmas).tolist() == [1, 2]
    assert oks_nms(poses, np.array([0.5, 0.5, 0.5]), area, sigmas).tolist() == [0, 2]  # a tie: the first
    assert oks_nms(poses[:0], np.zeros(0), area[:0], sigmas).tolist() == []
