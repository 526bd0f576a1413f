"""Crops: the way into the network's input and back."""

import cv2
import numpy as np
import pytest

from stages.pose.crop import crop_matrices, crop_rectangles, invert, transform_points
from stages.pose.estimator import cut


@pytest.mark.parametrize(
    "box, expected_size",
    [
        ((10, 20, 110, 220), (187.5, 250)),  # too narrow: widened to 3:4, then a quarter added
        ((0, 0, 300, 100), (375, 500)),  # too low
        ((5, 5, 5, 5), (1.25, 1.25 / 0.75)),  # a point still gives a rectangle
    ],
)
def test_rectangles_have_the_aspect_and_a_quarter_of_margin(box, expected_size):
    centre, size = crop_rectangles(np.array([box], np.float32), 0.75)
    assert size[0] == pytest.approx(expected_size)
    assert centre[0] == pytest.approx(((box[0] + box[2]) / 2, (box[1] + box[3]) / 2))


@pytest.mark.parametrize("rotation", [0.0, 30.0, -170.0])
def test_points_come_back_through_the_inverse(rotation):
    matrix = crop_matrices(np.array([[200.0, 100.0]]), np.array([[150.0, 200.0]]), (192, 256), np.array([rotation]))
    points = np.random.default_rng(0).uniform(0, 400, (1, 17, 2))
    assert transform_points(transform_points(points, matrix), invert(matrix)) == pytest.approx(points)


def test_the_rectangles_corners_are_the_crops_corner_pixels():
    matrix = crop_matrices(np.array([[50.0, 60.0]]), np.array([[30.0, 40.0]]), (192, 256))
    corners = transform_points(np.array([[[35.0, 40.0], [65.0, 80.0]]]), matrix)
    assert corners[0] == pytest.approx(np.array([[0, 0], [191, 255]]))


@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0, 9.0])
def test_a_mark_in_the_frame_lands_where_the_matrix_says_at_any_reduction(scale):
    """Strong reductions average first; that must not move anything."""
    side = int(200 * scale)
    frame = np.zeros((side, side, 3), np.uint8)
    spot = np.array([0.4 * side, 0.6 * side])
    cv2.circle(frame, tuple(int(v) for v in spot), max(2, int(6 * scale)), (255, 255, 255), -1)
    matrix = crop_matrices(np.array([[side / 2, side / 2]]), np.array([[side * 0.75, side]]), (96, 128))[0]
    crop = cut(frame, matrix, 96, 128)[..., 0].astype(float)
    y, x = np.indices(crop.shape)
    centre = np.array([(x * crop).sum(), (y * crop).sum()]) / crop.sum()
    assert centre == pytest.approx(transform_points(np.floor(spot)[None, None], matrix[None])[0, 0], abs=0.35)


def test_a_box_outside_the_frame_gives_a_black_crop():
    frame = np.full((50, 50, 3), 255, np.uint8)
    for scale in (10.0, 2000.0):
        matrix = crop_matrices(np.array([[9000.0, 9000.0]]), np.array([[scale, scale]]), (96, 128))[0]
        assert cut(frame, matrix, 96, 128).max() == 0
