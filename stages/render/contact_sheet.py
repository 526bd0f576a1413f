"""The contact sheet: a dozen frames of a sequence on one page, to see at a glance what was found."""

from __future__ import annotations

import numpy as np

from posedata.people import FramePeople
from posedata.skeletons import Skeleton
from stages.render.draw import Style, draw_people, draw_text, text_extent
from stages.render.picture import fit

_GAP = 8  # pixels between tiles
_GROUND = 32
_LETTERS = 11.0  # pixels
_TITLE_LETTERS = 14.0


def sheet_places(
    frames: int,  # of the sequence
    tiles: int,  # on the sheet
) -> frozenset[int]:
    """The places in the sequence (0..frames-1), evenly spaced with the first and the last, that go on the sheet."""
    return frozenset(np.round(np.linspace(0, max(frames - 1, 0), min(frames, tiles))).astype(int).tolist())


def make_tile(
    image: np.ndarray | None,  # [H, W, 3] uint8 RGB, untouched; None for a frame that could not be decoded
    people: FramePeople,
    skeleton: Skeleton | None,
    style: Style,
    label: str,
    size: tuple[int, int],  # width and height of the tile
) -> np.ndarray:
    """[h, w, 3] uint8 RGB: scaled first and drawn then, so that lines and letters suit a small picture."""
    if image is None:
        picture = np.zeros((size[1], size[0], 3), np.uint8)
    else:
        picture, people = fit(image, people, *size, enlarge=True)
        if picture is image:
            picture = image.copy()
        draw_people(picture, people, skeleton, style)
    tall = text_extent(label, _LETTERS)[1]
    draw_text(picture, label, 0, size[1] - tall, _LETTERS, (255, 255, 255))
    return picture


def tile_size(
    width: int,  # of the frames, pixels
    height: int,
    long_side: int = 480,
) -> tuple[int, int]:
    """Width and height of a tile with the frames' shape."""
    scale = long_side / max(width, height)
    return max(round(width * scale), 1), max(round(height * scale), 1)


def contact_sheet(
    tiles: list[np.ndarray],  # each [h, w, 3] uint8 RGB, all of one size, at least one
    columns: int,
    title: str,  # ASCII
) -> np.ndarray:
    """[H, W, 3] uint8 RGB: the tiles in reading order under a title."""
    tall, wide = tiles[0].shape[:2]
    columns = min(columns, len(tiles))
    rows = -(-len(tiles) // columns)
    head = text_extent(title, _TITLE_LETTERS)[1] + _GAP
    shape = (head + rows * (tall + _GAP) + _GAP, columns * (wide + _GAP) + _GAP, 3)
    sheet = np.full(shape, _GROUND, np.uint8)
    ground = (_GROUND, _GROUND, _GROUND)
    draw_text(sheet, title, _GAP // 2, _GAP // 2, _TITLE_LETTERS, (235, 235, 235), ground)
    for number, tile in enumerate(tiles):
        row, column = divmod(number, columns)
        top, left = head + row * (tall + _GAP), _GAP + column * (wide + _GAP)
        sheet[top : top + tall, left : left + wide] = tile
    return sheet
