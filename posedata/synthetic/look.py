"""What a person looks like: proportions, skin, hair, clothes; drawn by chance from a generator."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from posedata.synthetic.body import Build

Colour = tuple[float, float, float]  # RGB 0..1

PATTERNS = ("plain", "hoops", "stripes", "checks", "dots", "logo", "print", "blocks")
HAIR_STYLES = ("bald", "short", "full", "long", "bun", "curls", "cap")
LEGWEAR = ("trousers", "shorts", "skirt", "dress", "leggings")

_SKIN = ((0.96, 0.80, 0.69), (0.91, 0.72, 0.58), (0.82, 0.62, 0.47), (0.68, 0.48, 0.34), (0.48, 0.32, 0.22))
_DEEP_SKIN = (0.30, 0.20, 0.15)
_HAIR = ((0.07, 0.06, 0.06), (0.16, 0.10, 0.07), (0.32, 0.20, 0.11), (0.62, 0.46, 0.24), (0.50, 0.22, 0.10))
_GREY_HAIR = (0.68, 0.67, 0.65)
_MUTED = (
    (0.13, 0.14, 0.17), (0.20, 0.24, 0.33), (0.23, 0.30, 0.45), (0.42, 0.42, 0.43), (0.80, 0.79, 0.76),
    (0.55, 0.47, 0.36), (0.30, 0.26, 0.22), (0.93, 0.92, 0.90), (0.30, 0.34, 0.25), (0.37, 0.22, 0.20),
)  # fmt: skip


@dataclass(frozen=True)
class Paint:
    """A colour, or a pattern of two."""

    colour: Colour
    second: Colour = (1.0, 1.0, 1.0)
    pattern: str = "plain"  # one of PATTERNS
    count: float = 8.0  # repetitions along the trunk
    phase: float = 0.0


@dataclass(frozen=True)
class Look:
    """Everything about a person that does not move."""

    build: Build
    skin: Colour
    hair: Colour
    hair_style: str  # one of HAIR_STYLES
    hairline: float  # -0.15 low .. 0.15 high
    beard: float  # 0 none .. 1 full
    glasses: bool
    eyes: Colour
    lips: Colour
    top: Paint
    hem: float  # how far the top hangs over the hips: 0 tucked in .. 1
    sleeves: float  # 0 none, 1 to the elbow, 2 to the wrist
    legwear: str  # one of LEGWEAR
    bottom: Paint
    leg_cover: float  # 0 none, 1 to the knee, 2 to the ankle
    shoes: Colour
    soles: Colour
    looseness: float  # of the clothes, 0 tight .. 1 wide
    backpack: Colour | None
    gloves: Colour | None


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """`share` of the second colour in the first."""
    return tuple(float(a + (b - a) * share) for a, b in zip(first, second))


def cloth_colour(rng: np.random.Generator) -> Colour:
    """Mostly muted, sometimes bright."""
    if rng.random() < 0.5:
        base = np.array(_MUTED[rng.integers(len(_MUTED))])
    else:
        hue, saturation, value = rng.random(), rng.uniform(0.3, 0.95), rng.uniform(0.3, 0.95)
        ramp = np.abs((hue * 6 + np.array([0, 4, 2])) % 6 - 3) - 1
        base = value * (1 - saturation * (1 - np.clip(ramp, 0, 1)))
    return tuple(float(v) for v in np.clip(base + rng.normal(0, 0.03, 3), 0.02, 0.97))


def random_paint(rng: np.random.Generator, plain: float) -> Paint:
    """A cloth; `plain` is the chance that it has no pattern."""
    pattern = "plain" if rng.random() < plain else PATTERNS[1 + rng.integers(len(PATTERNS) - 1)]
    second = cloth_colour(rng) if rng.random() < 0.6 else ((0.94, 0.94, 0.92) if rng.random() < 0.6 else _MUTED[0])
    return Paint(cloth_colour(rng), second, pattern, float(rng.uniform(4, 11)), float(rng.uniform(0, 1)))


def random_build(rng: np.random.Generator, feminine: float, child: bool) -> Build:
    """Proportions; `feminine` 0..1 shifts shoulders against hips."""
    height = rng.uniform(1.05, 1.45) if child else rng.normal(1.77 - 0.12 * feminine, 0.065)
    girth = float(np.clip(rng.lognormal(0.0, 0.13), 0.78, 1.5))
    return Build(
        height=float(np.clip(height, 1.0, 2.05)),
        girth=girth * (0.94 if child else 1.0),
        shoulders=float(np.clip(rng.normal(1.03 - 0.10 * feminine, 0.035), 0.85, 1.15)) * (0.97 if child else 1.0),
        hips=float(np.clip(rng.normal(0.98 + 0.10 * feminine, 0.035), 0.88, 1.2)),
        legs=float(np.clip(rng.normal(0.95 if child else 1.0, 0.02), 0.88, 1.06)),
        head=float(rng.uniform(1.15, 1.32)) if child else float(np.clip(rng.normal(1.0, 0.03), 0.92, 1.08)),
        bust=0.0 if child or feminine < 0.5 else float(rng.uniform(0.3, 1.0)),
    )


def random_look(rng: np.random.Generator) -> Look:
    """A person."""
    child = rng.random() < 0.12
    feminine = float(rng.random() < 0.5) * rng.uniform(0.6, 1.0)
    tone = rng.integers(len(_SKIN))
    darker = _SKIN[tone + 1] if tone + 1 < len(_SKIN) else _DEEP_SKIN
    skin = mix(_SKIN[tone], darker, rng.random())
    hair = _HAIR[rng.integers(3 if tone >= 2 else len(_HAIR))]
    if not child and rng.random() < 0.12:
        hair = mix(hair, _GREY_HAIR, rng.uniform(0.5, 1.0))
    chances = (0.0, 0.15, 0.12, 0.42, 0.18, 0.08, 0.05) if feminine else (0.10, 0.44, 0.22, 0.04, 0.0, 0.08, 0.12)
    style = HAIR_STYLES[rng.choice(len(HAIR_STYLES), p=chances)]
    legs = (0.42, 0.14, 0.14, 0.16, 0.14) if feminine else (0.66, 0.30, 0.0, 0.0, 0.04)
    legwear = LEGWEAR[rng.choice(len(LEGWEAR), p=legs)]
    top = random_paint(rng, 0.5)
    bottom = top if legwear == "dress" else random_paint(rng, 0.85)
    cover = {"trousers": 2.0, "leggings": 1.95, "shorts": rng.uniform(0.45, 1.1)}.get(
        legwear, rng.uniform(0.55, 1.35)
    )
    sleeves = float(rng.choice([0.0, 0.5, 1.0, 2.0], p=[0.10, 0.38, 0.07, 0.45]))
    dark = mix(cloth_colour(rng), (0.1, 0.1, 0.1), 0.6)
    return Look(
        build=random_build(rng, feminine, child),
        skin=skin,
        hair=hair,
        hair_style=style,
        hairline=float(rng.uniform(-0.15, 0.12)),
        beard=0.0 if feminine or child or rng.random() < 0.6 else float(rng.uniform(0.3, 1.0)),
        glasses=bool(rng.random() < 0.15),
        eyes=mix((0.20, 0.12, 0.07), (0.30, 0.42, 0.50), float(rng.random() ** 2) if tone < 2 else 0.0),
        lips=mix(mix(skin, (0.62, 0.22, 0.22), 0.45), (0.75, 0.10, 0.15), 0.5 * feminine * rng.random()),
        top=top,
        hem=0.0 if legwear in ("skirt", "dress") or rng.random() < 0.25 else float(rng.uniform(0.35, 1.0)),
        sleeves=sleeves,
        legwear=legwear,
        bottom=bottom,
        leg_cover=float(cover),
        shoes=dark if rng.random() < 0.65 else cloth_colour(rng),
        soles=(0.9, 0.9, 0.88) if rng.random() < 0.5 else (0.12, 0.11, 0.10),
        looseness=0.0 if legwear == "leggings" else float(rng.uniform(0.1, 1.0)),
        backpack=cloth_colour(rng) if rng.random() < 0.10 else None,
        gloves=mix(cloth_colour(rng), (0.1, 0.1, 0.1), 0.5) if rng.random() < 0.04 else None,
    )
