"""Rounded cones and ellipsoids, and the depth picture of many of them.

Every solid is a rounded cone along +y in its own coordinates q = matrix @ (p - origin), where p are image x, y (down)
and nearness in pixels; stretched q axes make its cross-section an ellipse, and length 0 makes it an ellipsoid. Rays
run along nearness, so that the front of each is a closed formula and hidden parts are found pixel by pixel.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

FAR = np.float32(-1e6)  # nearness where there is nothing


@dataclass(frozen=True)
class Solid:
    """One solid; radii and length in q units."""

    matrix: np.ndarray  # [3, 3]
    inverse: np.ndarray  # [3, 3] of the matrix
    origin: np.ndarray  # [3] pixels
    length: float
    low: float  # radius at q = 0
    high: float  # radius at q = (0, length, 0)
    low_cap: bool = True  # rounded ends; without one the solid is cut off there
    high_cap: bool = True
    cut: tuple[float, float, float, float] | None = None  # only where (a, b, c) . q > d


@dataclass(frozen=True)
class DepthPicture:
    """What is in front at each pixel."""

    nearness: np.ndarray  # [H, W] float32, FAR where nothing is
    owner: np.ndarray  # [H, W] uint8 number of the solid, 255 where nothing is
    left: int  # pixel column of the picture's first column
    top: int


def ellipsoid(
    centre: np.ndarray,  # [3] pixels
    axes: np.ndarray,  # [3, 3] unit columns, image directions
    semi: np.ndarray,  # [3] half lengths along the columns, pixels
    cut: tuple[float, float, float, float] | None = None,
) -> Solid:
    """An ellipsoid; q is 1 long on its surface."""
    return Solid(axes.T / semi[:, None], axes * semi, centre, 0.0, 1.0, 1.0, cut=cut)


def cone(
    start: np.ndarray,  # [3] pixels
    end: np.ndarray,  # [3] pixels
    low: float,  # radius at the start, pixels
    high: float,  # radius at the end
    lateral: np.ndarray,  # [3] image direction of the cross-section's first axis
    stretch: np.ndarray,  # [3] of the cross-section: lateral, along (roundness of the ends), the third axis
    low_cap: bool = True,
    high_cap: bool = True,
) -> Solid:
    """A rounded cone with an elliptic cross-section."""
    along = end - start
    length = float(np.sqrt(along @ along))
    y = along / length if length > 1e-6 else np.array([0.0, -1.0, 0.0])
    x = lateral - (lateral @ y) * y
    norm = np.sqrt(x @ x)
    if norm < 1e-6:
        x = np.array([y[1], -y[0], 0.0]) + (0, 0, 1e-3)
        x -= (x @ y) * y
        norm = np.sqrt(x @ x)
    x /= norm
    # the third axis completes a frame of left, up and forward; image y runs down, which mirrors the hand of the frame
    z = np.array([y[1] * x[2] - y[2] * x[1], y[2] * x[0] - y[0] * x[2], y[0] * x[1] - y[1] * x[0]])
    axes = np.array([x, y, z])
    return Solid(
        axes / stretch[:, None], axes.T * stretch, start, length / float(stretch[1]), low, high, low_cap, high_cap
    )


def extents(solids: list[Solid]) -> np.ndarray:
    """[S, 4] x1, y1, x2, y2 in pixels: the extent of both ends' ellipsoids (a cut is not considered)."""
    inverse = np.array([s.inverse[:2] for s in solids])
    low, high, length = np.array([(s.low, s.high, s.length) for s in solids]).T[..., None]
    reach = np.sqrt((inverse**2).sum(axis=2))
    first = np.array([s.origin[:2] for s in solids])
    second = first + inverse[:, :, 1] * length
    a, b = reach * low, reach * high
    return np.concatenate([np.minimum(first - a, second - b), np.maximum(first + a, second + b)], axis=1)


def scaled(solid: Solid, factor: float) -> Solid:
    """The solid in a picture with `factor` times as many pixels each way."""
    shift = np.array([0.5 * factor - 0.5, 0.5 * factor - 0.5, 0.0])
    return replace(
        solid,
        matrix=solid.matrix / factor,
        inverse=solid.inverse * factor,
        origin=solid.origin * factor + shift,
    )


def trace(
    solids: list[Solid],
    left: int,
    top: int,
    width: int,
    height: int,
) -> DepthPicture:
    """The picture of that many pixels whose first pixel is (left, top)."""
    nearness = np.full((height, width), FAR, np.float32)
    owner = np.full((height, width), 255, np.uint8)
    boxes = extents(solids)
    low = np.maximum(np.floor(boxes[:, :2]).astype(int), (left, top))
    high = np.minimum(np.ceil(boxes[:, 2:]).astype(int) + 1, (left + width, top + height))
    # a ray that misses gives NaN, which is nearer than nothing
    with np.errstate(invalid="ignore"):
        for number, (solid, (x1, y1), (x2, y2)) in enumerate(zip(solids, low.tolist(), high.tolist())):
            if x1 >= x2 or y1 >= y2:
                continue
            x = (np.arange(x1, x2) - solid.origin[0]).astype(np.float32)[None]
            y = (np.arange(y1, y2) - solid.origin[1]).astype(np.float32)[:, None]
            front = _front(solid, x, y)
            if front is None:
                continue
            part = (slice(y1 - top, y2 - top), slice(x1 - left, x2 - left))
            nearer = front > nearness[part]
            np.copyto(nearness[part], front, where=nearer)
            np.copyto(owner[part], np.uint8(number), where=nearer)
    return DepthPicture(nearness, owner, left, top)


def _front(
    solid: Solid,
    x: np.ndarray,  # [1, W] float32 pixels from the origin
    y: np.ndarray,  # [H, 1]
) -> np.ndarray | None:
    """[H, W] nearness of the solid's front, NaN beside it; None where it has no front at all."""
    # q = planes @ (x, y, 1) + s * ray: affine in the pixel, s the nearness from the origin's
    planes, ray = solid.matrix.copy(), solid.matrix[:, 2]
    planes[:, 2] = 0
    if solid.length <= 1e-9:
        front = _ball(planes, ray, max(solid.low, solid.high), x, y)
        if solid.cut is not None:
            normal = np.array(solid.cut[:3])
            across = (normal @ planes).astype(np.float32)
            value = np.float32(normal @ ray) * front + across[0] * x + across[1] * y
            front[value < solid.cut[3]] = np.nan
    else:
        front = _shaft(planes, ray, solid, x, y)
        if solid.low_cap:
            end = _ball(planes, ray, solid.low, x, y)
            front = end if front is None else np.fmax(front, end, out=front)
        if solid.high_cap:
            moved = planes.copy()
            moved[1, 2] -= solid.length
            end = _ball(moved, ray, solid.high, x, y)
            front = end if front is None else np.fmax(front, end, out=front)
    if front is not None:
        front += np.float32(solid.origin[2])
    return front


def _ball(
    planes: np.ndarray,  # [3, 3] float64
    ray: np.ndarray,  # [3]
    radius: float,
    x: np.ndarray,
    y: np.ndarray,
) -> np.ndarray:
    a = float(ray @ ray)
    b = ray @ planes
    c = planes.T @ planes
    c[2, 2] -= radius**2
    return _nearer_root(a, b, c, x, y)


def _shaft(planes: np.ndarray, ray: np.ndarray, solid: Solid, x: np.ndarray, y: np.ndarray) -> np.ndarray | None:
    slope = (solid.high - solid.low) / solid.length
    radius = slope * planes[1] + (0, 0, solid.low)
    a = float(ray[0] ** 2 + ray[2] ** 2 - (slope * ray[1]) ** 2)
    if a < 1e-4 * float(ray @ ray):
        return None  # seen end-on the caps hide all but a sliver of it
    b = ray[0] * planes[0] + ray[2] * planes[2] - slope * ray[1] * radius
    c = planes[0, :, None] * planes[0] + planes[2, :, None] * planes[2] - radius[:, None] * radius
    front = _nearer_root(a, b, c, x, y)
    along = front * np.float32(ray[1])
    along += np.float32(planes[1, 0]) * x
    along += np.float32(planes[1, 1]) * y
    beside = along < 0
    beside |= along > np.float32(solid.length)
    np.copyto(front, np.float32(np.nan), where=beside)
    return front


def _nearer_root(
    a: float,
    b: np.ndarray,  # [3] affine in (x, y, 1)
    c: np.ndarray,  # [3, 3] quadratic form of (x, y, 1)
    x: np.ndarray,
    y: np.ndarray,
) -> np.ndarray:
    """[H, W] larger s of a s^2 + 2 b s + c = 0, NaN where there is none."""
    q = (b[:, None] * b - a * c).astype(np.float32)
    b = b.astype(np.float32)
    root = (2 * q[0, 1] * y) * x
    root += (q[0, 0] * x + 2 * q[0, 2]) * x + q[2, 2]
    root += (q[1, 1] * y + 2 * q[1, 2]) * y
    np.sqrt(root, out=root)
    root -= b[0] * x + b[2]
    root -= b[1] * y
    root *= np.float32(1 / a)
    return root
