"""What the people of a sequence do: paths over the ground, gaits that fit their speed, and actions on the way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from posedata.synthetic.body import Build, Point, Posed, limited, pose, posed, rotation_x, rotation_y
from posedata.synthetic.poses import gait

_STAND_SPEED, _WALK_SPEED = 0.25, 1.3  # metres a second
_SMOOTH = 0.22  # seconds over which paths and actions are rounded


@dataclass(frozen=True)
class Action:
    """Something done at a place, by the clock of the script."""

    name: str  # wave, sit, bend, crouch, look, cheer, phone
    begin: float  # share of the script
    end: float
    facing: float | None = None  # degrees; None = as the person came


@dataclass(frozen=True)
class Script:
    """A person's way; it starts over when it is through, so first and last place should agree."""

    times: tuple[float, ...]  # shares of the script, rising from 0 to 1
    places: tuple[tuple[float, float], ...]  # x in half widths of the picture at that depth, metres before the camera
    actions: tuple[Action, ...] = ()
    seat: tuple[float, float] | None = None  # where a stool stands, as in `places`


# 1.0 lies at the picture's edge (of the steady camera); beyond 1.35 a person is out of sight
SCRIPTS: tuple[Script, ...] = (
    # from the middle past everybody, out at the right, and back
    Script((0, 0.40, 0.50, 1), ((-0.30, 5.2), (1.42, 5.0), (1.42, 4.7), (-0.30, 5.2))),
    # from the right, bends down in the middle, goes on to the left and comes back
    Script(
        (0, 0.24, 0.46, 0.68, 1), ((0.52, 5.8), (0.10, 6.2), (0.10, 6.2), (-0.32, 6.6), (0.52, 5.8)),
        (Action("bend", 0.25, 0.44),),
    ),
    # comes nearer, waves at the camera, sits down on a stool, goes back
    Script(
        (0, 0.16, 0.42, 0.56, 0.86, 1),
        ((-0.34, 7.3), (-0.40, 6.5), (-0.40, 6.5), (-0.10, 7.0), (-0.10, 7.0), (-0.34, 7.3)),
        (Action("wave", 0.14, 0.42, 10.0), Action("sit", 0.58, 0.85, -15.0)), seat=(-0.10, 7.0),
    ),
    # jogs out at the left, turns and comes back behind the others
    Script((0, 0.22, 0.32, 0.78, 1), ((-0.60, 7.2), (-1.40, 7.0), (-1.40, 7.9), (0.20, 8.2), (-0.60, 7.2))),
    # in a circle: front, side and back views
    Script(
        (0, 0.25, 0.5, 0.75, 1), ((0.55, 8.2), (0.25, 9.2), (-0.05, 8.2), (0.25, 7.2), (0.55, 8.2)),
    ),
    # stands, looks about, crouches, cheers
    Script(
        (0, 0.1, 0.5, 0.6, 1), ((0.60, 7.4), (0.66, 7.2), (0.66, 7.2), (0.60, 7.4), (0.60, 7.4)),
        (Action("crouch", 0.16, 0.42, -35.0), Action("cheer", 0.62, 0.95, 5.0)),
    ),
    # straight towards the camera, and away with the back to it
    Script((0, 0.45, 0.55, 1), ((-0.15, 10.5), (-0.35, 5.6), (-0.22, 5.6), (-0.15, 10.5))),
    # with a telephone, slowly
    Script(
        (0, 0.5, 1), ((0.88, 8.8), (-0.35, 9.4), (0.88, 8.8)), (Action("phone", 0.05, 0.95),),
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Motion:
    """One person's way over the whole sequence, one row a frame."""

    places: np.ndarray  # [T, 2] x and metres before the camera's foot
    heading: np.ndarray  # [T] degrees about the vertical, 0 = towards the camera
    speed: np.ndarray  # [T] metres a second
    phase: np.ndarray  # [T] double steps done
    actions: tuple[tuple[str, np.ndarray], ...]  # name and its weight [T] 0..1
    seconds: np.ndarray  # [T]


def plan(
    rng: np.random.Generator,
    number: int,  # of the person
    frames: int,
    fps: float,
    edge: float,  # metres from the picture's middle to its edge, a metre before the camera; negative = mirrored
    height: float,  # of the person, metres
) -> Motion:
    """A motion after one of the SCRIPTS, the first people after the first scripts, with some variation."""
    script = SCRIPTS[number % len(SCRIPTS)]
    again = number // len(SCRIPTS)
    length = frames / fps
    period = max(length / max(1, round(length / 7.5)), 3.4)
    # a person of a second round does the same elsewhere and at another time
    shift = float(rng.uniform(-0.02, 0.02)) + 0.37 * again
    depth = float(rng.uniform(-0.15, 0.15)) + 0.9 * again
    seconds = np.arange(frames) / fps
    share = (seconds / period + shift) % 1.0
    spots = np.array([(x * (z + depth) * edge, z + depth) for x, z in script.places])
    places = np.stack([np.interp(share, script.times, spots[:, i]) for i in range(2)], axis=1)
    window = max(round(2 * _SMOOTH * fps), 1)
    places = _smoothed(places, window)
    velocity = np.gradient(places, seconds, axis=0) if frames > 1 else np.zeros((1, 2))
    speed = np.hypot(velocity[:, 0], velocity[:, 1])
    heading = _headings(velocity, speed, script, share)
    heading = _smoothed(np.unwrap(heading, period=360.0)[:, None], window)[:, 0]
    # a double step is longer the faster one goes
    stride = 0.75 * height * (0.55 + 0.45 * np.clip(speed / _WALK_SPEED, 0, 2.2))
    phase = float(rng.uniform(0, 1)) + np.cumsum(speed / stride) / fps
    actions = tuple(
        (a.name, _smoothed(((share >= a.begin) & (share < a.end)).astype(float)[:, None], 2 * window)[:, 0])
        for a in script.actions
    )
    return Motion(places, heading, speed, phase, actions, seconds)


def seat_of(number: int, edge: float) -> tuple[float, float] | None:
    """x and depth in metres of the stool that the script of a person asks for."""
    seat = SCRIPTS[number].seat if number < len(SCRIPTS) else None
    return None if seat is None else (seat[0] * seat[1] * edge, seat[1])


def body_at(
    motion: Motion,
    frame: int,
    build: Build,
) -> Posed:
    """The person in the world at a frame, feet on the ground (y = 0); the camera looks along -z from z = 0."""
    speed = float(motion.speed[frame])
    running = float(np.clip((speed - 1.9) / 0.8, 0, 1))
    stride = min(speed / _WALK_SPEED, 1.15)
    angles = gait(float(motion.phase[frame]) % 1.0, stride, running)
    time = float(motion.seconds[frame])
    root_tilt = 2.0 + 8.0 * running
    for name, weights in motion.actions:
        weight = float(weights[frame])
        if weight > 0:
            angles = angles + weight * (_action(name, time, angles) - angles)
            root_tilt += weight * {"bend": 22.0, "crouch": 18.0, "sit": -4.0}.get(name, 0.0)
    root = rotation_y(float(motion.heading[frame])) @ rotation_x(root_tilt)
    body = posed(build, limited(angles), root, np.zeros(3))
    feet = body.points[[Point.LEFT_ANKLE, Point.RIGHT_ANKLE, Point.LEFT_TOE, Point.RIGHT_TOE], 1]
    sole = feet - np.array([0.040, 0.040, 0.018, 0.018]) * build.height
    hop = 0.035 * running * build.height * abs(np.sin(2 * np.pi * float(motion.phase[frame])))
    x, depth = motion.places[frame]
    return Posed(body.points + (x, hop - float(sole.min()), -depth), body.frames)


def _action(name: str, time: float, base: np.ndarray) -> np.ndarray:
    """[26] degrees of an action at a time in seconds; `base` is what the person does otherwise."""
    swing = np.sin(2 * np.pi * 1.7 * time)
    if name == "wave":
        return pose(
            right_arm_raise=12, right_arm_out=148 + 8 * swing, right_elbow=55 + 38 * swing, right_arm_turn=-60,
            left_arm_out=8, left_elbow=12, head_tilt=4 * swing, hip_out=4, knee=3,
        )  # fmt: skip
    if name == "sit":
        return pose(hip_flex=86, knee=88, hip_out=6, ankle=2, arm_raise=32, elbow=52, arm_turn=25, spine_flex=10)
    if name == "bend":
        reach = 4 * np.sin(2 * np.pi * 0.6 * time)
        return pose(
            spine_flex=58 + reach, hip_flex=38, knee=34, ankle=12, arm_raise=72 + 2 * reach, right_arm_raise=88,
            elbow=10, head_nod=8,
        )  # fmt: skip
    if name == "crouch":
        return pose(
            hip_flex=112, knee=128, ankle=26, hip_out=14, spine_flex=26, arm_raise=58, elbow=40, right_elbow=70
        )
    if name == "cheer":
        return pose(
            arm_raise=8, arm_out=140 + 14 * swing, elbow=25 + 15 * swing, knee=10 + 10 * abs(swing),
            hip_flex=6 + 6 * abs(swing), head_nod=-14,
        )  # fmt: skip
    held = pose(right_arm_raise=42, right_elbow=138, right_arm_turn=25, head_nod=12)
    arm = np.flatnonzero(held)
    out = base.copy()
    out[arm] = held[arm]
    return out


def _headings(velocity: np.ndarray, speed: np.ndarray, script: Script, share: np.ndarray) -> np.ndarray:
    """[T] degrees: along the way while walking, the action's own direction, else as one came."""
    # x right and depth away from the camera; heading 0 looks at the camera, 90 to the right
    heading = np.rad2deg(np.arctan2(velocity[:, 0], -velocity[:, 1]))
    standing = speed < _STAND_SPEED
    last = np.where(~standing, np.arange(len(speed)), -1)
    last = np.maximum.accumulate(last)
    first = int(np.argmax(~standing)) if (~standing).any() else 0
    heading = heading[np.where(last < 0, first, last)] if (~standing).any() else np.zeros(len(speed))
    for action in script.actions:
        if action.facing is not None:
            heading = np.where((share >= action.begin) & (share < action.end), action.facing, heading)
    return heading


def _smoothed(values: np.ndarray, window: int) -> np.ndarray:
    """[T, C] running mean over `window` frames, twice; the ends are held."""
    if window < 2 or len(values) < 2:
        return values
    kernel = np.ones(window) / window
    kernel = np.convolve(kernel, kernel)
    before = len(kernel) // 2
    padded = np.pad(values, ((before, len(kernel) - 1 - before), (0, 0)), mode="edge")
    return np.stack([np.convolve(padded[:, c], kernel, mode="valid") for c in range(values.shape[1])], axis=1)
