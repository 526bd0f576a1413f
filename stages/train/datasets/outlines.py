"""COCO's segmentations: polygons and run lengths, checked when they are read and drawn when they are needed."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from posedata.errors import BadInput
from posedata.formats.fields import numbers


@dataclass(frozen=True)
class Runs:
    """A mask as the lengths of its runs, column by column, off first."""

    size: tuple[int, int]  # height, width
    counts: np.ndarray  # [M] int64, together height x width


def polygons(value: object, where: str) -> tuple[np.ndarray, ...]:
    """[M, 2] int32 pixels each, rounded.

    Raises:
        BadInput: it is no list of polygons; `where` names file, annotation and field.
    """
    if not isinstance(value, list) or not all(isinstance(p, list) for p in value):
        raise BadInput(
            f"{where} is {str(value)[:40]!r}; write a list of polygons, or run lengths with size and counts"
        )
    found = []
    for row, polygon in enumerate(value):
        flat = numbers({"polygon": polygon}, "polygon", f"{where}[{row}]")
        if len(flat) == 0 or len(flat) % 2:
            raise BadInput(f"{where}[{row}] is a polygon of {len(flat)} numbers; write x, y of each corner")
        found.append(np.round(flat.reshape(-1, 2)).astype(np.int32))
    return tuple(found)


def run_lengths(
    value: dict,
    size: tuple[float, float] | None,  # width, height of the picture, where known
    where: str,
) -> Runs:
    """COCO's run lengths, as numbers or as text.

    Raises:
        BadInput: they are none, or of another size; `where` names file, annotation and field.
    """
    sides, counts = value.get("size"), value.get("counts")
    if not isinstance(sides, list) or len(sides) != 2 or not all(type(s) is int and s > 0 for s in sides):
        raise BadInput(f"{where}.size is {str(sides)[:40]!r}; write height and width of the picture")
    height, width = sides
    if size is not None and (width, height) != size:
        raise BadInput(
            f"{where}.size is {width} x {height} and the picture {size[0]:g} x {size[1]:g}; write the picture's size"
        )
    lengths = _from_text(counts) if isinstance(counts, str) else counts
    if not isinstance(lengths, list) or not set(map(type, lengths)) <= {int} or min(lengths, default=-1) < 0:
        raise BadInput(f"{where}.counts is {str(counts)[:40]!r}; write COCO's run lengths")
    if sum(lengths) != height * width:
        raise BadInput(f"{where}.counts are of {sum(lengths)} pixels, not of {width} x {height}; write all of them")
    return Runs((height, width), np.array(lengths, np.int64))


def _from_text(text: str) -> list[int] | None:
    """COCO's compressed run lengths: five bits a character, from the third on the difference to the last but one.

    Source: cocodataset/cocoapi (BSD), `common/maskApi.c`. None where it is no such text.
    """
    lengths: list[int] = []
    number = shift = 0
    for character in text:
        code = ord(character) - 48
        if not 0 <= code < 64 or shift > 60:
            return None
        number |= (code & 31) << shift
        shift += 5
        if code & 32:
            continue
        if code & 16:
            number -= 1 << shift
        lengths.append(number + (lengths[-2] if len(lengths) > 2 else 0))
        number = shift = 0
    return None if shift else lengths


def drawn(
    shape: tuple[np.ndarray, ...] | Runs | None,
    box: np.ndarray,  # [4] xywh
    size: tuple[int, int],  # height, width of the picture
) -> np.ndarray:
    """[height, width] bool; the box where there is no shape, or one of a picture of another size."""
    mask = np.zeros(size, np.uint8)
    if isinstance(shape, Runs) and shape.size == tuple(size):
        on = np.repeat(np.arange(len(shape.counts)) % 2 == 1, shape.counts)
        return on.reshape(size[::-1]).T
    if isinstance(shape, tuple):
        for polygon in shape:
            cv2.fillPoly(mask, [polygon], 1)
        return mask.astype(bool)
    x, y, w, h = box
    mask[max(int(y), 0) : max(int(np.ceil(y + h)), 0), max(int(x), 0) : max(int(np.ceil(x + w)), 0)] = 1
    return mask.astype(bool)
