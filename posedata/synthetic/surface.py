"""From the depth picture of a figure to colours: paints, faces, folds, light."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from posedata.synthetic.look import Look, Paint
from posedata.synthetic.shapes import CLOTH, FACE, HAIR, LEATHER, Coat, Drawing
from posedata.synthetic.solids import FAR, DepthPicture


@dataclass(frozen=True)
class Light:
    """One distant lamp and light from all around."""

    direction: tuple[float, float, float]  # unit, image x, y (down) and nearness, towards the lamp
    ambient: float
    lamp: float
    tint: tuple[float, float, float]  # RGB of the lamp


def random_light(rng: np.random.Generator) -> Light:
    """Mostly from above, of any side; seldom from behind."""
    side, front = rng.uniform(-1, 1), rng.uniform(-0.2, 1.0)
    direction = np.array([side, -rng.uniform(0.3, 1.2), front])
    ambient = rng.uniform(0.35, 0.75)
    warm = rng.uniform(-0.08, 0.10)
    tint = (1 + warm, 1.0, 1 - warm)
    return Light(
        tuple(direction / np.linalg.norm(direction)), ambient, rng.uniform(0.35, 1.0) * (1.2 - ambient), tint
    )


def shade(
    picture: DepthPicture,
    drawing: Drawing,
    light: Light,
) -> np.ndarray:
    """[H, W, 4] float32 premultiplied RGB 0..1 and coverage (0 or 1) of the traced drawing."""
    height, width = picture.owner.shape
    out = np.zeros((height * width, 4), np.float32)
    flat = picture.owner.ravel()
    shown = np.flatnonzero(flat != 255)
    if not len(shown):
        return out.reshape(height, width, 4)
    owners = flat[shown]
    order = np.argsort(owners, kind="stable")
    shown = shown[order]
    ends = np.cumsum(np.bincount(owners, minlength=len(drawing.solids)))
    places = np.empty((3, len(shown)), np.float32)
    rows, columns = np.divmod(shown, width)
    places[0], places[1] = columns + picture.left, rows + picture.top
    places[2] = picture.nearness.ravel()[shown]
    normals = np.empty_like(places)
    colours = np.empty_like(places)
    gloss = np.zeros(len(shown), np.float32)
    for number, (solid, coat) in enumerate(zip(drawing.solids, drawing.coats)):
        part = slice(ends[number - 1] if number else 0, ends[number])
        if part.start == part.stop:
            continue
        matrix = solid.matrix.astype(np.float32)
        q = matrix @ (places[:, part] - solid.origin.astype(np.float32)[:, None])
        along = np.clip(q[1], 0, np.float32(solid.length))
        inner = q.copy()
        inner[1] -= along
        normals[:, part] = matrix.T @ inner
        share = q[1] / np.float32(solid.length) if solid.length > 1e-6 else 0.5 - 0.5 * q[1]
        if coat.kind == FACE:
            head = drawing.head.matrix.astype(np.float32)
            local = head @ (places[:, part] - drawing.head.origin.astype(np.float32)[:, None])
            colours[:, part] = _face(local, drawing.look)
        else:
            if coat.trunk:
                trunk = drawing.trunk.matrix.astype(np.float32)
                q = trunk @ (places[:, part] - drawing.trunk.origin.astype(np.float32)[:, None])
                share = q[1] / np.float32(drawing.trunk.length)
            colours[:, part] = _covered(coat, q, share)
        gloss[part] = {CLOTH: 0.0, HAIR: 0.18, LEATHER: 0.25}.get(coat.kind, 0.10)
    normals /= np.sqrt((normals**2).sum(axis=0)) + np.float32(1e-6)
    corner = _corners(picture, drawing.scale).ravel()[shown]
    lit = _lit(colours, normals, gloss, corner, light)
    out[shown, :3] = lit.T
    out[shown, 3] = 1
    return out.reshape(height, width, 4)


def _lit(
    colours: np.ndarray,  # [3, M]
    normals: np.ndarray,  # [3, M] unit
    gloss: np.ndarray,  # [M]
    corner: np.ndarray,  # [M] 0 = open, 1 = deep in a fold
    light: Light,
) -> np.ndarray:
    """[3, M] RGB 0..1."""
    x, y, z = (np.float32(v) for v in light.direction)
    facing = normals[0] * x + normals[1] * y + normals[2] * z
    wrapped = np.clip((facing + np.float32(0.25)) * np.float32(0.8), 0, None)
    # light from all around is brighter from the sky and dimmer where the surface turns away from the viewer
    around = np.float32(light.ambient) * (0.72 - 0.18 * normals[1] + 0.22 * normals[2])
    around *= 1 - np.float32(0.55) * corner
    lamp = np.float32(light.lamp) * wrapped * (1 - np.float32(0.35) * corner)
    shine = gloss * np.clip(2 * facing * normals[2] - z, 0, 1) ** 12
    out = np.empty_like(colours)
    for channel in range(3):
        out[channel] = colours[channel] * (around + lamp * np.float32(light.tint[channel])) + shine
    return np.clip(out, 0, 1, out=out)


def _corners(picture: DepthPicture, scale: float) -> np.ndarray:
    """[H, W] how far each pixel lies behind its surroundings: the dark of armpits and between the legs."""
    seen = (picture.nearness > FAR).astype(np.float32)
    radius = max(int(0.035 * scale), 1)
    size = (2 * radius + 1, 2 * radius + 1)
    middle = np.float32(picture.nearness[picture.nearness > FAR].mean())
    depth = (picture.nearness - middle) * seen
    mean = cv2.blur(depth, size) / np.maximum(cv2.blur(seen, size), np.float32(1e-3))
    return np.clip((mean - depth) / np.float32(0.10 * scale), 0, 1)


def _covered(
    coat: Coat,
    q: np.ndarray,  # [3, M] own coordinates of the solid
    share: np.ndarray,  # [M] of the solid's length
) -> np.ndarray:
    """[3, M] colours of a solid."""
    angle = np.arctan2(q[0], q[2])
    colours = _painted(coat.paint, angle, share, coat.trunk)
    if coat.beyond is not None:
        rest = share > coat.cut
        colours[:, rest] = _painted(coat.beyond, angle[rest], share[rest], False)
    if coat.kind == CLOTH:
        phase = np.float32(coat.paint.phase * 6)
        fold = np.sin(angle * 3 + share * 5 + phase) * np.sin(share * 11 - angle * 2 + 2 * phase)
        colours *= 1 + np.float32(0.07) * fold
    elif coat.kind == HAIR:
        strands = np.sin(angle * 31 + 4 * share) * np.sin(angle * 13 - 5 * share)
        colours *= 1 + np.float32(0.12) * strands
    return colours


def _painted(
    paint: Paint,
    angle: np.ndarray,  # [M] around the solid, 0 = front
    share: np.ndarray,  # [M] along it
    trunk: bool,
) -> np.ndarray:
    """[3, M] colours of a paint."""
    first = np.array(paint.colour, np.float32)[:, None]
    second = np.array(paint.second, np.float32)[:, None]
    turns = paint.count
    along, around = share * np.float32(turns), angle * np.float32(turns / 2.2)
    if paint.pattern == "hoops":
        mask = (along + paint.phase) % 1 < 0.45
    elif paint.pattern == "stripes":
        mask = around % 1 < 0.3
    elif paint.pattern == "checks":
        mask = (along % 1 < 0.3).astype(np.float32) * 0.5 + (around % 1 < 0.3) * np.float32(0.5)
    elif paint.pattern == "dots":
        mask = (along % 1 - 0.5) ** 2 + (around % 1 - 0.5) ** 2 < 0.06
    elif paint.pattern == "blocks":
        mask = share > 0.55
    elif paint.pattern == "logo" and trunk:
        mask = (np.abs(angle) < 0.55) & (np.abs(share - 0.62) < 0.2)
        mask &= np.sin(angle * 14 + paint.phase * 9) * np.sin(share * 22) > -0.35
    elif paint.pattern == "print":
        wave = np.sin(along * 2.1 + 3 * np.sin(around * 1.3 + paint.phase)) + np.sin(around * 2.7 - along)
        mask = wave > 0.35
    else:
        return np.repeat(first, len(angle), axis=1)
    return first + (second - first) * mask.astype(np.float32)


def _face(
    local: np.ndarray,  # [3, M] in the skull's coordinates: left, up, forward, 1 on its surface
    look: Look,
) -> np.ndarray:
    """[3, M] colours of skull and jaw: skin with eyes, brows, mouth, beard and shaved or short hair."""
    x, y, z = local
    out = np.repeat(np.array(look.skin, np.float32)[:, None], len(x), axis=1)
    side = np.abs(x)
    front = z > 0.25

    def put(mask: np.ndarray, colour: tuple[float, float, float], strength: float = 1.0) -> None:
        out[:, mask] += np.float32(strength) * (np.array(colour, np.float32)[:, None] - out[:, mask])

    red = tuple(np.clip(np.array(look.skin) * (1.06, 0.84, 0.82), 0, 1))
    put(front & ((side - 0.48) ** 2 + (y + 0.22) ** 2 < 0.05), red, 0.4)
    if look.beard:
        jaw = (z > -0.15) & (y < 0.8 * side**2 - 0.68)
        lip = front & (side < 0.32) & (np.abs(y + 0.44) < 0.07)
        put(jaw | lip, look.hair, 0.35 + 0.55 * look.beard)
    put(front & (side < 0.27) & (np.abs(y + 0.58 - 0.25 * side**2) < 0.055 - 0.12 * side**2), look.lips, 0.85)
    eye = front & ((side - 0.41) ** 2 / 0.024 + (y - 0.09) ** 2 / 0.0042 < 1)
    put(front & ((side - 0.41) ** 2 / 0.06 + (y - 0.10) ** 2 / 0.022 < 1), tuple(0.8 * c for c in look.skin), 0.6)
    put(eye, (0.86, 0.84, 0.81))
    put(eye & ((side - 0.41) ** 2 + (y - 0.09) ** 2 < 0.0068), look.eyes)
    put(eye & ((side - 0.41) ** 2 + (y - 0.09) ** 2 < 0.0016), (0.02, 0.02, 0.02))
    put(front & (side > 0.2) & (side < 0.64) & (np.abs(y - 0.30 + 0.3 * (side - 0.4) ** 2) < 0.045), look.hair, 0.75)
    if look.glasses:
        ring = np.sqrt((side - 0.42) ** 2 / 1.25 + (y - 0.07) ** 2)
        frame = front & ((np.abs(ring - 0.20) < 0.03) | (side < 0.2) & (np.abs(y - 0.1) < 0.03))
        put(frame | (np.abs(y - 0.1) < 0.03) & (z > 0) & (side > 0.6), (0.08, 0.07, 0.07), 0.9)
    if look.hair_style != "bald":
        put(y - 0.85 * z > (-0.06 if look.hair_style in ("short", "cap") else -0.2) + look.hairline, look.hair, 0.9)
    return out
