"""Decoding of heatmaps: where a known Gaussian's top is found."""

import numpy as np
import pytest

from stages.pose.decode import decode_dark, decode_quarter


def gaussian(x: float, y: float, width: int = 48, height: int = 64, sigma: float = 2.0) -> np.ndarray:
    gx = np.exp(-((np.arange(width) - x) ** 2) / (2 * sigma**2))
    gy = np.exp(-((np.arange(height) - y) ** 2) / (2 * sigma**2))
    return (gy[:, None] * gx[None]).astype(np.float32)


@pytest.mark.parametrize("x, y", [(20.0, 30.0), (20.3, 30.4), (10.49, 50.51), (40.2, 8.8)])
def test_dark_finds_the_top_of_a_gaussian_between_cells(x, y):
    found, score = decode_dark(gaussian(x, y)[None, None])
    assert np.abs(found[0, 0] - (x, y)).max() < 0.02
    assert score[0, 0] == pytest.approx(gaussian(x, y).max())


@pytest.mark.parametrize("x, y", [(0.0, 30.0), (2.2, 2.7), (47.0, 63.0), (5.2, 60.9)])
def test_dark_stays_within_a_cell_at_the_border(x, y):
    found, _ = decode_dark(gaussian(x, y)[None, None])
    assert np.abs(found[0, 0] - (x, y)).max() < 1


@pytest.mark.parametrize(
    "x, y, expected",
    [
        (20.0, 30.0, (20.0, 30.0)),  # no slope on either side
        (20.3, 30.4, (20.25, 30.25)),
        (19.8, 29.7, (19.75, 29.75)),
        (1.3, 30.3, (1.0, 30.0)),  # column 1 is left alone, as in the reference, and then both coordinates
        (46.3, 30.3, (46.25, 30.25)),  # the last column but one is not
    ],
)
def test_quarter_moves_a_quarter_cell_towards_the_higher_neighbour(x, y, expected):
    found, _ = decode_quarter(gaussian(x, y)[None, None])
    assert found[0, 0] == pytest.approx(expected)


@pytest.mark.parametrize("decode", [decode_quarter, decode_dark])
def test_an_empty_map_is_the_origin_with_score_zero(decode):
    found, score = decode(np.zeros((1, 2, 64, 48), np.float32))
    assert not found.any() and not score.any()


@pytest.mark.parametrize("decode", [decode_quarter, decode_dark])
def test_no_people_is_legal(decode):
    found, score = decode(np.zeros((0, 17, 64, 48), np.float32))
    assert found.shape == (0, 17, 2) and score.shape == (0, 17)


def test_dark_does_not_follow_a_saddle():
    heatmap = np.zeros((1, 1, 16, 16), np.float32)
    heatmap[0, 0, 8, :] = 1.0  # a ridge: no top along x
    found, _ = decode_dark(heatmap)
    assert np.isfinite(found).all() and found[0, 0, 1] == pytest.approx(8, abs=0.5)
