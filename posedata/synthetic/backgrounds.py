"""Person-free backgrounds by chance: rooms, streets, fields, walls and clutter, all made of numbers."""

from __future__ import annotations

import cv2
import numpy as np

from posedata.synthetic.look import Colour


def random_background(
    rng: np.random.Generator,
    size: tuple[int, int],  # width, height
    horizon: float | None = None,  # share of the height at which the ground ends; by chance if None
) -> np.ndarray:
    """[H, W, 3] float32 RGB 0..1."""
    level = int(size[1] * (rng.uniform(0.15, 0.65) if horizon is None else horizon))
    kind = rng.choice(7, p=[0.20, 0.22, 0.20, 0.11, 0.18, 0.05, 0.04])
    if kind < 3:
        picture = (_room, street, field)[kind](rng, size, level)
    else:
        picture = (_wall, _clutter, _gradient, _noise)[kind - 3](rng, size)
    picture = np.ascontiguousarray(picture, np.float32)
    if rng.random() < 0.35:
        picture = cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.6, 3.5)))
    return np.clip(picture, 0, 1, out=picture)


def fractal(
    rng: np.random.Generator,
    size: tuple[int, int],  # width, height
    cell: float,  # pixels of the coarsest grains
    octaves: int = 4,
    stretch: float = 1.0,  # grains this much wider than high
) -> np.ndarray:
    """[H, W] float32 noise, about -1..1, soft grains over finer ones."""
    width, height = size
    out = np.zeros((height, width), np.float32)
    weight = 0.5
    for _ in range(octaves):
        shape = (max(2, int(height / cell) + 2), max(2, int(width / (cell * stretch)) + 2))
        grains = rng.random(shape, np.float32) * 2 - 1
        out += np.float32(weight) * cv2.resize(grains, size, interpolation=cv2.INTER_LINEAR)
        weight *= 0.55
        cell = max(cell / 2.3, 1.0)
    return out


def scene_colour(rng: np.random.Generator, saturation: float = 0.25) -> Colour:
    """Mostly grey, brown and bluish; any hue where `saturation` is high."""
    value = rng.uniform(0.15, 0.9)
    warm, green = rng.normal(0.03, 0.55 * saturation), rng.normal(0.01, 0.18 * saturation)
    shift = np.array([warm - green, 1.2 * green, -warm - green])
    if rng.random() < 0.3 * saturation:
        shift = rng.normal(0, 0.4, 3)
    return tuple(float(v) for v in np.clip(value * (1 + shift), 0.02, 0.98))


def _plain(rng: np.random.Generator, size: tuple[int, int], colour: Colour | None = None) -> np.ndarray:
    out = np.empty((size[1], size[0], 3), np.float32)
    out[:] = colour or scene_colour(rng)
    return out


def _textured(
    rng: np.random.Generator,
    size: tuple[int, int],
    colour: Colour,
    strength: float,
    cell: float,
    stretch: float = 1.0,
) -> np.ndarray:
    noise = fractal(rng, size, cell, 4, stretch)
    return np.array(colour, np.float32) * (1 + np.float32(strength) * noise[..., None])


def _gradient(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    corners = np.array([[scene_colour(rng, 0.6) for _ in range(2)] for _ in range(2)], np.float32)
    picture = cv2.resize(corners, size, interpolation=cv2.INTER_LINEAR)
    return picture + np.float32(0.1) * fractal(rng, size, 40)[..., None]


def _noise(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    picture = _plain(rng, size)
    for channel in range(3):
        picture[..., channel] += fractal(rng, size, rng.uniform(8, 120), 5) * rng.uniform(0.05, 0.4)
    return picture


def _wall(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """Bricks, tiles, planks or stripes over the whole picture."""
    width, height = size
    picture = _textured(rng, size, scene_colour(rng), 0.25, rng.uniform(10, 60))
    w = rng.uniform(8, 80)
    h = w * rng.uniform(0.3, 1.5) if rng.random() < 0.6 else height * 2
    rows, columns = np.arange(height)[:, None] / h, np.arange(width)[None] / w
    shifted = columns + 0.5 * (np.floor(rows) % 2)
    tone = np.sin(np.floor(rows) * 12.9 + np.floor(shifted) * 78.2) * rng.uniform(0, 0.2)
    joint = (rows % 1 < 2 / h) | (shifted % 1 < 2 / w)
    picture *= (1 + tone - rng.uniform(-0.3, 0.5) * joint)[..., None].astype(np.float32)
    return picture


def _room(rng: np.random.Generator, size: tuple[int, int], horizon: int) -> np.ndarray:
    floor = int(horizon + (size[1] - horizon) * rng.uniform(0.3, 0.7))
    picture = _textured(rng, size, scene_colour(rng, 0.15), 0.12, 90)
    ground = _wall(rng, size) if rng.random() < 0.5 else _textured(rng, size, scene_colour(rng), 0.25, 14, 4.0)
    picture[floor:] = ground[floor:]
    picture[max(floor - 4, 0) : floor] *= 0.6
    for _ in range(rng.integers(2, 8)):
        _furniture(picture, rng, floor)
    return picture


def _furniture(picture: np.ndarray, rng: np.random.Generator, floor: int) -> None:
    """A window, door, shelf, table, post or lamp, with light on one side and a shadow."""
    height, width = picture.shape[:2]
    w, h = int(width * rng.uniform(0.04, 0.4)), int(height * rng.uniform(0.08, 0.7))
    x = int(rng.integers(-w // 2, width - w // 2))
    standing = rng.random() < 0.6
    if standing:
        bottom = int(floor + rng.uniform(0, 0.35) * height)
    else:  # on the wall or, taller than that, down to the ground
        bottom = int(rng.uniform(min(h * 0.6, floor), floor))
    box = (max(x, 0), max(bottom - h, 0), min(x + w, width), min(bottom, height))
    if box[2] - box[0] < 3 or box[3] - box[1] < 3:
        return
    part = picture[box[1] : box[3], box[0] : box[2]]
    colour = np.array(scene_colour(rng, 0.4), np.float32)
    part[:] = (
        colour
        * np.linspace(rng.uniform(0.7, 1.1), rng.uniform(0.7, 1.1), part.shape[1], dtype=np.float32)[None, :, None]
    )
    edge = colour * rng.uniform(0.4, 1.5)
    thick = int(rng.integers(1, 6))
    cv2.rectangle(picture, box[:2], (box[2] - 1, box[3] - 1), edge.tolist(), thick)
    for _ in range(rng.integers(0, 5)):
        if rng.random() < 0.5:
            row = int(rng.integers(box[1], box[3]))
            cv2.line(picture, (box[0], row), (box[2], row), edge.tolist(), thick)
        else:
            column = int(rng.integers(box[0], box[2]))
            cv2.line(picture, (column, box[1]), (column, box[3]), edge.tolist(), thick)
    if standing and box[3] < height:
        picture[box[3] : box[3] + max(h // 12, 2), box[0] : box[2]] *= 0.65


def street(rng: np.random.Generator, size: tuple[int, int], horizon: int) -> np.ndarray:
    """Houses along a road whose far end lies at the pixel row `horizon`."""
    width, height = size
    picture = _sky(rng, size, horizon)
    x = -int(rng.integers(0, 60))
    while x < width:
        w = int(rng.uniform(0.08, 0.45) * width)
        top = int(horizon * rng.uniform(-0.3, 0.8))
        _building(picture, rng, x, max(x + w, x + 8), top, horizon + int(0.04 * height))
        x += w
    road = _textured(rng, size, scene_colour(rng, 0.08), 0.22, 10, 5.0)
    picture[horizon:] = road[horizon:]
    lines = np.array(scene_colour(rng), np.float32)
    middle = rng.uniform(0, width)
    for _ in range(rng.integers(0, 4)):
        end = rng.uniform(-width, 2 * width)
        cv2.line(
            picture, (int(middle), horizon), (int(end), height), lines.tolist(), int(rng.integers(1, 6)), cv2.LINE_AA
        )
    for _ in range(rng.integers(0, 5)):
        _post(picture, rng, horizon)
    return picture


def _building(picture: np.ndarray, rng: np.random.Generator, left: int, right: int, top: int, bottom: int) -> None:
    height, width = picture.shape[:2]
    x1, x2, y1, y2 = max(left, 0), min(right, width), max(top, 0), min(bottom, height)
    if x1 >= x2 or y1 >= y2:
        return
    colour = np.array(scene_colour(rng, 0.2), np.float32)
    part = picture[y1:y2, x1:x2]
    part[:] = colour * (1 + np.float32(0.12) * fractal(rng, (x2 - x1, y2 - y1), 20, 3))[..., None]
    step_x, step_y = rng.uniform(10, 50), rng.uniform(12, 50)
    columns = (np.arange(x1, x2) - left) / step_x % 1
    rows = (np.arange(y1, y2) - top) / step_y % 1
    a, b = rng.uniform(0.2, 0.4, 2)
    panes = (np.abs(rows - 0.5) < a)[:, None] & (np.abs(columns - 0.5) < b)[None]
    part[panes] = np.array(scene_colour(rng, 0.2), np.float32) * rng.uniform(0.3, 1.0)


def _post(picture: np.ndarray, rng: np.random.Generator, horizon: int) -> None:
    """A pole, trunk or bollard: as upright as a person, and none."""
    height, width = picture.shape[:2]
    x, foot = int(rng.integers(0, width)), int(rng.uniform(horizon, height))
    tall, thick = int(rng.uniform(0.1, 0.9) * height), int(rng.uniform(0.005, 0.05) * width) + 1
    colour = np.array(scene_colour(rng, 0.3))
    cv2.line(picture, (x, foot), (x, foot - tall), colour.tolist(), thick, cv2.LINE_AA)
    cv2.line(
        picture, (x - thick // 4, foot), (x - thick // 4, foot - tall), (colour * 1.25).tolist(), max(thick // 3, 1)
    )
    if rng.random() < 0.5:
        r = int(rng.uniform(0.02, 0.09) * height) + 1
        cv2.ellipse(
            picture, (x, foot - tall), (r, int(r * rng.uniform(0.5, 1.5)) + 1), 0, 0, 360,
            scene_colour(rng, 0.5), -1, cv2.LINE_AA,
        )  # fmt: skip


def _sky(rng: np.random.Generator, size: tuple[int, int], horizon: int) -> np.ndarray:
    picture = _plain(rng, size)
    grey = rng.uniform(0.0, 1.0) ** 2
    high = np.float32(rng.uniform(0.6, 1.0)) * np.array((0.45 + 0.4 * grey, 0.65 + 0.2 * grey, 0.92), np.float32)
    low = np.float32(rng.uniform(0.6, 0.95)) + np.zeros(3, np.float32)
    share = np.clip(np.arange(size[1], dtype=np.float32) / max(horizon, 1), 0, 1)[:, None, None]
    picture[:] = high + (low - high) * share
    if rng.random() < 0.7:
        cloud = np.clip(fractal(rng, size, 90, 4, 2.0), 0, 1)[..., None] * np.float32(rng.uniform(0.2, 0.9))
        picture += (np.float32(0.96) - picture) * cloud
    return picture


def field(rng: np.random.Generator, size: tuple[int, int], horizon: int) -> np.ndarray:
    """Grass, sand, snow or water under a sky, with hills and bushes."""
    width, height = size
    picture = _sky(rng, size, horizon)
    bases = ((0.25, 0.38, 0.14), (0.42, 0.45, 0.22), (0.72, 0.63, 0.45), (0.88, 0.90, 0.93), (0.25, 0.40, 0.48))
    base = tuple(float(np.clip(c * rng.uniform(0.7, 1.2), 0, 1)) for c in bases[rng.integers(len(bases))])
    for depth in range(rng.integers(0, 3)):
        ridge = horizon - height * (0.12 - 0.04 * depth) * (0.6 + fractal(rng, (width, 1), 120, 3)[0])
        hill = np.arange(height)[:, None] > ridge[None]
        colour = np.array(base) * 0.6 + np.array((0.25, 0.30, 0.38)) * (0.6 - 0.2 * depth)
        picture[hill] = colour.astype(np.float32)
    ground = _textured(rng, size, base, rng.uniform(0.15, 0.5), rng.uniform(5, 30), rng.uniform(1, 5))
    picture[horizon:] = ground[horizon:]
    for _ in range(rng.integers(0, 9)):
        _bush(picture, rng, horizon)
    for _ in range(rng.integers(0, 3)):
        _post(picture, rng, horizon)
    return picture


def _bush(picture: np.ndarray, rng: np.random.Generator, horizon: int) -> None:
    height, width = picture.shape[:2]
    r = max(int(rng.uniform(0.02, 0.16) * height), 3)
    x, y = int(rng.integers(0, width)), int(horizon + rng.uniform(-0.5, 0.6) * r)
    w, h = 2 * r, int(2 * r * rng.uniform(0.7, 1.6))
    noise = fractal(rng, (w, h), max(r / 3, 2), 4)
    grid_y, grid_x = np.mgrid[-1 : 1 : h * 1j, -1 : 1 : w * 1j]
    leaf = (grid_x**2 + grid_y**2 + 0.5 * noise) < 0.75
    x1, y1, x2, y2 = max(x - r, 0), max(y - h, 0), min(x - r + w, width), min(y, height)
    if x1 >= x2 or y1 >= y2:
        return
    cut = (slice(y1 - y + h, y2 - y + h), slice(x1 - x + r, x2 - x + r))
    colour = np.array((rng.uniform(0.08, 0.35), rng.uniform(0.2, 0.45), rng.uniform(0.05, 0.2)))
    shaded = (colour * (1.0 - 0.35 * grid_y + 0.5 * noise)[..., None]).astype(np.float32)
    part = picture[y1:y2, x1:x2]
    np.copyto(part, shaded[cut], where=leaf[cut][..., None])


def _clutter(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """Many shapes of all sizes over each other, some shaded like limbs."""
    picture = _textured(rng, size, scene_colour(rng), 0.3, rng.uniform(10, 100))
    for _ in range(rng.integers(8, 45)):
        draw_thing(picture, rng)
    if rng.random() < 0.5:
        picture *= 1 + np.float32(0.25) * fractal(rng, size, rng.uniform(30, 150), 2)[..., None]
    return picture


def draw_thing(picture: np.ndarray, rng: np.random.Generator) -> None:
    """One shape of a random kind, size and colour, in place."""
    height, width = picture.shape[:2]
    scale = np.exp(rng.uniform(np.log(0.02), np.log(0.35))) * max(width, height)
    x, y = rng.uniform(0, width), rng.uniform(0, height)
    colour = scene_colour(rng, rng.uniform(0.1, 1.0))
    kind = rng.integers(5)
    centre = (int(x), int(y))
    if kind == 0:
        corners = cv2.boxPoints((
            (x, y), (scale * rng.uniform(0.3, 2), scale * rng.uniform(0.3, 2)),
            float(rng.normal(0, 12) if rng.random() < 0.7 else rng.uniform(0, 90)),
        ))  # fmt: skip
        cv2.fillConvexPoly(picture, corners.astype(np.int32), colour, cv2.LINE_AA)
        dark = tuple(c * 0.6 for c in colour)
        cv2.polylines(picture, [corners.astype(np.int32)], True, dark, int(rng.integers(1, 4)), cv2.LINE_AA)
    elif kind == 1:
        axes = (int(scale * rng.uniform(0.2, 0.8)) + 1, int(scale * rng.uniform(0.2, 0.8)) + 1)
        angle = float(rng.uniform(0, 180))
        for step in range(5):
            light = tuple(min(c * (0.75 + 0.1 * step), 1.0) for c in colour)
            smaller = tuple(int(a * (1 - 0.17 * step)) + 1 for a in axes)
            shifted = (int(x - 0.05 * step * scale * 0.5), int(y - 0.06 * step * scale * 0.5))
            cv2.ellipse(picture, shifted, smaller, angle, 0, 360, light, -1, cv2.LINE_AA)
    elif kind == 2:
        around = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 9)))
        radius = scale * rng.uniform(0.3, 1.0, len(around))
        corners = np.stack([x + radius * np.cos(around), y + radius * np.sin(around)], axis=1)
        cv2.fillPoly(picture, [corners.astype(np.int32)], colour, cv2.LINE_AA)
    elif kind == 3:
        angle = rng.uniform(0, np.pi)
        tip = np.array([np.cos(angle), np.sin(angle)]) * scale * 1.5
        thick = int(scale * rng.uniform(0.05, 0.35)) + 1
        end = (int(x + tip[0]), int(y + tip[1]))
        for step in range(4):
            light = tuple(min(c * (0.7 + 0.15 * step), 1.0) for c in colour)
            cv2.line(picture, centre, end, light, max(int(thick * (1 - 0.25 * step)), 1), cv2.LINE_AA)
    else:
        w, h = int(scale) + 3, int(scale * rng.uniform(0.3, 1.5)) + 3
        x1, y1 = max(int(x) - w // 2, 0), max(int(y) - h // 2, 0)
        part = picture[y1 : y1 + h, x1 : x1 + w]
        if part.size:
            part[:] = (
                _wall(rng, (part.shape[1], part.shape[0]))
                if rng.random() < 0.7
                else _noise(rng, (part.shape[1], part.shape[0]))
            )
