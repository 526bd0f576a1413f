"""Single pictures for training: one large person, or a crowd of any size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np

from posedata.synthetic.backgrounds import draw_thing, random_background
from posedata.synthetic.body import Point, Posed, posed, rotation_y
from posedata.synthetic.camera import Camera, looking
from posedata.synthetic.frame import SyntheticFrame
from posedata.synthetic.look import Look, random_look
from posedata.synthetic.poses import random_stance
from posedata.synthetic.scene import Shadow, Thing, compose, photographed
from posedata.synthetic.sprite import Sprite, draw_figure
from posedata.synthetic.surface import Light, random_light

# a person somewhere in a picture of (width, height), about as large as somebody of so many pixels standing there
Somebody = Callable[[np.random.Generator, tuple[int, int], float], "Sprite | None"]

_PARTS = {  # what a picture of one person shows: lowest point in view (None = the feet), how often
    "whole": (None, 0.62),
    "knees": (Point.LEFT_KNEE, 0.14),
    "hips": (Point.PELVIS, 0.14),
    "chest": (Point.CHEST, 0.10),
}


def random_person(
    rng: np.random.Generator,
    size: tuple[int, int] = (256, 256),  # width, height
    background: np.ndarray | None = None,  # [H, W, 3] uint8 RGB without people; drawn by chance if None
) -> SyntheticFrame:
    """One person (row 0) large in the picture, in any pose, sometimes cut off, hidden in part or with others near."""
    look, light = random_look(rng), random_light(rng)
    body = _random_body(rng, look, extreme=float(rng.random() < 0.7) * 0.9)
    camera = _portrait(rng, body, size)
    main = draw_figure(body, look, camera, light, size)
    if main is None:  # the part chosen lies outside after all: the same person, whole and in the middle
        camera = _framed(camera, body.points, size, 0.8)
        main = draw_figure(body, look, camera, light, size)
    if main is None:
        raise AssertionError("a figure framed by its own joints lies outside the picture")
    sprites = [main]
    if rng.random() < 0.35:
        for _ in range(rng.integers(1, 4)):
            other = _neighbour(rng, body, camera, light, size)
            if other is not None:
                sprites.append(other)
    things = (_occluder(rng, size, main),) if rng.random() < 0.22 else ()
    picture = _backdrop(rng, size, background)
    shadow = _random_shadow(rng) if rng.random() < 0.5 else None
    frame = compose(picture, sprites, list(range(len(sprites))), shadow, things)
    return _photographed(frame, rng)


def random_crowd(
    rng: np.random.Generator,
    size: tuple[int, int] = (416, 416),  # width, height
    people: tuple[int, int] = (0, 8),  # fewest and most
    background: np.ndarray | None = None,  # [H, W, 3] uint8 RGB without people; drawn by chance if None
    somebody: Somebody | None = None,  # gives the people; rendered figures if None
    heights: tuple[float, float] | None = None,  # of people standing, parts of the picture's height, about
) -> SyntheticFrame:
    """People of all sizes, from 15 pixels high to close-ups that the picture cuts off; none is legal too."""
    shortest, tallest = (15.0, size[1] * 1.4) if heights is None else (size[1] * h for h in heights)
    count = int(rng.integers(people[0], people[1] + 1))
    horizon = float(rng.uniform(0.1, 0.55))
    picture = _backdrop(rng, size, background, horizon)
    light = random_light(rng)
    sprites = []
    eye = float(rng.uniform(0.9, 3.0)) if rng.random() < 0.65 else None  # metres; None = people float anywhere
    one_scale = rng.random() < 0.5  # a group, or people at any distance
    typical = _crowd_height(rng, shortest, tallest)
    roll, pitch = float(rng.normal(0, 3)), float(rng.normal(6, 9))
    for _ in range(count):
        tall = typical * rng.uniform(0.75, 1.3) if one_scale else _crowd_height(rng, shortest, tallest)
        hips = None if eye is None else horizon * size[1] + tall * (eye / 1.72 - 0.53)
        if somebody is not None:
            sprite = somebody(rng, size, tall)
        else:
            sprite = _somebody(rng, size, tall, hips, pitch, roll, light)
        if sprite is not None:
            sprites.append(sprite)
    shadow = _random_shadow(rng) if rng.random() < 0.6 else None
    things = (_occluder(rng, size, sprites[0]),) if sprites and rng.random() < 0.25 else ()
    frame = compose(picture, sprites, list(range(len(sprites))), shadow, things)
    return _photographed(frame, rng)


def _photographed(frame: SyntheticFrame, rng: np.random.Generator) -> SyntheticFrame:
    return replace(frame, image=photographed(frame.image, rng))


def _random_body(rng: np.random.Generator, look: Look, extreme: float) -> Posed:
    stance = random_stance(rng, extreme)
    yaw = rng.normal(0, 55) if rng.random() < 0.6 else rng.uniform(0, 360)
    return posed(look.build, stance.angles, rotation_y(yaw) @ stance.root, np.zeros(3))


def _portrait(rng: np.random.Generator, body: Posed, size: tuple[int, int]) -> Camera:
    """A camera that shows the whole person or the upper part, seldom straight from above or below."""
    names = list(_PARTS)
    part = _PARTS[names[rng.choice(len(names), p=[p for _, p in _PARTS.values()])]][0]
    points = body.points
    if part is not None and points[Point.HEAD, 1] > points[Point.PELVIS, 1] + 0.3:
        shown = points[points[:, 1] >= points[part, 1] - 0.02]
    else:
        shown = points
    pitch = rng.normal(6, 12) if rng.random() < 0.92 else rng.uniform(-45, 75)
    distance = rng.uniform(2.6, 9.0)
    camera = looking(points[Point.PELVIS], distance, float(pitch), float(rng.normal(0, 5)), 300.0, (0.0, 0.0))
    return _framed(camera, shown, size, rng.uniform(0.72, 1.12), rng.uniform(-0.10, 0.10, 2))


def _framed(
    camera: Camera,
    points: np.ndarray,  # [N, 3] metres
    size: tuple[int, int],
    share: float,  # of the picture's side that the points fill
    shift: np.ndarray | tuple[float, float] = (0.0, 0.0),  # of the picture's size
) -> Camera:
    """The camera zoomed and moved sideways so that the points fill the picture's middle."""
    view, _ = camera.project(points, 1.0)
    low, high = view[:, :2].min(axis=0), view[:, :2].max(axis=0)
    margin = 0.14 * max(high - low)  # flesh around the joints
    span = np.maximum(high - low + 2 * margin, 1e-3)
    zoom = share * float((np.array(size) / span).min())
    middle = (low + high) / 2 - np.array(camera.centre)
    centre = (np.array(size) - 1) / 2 + np.array(shift) * size - middle * zoom
    return Camera(camera.rotation, camera.position, camera.focal * zoom, (float(centre[0]), float(centre[1])))


def _neighbour(
    rng: np.random.Generator, body: Posed, camera: Camera, light: Light, size: tuple[int, int]
) -> Sprite | None:
    """Somebody beside, behind or seldom before the person."""
    look = random_look(rng)
    other = _random_body(rng, look, extreme=0.2)
    depth = rng.uniform(-2.5, -0.2) if rng.random() < 0.75 else rng.uniform(0.2, 0.7)
    across = camera.rotation.T @ (rng.choice([-1.0, 1.0]) * rng.uniform(0.3, 1.1), 0, 0)
    feet = other.points[:, 1].min() - body.points[:, 1].min()
    place = across + (0, -feet if abs(feet) < 1.5 else 0, depth)
    return draw_figure(Posed(other.points + place, other.frames), look, camera, light, size)


def _crowd_height(rng: np.random.Generator, shortest: float, tallest: float) -> float:
    return float(np.exp(rng.uniform(np.log(shortest), np.log(tallest))))


def _somebody(
    rng: np.random.Generator,
    size: tuple[int, int],
    tall: float,  # pixels, were they standing
    hips: float | None,  # picture row of a standing person's hips; anywhere if None
    pitch: float,
    roll: float,
    light: Light,
) -> Sprite | None:
    """A person somewhere in the picture."""
    width, height = size
    look = random_look(rng)
    body = _random_body(rng, look, extreme=0.25)
    distance = 1.0 + 3.0 * height / tall
    reach = 0.35 * tall
    x = rng.uniform(-0.2 * reach, width + 0.2 * reach)
    y = rng.uniform(min(0.3 * reach, height / 2), max(height - 0.3 * reach, height / 2))
    if hips is not None:
        # whoever sits or lies has the hips lower, on the same ground
        low = -float(body.points[:, 1].min()) * tall / 1.72
        y = min(hips + 0.53 * tall - low, height + 0.3 * reach)
    focal = tall / 1.72 * distance
    camera = looking(body.points[Point.PELVIS], distance, pitch, roll, focal, (float(x), float(y)))
    return draw_figure(body, look, camera, light, size)


def _random_shadow(rng: np.random.Generator) -> Shadow:
    return Shadow(float(rng.uniform(0.15, 0.6)), float(rng.uniform(-0.8, 0.8)), float(rng.uniform(0.08, 0.3)))


def _backdrop(
    rng: np.random.Generator, size: tuple[int, int], background: np.ndarray | None, horizon: float | None = None
) -> np.ndarray:
    if background is None:
        return random_background(rng, size, horizon)
    if background.ndim != 3 or background.shape[2] != 3 or background.dtype != np.uint8:
        raise ValueError(f"background must be [H, W, 3] uint8, not {list(background.shape)} {background.dtype}")
    height, width = background.shape[:2]
    zoom = max(size[0] / width, size[1] / height) * rng.uniform(1.0, 1.6)
    room = np.array([width, height]) - np.array(size) / zoom
    left, top = rng.uniform(0, 1, 2) * np.maximum(room, 0)
    matrix = np.array([[zoom, 0, -left * zoom], [0, zoom, -top * zoom]])
    moved = cv2.warpAffine(background, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    if rng.random() < 0.5:
        moved = moved[:, ::-1]
    return moved.astype(np.float32) / np.float32(255)


def _occluder(rng: np.random.Generator, size: tuple[int, int], sprite: Sprite) -> Thing:
    """A thing before a part of the figure."""
    width, height = size
    picture = random_background(rng, size)
    mask = np.zeros((height, width), np.float32)
    left, top, right, bottom = np.clip(sprite.extent, 0, [width, height, width, height])
    kind = rng.integers(4)
    if kind == 0:  # a table, wall or hedge before the lower part
        edge = int(top + (bottom - top) * rng.uniform(0.45, 0.9))
        slope = int(rng.normal(0, 0.05) * width)
        cv2.fillConvexPoly(
            mask, np.array([[0, edge], [width, edge + slope], [width, height], [0, height]]), 1.0, cv2.LINE_AA
        )
    elif kind == 1:  # a post
        x, thick = rng.uniform(left, right), rng.uniform(0.06, 0.3) * (right - left) + 2
        cv2.rectangle(mask, (int(x), 0), (int(x + thick), height), 1.0, -1)
    elif kind == 2:  # something round held or flying by
        x, y = rng.uniform(left, right), rng.uniform(top, bottom)
        axes = tuple(int(v) + 1 for v in rng.uniform(0.06, 0.2, 2) * (bottom - top))
        cv2.ellipse(mask, (int(x), int(y)), axes, float(rng.uniform(0, 180)), 0, 360, 1.0, -1, cv2.LINE_AA)
    else:  # anything
        things = np.zeros((height, width, 3), np.float32)
        draw_thing(things, rng)
        mask = (things.max(axis=2) > 0).astype(np.float32)
    return Thing(np.dstack([picture * mask[..., None], mask]), 0, 0, 0.0)
