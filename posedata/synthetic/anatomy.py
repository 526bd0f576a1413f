"""A posed body in its clothes as solids in the image, with the places of its joints."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from posedata.synthetic.body import Axes, Point, Posed
from posedata.synthetic.camera import Camera
from posedata.synthetic.dress import (
    hair_shapes,
    hem_shape,
    legwear_shapes,
    sleeve_shapes,
    thigh_start,
    torso_coats,
)
from posedata.synthetic.look import Look, Paint
from posedata.synthetic.shapes import CLOTH, FACE, HAIR, LEATHER, SKIN, Coat, Drawing, Shape, ball, limb, project

_CHEST = 1  # which of the torso's shapes is the chest
# joints on the face and head in the head's own axes (left, up, forward), in body heights
_HEAD_JOINTS = np.array(
    [
        (0.0, -0.013, 0.063),
        (0.0185, 0.006, 0.050),
        (-0.0185, 0.006, 0.050),
        (0.0465, -0.008, -0.004),
        (-0.0465, -0.008, -0.004),
        (0.0, 0.060, -0.004),
    ]
)
HEAD_SEMI = np.array([0.0445, 0.065, 0.055])  # half width, height and depth of the skull, in body heights
_JOINT_POINTS = (
    Point.LEFT_SHOULDER, Point.RIGHT_SHOULDER, Point.LEFT_ELBOW, Point.RIGHT_ELBOW, Point.LEFT_WRIST,
    Point.RIGHT_WRIST, Point.LEFT_HIP, Point.RIGHT_HIP, Point.LEFT_KNEE, Point.RIGHT_KNEE, Point.LEFT_ANKLE,
    Point.RIGHT_ANKLE,
)  # fmt: skip
# how far (in body heights) the body's surface may lie before a joint that still counts as seen: nose, eyes, ears,
# then two each of shoulders, elbows, wrists, hips, knees and ankles, then neck and top of the head
_COVER = np.array(
    [0.02, 0.02, 0.02, 0.022, 0.022] + [0.065] * 2 + [0.048] * 2 + [0.038] * 2 + [0.11] * 2 + [0.062] * 2 + [0.05] * 2
    + [0.165, 0.06]
)  # fmt: skip


@dataclass(frozen=True)
class Figure:
    """A person as seen by a camera."""

    drawing: Drawing
    joints: np.ndarray  # [19, 3] image x, y and nearness, pixels
    cover: np.ndarray  # [19] pixels of nearness by which the body may lie before a joint that is seen
    distance: float  # metres from the camera


def figure(posed: Posed, look: Look, camera: Camera) -> Figure:
    """The person in image coordinates."""
    shapes = _torso(posed, look) + _head(posed, look)
    for number in range(2):
        shapes += _arm(posed, look, number) + _leg(posed, look, number)
    shapes += legwear_shapes(posed, look)
    distance = camera.distance(posed.points[Point.PELVIS])
    plain = project(shapes, camera, distance)
    skull = next(i for i, shape in enumerate(shapes) if shape.coat.kind == FACE)
    drawing = replace(plain, look=look, head=plain.solids[skull], trunk=plain.solids[_CHEST])
    joints, scales = camera.project(_joints(posed, look), distance)
    return Figure(drawing, joints, _COVER * look.build.height * scales, distance)


def _joints(posed: Posed, look: Look) -> np.ndarray:
    """[19, 3] metres, in the order of PTRACK_19."""
    size = look.build.height * look.build.head
    head = posed.points[Point.HEAD] + _HEAD_JOINTS * size @ posed.frames[Axes.HEAD].T
    neck = posed.points[Point.NECK] + posed.frames[Axes.CHEST] @ (0, 0.012 * look.build.height, 0)
    return np.concatenate([head[:5], posed.points[list(_JOINT_POINTS)], neck[None], head[5:]])


def _torso(posed: Posed, look: Look) -> list[Shape]:
    points, build = posed.points, look.build
    unit, girth = build.height, build.girth
    pelvis, chest = posed.frames[Axes.PELVIS], posed.frames[Axes.CHEST]
    hips, upper = torso_coats(look)
    seat = hips if hips.trunk else Coat(CLOTH, hips.paint)
    waist = (0.080 - 0.010 * build.bust) * girth
    broad = build.shoulders * (0.55 + 0.45 * girth)
    loose = 0.005 * look.looseness
    # heavy people gain more in front than at the sides
    depth = 0.66 + 0.35 * max(girth - 1.05, 0)
    skin = Coat(SKIN, Paint(look.skin))
    shapes = [
        limb(
            points[Point.PELVIS], points[Point.WAIST], 0.097 * build.hips * girth * unit, waist * unit, pelvis, hips,
            (1.0, 0.55, depth),
        ),
        limb(
            points[Point.WAIST], points[Point.CHEST], (waist + loose) * unit, (0.101 * broad + loose) * unit, chest,
            upper, (1.0, 0.5, depth),
        ),
        limb(
            points[Point.NECK], points[Point.NECK] + 0.62 * (points[Point.HEAD] - points[Point.NECK]),
            0.033 * girth**0.6 * unit, 0.030 * girth**0.6 * unit, chest, skin,
        ),
    ]  # fmt: skip
    # the shoulder girdle and the breast muscles lie across
    across = chest[:, [1, 0, 2]]
    for side, rise, front, radius in ((0.072, 0.174, -0.004, 0.044), (0.050, 0.140, 0.016, 0.050)):
        ends = [
            points[Point.WAIST] + chest @ (sign * side * broad * unit, rise * unit, front * unit) for sign in (1, -1)
        ]
        shapes.append(limb(ends[0], ends[1], radius * unit, radius * unit, across, upper, (1.0, 1.0, 0.95)))
    if look.hem > 0:
        shapes.append(hem_shape(posed, look, (waist + loose + 0.004) * unit, depth))
    for number, sign in enumerate((1, -1)):
        shoulder = points[Point.LEFT_SHOULDER + number]
        root = points[Point.NECK] + chest @ (sign * 0.006 * unit, 0.010 * unit, -0.008 * unit)
        shapes.append(limb(root, shoulder, 0.030 * unit, 0.030 * unit * girth**0.5, chest, upper))
        buttock = points[Point.LEFT_HIP + number] + pelvis @ (-sign * 0.008 * unit, -0.022 * unit, -0.022 * unit)
        shapes.append(ball(buttock, pelvis, np.array([0.056, 0.062, 0.054]) * girth * unit, seat))
        if build.bust:
            breast = points[Point.WAIST] + chest @ (sign * 0.042 * unit, 0.115 * unit, 0.040 * unit)
            shapes.append(
                ball(breast, chest, np.array([0.044, 0.046, 0.046]) * unit * (0.7 + 0.3 * build.bust), upper)
            )
    if look.backpack is not None:
        place = points[Point.WAIST] + chest @ (0, 0.09 * unit, -0.095 * unit)
        shapes.append(ball(place, chest, np.array([0.085, 0.125, 0.06]) * unit, Coat(CLOTH, Paint(look.backpack))))
    return shapes


def _head(posed: Posed, look: Look) -> list[Shape]:
    size = look.build.height * look.build.head
    frame, centre = posed.frames[Axes.HEAD], posed.points[Point.HEAD]
    skin = Coat(FACE, Paint(look.skin))

    def at(*place: float) -> np.ndarray:
        return centre + frame @ (np.array(place) * size)

    shapes = [
        ball(centre, frame, HEAD_SEMI * size, skin),
        ball(at(0, -0.031, 0.012), frame, np.array([0.035, 0.037, 0.040]) * size, skin),
        ball(at(0, -0.010, 0.053), frame, np.array([0.0085, 0.0145, 0.012]) * size, Coat(SKIN, Paint(look.skin))),
    ]
    ear = Coat(SKIN, Paint(tuple(0.92 * c for c in look.skin)))
    for sign in (1, -1):
        shapes.append(ball(at(sign * 0.0445, -0.008, -0.004), frame, np.array([0.0065, 0.017, 0.011]) * size, ear))
    return shapes + hair_shapes(posed, look, at, size, Coat(HAIR, Paint(look.hair)))


def _arm(posed: Posed, look: Look, number: int) -> list[Shape]:
    points, unit = posed.points, look.build.height
    thick = look.build.girth**0.7 * unit
    shoulder, elbow, wrist = (points[p + number] for p in (Point.LEFT_SHOULDER, Point.LEFT_ELBOW, Point.LEFT_WRIST))
    upper, fore, hand = (posed.frames[a + number] for a in (Axes.LEFT_UPPER_ARM, Axes.LEFT_FOREARM, Axes.LEFT_HAND))
    skin = Coat(SKIN, Paint(look.skin))
    palm = Coat(SKIN, Paint(look.gloves or look.skin))
    shapes = [
        limb(shoulder, elbow, 0.030 * thick, 0.024 * thick, upper, skin),
        limb(elbow, wrist, 0.025 * thick, 0.0165 * thick, fore, skin),
        ball(wrist + hand @ (0, -0.026 * unit, 0), hand, np.array([0.0115, 0.032, 0.0215]) * unit, palm),
        ball(wrist + hand @ (0, -0.062 * unit, 0.002 * unit), hand, np.array([0.0095, 0.030, 0.0175]) * unit, palm),
        ball(wrist + hand @ (0, -0.030 * unit, 0.022 * unit), hand, np.array([0.008, 0.024, 0.009]) * unit, palm),
    ]
    return shapes + sleeve_shapes(look, shoulder, elbow, wrist, upper, fore)


def _leg(posed: Posed, look: Look, number: int) -> list[Shape]:
    points, unit = posed.points, look.build.height
    thick = look.build.girth**0.7 * unit
    hip, knee, ankle, toe = (
        points[p + number] for p in (Point.LEFT_HIP, Point.LEFT_KNEE, Point.LEFT_ANKLE, Point.LEFT_TOE)
    )
    thigh, shin, foot = (posed.frames[a + number] for a in (Axes.LEFT_THIGH, Axes.LEFT_SHIN, Axes.LEFT_FOOT))
    skin = Coat(SKIN, Paint(look.skin))
    shoe = Coat(LEATHER, Paint(look.shoes))
    calf = knee + 0.32 * (ankle - knee) + shin @ (0, 0, -0.010 * unit)
    heel = ankle + foot @ (0, -0.024 * unit, -0.016 * unit)
    sole = np.array([0, -0.013 * unit, 0])
    under = Coat(LEATHER, Paint(look.soles))
    covered = look.leg_cover > 1.2 and look.legwear in ("trousers", "leggings")
    muscle = Coat(CLOTH, Paint(look.bottom.colour)) if covered else skin
    return [
        limb(hip + thigh_start(posed, look, number), knee, 0.050 * thick, 0.034 * thick, thigh, skin),
        limb(knee, ankle, 0.033 * thick, 0.021 * thick, shin, skin),
        ball(calf, shin, np.array([0.029, 0.068, 0.029]) * thick, muscle),
        limb(heel, toe, 0.025 * unit, 0.024 * unit, foot, shoe, (1.0, 1.0, 0.8)),
        limb(ankle, heel, 0.024 * unit, 0.024 * unit, foot, shoe),
        limb(heel + foot @ sole, toe + foot @ sole, 0.026 * unit, 0.025 * unit, foot, under, (1.0, 1.0, 0.35)),
    ]
