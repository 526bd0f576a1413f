"""Clothes and hair."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from posedata.synthetic.body import Axes, Point, Posed
from posedata.synthetic.look import Colour, Look, Paint
from posedata.synthetic.shapes import CLOTH, Coat, Shape, ball, limb


def torso_coats(look: Look) -> tuple[Coat, Coat]:
    """Of the hips and of the chest."""
    upper = Coat(CLOTH, look.top, trunk=True)
    if look.hem > 0 or look.legwear == "dress":
        return upper, upper
    return Coat(CLOTH, look.bottom, look.top, 0.75), upper


def hem_shape(
    posed: Posed,
    look: Look,
    waist: float,  # metres: half width of the top at the waist
    depth: float,  # of the trunk over its width
) -> Shape:
    """The part of a top that hangs over the hips."""
    unit, frame = look.build.height, posed.frames[Axes.PELVIS]
    points = posed.points
    knees = (points[Point.LEFT_KNEE] + points[Point.RIGHT_KNEE]) / 2 - points[Point.PELVIS]
    down = frame @ (0, -1.0, 0) + 0.6 * knees / max(float(np.linalg.norm(knees)), 1e-6)
    end = points[Point.PELVIS] + look.hem * 0.10 * unit * down / max(float(np.linalg.norm(down)), 1e-6)
    wide = (0.116 * look.build.hips * look.build.girth**0.8 + 0.012 * look.looseness) * unit
    coat = Coat(CLOTH, look.top, trunk=True)
    return limb(
        points[Point.WAIST],
        end,
        0.3 * wide + 0.7 * waist,
        wide,
        frame,
        coat,
        (1.0, 0.5, depth + 0.06),
        high_cap=False,
    )


def sleeve_shapes(
    look: Look,
    shoulder: np.ndarray,
    elbow: np.ndarray,
    wrist: np.ndarray,
    upper: np.ndarray,  # [3, 3] frame
    fore: np.ndarray,  # [3, 3] frame
) -> list[Shape]:
    """The sleeve of one arm; none for a sleeveless top."""
    unit, thick = look.build.height, look.build.girth**0.7 * look.build.height
    if look.sleeves <= 0:
        return []
    coat = Coat(CLOTH, look.top)
    gap = (0.0035 + 0.008 * look.looseness) * unit
    share = min(look.sleeves, 1.0)
    end = shoulder + share * (elbow - shoulder)
    wide = 0.024 + (1 - share) * 0.006
    shapes = [limb(shoulder, end, 0.031 * thick + gap, wide * thick + gap, upper, coat, high_cap=share == 1.0)]
    if look.sleeves > 1:
        part = 0.96 * (look.sleeves - 1)
        tight = 0.025 - part * 0.0075
        end = elbow + part * (wrist - elbow)
        shapes.append(limb(elbow, end, 0.025 * thick + gap, tight * thick + gap, fore, coat, high_cap=False))
    return shapes


def legwear_shapes(posed: Posed, look: Look) -> list[Shape]:
    """Trousers, shorts, skirt or dress."""
    points, unit = posed.points, look.build.height
    thick = look.build.girth**0.7 * unit
    dress = look.legwear == "dress"
    coat = Coat(CLOTH, look.top if dress else look.bottom, trunk=dress)
    if look.legwear in ("skirt", "dress"):
        return [_skirt(posed, look, coat)]
    gap = (0.002 + 0.012 * look.looseness) * unit
    shapes = []
    for number in range(2):
        hip, knee, ankle = (points[p + number] for p in (Point.LEFT_HIP, Point.LEFT_KNEE, Point.LEFT_ANKLE))
        thigh, shin = posed.frames[Axes.LEFT_THIGH + number], posed.frames[Axes.LEFT_SHIN + number]
        share = min(look.leg_cover, 1.0)
        wide = (0.034 + (1 - share) * 0.016) * thick + gap
        end = hip + share * (knee - hip)
        inner = hip + thigh_start(posed, look, number)
        shapes.append(limb(inner, end, 0.050 * thick + 0.6 * gap, wide, thigh, coat, high_cap=share == 1.0))
        if look.leg_cover > 1:
            part = 0.97 * (look.leg_cover - 1)
            narrow = (0.036 - 0.010 * part) * thick + 1.2 * gap
            end = knee + part * (ankle - knee)
            shapes.append(limb(knee, end, 0.036 * thick + gap, narrow, shin, coat, high_cap=False))
    return shapes


def thigh_start(posed: Posed, look: Look, number: int) -> np.ndarray:
    """[3] metres from the hip joint to where the drawn thigh begins: inside the pelvis."""
    inwards = -0.009 if number == 0 else 0.009
    return posed.frames[Axes.PELVIS] @ (inwards * look.build.height, -0.004 * look.build.height, 0)


def _skirt(posed: Posed, look: Look, coat: Coat) -> Shape:
    points, unit = posed.points, look.build.height
    first, second = min(look.leg_cover, 1.0), max(look.leg_cover - 1.0, 0.0)
    hems = [
        points[Point.LEFT_HIP + n]
        + first * (points[Point.LEFT_KNEE + n] - points[Point.LEFT_HIP + n])
        + second * (points[Point.LEFT_ANKLE + n] - points[Point.LEFT_KNEE + n])
        for n in range(2)
    ]
    across = hems[0] - hems[1]
    spread = float(np.linalg.norm(across))
    frame = posed.frames[Axes.PELVIS].copy()
    frame[:, 0] = frame[:, 0] * 0.1 * unit + across * (1.0 if across @ frame[:, 0] >= 0 else -1.0)
    frame[:, 0] /= max(float(np.linalg.norm(frame[:, 0])), 1e-6)
    top = points[Point.PELVIS] + 0.55 * (points[Point.WAIST] - points[Point.PELVIS])
    low = 0.090 * look.build.hips * look.build.girth * unit
    high = max(low * (0.95 + 0.5 * look.looseness), 0.5 * spread + 0.045 * unit)
    return limb(top, (hems[0] + hems[1]) / 2, low, high, frame, coat, (1.0, 0.5, 0.95), high_cap=False)


def hair_shapes(
    posed: Posed,
    look: Look,
    at: Callable[..., np.ndarray],  # place in the head's axes, in head units -> [3] metres
    size: float,  # metres a head unit
    coat: Coat,
) -> list[Shape]:
    """Hair and headgear that stand out from the skull."""
    style = look.hair_style
    if style == "bald":
        return []
    frame, chest, neck = posed.frames[Axes.HEAD], posed.frames[Axes.CHEST], posed.points[Point.NECK]
    if style == "cap":
        cloth: Colour = look.top.second
        cap = Coat(CLOTH, Paint(cloth))
        crown = ball(at(0, 0.010, -0.002), frame, np.array([0.049, 0.063, 0.060]) * size, cap, (0, 1, -0.12, 0.22))
        return [crown, ball(at(0, 0.026, 0.065), frame, np.array([0.036, 0.006, 0.036]) * size, cap)]
    volume, low = {"short": (1.02, -0.02), "full": (1.07, -0.30), "curls": (1.2, -0.35)}.get(style, (1.05, -0.25))
    crown = np.array([0.0465, 0.066, 0.058]) * volume * size
    shapes = [ball(at(0, 0.008, -0.009), frame, crown, coat, (0, 1, -0.85, low + look.hairline))]
    if style == "long":
        unit = look.build.height
        back = neck + chest @ (0, -0.045 * unit, -0.052 * unit)
        shapes.append(limb(at(0, 0, -0.022), back, 0.046 * size, 0.036 * size, frame, coat, (1.0, 0.7, 0.7)))
        for sign in (1, -1):
            tip = neck + chest @ (sign * 0.048 * unit, -0.03 * unit, 0.0)
            shapes.append(limb(at(sign * 0.037, 0.015, -0.012), tip, 0.017 * size, 0.012 * size, frame, coat))
    if style == "bun":
        shapes.append(ball(at(0, 0.036, -0.064), frame, np.full(3, 0.024) * size, coat))
    return shapes
