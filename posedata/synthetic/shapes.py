"""Solids in the world with what covers them, and their way into a camera's picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from posedata.synthetic.camera import Camera
from posedata.synthetic.look import Look, Paint
from posedata.synthetic.solids import Solid, cone, ellipsoid

SKIN, FACE, HAIR, CLOTH, LEATHER = "skin", "face", "hair", "cloth", "leather"


@dataclass(frozen=True)
class Coat:
    """What covers a solid: one paint up to `cut` of its length, another beyond."""

    kind: str  # one of SKIN, FACE, HAIR, CLOTH, LEATHER
    paint: Paint
    beyond: Paint | None = None
    cut: float = 2.0  # share of the length from the solid's start
    trunk: bool = False  # patterned in the coordinates of the whole chest, so that seams do not show


@dataclass(frozen=True)
class Shape:
    """A rounded cone, or (radii 0) an ellipsoid, in metres."""

    start: np.ndarray  # [3]
    end: np.ndarray  # [3]
    low: float
    high: float
    frame: np.ndarray  # [3, 3] columns left, up, forward
    coat: Coat
    stretch: np.ndarray  # [3] of the cross-section, or the ellipsoid's half lengths in metres
    low_cap: bool = True
    high_cap: bool = True
    cut: tuple[float, float, float, float] | None = None


def limb(
    start: np.ndarray,
    end: np.ndarray,
    low: float,
    high: float,
    frame: np.ndarray,
    coat: Coat,
    stretch: tuple[float, float, float] = (1.0, 1.0, 1.0),
    low_cap: bool = True,
    high_cap: bool = True,
) -> Shape:
    """A rounded cone."""
    return Shape(start, end, low, high, frame, coat, np.array(stretch), low_cap, high_cap)


def ball(
    centre: np.ndarray,
    frame: np.ndarray,
    semi: np.ndarray,
    coat: Coat,
    cut: tuple[float, float, float, float] | None = None,
) -> Shape:
    """An ellipsoid with these half lengths."""
    return Shape(centre, centre, 0.0, 0.0, frame, coat, semi, cut=cut)


@dataclass(frozen=True)
class Drawing:
    """Shapes as a camera sees them, ready to be traced and shaded."""

    solids: list[Solid]
    coats: list[Coat]  # one a solid
    scale: float  # pixels a metre
    look: Look | None = None  # of a person; then two solids give coordinates to paint in:
    head: Solid | None = None  # faces
    trunk: Solid | None = None  # the pattern of a top


def project(
    shapes: list[Shape],
    camera: Camera,
    distance: float,  # metres from the camera at which depths are true to scale
) -> Drawing:
    """The shapes in image coordinates."""
    starts, scales = camera.project(np.stack([s.start for s in shapes]), distance)
    ends, end_scales = camera.project(np.stack([s.end for s in shapes]), distance)
    frames = np.einsum("ij,njk->nik", camera.rotation, np.stack([s.frame for s in shapes]))
    frames[:, 1] *= -1
    solids = [
        ellipsoid(start, frame, shape.stretch * scale, shape.cut)
        if shape.low == 0
        else cone(
            start, end, shape.low * scale, shape.high * end_scale, frame[:, 0], shape.stretch,
            shape.low_cap, shape.high_cap,
        )
        for shape, start, end, scale, end_scale, frame in zip(shapes, starts, ends, scales, end_scales, frames)
    ]  # fmt: skip
    return Drawing(solids, [s.coat for s in shapes], camera.focal / distance)
