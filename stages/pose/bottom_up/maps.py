"""SimplePose's maps at the frame's resolution: scaling, padding, flip test, upsampling, average over scales."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from stages.pose.bottom_up.body import FLIP_LIMBS, FLIP_PARTS

STRIDE = 4  # pixels a cell
_MULTIPLE = 64  # of the padded sides
_PAD = 128  # grey value of the padding
_MOST = (2600, 3800)  # pixels, height and width of a scaled frame
_CHANNELS = len(FLIP_LIMBS) + len(FLIP_PARTS)

# [2, H, W, 3] float32 0..1, a frame and its mirror -> [2, >= 48, H / 4, W / 4] float32
Network = Callable[[np.ndarray], np.ndarray]


def padded(
    image: np.ndarray,  # [H, W, 3] uint8
    multiple: int = _MULTIPLE,
) -> np.ndarray:
    """[H', W', 3] grown at the right and the bottom to a multiple."""
    down, right = -image.shape[0] % multiple, -image.shape[1] % multiple
    return cv2.copyMakeBorder(image, 0, down, 0, right, cv2.BORDER_CONSTANT, value=(_PAD,) * 3)


def frame_maps(
    image: np.ndarray,  # [H, W, 3] uint8 in the network's colour order
    network: Network,
    scales: Sequence[float] = (1.0,),
    flip: bool = True,
    frame_height: int = 640,  # pixels that frames are scaled to, times the scale
) -> np.ndarray:
    """[48, H, W] float32: 30 limbs, then 18 parts, averaged over the scales and the mirror."""
    height, width = image.shape[:2]
    total: np.ndarray | None = None
    for scale in scales:
        factor = scale * frame_height / height
        if factor * height > _MOST[0] or factor * width > _MOST[1]:
            factor = min(_MOST[0] / height, _MOST[1] / width)
        scaled = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
        maps = upsampled(_maps(padded(scaled), network, flip), scaled.shape[:2], (height, width))
        total = maps if total is None else total + maps
    return total / np.float32(len(scales))


def upsampled(
    maps: np.ndarray,  # [C, h, w] float32 cells of the padded frame
    scaled: tuple[int, int],  # height, width of the scaled frame, pixels, without its padding
    size: tuple[int, int],  # height, width of the frame
) -> np.ndarray:
    """[C, H, W] float32, by cubic interpolation: first to the scaled frame, then to the frame."""
    found = np.empty((len(maps), *size), np.float32)
    for cells, out in zip(maps, found):
        large = cv2.resize(cells, None, fx=STRIDE, fy=STRIDE, interpolation=cv2.INTER_CUBIC)
        large = large[: scaled[0], : scaled[1]]
        out[:] = large if scaled == size else cv2.resize(large, size[::-1], interpolation=cv2.INTER_CUBIC)
    return found


def _maps(image: np.ndarray, network: Network, flip: bool) -> np.ndarray:
    """[48, h, w] float32 of one padded frame."""
    frame = image.astype(np.float32) / 255
    if not flip:
        return network(frame[None])[0, :_CHANNELS]
    both = network(np.stack([frame, frame[:, ::-1]]))[:, :_CHANNELS]
    order = np.concatenate([FLIP_LIMBS, len(FLIP_LIMBS) + FLIP_PARTS])
    return (both[0] + both[1][order][..., ::-1]) / 2
