"""Optical flow files in the Middlebury form, `.flo`."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from posedata.atomic import write_atomically
from posedata.errors import BadInput

_MAGIC = b"PIEH"  # 202021.25 as a little-endian float
_HEAD = 12  # bytes: magic, width, height
MAX_SIDE = 1 << 16  # pixels
UNKNOWN = 1e9  # components at or above it mean that the flow is not known


def read_flo(path: Path) -> np.ndarray:
    """[H, W, 2] float32 flow in pixels, x then y; where it is not known both are NaN.

    Raises:
        BadInput: the file cannot be read, is no .flo file, or is not as long as its size says.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
            if len(head) < _HEAD or head[:4] != _MAGIC:
                raise BadInput(f"{path}: is no .flo file (it does not begin with PIEH and a size); write it again")
            width, height = struct.unpack("<ii", head[4:])
            if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
                raise BadInput(f"{path}: its size is {width}x{height}, sides are 1 to {MAX_SIDE}; write it again")
            wanted = width * height * 8
            found = path.stat().st_size - _HEAD
            if found != wanted:
                raise BadInput(
                    f"{path}: {width}x{height} needs {wanted} bytes of flow, it has {found}; write it again"
                )
            data = file.read(wanted)
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror or error})") from None
    flow = np.frombuffer(data, "<f4").reshape(height, width, 2).astype(np.float32)
    flow[~(np.abs(flow) < UNKNOWN).all(axis=2)] = np.nan
    return flow


def write_flo(
    path: Path,
    flow: np.ndarray,  # [H, W, 2] pixels, x then y; NaN where it is not known
) -> None:
    """Writes the file whole or not at all.

    Raises:
        ValueError: a wrong shape.
    """
    if flow.ndim != 3 or flow.shape[2] != 2 or not (0 < flow.shape[0] <= MAX_SIDE and 0 < flow.shape[1] <= MAX_SIDE):
        raise ValueError(f"flow must have shape [H, W, 2] with sides of 1 to {MAX_SIDE}, not {list(flow.shape)}")
    known = np.isfinite(flow).all(axis=2, keepdims=True)
    values = np.where(known, flow, 10 * UNKNOWN).astype("<f4")
    write_atomically(path, _MAGIC + struct.pack("<ii", flow.shape[1], flow.shape[0]) + values.tobytes())
