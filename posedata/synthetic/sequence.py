"""A rendered sequence, frame by frame: people with identities before a moving camera."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from posedata.errors import UsageError
from posedata.synthetic.choreography import body_at, plan, seat_of
from posedata.synthetic.frame import SyntheticFrame
from posedata.synthetic.look import random_look
from posedata.synthetic.scene import compose, grained
from posedata.synthetic.setting import FOCAL, random_setting
from posedata.synthetic.sprite import draw_figure

_SMALLEST, _LARGEST = 64, 4096  # pixels, either side
_GRAIN = 2.2  # grey levels


def render_sequence(
    seed: int,
    frames: int = 90,
    size: tuple[int, int] = (640, 360),  # width, height
    people: int = 4,
    fps: float = 25.0,
) -> Iterator[SyntheticFrame]:
    """The frames in order; the same arguments give the same bytes.

    People walk, jog, wave, bend and sit, cross and hide each other, leave the picture and come back as who they were
    (`track_ids` = 0 .. people - 1). Every frame has one or two ignore regions around distant, unlabelled crowds.

    Raises:
        UsageError: a size, number or rate that cannot be rendered.
    """
    if frames < 1 or people < 0 or not 0.1 <= fps <= 1000 or seed < 0:
        raise UsageError(
            f"cannot render {frames} frames with {people} people at {fps} frames a second from seed {seed}: "
            "give frames >= 1, people >= 0, a rate of 0.1 to 1000 and a seed >= 0"
        )
    if not all(_SMALLEST <= side <= _LARGEST for side in size):
        raise UsageError(
            f"cannot render pictures of {size[0]}x{size[1]}: give sides of {_SMALLEST} to {_LARGEST} pixels"
        )
    return _frames(seed, frames, size, people, fps)


def _frames(seed: int, frames: int, size: tuple[int, int], people: int, fps: float) -> Iterator[SyntheticFrame]:
    width, height = size
    mirror = 1 if np.random.default_rng((seed, 3)).random() < 0.5 else -1
    edge = mirror * width / (2 * FOCAL * height)
    seats = [seat for number in range(people) if (seat := seat_of(number, edge)) is not None]
    setting = random_setting(np.random.default_rng((seed, 0)), size, seats)
    looks, motions = [], []
    for number in range(people):
        rng = np.random.default_rng((seed, 1, number))
        looks.append(random_look(rng))
        motions.append(plan(rng, number, frames, fps, edge, looks[number].build.height))
    for frame in range(frames):
        camera = setting.camera(frame / fps)
        sprites, ids = [], []
        for number, (look, motion) in enumerate(zip(looks, motions)):
            sprite = draw_figure(body_at(motion, frame, look.build), look, camera, setting.light, size)
            if sprite is not None:
                sprites.append(sprite)
                ids.append(number)
        things, regions = setting.things(camera, frame)
        picture = compose(setting.backdrop(camera), sprites, ids, setting.shadow, things, regions)
        rng = np.random.default_rng((seed, 2, frame))
        yield replace(picture, image=grained(picture.image, rng, _GRAIN))
