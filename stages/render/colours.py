"""One stable, well distinguishable colour for each identity, by arithmetic alone: no table that could run out."""

from __future__ import annotations

import math

Colour = tuple[int, int, int]  # red, green, blue, 0..255

UNASSIGNED: Colour = (176, 176, 176)
_GOLDEN_ANGLE = 137.50776405  # degrees; successive multiples never come close to each other soon
_FIRST_HUE = 29.0  # degrees; identity 0 is red, which everyone can name
# Where hues come near each other again (after 8, 13 and 21 identities), the lightness differs.
_LIGHTNESS = (0.70, 0.84, 0.62, 0.77, 0.57)
_CHROMA = 0.19


def identity_colour(track_id: int) -> Colour:
    """The colour of an identity; grey for -1, which is no identity.

    The hue steps by the golden angle in Oklch (B. Ottosson, "A perceptual color space for image processing", 2020),
    where equal steps look equally far apart.
    """
    if track_id < 0:
        return UNASSIGNED
    hue = math.radians((_FIRST_HUE + track_id * _GOLDEN_ANGLE) % 360)
    lightness = _LIGHTNESS[track_id % len(_LIGHTNESS)]
    chroma = _CHROMA
    while (linear := _oklch_to_linear(lightness, chroma, hue)) is None:
        chroma *= 0.94  # the strongest colour that a screen can show at this lightness and hue
    return tuple(round(255 * _gamma(value)) for value in linear)


def shade(colour: Colour, amount: float) -> Colour:
    """The colour mixed with white (`amount` 0..1) or with black (-1..0)."""
    goal = 255 if amount > 0 else 0
    return tuple(round(value + (goal - value) * abs(amount)) for value in colour)


def ink_on(colour: Colour) -> Colour:
    """Black or white, whichever reads better on the colour (relative luminance of WCAG 2)."""
    linear = [_linear(value / 255) for value in colour]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return (0, 0, 0) if luminance > 0.18 else (255, 255, 255)


def _oklch_to_linear(lightness: float, chroma: float, hue: float) -> tuple[float, ...] | None:
    """Linear sRGB of a colour; None where it lies outside what sRGB can show."""
    a, b = chroma * math.cos(hue), chroma * math.sin(hue)
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    middle = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    linear = (
        4.0767416621 * long - 3.3077115913 * middle + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * middle - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * middle + 1.7076147010 * short,
    )
    if min(linear) < -1e-4 or max(linear) > 1 + 1e-4:
        return None
    return tuple(min(max(value, 0.0), 1.0) for value in linear)


def _gamma(value: float) -> float:
    return 12.92 * value if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055


def _linear(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
