"""Figures over a background: who hides whom, the ground truth, and what a camera does to the picture."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from posedata.skeletons import PTRACK_19
from posedata.synthetic.frame import SyntheticFrame
from posedata.synthetic.sprite import Sprite

_NOBODY, _THING = 255, 254
_FAINT = 0.15  # coverage of a pixel that still counts as the figure's extent


@dataclass(frozen=True)
class Shadow:
    """How the figures darken the ground."""

    strength: float  # 0 none .. 1 black
    slant: float  # how far the shadow of a head falls to the right, in figure heights
    length: float  # how far it falls up (positive) the picture, in figure heights


@dataclass(frozen=True)
class Thing:
    """A drawn object that hides what is behind it and has no ground truth of its own."""

    rgba: np.ndarray  # [H, W, 4] float32 premultiplied, 0..1
    left: int
    top: int
    distance: float  # metres from the camera


def compose(
    background: np.ndarray,  # [H, W, 3] float32 RGB 0..1, is drawn over
    sprites: list[Sprite],
    track_ids: list[int],
    shadow: Shadow | None = None,
    things: tuple[Thing, ...] = (),
    ignore_regions: tuple[np.ndarray, ...] = (),
) -> SyntheticFrame:
    """The picture and its ground truth; rows keep the order of `sprites`, what is nearer hides what is farther."""
    height, width = background.shape[:2]
    owner = np.full((height, width), _NOBODY, np.uint8)
    ranks = np.empty(len(sprites), np.int64)
    order = sorted(range(len(sprites)), key=lambda i: -sprites[i].distance)
    if shadow is not None:
        for i in order:
            _cast(background, sprites[i], shadow)
    full = np.zeros((len(sprites), 4), np.float32)
    behind = sorted(things, key=lambda t: -t.distance)
    for rank, i in enumerate(order):
        ranks[i] = rank
        sprite = sprites[i]
        while behind and behind[0].distance > sprite.distance:
            _lay(background, owner, behind.pop(0), _THING)
        _lay(background, owner, sprite, rank)
        full[i] = _inside_box(sprite, width, height)
    for thing in behind:
        _lay(background, owner, thing, _THING)
    counts = np.bincount(owner.ravel(), minlength=256)
    joints = len(PTRACK_19)
    keypoints = np.array([s.keypoints for s in sprites], np.float32).reshape(-1, joints, 2)
    visibility = np.zeros((len(sprites), joints), np.uint8)
    covered = np.zeros((len(sprites), joints), bool)
    fraction = np.zeros(len(sprites), np.float32)
    for i, sprite in enumerate(sprites):
        x, y = np.round(sprite.keypoints).astype(int).T
        inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        top = owner[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)]
        covered[i] = inside & (top != _NOBODY) & (top > ranks[i])
        visibility[i] = np.where(inside, np.where(sprite.open & ~covered[i], 2, 1), 0)
        fraction[i] = min(1.0, counts[ranks[i]] / max(sprite.pixels, 1.0))
    return SyntheticFrame(
        image=finished(background),
        keypoints=keypoints,
        visibility=visibility,
        covered=covered,
        boxes=full,
        visible_fraction=fraction,
        head_boxes=np.array([s.head_box for s in sprites], np.float32).reshape(-1, 4),
        track_ids=np.array(track_ids, np.int64),
        ignore_regions=ignore_regions,
    )


def finished(picture: np.ndarray) -> np.ndarray:
    """[H, W, 3] uint8 of a float32 picture 0..1."""
    return cv2.convertScaleAbs(picture, alpha=255)


def photographed(
    image: np.ndarray,  # [H, W, 3] uint8
    rng: np.random.Generator,
) -> np.ndarray:
    """The picture as a camera gives it: exposure and colour, softness, grain, compression; nothing moves."""
    if rng.random() < 0.6:
        levels = np.linspace(0, 1, 256, dtype=np.float32)
        gain = rng.uniform(0.75, 1.25) * (1 + rng.normal(0, 0.04, 3))
        table = np.clip(levels[:, None] ** rng.uniform(0.75, 1.3) * gain + rng.normal(0, 0.04), 0, 1)
        image = cv2.LUT(image, (table * 255).astype(np.uint8).reshape(256, 1, 3))
    if rng.random() < 0.4:
        image = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.3, 1.1)))
    if rng.random() < 0.6:
        image = grained(image, rng, rng.uniform(1, 9))
    if rng.random() < 0.5:
        _, code = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(35, 95))])
        image = cv2.imdecode(code, cv2.IMREAD_COLOR)
    return image


def grained(image: np.ndarray, rng: np.random.Generator, strength: float) -> np.ndarray:
    """The picture with sensor noise of that standard deviation (grey levels)."""
    height, width = image.shape[:2]
    # one strip of noise, laid down row by row at random offsets: much faster than fresh numbers for every pixel
    strip = (rng.standard_normal(3 * (width + 4099), np.float32) * strength).astype(np.int8)
    starts = 3 * rng.integers(0, 4099, height)
    noise = np.lib.stride_tricks.sliding_window_view(strip, 3 * width)[starts].reshape(image.shape)
    return cv2.add(image, noise.astype(np.int16), dtype=cv2.CV_8U)


def _lay(background: np.ndarray, owner: np.ndarray, layer: Sprite | Thing, number: int) -> None:
    """Draws a layer, in place, and gives it the pixels that it mostly fills."""
    height, width = layer.rgba.shape[:2]
    place = (slice(layer.top, layer.top + height), slice(layer.left, layer.left + width))
    part = background[place]
    part *= 1 - layer.rgba[..., 3:]
    part += layer.rgba[..., :3]
    owner[place][layer.rgba[..., 3] > 0.5] = number


def _inside_box(sprite: Sprite, width: int, height: int) -> np.ndarray:
    """[4] xyxy around the sprite's pixels; limbs of tiny figures are thinner than a pixel and count too."""
    filled = sprite.rgba[..., 3] > min(_FAINT, 0.5 * float(sprite.rgba[..., 3].max()))
    rows, columns = np.flatnonzero(filled.any(axis=1)), np.flatnonzero(filled.any(axis=0))
    box = np.array([columns[0] - 0.5, rows[0] - 0.5, columns[-1] + 0.5, rows[-1] + 0.5], np.float32)
    box += np.array([sprite.left, sprite.top] * 2, np.float32)
    return np.clip(box, 0, np.array([width - 1, height - 1] * 2, np.float32))


def _cast(background: np.ndarray, sprite: Sprite, shadow: Shadow) -> None:
    """Lays the figure's flattened outline on the ground behind its lowest point."""
    height, width = background.shape[:2]
    mask = sprite.rgba[..., 3]
    foot = sprite.extent[3] - sprite.top
    small = 4
    coarse = cv2.resize(
        mask, (max(mask.shape[1] // small, 2), max(mask.shape[0] // small, 2)), interpolation=cv2.INTER_AREA
    )
    sx, sy = mask.shape[1] / coarse.shape[1], mask.shape[0] / coarse.shape[0]
    # a point h above the foot falls to (x + slant h, foot - length h)
    matrix = np.array(
        [
            [sx / small, -shadow.slant * sy / small, (sprite.left + shadow.slant * foot) / small],
            [0, shadow.length * sy / small, (sprite.top + foot * (1 - shadow.length)) / small],
        ]
    )
    ground = cv2.warpAffine(coarse, matrix, (width // small + 1, height // small + 1))
    blur = max(0.02 * (sprite.extent[3] - sprite.extent[1]) / small, 0.5)
    ground = cv2.GaussianBlur(ground, (0, 0), blur)
    rows, columns = np.flatnonzero(ground.max(axis=1) > 0.02), np.flatnonzero(ground.max(axis=0) > 0.02)
    if not len(rows) or not len(columns):
        return
    y1, x1 = rows[0] * small, columns[0] * small
    y2, x2 = min((rows[-1] + 1) * small, height), min((columns[-1] + 1) * small, width)
    part = ground[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    part = cv2.resize(part, (part.shape[1] * small, part.shape[0] * small), interpolation=cv2.INTER_LINEAR)
    background[y1:y2, x1:x2] *= 1 - np.float32(shadow.strength) * part[: y2 - y1, : x2 - x1, None]
