"""The articulated body: joint angles within their limits to points in space.

World axes: x right, y up, z towards the viewer. A body at rest stands upright and faces +z, so that its left side
lies at +x. Angles are degrees, lengths metres.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

_SPINE = {"spine_flex": (-30, 100), "spine_bend": (-35, 35), "spine_twist": (-45, 45)}
_HEAD = {"head_nod": (-45, 50), "head_tilt": (-35, 35), "head_turn": (-75, 75)}
_SIDE = {
    "arm_raise": (-60, 185),  # forwards and up
    "arm_out": (-45, 175),  # away from the trunk
    "arm_turn": (-70, 90),  # inwards
    "elbow": (0, 150),
    "wrist": (-60, 60),
    "hip_flex": (-35, 130),
    "hip_out": (-25, 80),
    "hip_turn": (-40, 50),
    "knee": (0, 150),
    "ankle": (-50, 30),  # toes up
}
LIMITS: dict[str, tuple[float, float]] = {
    **_SPINE,
    **_HEAD,
    **{f"{side}_{name}": limits for side in ("left", "right") for name, limits in _SIDE.items()},
}
ANGLES = tuple(LIMITS)
_INDEX = {name: i for i, name in enumerate(ANGLES)}
_LOW, _HIGH = (np.array(v, np.float64) for v in zip(*LIMITS.values()))


def pose(**degrees: float) -> np.ndarray:
    """[26] joint angles within their limits; a name without its side (`knee=20`) sets both sides.

    Raises:
        KeyError: no joint angle has that name.
    """
    angles = np.zeros(len(ANGLES))
    for name, value in degrees.items():
        for full in (name,) if name in _INDEX else (f"left_{name}", f"right_{name}"):
            angles[_INDEX[full]] = value
    return limited(angles)


def limited(
    angles: np.ndarray,  # [..., 26] degrees
) -> np.ndarray:
    """The nearest angles a body can take, joint by joint."""
    return np.clip(angles, _LOW, _HIGH)


def mirrored(
    angles: np.ndarray,  # [26] degrees
) -> np.ndarray:
    """[26] the same pose with left and right exchanged."""
    out = angles.copy()
    half = len(_SIDE)
    first = len(_SPINE) + len(_HEAD)
    out[first : first + half], out[first + half :] = angles[first + half :], angles[first : first + half]
    for name in ("spine_bend", "spine_twist", "head_tilt", "head_turn"):
        out[_INDEX[name]] *= -1
    return out


class Point(IntEnum):
    """Points of the body, in the order of `Posed.points`."""

    PELVIS = 0
    WAIST = 1
    CHEST = 2
    NECK = 3
    HEAD = 4
    LEFT_SHOULDER = 5
    RIGHT_SHOULDER = 6
    LEFT_ELBOW = 7
    RIGHT_ELBOW = 8
    LEFT_WRIST = 9
    RIGHT_WRIST = 10
    LEFT_HIP = 11
    RIGHT_HIP = 12
    LEFT_KNEE = 13
    RIGHT_KNEE = 14
    LEFT_ANKLE = 15
    RIGHT_ANKLE = 16
    LEFT_TOE = 17
    RIGHT_TOE = 18


class Axes(IntEnum):
    """Frames of the body's segments, in the order of `Posed.frames`; columns are left, up and forward."""

    PELVIS = 0
    CHEST = 1
    HEAD = 2
    LEFT_UPPER_ARM = 3
    RIGHT_UPPER_ARM = 4
    LEFT_FOREARM = 5
    RIGHT_FOREARM = 6
    LEFT_HAND = 7
    RIGHT_HAND = 8
    LEFT_THIGH = 9
    RIGHT_THIGH = 10
    LEFT_SHIN = 11
    RIGHT_SHIN = 12
    LEFT_FOOT = 13
    RIGHT_FOOT = 14
    BELLY = 15


@dataclass(frozen=True)
class Build:
    """The proportions of a person; 1 = average."""

    height: float = 1.72  # metres
    girth: float = 1.0
    shoulders: float = 1.0
    hips: float = 1.0
    legs: float = 1.0
    head: float = 1.0
    bust: float = 0.0  # 0..1


@dataclass(frozen=True)
class Posed:
    """A body in the world."""

    points: np.ndarray  # [19, 3] metres, see Point
    frames: np.ndarray  # [16, 3, 3], see Axes


def rotation_x(degrees: float) -> np.ndarray:
    """[3, 3] turning y towards z."""
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def rotation_y(degrees: float) -> np.ndarray:
    """[3, 3] turning z towards x: a body that faces the viewer turns to its left."""
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def rotation_z(degrees: float) -> np.ndarray:
    """[3, 3] turning x towards y."""
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def stance_height(build: Build) -> float:
    """Metres from the sole to the middle between the hips of somebody who stands straight."""
    return build.height * (0.488 * build.legs + 0.042)


def posed(
    build: Build,
    angles: np.ndarray,  # [26] degrees
    root: np.ndarray,  # [3, 3] orientation of the pelvis in the world
    position: np.ndarray,  # [3] middle between the hips, metres
) -> Posed:
    """Forward kinematics."""
    height = build.height
    a = dict(zip(ANGLES, angles))
    points, frames = np.zeros((len(Point), 3)), np.zeros((len(Axes), 3, 3))

    def spine(share: float) -> np.ndarray:
        return (
            rotation_y(a["spine_twist"] * share)
            @ rotation_z(-a["spine_bend"] * share)
            @ rotation_x(a["spine_flex"] * share)
        )

    belly = root @ spine(0.4)
    chest = belly @ spine(0.6)
    head = (
        chest
        @ rotation_y(a["head_turn"])
        @ rotation_z(-a["head_tilt"])
        @ rotation_x(a["head_nod"] - 0.15 * a["spine_flex"])
    )
    frames[Axes.PELVIS], frames[Axes.BELLY], frames[Axes.CHEST], frames[Axes.HEAD] = root, belly, chest, head
    points[Point.PELVIS] = position
    points[Point.WAIST] = position + belly @ (0, 0.095 * height, 0)
    points[Point.CHEST] = points[Point.WAIST] + chest @ (0, 0.155 * height, 0)
    points[Point.NECK] = points[Point.WAIST] + chest @ (0, 0.205 * height, -0.006 * height)
    neck = chest @ rotation_x(0.5 * a["head_nod"] + 12) @ rotation_z(-0.4 * a["head_tilt"])
    points[Point.HEAD] = (
        points[Point.NECK] + neck @ (0, 0.045 * height, 0) + head @ (0, 0.062 * height, 0.012 * height)
    )
    for number, (side, sign) in enumerate((("left", 1), ("right", -1))):
        shoulder = points[Point.WAIST] + chest @ (sign * 0.105 * height * build.shoulders, 0.186 * height, 0)
        lift = max(0.0, a[f"{side}_arm_out"] - 60, a[f"{side}_arm_raise"] - 90) / 110
        shoulder = shoulder + chest @ (-sign * 0.02 * lift * height, 0.035 * lift * height, 0)
        upper = (
            chest
            @ rotation_x(-a[f"{side}_arm_raise"])
            @ rotation_z(sign * a[f"{side}_arm_out"])
            @ rotation_y(-sign * a[f"{side}_arm_turn"])
        )
        fore = upper @ rotation_x(-a[f"{side}_elbow"])
        hand = fore @ rotation_z(-sign * a[f"{side}_wrist"])
        thigh = (
            root
            @ rotation_x(-a[f"{side}_hip_flex"])
            @ rotation_z(sign * a[f"{side}_hip_out"])
            @ rotation_y(-sign * a[f"{side}_hip_turn"])
        )
        shin = thigh @ rotation_x(a[f"{side}_knee"])
        foot = shin @ rotation_x(-a[f"{side}_ankle"]) @ rotation_y(sign * 8)
        hip = position + root @ (sign * 0.056 * height * build.hips, 0, 0)
        leg = 0.244 * height * build.legs
        chain = (
            (Point.LEFT_SHOULDER, shoulder),
            (Point.LEFT_ELBOW, upper @ (0, -0.168 * height, 0)),
            (Point.LEFT_WRIST, fore @ (0, -0.148 * height, 0)),
            (Point.LEFT_HIP, hip),
            (Point.LEFT_KNEE, thigh @ (0, -leg, 0)),
            (Point.LEFT_ANKLE, shin @ (0, -leg, 0)),
        )
        for order, (point, step) in enumerate(chain):
            start = points[chain[order - 1][0] + number] if order % 3 else 0
            points[point + number] = start + step
        points[Point.LEFT_TOE + number] = points[Point.LEFT_ANKLE + number] + foot @ (
            0,
            -0.026 * height,
            0.1 * height,
        )
        for axes, frame in (
            (Axes.LEFT_UPPER_ARM, upper),
            (Axes.LEFT_FOREARM, fore),
            (Axes.LEFT_HAND, hand),
            (Axes.LEFT_THIGH, thigh),
            (Axes.LEFT_SHIN, shin),
            (Axes.LEFT_FOOT, foot),
        ):
            frames[axes + number] = frame
    return Posed(points, frames)
