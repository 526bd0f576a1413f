"""Where a sequence takes place: a camera that pans and drifts, ground, a far view, things and distant crowds."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from posedata.synthetic.backgrounds import field, fractal, scene_colour, street
from posedata.synthetic.body import posed, rotation_x, rotation_y, stance_height
from posedata.synthetic.camera import Camera
from posedata.synthetic.look import Paint, mix, random_look
from posedata.synthetic.poses import stance_of
from posedata.synthetic.scene import Shadow, Thing, finished
from posedata.synthetic.shapes import CLOTH, LEATHER, Coat, Shape, ball, limb, project
from posedata.synthetic.solids import trace
from posedata.synthetic.sprite import draw_figure, solids_extent
from posedata.synthetic.surface import Light, random_light, shade

FOCAL = 1.62  # of the camera, in picture heights
_PAN = 3.5  # degrees, each way
_DRIFT = 0.4  # metres, each way
_TEXELS = 40  # of the ground, a metre
_FIELD = 40  # metres of ground in the texture, each way
_CROWD_STATES = 3
_UPRIGHT = np.eye(3)


@dataclass(frozen=True)
class Billboard:
    """Something drawn once and then moved with the place in the world where it stands."""

    states: tuple[np.ndarray, ...]  # each [H, W, 4] float32 premultiplied; shown in turn
    anchor: np.ndarray  # [2] pixel of `states` that lies on the place
    place: np.ndarray  # [3] metres
    crowd: bool  # people without labels


@dataclass(frozen=True)
class Setting:
    """Everything of a sequence but its people."""

    size: tuple[int, int]  # width, height
    focal: float  # pixels
    eye: float  # metres above the ground
    pitch: float  # degrees
    sway: np.ndarray  # [4] phases and speeds of the camera's movement
    ground: np.ndarray  # [S, S, 3] uint8 texture
    haze: np.ndarray  # [3] float32 colour of the ground far away
    view: np.ndarray  # [H', W', 3] uint8 what lies beyond the ground
    billboards: tuple[Billboard, ...]
    light: Light
    shadow: Shadow

    def camera(self, seconds: float) -> Camera:
        """The camera at a time."""
        slow, fast, x, tilt = self.sway
        pan = _PAN * np.sin(slow + 0.62 * seconds)
        pitch = self.pitch + 0.35 * np.sin(tilt + 0.9 * seconds)
        position = np.array([_DRIFT * np.sin(x + 0.45 * seconds), self.eye + 0.02 * np.sin(fast + 1.3 * seconds), 0])
        width, height = self.size
        return Camera(rotation_x(pitch) @ rotation_y(pan), position, self.focal, ((width - 1) / 2, (height - 1) / 2))

    def backdrop(self, camera: Camera) -> np.ndarray:
        """[H, W, 3] float32 RGB 0..1: ground and far view."""
        width, height = self.size
        # rows of the rotation tell where straight ahead along the ground lies in the picture
        ahead = camera.rotation @ (0, 0, -1)
        x = camera.centre[0] + camera.focal * ahead[0] / -ahead[2]
        horizon = camera.centre[1] - camera.focal * ahead[1] / -ahead[2]
        view_height, view_width = self.view.shape[:2]
        shift = np.array([[1, 0, x - (view_width - 1) / 2], [0, 1, horizon - view_height]])
        picture = cv2.warpAffine(self.view, shift, self.size, borderMode=cv2.BORDER_REPLICATE)
        top = int(np.clip(np.floor(horizon), 0, height))
        if top < height:
            matrix = np.array([[1, 0, 0], [0, 1, -top], [0, 0, 1]]) @ self._ground_matrix(camera)
            lower = (width, height - top)
            ground = cv2.warpPerspective(
                self.ground, matrix, lower, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
            )
            rows = np.arange(top, height, dtype=np.float32) - np.float32(horizon)
            clear = np.clip(rows / np.float32(0.14 * height), 0, 1)[:, None, None]
            picture[top:] = ground * clear + self.haze * (1 - clear)
        return picture.astype(np.float32) / np.float32(255)

    def things(self, camera: Camera, frame: int) -> tuple[tuple[Thing, ...], tuple[np.ndarray, ...]]:
        """What stands about, moved to where the camera sees it; and the polygons [P, 2] around unlabelled crowds."""
        width, height = self.size
        things, regions = [], []
        for number, board in enumerate(self.billboards):
            distance = camera.distance(board.place)
            spot, _ = camera.project(board.place[None], distance)
            state = board.states[(frame // 5 + number) % len(board.states)]
            corner = spot[0, :2] - board.anchor
            whole = np.floor(corner).astype(int)
            x1, y1 = np.maximum(whole, 0)
            x2, y2 = np.minimum(whole + (state.shape[1] + 1, state.shape[0] + 1), (width, height))
            if x1 >= x2 or y1 >= y2:
                continue
            move = np.array([[1, 0, corner[0] - x1], [0, 1, corner[1] - y1]])
            moved = cv2.warpAffine(state, move, (int(x2 - x1), int(y2 - y1)))
            things.append(Thing(moved, int(x1), int(y1), distance))
            if board.crowd:
                regions.append(_outline(corner, state.shape[1], state.shape[0], width, height))
        return tuple(things), tuple(regions)

    def _ground_matrix(self, camera: Camera) -> np.ndarray:
        """[3, 3] from ground texture to picture."""
        lens = np.array([[camera.focal, 0, -camera.centre[0]], [0, -camera.focal, -camera.centre[1]], [0, 0, -1]])
        plane = np.column_stack([camera.rotation[:, 0], camera.rotation[:, 2], -camera.rotation @ camera.position])
        metres = np.array([[1 / _TEXELS, 0, -_FIELD / 2], [0, -1 / _TEXELS, 0], [0, 0, 1]])
        return lens @ plane @ metres


def random_setting(
    rng: np.random.Generator,
    size: tuple[int, int],
    seats: list[tuple[float, float]],  # x and depth in metres of stools to be sat on
) -> Setting:
    """A square or a meadow."""
    width, height = size
    focal, eye, pitch = FOCAL * height, float(rng.uniform(1.45, 2.0)), float(rng.uniform(6.0, 9.0))
    light = random_light(rng)
    paved = rng.random() < 0.6
    ground = _ground(rng, scene_colour(rng, 0.12) if paved else (0.36, 0.44, 0.22), paved)
    wide = int(width + 2.4 * focal * np.tan(np.deg2rad(_PAN))) + 8
    painter = street if rng.random() < 0.6 else field
    horizon = int(height * 0.55)
    view = finished(np.clip(painter(rng, (wide, horizon + 40), horizon), 0, 1))[:horizon]
    haze = ground.reshape(-1, 3).mean(axis=0).astype(np.float32)
    shadow = Shadow(0.42, float(-0.8 * light.direction[0]), 0.16 if light.direction[2] < 0.4 else 0.10)
    bare = Setting(
        size, focal, eye, pitch, rng.uniform(0, 2 * np.pi, 4), ground, haze, cv2.GaussianBlur(view, (0, 0), 0.8), (),
        light, shadow,
    )  # fmt: skip
    steady = Camera(rotation_x(pitch), np.array([0, eye, 0]), focal, ((width - 1) / 2, (height - 1) / 2))
    edge = width / (2 * focal)
    boards = [_crowd(rng, steady, edge, side, light) for side in ((-1, 1) if rng.random() < 0.5 else (1,))]
    boards += _scenery(rng, steady, edge, light)
    boards += [_drawn(_stool(rng), np.array([x, 0, -depth - 0.12]), steady, light) for x, depth in seats]
    return replace(bare, billboards=tuple(b for b in boards if b is not None))


def _ground(rng: np.random.Generator, base: tuple[float, float, float], paved: bool) -> np.ndarray:
    """[S, S, 3] uint8: paving, sand or grass with marks."""
    side = _FIELD * _TEXELS
    tone = fractal(rng, (side, side), 160, 3)
    # fine grain is made for one tile and repeated, mirrored so that no seam shows
    tile = fractal(rng, (400, 400), 10, 4)
    tile = np.block([[tile, tile[:, ::-1]], [tile[::-1], tile[::-1, ::-1]]])
    grain = np.tile(tile, (side // 800, side // 800))
    texture = np.array(base, np.float32) * (1 + 0.22 * tone + 0.28 * grain)[..., None]
    if paved:
        step = int(rng.uniform(0.6, 2.5) * _TEXELS)
        texture[::step] *= 0.72
        texture[1::step] *= 0.85
        texture[:, ::step] *= 0.72
        texture[:, 1::step] *= 0.85
    paint = scene_colour(rng, 0.5)
    for _ in range(rng.integers(1, 4)):
        ends = rng.integers(0, side, 4)
        cv2.line(texture, ends[:2].tolist(), ends[2:].tolist(), paint, int(rng.integers(4, 9)), cv2.LINE_AA)
    return finished(np.clip(texture, 0, 1))


def _crowd(rng: np.random.Generator, camera: Camera, edge: float, side: int, light: Light) -> Billboard:
    """A far group of tiny people, out of focus."""
    depth = float(rng.uniform(25, 32))
    place = np.array([side * rng.uniform(0.45, 0.72) * edge * depth, 0.0, -depth])
    spot, scale = camera.project(place[None], depth)
    half, tall = int(2.2 * scale[0]), int(2.2 * scale[0])
    anchor = np.array([half, tall], np.float64)
    states = [np.zeros((tall + int(0.6 * scale[0]) + 3, 2 * half, 4), np.float32) for _ in range(_CROWD_STATES)]
    moved = Camera(
        camera.rotation, camera.position, camera.focal,
        (camera.centre[0] - spot[0, 0] + half, camera.centre[1] - spot[0, 1] + tall),
    )  # fmt: skip
    for back in np.sort(rng.uniform(-1.5, 1.0, int(rng.integers(7, 12)))):
        look, stance = random_look(rng), stance_of("stand", rng)
        x, yaw = rng.uniform(-1.7, 1.7), rng.uniform(0, 360)
        for state in states:
            root = rotation_y(yaw + rng.normal(0, 8)) @ stance.root
            at = place + (x + rng.normal(0, 0.02), stance_height(look.build), back)
            body = posed(look.build, stance.angles + rng.normal(0, 3, len(stance.angles)), root, at)
            sprite = draw_figure(body, look, moved, light, (state.shape[1], state.shape[0]))
            if sprite is not None:
                height, width = sprite.rgba.shape[:2]
                part = state[sprite.top : sprite.top + height, sprite.left : sprite.left + width]
                part *= 1 - sprite.rgba[..., 3:]
                part += sprite.rgba
    blurred = tuple(cv2.GaussianBlur(s, (0, 0), max(0.025 * tall, 0.6)) for s in states)
    return Billboard(blurred, anchor, place, True)


def _drawn(shapes: list[Shape], place: np.ndarray, camera: Camera, light: Light) -> Billboard | None:
    """Shapes around the origin put at a place and drawn twice as fine as shown."""
    there = [replace(s, start=s.start + place, end=s.end + place) for s in shapes]
    fine = camera.finer(2)
    distance = camera.distance(place)
    drawing = project(there, fine, distance)
    box = solids_extent(drawing.solids)
    left, top = (int(np.floor(v / 2)) - 1 for v in box[:2])
    right, bottom = (int(np.ceil(v / 2)) + 2 for v in box[2:])
    if (right - left) * (bottom - top) > 4_000_000:
        return None
    rgba = shade(trace(drawing.solids, 2 * left, 2 * top, 2 * (right - left), 2 * (bottom - top)), drawing, light)
    rgba = cv2.resize(rgba, (right - left, bottom - top), interpolation=cv2.INTER_AREA)
    spot, _ = camera.project(place[None], distance)
    return Billboard((rgba,), spot[0, :2] - (left, top), place, False)


def _scenery(rng: np.random.Generator, camera: Camera, edge: float, light: Light) -> list[Billboard | None]:
    """Trees and lamps behind, a bollard or planter before the people."""
    boards = []
    for _ in range(rng.integers(3, 7)):
        depth = float(rng.uniform(12, 34))
        x = float(rng.uniform(-1.2, 1.2)) * edge * depth
        shapes = _tree(rng) if rng.random() < 0.65 else _lamp(rng)
        boards.append(_drawn(shapes, np.array([x, 0, -depth]), camera, light))
    side = 1 if rng.random() < 0.5 else -1
    near = np.array([side * rng.uniform(0.45, 0.7) * edge * 4.1, 0, -4.1])
    boards.append(_drawn(_planter(rng) if rng.random() < 0.5 else _bollard(rng), near, camera, light))
    return boards


def _up(height: float) -> np.ndarray:
    return np.array([0.0, height, 0.0])


def _tree(rng: np.random.Generator) -> list[Shape]:
    tall = float(rng.uniform(3.5, 7.0))
    bark = Coat(LEATHER, Paint(mix((0.30, 0.22, 0.15), (0.45, 0.42, 0.38), rng.random())))
    leaf = mix((0.18, 0.34, 0.12), (0.42, 0.44, 0.16), rng.random())
    shapes = [limb(_up(0), _up(0.6 * tall), 0.16, 0.09, _UPRIGHT, bark)]
    for _ in range(rng.integers(5, 10)):
        leaves = Coat(CLOTH, Paint(mix(leaf, (0.08, 0.15, 0.05), 0.5 * rng.random()), phase=rng.random()))
        spot = _up(tall * rng.uniform(0.55, 0.95)) + rng.normal(0, 0.16 * tall, 3) * (1, 0.3, 1)
        shapes.append(ball(spot, _UPRIGHT, tall * rng.uniform(0.10, 0.2, 3), leaves))
    return shapes


def _lamp(rng: np.random.Generator) -> list[Shape]:
    metal = Coat(LEATHER, Paint(mix((0.12, 0.13, 0.14), (0.5, 0.5, 0.5), rng.random())))
    glass = Coat(LEATHER, Paint((0.95, 0.93, 0.85)))
    tall = float(rng.uniform(3.0, 5.0))
    return [
        limb(_up(0), _up(tall), 0.07, 0.045, _UPRIGHT, metal),
        ball(_up(tall + 0.1), _UPRIGHT, np.array([0.22, 0.2, 0.22]), glass),
    ]


def _bollard(rng: np.random.Generator) -> list[Shape]:
    tall = float(rng.uniform(0.75, 1.0))
    body = Coat(
        LEATHER, Paint(mix((0.12, 0.13, 0.14), (0.55, 0.20, 0.15), rng.random()), (0.95, 0.95, 0.95), "hoops", 3)
    )
    return [limb(_up(0), _up(tall), 0.09, 0.09, _UPRIGHT, body, low_cap=False)]


def _planter(rng: np.random.Generator) -> list[Shape]:
    stone = Coat(CLOTH, Paint(scene_colour(rng, 0.15)))
    shapes = [limb(_up(0), _up(0.5), 0.30, 0.38, _UPRIGHT, stone, low_cap=False, high_cap=False)]
    for _ in range(7):
        leaf = Coat(CLOTH, Paint((0.16, float(rng.uniform(0.25, 0.45)), 0.12), phase=rng.random()))
        shapes.append(
            ball(_up(0.55) + rng.normal(0, 0.14, 3) * (1, 0.5, 1), _UPRIGHT, rng.uniform(0.12, 0.22, 3), leaf)
        )
    return shapes


def _stool(rng: np.random.Generator) -> list[Shape]:
    wood = Coat(CLOTH, Paint(mix((0.42, 0.28, 0.16), (0.65, 0.5, 0.35), rng.random())))
    return [
        limb(_up(0), _up(0.33), 0.19, 0.19, _UPRIGHT, wood, low_cap=False, high_cap=False),
        ball(_up(0.35), _UPRIGHT, np.array([0.22, 0.04, 0.22]), wood),
    ]


def _outline(corner: np.ndarray, wide: int, tall: int, width: int, height: int) -> np.ndarray:
    """[6, 2] float32 polygon around a crowd's picture, inside the frame."""
    x = corner[0] + np.array([0.04, 0.25, 0.75, 0.96, 0.9, 0.1]) * wide
    y = corner[1] + np.array([0.3, 0.08, 0.08, 0.3, 0.97, 0.97]) * tall
    return np.stack([np.clip(x, 0, width - 1), np.clip(y, 0, height - 1)], axis=1).astype(np.float32)
