"""Poses by chance: what people do in pictures, from standing about to handstands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from posedata.synthetic.body import ANGLES, limited, mirrored, pose, rotation_x, rotation_y, rotation_z

_JITTER = np.array([3.0] * 3 + [6.0] * 3 + [8.0, 6.0, 10.0, 9.0, 10.0, 5.0, 4.0, 6.0, 7.0, 6.0] * 2)


@dataclass(frozen=True)
class Stance:
    """A pose and how the body as a whole lies in space, before it is turned about the vertical."""

    angles: np.ndarray  # [26] degrees
    root: np.ndarray  # [3, 3] orientation of the pelvis when it looks at the viewer


# name -> how often it is drawn for everyday pictures, and for pictures with every kind of pose
FAMILIES: dict[str, tuple[float, float]] = {
    "stand": (5.0, 2.0),
    "walk": (4.0, 2.0),
    "run": (1.0, 2.0),
    "reach": (1.5, 2.0),
    "sit": (2.0, 2.0),
    "squat": (0.4, 1.5),
    "bend": (0.6, 1.5),
    "lunge": (0.3, 1.5),
    "kick": (0.2, 1.2),
    "jump": (0.3, 1.2),
    "dance": (0.6, 2.5),
    "kneel": (0.3, 1.0),
    "crawl": (0.1, 0.8),
    "lie": (0.3, 1.5),
    "upside": (0.05, 0.5),
    "any": (0.3, 2.0),
}


def random_stance(rng: np.random.Generator, extreme: float = 0.0) -> Stance:
    """A pose; `extreme` 0 = everyday, 1 = sports, dance and worse."""
    names = list(FAMILIES)
    weights = np.array([w[0] * (1 - extreme) + w[1] * extreme for w in FAMILIES.values()])
    name = names[rng.choice(len(names), p=weights / weights.sum())]
    stance = stance_of(name, rng)
    angles = limited(stance.angles + rng.normal(0, 1, len(ANGLES)) * _JITTER)
    if rng.random() < 0.5:
        flip = np.diag([-1.0, 1.0, 1.0])
        return Stance(mirrored(angles), flip @ stance.root @ flip)
    return Stance(angles, stance.root)


def stance_of(name: str, rng: np.random.Generator) -> Stance:
    """A pose of one family (a key of FAMILIES)."""
    u = rng.uniform
    upright = np.eye(3)
    if name == "stand":
        return Stance(_with_arms(pose(left_hip_flex=u(-5, 12), left_knee=u(0, 20), hip_out=u(0, 10)), rng), upright)
    if name == "walk":
        return Stance(gait(u(0, 1), u(0.5, 1.2), 0.0), rotation_x(u(0, 6)))
    if name == "run":
        return Stance(gait(u(0, 1), u(0.8, 1.25), 1.0), rotation_x(u(4, 16)))
    if name == "reach":
        out = rng.random() < 0.5
        angles = pose(
            left_arm_raise=u(10, 60) if out else u(60, 180), left_arm_out=u(60, 165) if out else u(-20, 60),
            right_arm_raise=u(-20, 175), right_arm_out=u(0, 90), elbow=u(0, 90), right_elbow=u(0, 110),
            spine_bend=u(-15, 15), head_nod=u(-35, 10), head_turn=u(-40, 40),
        )  # fmt: skip
        return Stance(angles, upright)
    if name == "sit":
        angles = pose(
            hip_flex=u(70, 105), knee=u(50, 110), left_knee=u(10, 110), hip_out=u(-3, 22), spine_flex=u(-12, 35),
            ankle=u(-15, 10),
        )  # fmt: skip
        return Stance(_with_arms(angles, rng), rotation_x(u(-18, 8)))
    if name == "squat":
        depth = u(0.5, 1)
        angles = pose(hip_flex=120 * depth, knee=140 * depth, hip_out=u(5, 40), ankle=25 * depth, spine_flex=u(0, 45))
        return Stance(_with_arms(angles, rng), rotation_x(u(0, 30)))
    if name == "bend":
        angles = pose(
            spine_flex=u(35, 90), hip_flex=u(10, 60), knee=u(0, 40), arm_raise=u(30, 120), head_nod=u(-40, 20)
        )
        return Stance(angles, rotation_x(u(0, 45)))
    if name == "lunge":
        angles = pose(
            left_hip_flex=u(60, 105), left_knee=u(60, 105), right_hip_flex=u(-35, 0), right_knee=u(5, 80),
            hip_out=u(0, 25), spine_flex=u(-10, 35),
        )  # fmt: skip
        return Stance(_with_arms(angles, rng), rotation_x(u(-5, 20)))
    if name == "kick":
        angles = pose(
            left_hip_flex=u(40, 120), left_hip_out=u(0, 60), left_knee=u(0, 70), right_knee=u(0, 35),
            left_ankle=u(-40, 10), spine_flex=u(-20, 20),
        )  # fmt: skip
        return Stance(_with_arms(angles, rng, wild=1.0), rotation_x(u(-25, 10)) @ rotation_z(u(-20, 10)))
    if name == "jump":
        angles = pose(
            left_hip_flex=u(-30, 90), right_hip_flex=u(-30, 90), hip_out=u(0, 60), left_knee=u(0, 120),
            right_knee=u(0, 120), ankle=u(-45, -5),
        )  # fmt: skip
        return Stance(_with_arms(angles, rng, wild=1.0), rotation_x(u(-20, 25)) @ rotation_z(u(-20, 20)))
    if name == "dance":
        angles = pose(
            spine_bend=u(-30, 30), spine_twist=u(-35, 35), spine_flex=u(-25, 25), left_hip_flex=u(-20, 60),
            left_hip_out=u(0, 45), right_hip_out=u(0, 30), left_knee=u(0, 90), right_knee=u(0, 40),
            head_tilt=u(-25, 25), head_turn=u(-50, 50), head_nod=u(-25, 25),
        )  # fmt: skip
        return Stance(_with_arms(angles, rng, wild=0.9), rotation_z(u(-15, 15)))
    if name == "kneel":
        hip, knee, ankle = u(-5, 60), u(85, 145), u(-45, -10)
        angles = pose(hip_flex=hip, knee=knee, ankle=ankle, spine_flex=u(-10, 40))
        if rng.random() < 0.5:  # on one knee
            for angle, value in (("hip_flex", u(70, 100)), ("knee", u(80, 110)), ("ankle", 0.0)):
                angles[ANGLES.index(f"left_{angle}")] = value
        return Stance(_with_arms(angles, rng), rotation_x(u(-5, 20)))
    if name == "crawl":
        angles = pose(
            arm_raise=u(70, 115), left_arm_raise=u(60, 130), hip_flex=u(60, 110), left_hip_flex=u(20, 110),
            knee=u(60, 110), left_knee=u(0, 110), head_nod=u(-45, 15), elbow=u(0, 40), spine_flex=u(-20, 20),
        )  # fmt: skip
        return Stance(angles, rotation_x(u(65, 100)))
    if name == "lie":
        angles = pose(
            left_hip_flex=u(-10, 80), right_hip_flex=u(-10, 50), left_knee=u(0, 110), right_knee=u(0, 70),
            hip_out=u(0, 30), spine_bend=u(-20, 20), spine_flex=u(-10, 25), head_turn=u(-50, 50),
        )  # fmt: skip
        face = rotation_x(-90) if rng.random() < 0.6 else rotation_x(90)
        across = rotation_y(u(0, 360)) @ face @ rotation_y(u(-60, 60))
        return Stance(_with_arms(angles, rng, wild=0.7), across)
    if name == "upside":
        angles = pose(
            arm_raise=u(150, 185), elbow=u(0, 40), left_hip_flex=u(-30, 90), right_hip_flex=u(-30, 90),
            hip_out=u(0, 60), knee=u(0, 90), head_nod=u(-40, 0), spine_flex=u(-30, 20),
        )  # fmt: skip
        return Stance(angles, rotation_z(180 + u(-40, 40)) @ rotation_x(u(-30, 30)))
    low, high = (limited(np.full(len(ANGLES), v)) for v in (-360.0, 360.0))
    tilt = rotation_z(rng.normal(0, 25)) @ rotation_x(rng.normal(0, 25))
    return Stance(low + (high - low) * rng.beta(1.6, 1.6, len(ANGLES)), tilt)


def gait(phase: float, stride: float, running: float) -> np.ndarray:
    """[26] degrees of a walking (`running` 0) to running (1) person.

    `phase` 0..1 is a double step; `stride` is its width, 1 = brisk walking, 0 = standing.
    """
    named: dict[str, float] = {}
    for side, shift in (("left", 0.0), ("right", 0.5)):
        t = 2 * np.pi * (phase + shift)
        swing = np.sin(t)
        # the knee bends while its leg comes forward, and a little under the load
        lift = max(0.0, np.cos(t - 0.35)) ** 1.5
        load = 0.5 + 0.5 * np.cos(2 * t - 2.6)
        named[f"{side}_hip_flex"] = stride * (24 + 16 * running) * swing + 6 + 14 * running
        named[f"{side}_knee"] = (
            4 + 14 * running + (52 + 48 * running) * lift * min(1.0, 1.3 * stride) + 8 * load * min(1.0, stride)
        )
        named[f"{side}_ankle"] = 8 * np.sin(t + 0.8) - 14 * running * (1 - lift) * (swing < 0)
        named[f"{side}_hip_out"] = 2.0
        named[f"{side}_arm_raise"] = -stride * (24 + 18 * running) * swing + 3
        named[f"{side}_arm_out"] = 7 + 8 * running
        named[f"{side}_arm_turn"] = 12 + 12 * running
        named[f"{side}_elbow"] = 14 + 68 * running - 12 * swing * stride
    named["spine_flex"] = 2 + 6 * running
    named["spine_twist"] = -5 * stride * np.sin(2 * np.pi * phase)
    return pose(**named)


def _with_arms(angles: np.ndarray, rng: np.random.Generator, wild: float = 0.25) -> np.ndarray:
    """The pose with arms by chance: each hangs, rests, holds something, or (chance `wild`) goes anywhere."""
    out = angles.copy()
    u = rng.uniform
    together = rng.random() < 0.35
    drawn: dict[str, float] | None = None
    for side in ("left", "right"):
        if drawn is None or not together:
            kind = 4 if rng.random() < wild else int(rng.integers(4))
            drawn = (
                {"arm_raise": u(-12, 15), "arm_out": u(3, 18), "arm_turn": u(0, 30), "elbow": u(3, 35)},
                {"arm_raise": u(-25, 5), "arm_out": u(25, 50), "arm_turn": u(40, 75), "elbow": u(70, 110)},  # on hip
                {"arm_raise": u(15, 50), "arm_out": u(0, 20), "arm_turn": u(10, 60), "elbow": u(60, 130)},  # holds
                {
                    "arm_raise": u(20, 60),
                    "arm_out": u(-15, 10),
                    "arm_turn": u(40, 80),
                    "elbow": u(70, 110),
                },  # crossed
                {"arm_raise": u(-50, 180), "arm_out": u(-10, 140), "arm_turn": u(-50, 80), "elbow": u(0, 130)},
            )[kind]
        for name, value in drawn.items():
            out[ANGLES.index(f"{side}_{name}")] = value
    for name, wide in (("head_turn", 25), ("head_nod", 12), ("head_tilt", 6)):
        out[ANGLES.index(name)] += rng.normal(0, wide)
    return limited(out)
