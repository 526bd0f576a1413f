"""What the overlay's pictures show: who is drawn, where, in which colour; and that nothing makes drawing fail."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from posedata.people import FramePeople
from posedata.skeletons import COCO_17, SKELETONS
from stages.render.colours import UNASSIGNED, identity_colour, ink_on, shade
from stages.render.contact_sheet import contact_sheet, make_tile, sheet_places, tile_size
from stages.render.draw import Style, draw_people, draw_text, text_extent
from stages.render.picture import fit, picture_size

UNSURE = np.full((1, 17), 0.19)
PLAIN = Style(show_boxes=False, show_ids=False)


def person(
    left: float,
    top: float,
    right: float,
    bottom: float,
    **parts,
) -> FramePeople:
    """One person whose 17 joints lie on the diagonal of the box."""
    steps = np.linspace(0, 1, 17)[:, None]
    fields = {
        "boxes": [[left, top, right, bottom]],
        "keypoints": [(1 - steps) * [left, top] + steps * [right, bottom]],
        "keypoint_scores": np.full((1, 17), 0.9),
        "person_scores": [0.9],
        "track_ids": [0],
    }
    return FramePeople(**{**fields, **parts})


def drawn(people: FramePeople, style: Style = PLAIN, size: tuple[int, int] = (120, 160)) -> np.ndarray:
    """[H, W] bool: the pixels that drawing changed on a grey picture."""
    image = np.full((*size, 3), 127, np.uint8)
    draw_people(image, people, COCO_17, style)
    return (image != 127).any(axis=2)


@pytest.mark.parametrize(
    "people, style, shown",
    [
        pytest.param(FramePeople(), PLAIN, False, id="empty frame"),
        pytest.param(person(20, 20, 60, 100), PLAIN, True, id="one person"),
        pytest.param(person(20, 20, 60, 100, keypoint_scores=UNSURE), PLAIN, False, id="unsure joints"),
        pytest.param(person(20, 20, 60, 100, keypoint_scores=None), PLAIN, True, id="joints without scores"),
        pytest.param(person(20, 20, 60, 100, person_scores=[0.4]), Style(min_person_score=0.5), False, id="weak"),
        pytest.param(person(20, 20, 60, 100, track_ids=[-1]), Style(show_unassigned=False), False, id="nobody's"),
        pytest.param(person(20, 20, 60, 100, track_ids=[-1]), PLAIN, True, id="nobody's, shown"),
        pytest.param(person(20, 20, 60, 100, keypoints=None, keypoint_scores=None), PLAIN, False, id="no box"),
        pytest.param(person(20, 20, 60, 100, keypoints=None, keypoint_scores=None), Style(), True, id="box alone"),
        pytest.param(person(-9e6, -9e6, 9e6, 9e6), Style(), True, id="box around everything"),
        pytest.param(person(900, 900, 950, 990), Style(), False, id="far outside"),
        pytest.param(person(60, 100, 20, 20), Style(), True, id="box inside out"),
        pytest.param(person(50, 50, 50, 50), Style(), True, id="box without area"),
    ],
)  # fmt: skip
def test_who_is_drawn(people, style, shown):
    assert drawn(people, style).any() == shown


def test_a_skeleton_stays_where_the_person_is():
    mask = drawn(person(20, 30, 60, 100))
    rows, columns = np.nonzero(mask)
    assert columns.min() >= 14 and columns.max() <= 66 and rows.min() >= 24 and rows.max() <= 106
    assert mask[65, 40]  # on the diagonal


def test_an_unsure_joint_takes_its_limbs_with_it():
    scores = np.full((1, 17), 0.9)
    scores[0, COCO_17.joints.index("left_ankle")] = 0.1  # the last but one on the diagonal
    scores[0, COCO_17.joints.index("right_ankle")] = 0.1
    assert not drawn(person(20, 20, 60, 100, keypoint_scores=scores))[96:].any()


def test_each_person_has_the_colour_of_the_identity():
    image = np.zeros((200, 400, 3), np.uint8)
    parts = [person(20, 20, 60, 180), person(150, 20, 190, 180), person(280, 20, 320, 180)]
    people = FramePeople(
        boxes=np.concatenate([p.boxes for p in parts]),
        track_ids=np.array([7, -1, 3]),
        person_scores=np.full(3, 0.5),
    )
    draw_people(image, people, None, Style(show_ids=False))
    assert tuple(image[100, 20]) == identity_colour(7)
    assert tuple(image[100, 150]) == UNASSIGNED
    assert tuple(image[100, 280]) == identity_colour(3)


def test_labels_of_people_at_one_place_do_not_cover_each_other():
    one = FramePeople(boxes=[[60, 60, 100, 160]], track_ids=[1], person_scores=[0.5])
    two = FramePeople(boxes=[[60, 60, 100, 160]] * 2, track_ids=[1, 2], person_scores=[0.5] * 2)
    style = Style(show_boxes=False)
    assert drawn(two, style, (240, 320)).sum() > 1.8 * drawn(one, style, (240, 320)).sum()


@pytest.mark.parametrize("box", [(0, 0, 10, 10), (150, 110, 400, 300), (-50, -50, 5, 5), (0, 60, 160, 120)])
def test_a_label_at_the_edge_stays_inside(box):
    people = FramePeople(boxes=[box], track_ids=[123456], person_scores=[0.5])
    wide, tall = text_extent("#123456  0.50", 7.5)
    mask = drawn(people, Style(show_boxes=False))
    assert mask.sum() > 0.9 * wide * tall


def test_joints_of_another_skeleton_are_refused():
    with pytest.raises(ValueError, match="17 joints, they are drawn as posetrack-15 with 15"):
        draw_people(np.zeros((50, 50, 3), np.uint8), person(1, 1, 9, 9), SKELETONS["posetrack-15"], Style())


@pytest.mark.parametrize("ground", [0, 127, 255])
def test_text_is_legible_over_anything(ground):
    image = np.full((40, 200, 3), ground, np.uint8)
    draw_text(image, "frame 12", 0, 0, 12, (255, 255, 255))
    strip = image[: text_extent("frame 12", 12)[1], : text_extent("frame 12", 12)[0]]
    assert int(strip.max()) - int(np.median(strip)) > 150


def test_text_wider_than_the_picture_is_cut_off():
    image = np.zeros((10, 10, 3), np.uint8)
    draw_text(image, "a long note " * 50, -3, -3, 12, (255, 255, 255))
    draw_text(image, "outside", 500, 500, 12, (255, 255, 255))


def test_colours_are_stable_and_neighbours_are_far_apart():
    colours = [identity_colour(i) for i in range(24)]
    assert colours[:2] == [identity_colour(0), identity_colour(1)]
    for i, j in combinations(range(24), 2):
        distance = np.abs(np.subtract(colours[i], colours[j], dtype=int)).sum()
        assert distance > (130 if j - i <= 2 else 45 if j < 12 else 20), (i, j)
    assert all(len(c) == 3 and min(c) >= 0 and max(c) <= 255 for c in map(identity_colour, (10**6, 2**53)))
    assert identity_colour(-1) == UNASSIGNED


def test_ink_and_shades():
    assert ink_on((255, 240, 90)) == (0, 0, 0) and ink_on((40, 10, 90)) == (255, 255, 255)
    assert shade((100, 100, 100), 1.0) == (255, 255, 255) and shade((100, 100, 100), -0.5) == (50, 50, 50)


@pytest.mark.parametrize(
    "width, height, max_side, expected",
    [
        (640, 360, 1920, (640, 360)),
        (641, 361, 1920, (642, 362)),
        (3840, 2160, 1920, (1920, 1080)),
        (1080, 1921, 1280, (720, 1280)),
        (1, 1, 1920, (2, 2)),
        (9000, 3, 1920, (1920, 2)),
    ],
)
def test_the_picture_is_even_and_not_too_large(width, height, max_side, expected):
    assert picture_size(width, height, max_side) == expected


def test_people_move_with_the_picture():
    image = np.zeros((200, 400, 3), np.uint8)
    image[50:150, 100:300] = 255
    people = FramePeople(boxes=[[99.5, 49.5, 299.5, 149.5]], keypoints=[[[99.5, 49.5], [299.5, 149.5]]])
    picture, moved = fit(image, people, 200, 100)
    assert picture.shape == (100, 200, 3) and picture[26:74, 51:149].min() == 255 and picture[:24].max() == 0
    np.testing.assert_allclose(moved.boxes, [[49.5, 24.5, 149.5, 74.5]])
    np.testing.assert_allclose(moved.keypoints, [[[49.5, 24.5], [149.5, 74.5]]])


@pytest.mark.parametrize("size", [(101, 199), (300, 50), (50, 300), (1, 1), (100, 200)])
def test_frames_of_any_shape_fit_into_the_picture(size):
    picture, people = fit(np.full((*size, 3), 200, np.uint8), person(0, 0, 10, 10), 200, 102)
    assert picture.shape == (102, 200, 3) and picture[0, 0, 0] == 200 and len(people) == 1


def test_an_odd_frame_keeps_its_pixels():
    image = np.random.default_rng(0).integers(0, 255, (51, 33, 3), np.uint8)
    picture, people = fit(image, person(0, 0, 10, 10), 34, 52)
    assert (picture[:51, :33] == image).all() and (picture[51, :33] == image[50]).all()
    assert (people.boxes == [[0, 0, 10, 10]]).all()


@pytest.mark.parametrize("frames, tiles, expected", [(1, 12, {0}), (5, 12, set(range(5))), (100, 3, {0, 50, 99})])
def test_the_sheet_shows_frames_evenly(frames, tiles, expected):
    assert sheet_places(frames, tiles) == expected


def test_a_sheet_of_12_frames_and_of_one():
    size = tile_size(1280, 720)
    image = np.full((720, 1280, 3), 90, np.uint8)
    tiles = [make_tile(image, person(100, 100, 500, 700), COCO_17, Style(), f"frame {i}", size) for i in range(11)]
    tiles.append(make_tile(None, FramePeople(), COCO_17, Style(), "frame 11", size))
    assert (image == 90).all()  # the overlay still needs it
    sheet = contact_sheet(tiles, 4, "title")
    assert sheet.shape[1] == 4 * (480 + 8) + 8 and sheet.shape[0] > 3 * 270
    assert contact_sheet(tiles[:1], 4, "title").shape[1] == 480 + 16
