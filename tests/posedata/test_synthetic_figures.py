"""Rendered figures: bodies, solids, left and right, and what hides what."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from posedata.skeletons import PTRACK_19
from posedata.synthetic.body import LIMITS, Build, Point, limited, mirrored, pose, posed, rotation_y
from posedata.synthetic.camera import Camera, looking
from posedata.synthetic.look import random_look
from posedata.synthetic.poses import FAMILIES, random_stance, stance_of
from posedata.synthetic.scene import Thing, compose
from posedata.synthetic.solids import FAR, Solid, cone, ellipsoid, trace
from posedata.synthetic.sprite import Sprite, draw_figure
from posedata.synthetic.surface import Light

JOINT = {name: i for i, name in enumerate(PTRACK_19.joints)}
LIGHT = Light((0.0, -0.8, 0.6), 0.5, 0.6, (1.0, 1.0, 1.0))
SIZE = (120, 160)  # width, height


def camera_of(shift: float = 0.0, distance: float = 5.0) -> Camera:
    """A level camera that shows a standing person whole; `shift` moves the person right, in pixels."""
    return looking(np.zeros(3), distance, 0.0, 0.0, 75.0 * distance, (60.0 + shift, 80.0))


def draw(
    yaw: float = 0.0,
    shift: float = 0.0,
    depth: float = 0.0,
    seed: int = 4,
    angles: np.ndarray | None = None,
    size: tuple[int, int] = SIZE,
) -> Sprite | None:
    """A person with the arms a little out; yaw 0 faces the camera, 90 the right edge; `depth` metres nearer."""
    look = random_look(np.random.default_rng(seed))
    stance = pose(arm_out=20) if angles is None else angles
    body = posed(look.build, stance, rotation_y(yaw), np.array([0.0, 0.0, depth]))
    return draw_figure(body, look, camera_of(shift), LIGHT, size)


def grey() -> np.ndarray:
    return np.full((SIZE[1], SIZE[0], 3), 0.5, np.float32)


# left, right, front and back


@pytest.mark.parametrize(
    ("yaw", "left_is_right", "seen", "hidden"),
    [
        (0, True, ("nose", "left_eye", "right_eye", "left_shoulder", "right_hip"), ()),
        (180, False, ("left_shoulder", "right_shoulder"), ("nose", "left_eye", "right_eye")),
        (90, None, ("nose", "right_ear", "right_shoulder"), ("left_ear", "left_shoulder", "left_hip")),
        (-90, None, ("nose", "left_ear", "left_shoulder"), ("right_ear", "right_shoulder", "right_hip")),
    ],
    ids=["front", "back", "facing right", "facing left"],
)
def test_sides_of_the_body_and_what_it_hides_itself(yaw, left_is_right, seen, hidden):
    frame = compose(grey(), [draw(yaw, seed=5)], [0])
    x = frame.keypoints[0, :, 0]
    if left_is_right is not None:
        for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle", "ear"):
            assert (x[JOINT[f"left_{part}"]] > x[JOINT[f"right_{part}"]]) == left_is_right, part
    visible = {name: int(frame.visibility[0, i]) for name, i in JOINT.items()}
    assert {name: visible[name] for name in seen} == dict.fromkeys(seen, 2)
    assert {name: visible[name] for name in hidden} == dict.fromkeys(hidden, 1)
    assert not frame.covered.any()


def test_a_face_looks_where_the_body_goes():
    for yaw, sign in ((90, 1), (-90, -1)):
        keypoints = draw(yaw).keypoints
        ears = keypoints[[JOINT["left_ear"], JOINT["right_ear"]], 0].mean()
        assert sign * (keypoints[JOINT["nose"], 0] - ears) > 1


def test_head_top_and_feet_are_where_they_belong():
    y = draw().keypoints[:, 1]
    order = ("head_top", "left_eye", "nose", "head_bottom", "left_shoulder", "left_hip", "left_knee", "left_ankle")
    assert np.all(np.diff([y[JOINT[name]] for name in order]) > 0)


# what is hidden, cut off or gone


def test_whoever_stands_behind_somebody_is_covered():
    behind, before = draw(seed=5), draw(seed=5, shift=6, depth=0.2)
    frame = compose(grey(), [behind, before], [3, 9])
    assert frame.track_ids.tolist() == [3, 9]
    assert frame.visible_fraction[1] == 1.0
    assert frame.visible_fraction[0] < 0.5
    assert not frame.covered[1].any()
    assert frame.covered[0].sum() >= 6
    assert (frame.visibility[0][frame.covered[0]] == 1).all()
    alone = compose(grey(), [behind], [3])
    # the box is that of the whole figure, whatever hides it
    np.testing.assert_array_equal(frame.boxes[0], alone.boxes[0])
    assert frame.keypoints[0].tobytes() == alone.keypoints[0].tobytes()


@pytest.mark.parametrize(("distance", "covered"), [(1.0, True), (50.0, False)], ids=["before", "behind"])
def test_a_thing_hides_what_is_behind_it_only(distance, covered):
    person = draw()
    wall = Thing(np.ones((60, SIZE[0], 4), np.float32), 0, 100, distance)
    frame = compose(grey(), [person], [0], things=(wall,))
    assert bool(frame.covered[0, JOINT["left_ankle"]]) == covered
    assert (frame.visible_fraction[0] < 0.95) == covered
    assert not frame.covered[0, JOINT["nose"]]


def test_a_figure_at_the_edge():
    """Shifted by half the picture, the left half of the figure (seen from here) is gone."""
    whole = compose(grey(), [draw()], [0])
    half = compose(grey(), [draw(shift=-60)], [0])
    assert whole.visible_fraction[0] == 1.0
    assert 0.35 < half.visible_fraction[0] < 0.65
    assert half.boxes[0, 0] == 0
    outside = half.keypoints[0, :, 0] < -0.5
    assert outside.any()
    assert (half.visibility[0][outside] == 0).all()
    assert (half.visibility[0][~outside] > 0).all()
    np.testing.assert_allclose(half.keypoints[0], whole.keypoints[0] - (60, 0), atol=1e-3)


def test_a_figure_outside_is_no_figure():
    assert draw(shift=-200) is None


@pytest.mark.parametrize("family", FAMILIES)
def test_seen_joints_lie_on_the_figure(family):
    rng = np.random.default_rng(11)
    for _ in range(4):
        look = random_look(rng)
        stance = stance_of(family, rng)
        root = rotation_y(rng.uniform(0, 360)) @ stance.root
        body = posed(look.build, stance.angles, root, np.zeros(3))
        sprite = draw_figure(body, look, looking(np.zeros(3), 6, 10, 0, 450, (130, 130)), LIGHT, (260, 260))
        assert sprite.open.sum() >= 4
        x, y = np.round(sprite.keypoints[sprite.open]).astype(int).T
        mask = sprite.rgba[..., 3]
        assert (cv2.dilate(mask, np.ones((3, 3)))[y - sprite.top, x - sprite.left] > 0.5).all()
        rows, columns = np.nonzero(mask > 0.5)
        assert columns.min() + sprite.left >= sprite.extent[0] - 1
        assert rows.max() + sprite.top <= sprite.extent[3] + 1


# the body


def test_bones_keep_their_lengths_in_any_pose():
    rng = np.random.default_rng(2)
    bones = [
        (Point.LEFT_HIP, Point.LEFT_KNEE), (Point.RIGHT_KNEE, Point.RIGHT_ANKLE), (Point.LEFT_HIP, Point.RIGHT_HIP),
        (Point.LEFT_SHOULDER, Point.LEFT_ELBOW), (Point.RIGHT_ELBOW, Point.RIGHT_WRIST), (Point.WAIST, Point.NECK),
    ]  # fmt: skip
    lengths = []
    for _ in range(20):
        stance = random_stance(rng, 1.0)
        points = posed(Build(), stance.angles, stance.root, rng.normal(size=3)).points
        lengths.append([np.linalg.norm(points[a] - points[b]) for a, b in bones])
    np.testing.assert_allclose(lengths, lengths[:1] * 20, rtol=1e-9)


def test_angles_stay_within_the_limits_of_a_body():
    rng = np.random.default_rng(2)
    low, high = np.array(list(LIMITS.values())).T
    for _ in range(50):
        angles = random_stance(rng, 1.0).angles
        assert ((angles >= low) & (angles <= high)).all()
    np.testing.assert_array_equal(limited(np.full(len(LIMITS), 1e9)), high)
    with pytest.raises(KeyError):
        pose(tail=3)


def test_a_mirrored_pose_is_the_pose_in_a_mirror():
    stance = random_stance(np.random.default_rng(6), 1.0)
    points = posed(Build(), stance.angles, np.eye(3), np.zeros(3)).points * (-1, 1, 1)
    swapped = [Point[p.name.replace("LEFT", "x").replace("RIGHT", "LEFT").replace("x", "RIGHT")] for p in Point]
    other = posed(Build(), mirrored(stance.angles), np.eye(3), np.zeros(3)).points
    np.testing.assert_allclose(other[swapped], points, atol=1e-9)


# the solids


def inside(solid: Solid, points: np.ndarray) -> np.ndarray:
    """[M] whether image points [M, 3] lie in a solid, straight from its definition."""
    q = (points - solid.origin) @ solid.matrix.T
    share = np.clip(q[:, 1] / solid.length, 0, 1) if solid.length else 0
    radius = solid.low + share * (solid.high - solid.low)
    shaft = (np.hypot(q[:, 0], q[:, 2]) < radius) & (q[:, 1] >= 0) & (q[:, 1] <= solid.length)
    ends = np.linalg.norm(q, axis=1) < solid.low
    ends |= np.linalg.norm(q - (0, solid.length, 0), axis=1) < solid.high
    return shaft | ends


def solids() -> dict[str, Solid]:
    turn = rotation_y(35) @ np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    flat, x = np.array([1.0, 0.5, 0.6]), np.array([1.0, 0, 0])
    return {
        "ellipsoid": ellipsoid(np.array([20.3, 15.2, -7]), turn, np.array([12.0, 6, 9])),
        "cone across": cone(np.array([6.3, 10.2, 3]), np.array([30.4, 22.3, 0]), 5, 3, x, np.ones(3)),
        "towards the viewer": cone(np.array([18.3, 14.2, -20]), np.array([22.6, 17.1, 9]), 4, 6, x, np.ones(3)),
        "flat": cone(np.array([20.3, 26.2, 0]), np.array([17.1, 8.4, 6]), 8, 6, x, flat),
        "no length": cone(np.array([20.3, 15.4, 0]), np.array([20.3, 15.4, 0]), 8, 6, x, np.ones(3)),
    }


@pytest.mark.parametrize("name", solids())
def test_traced_fronts_are_the_fronts_of_the_solids(name):
    solid = solids()[name]
    picture = trace([solid], 0, 0, 40, 32)
    depths = np.arange(-50, 50, 0.25)
    for row in range(0, 32, 3):
        for column in range(0, 40, 3):
            ray = np.column_stack([np.full(len(depths), column), np.full(len(depths), row), depths])
            hits = depths[inside(solid, ray)]
            front = picture.nearness[row, column]
            assert (front > FAR) == (picture.owner[row, column] == 0)
            if len(hits) > 2:
                assert front == pytest.approx(hits.max(), abs=0.3)
            elif not len(hits):
                assert front == FAR or inside(solid, np.array([[column, row, front - 1e-3]])).all()


def test_the_nearer_solid_owns_the_pixel():
    near = ellipsoid(np.array([10.0, 10, 5]), np.eye(3), np.full(3, 4.0))
    far = ellipsoid(np.array([10.0, 10, -5]), np.eye(3), np.full(3, 8.0))
    for order, centre in (([near, far], 0), ([far, near], 1)):
        owner = trace(order, 0, 0, 20, 20).owner
        assert owner[10, 10] == centre
        assert owner[10, 3] == 1 - centre
        assert owner[0, 0] == 255
