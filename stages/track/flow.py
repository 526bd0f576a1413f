"""Optical flow between neighbouring frames: OpenCV's DIS, torchvision's RAFT, or `.flo` files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from posedata.errors import BadInput
from posedata.formats.flo import read_flo, write_flo
from posedata.sequence import natural_key
from stages.track.motion import Motion, likeness, motion_of

CUT_LIKENESS = 0.62  # below it two frames are of two scenes


@dataclass(frozen=True)
class Picture:
    """A frame, made smaller."""

    index: int  # of the frame
    size: tuple[int, int]  # width, height of the frame, pixels
    colours: np.ndarray  # [h, w, 3] uint8 RGB
    grey: np.ndarray  # [h, w] uint8


class Flow(Protocol):
    """Something that knows the flow between two neighbouring frames."""

    def between(self, before: Picture, after: Picture) -> np.ndarray:
        """[h, w, 2] float32, in pixels of its own grid, NaN where it is not known."""
        ...


def picture_of(
    image: np.ndarray,  # [H, W, 3] uint8 RGB
    index: int,
    long_side: int,  # pixels
) -> Picture:
    """The frame with its long side reduced to `long_side`; a smaller frame stays as it is."""
    height, width = image.shape[:2]
    scale = min(1.0, long_side / max(height, width))
    size = max(16, round(width * scale)), max(16, round(height * scale))
    small = image if size == (width, height) else cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return Picture(index, (width, height), small, cv2.cvtColor(small, cv2.COLOR_RGB2GRAY))


def motion_between(flow: Flow, before: Picture, after: Picture, check: bool) -> Motion:
    """The motion from one frame to the next, with what a cut is.

    With `check` the flow back is computed too, to know which vectors return to where they began.
    """
    field = flow.between(before, after)
    back = flow.between(after, before) if check else None
    grid = field
    if field.shape[:2] != before.grey.shape:
        height, width = before.grey.shape
        grid = cv2.resize(np.nan_to_num(field), (width, height)) * np.float32(
            (width / field.shape[1], height / field.shape[0])
        )
    cut = before.size != after.size or likeness(before.grey, after.grey, grid) < CUT_LIKENESS
    return motion_of(field, after.size, back, cut)


class DisFlow:
    """Dense inverse search (Kroeger et al., ECCV 2016, arXiv 1603.03590) on the small pictures."""

    def __init__(self) -> None:
        self._search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)

    def between(self, before: Picture, after: Picture) -> np.ndarray:
        return self._search.calc(before.grey, _as_large(after.grey, before.grey), None)


class RaftFlow:
    """RAFT (Teed and Deng, ECCV 2020, arXiv 2003.12039) as torchvision has it, on the small pictures in colour."""

    def __init__(
        self,
        network: Callable,  # ([1, 3, h, w], [1, 3, h, w]) in -1..1 -> list of [1, 2, h, w], the last the best
        device: str,
    ) -> None:
        self._network, self._device = network, device

    def between(self, before: Picture, after: Picture) -> np.ndarray:
        import torch

        height, width = before.grey.shape
        pair = (before.colours, _as_large(after.colours, before.grey))
        with torch.inference_mode():
            first, second = (self._input(c, height, width) for c in pair)
            flow = self._network(first, second)[-1][0]
        return np.ascontiguousarray(flow[:, :height, :width].permute(1, 2, 0).float().cpu().numpy())

    def _input(self, colours: np.ndarray, height: int, width: int):
        """[1, 3, h', w'] in -1..1, the border repeated to multiples of 8 of at least 128, as RAFT wants them."""
        import torch

        down, right = (max(128, -(-side // 8) * 8) - side for side in (height, width))
        padded = cv2.copyMakeBorder(colours, 0, down, 0, right, cv2.BORDER_REPLICATE)
        tensor = torch.from_numpy(padded).to(self._device).permute(2, 0, 1)[None].float()
        return tensor / 127.5 - 1


class FloFolder:
    """Flow that the user computed: the files of a folder in natural order, the first from frame 0 to frame 1.

    The flow back is not in the files, so it cannot be checked.

    Raises:
        BadInput: a file is missing or damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files = flo_files(folder)

    def between(self, before: Picture, after: Picture) -> np.ndarray:
        if after.index != before.index + 1 or before.index >= len(self._files):
            raise BadInput(
                f"{self.folder}: has no flow from frame {before.index} to {after.index} (it holds {len(self._files)} "
                ".flo files); give one file for each pair of neighbouring frames"
            )
        return read_flo(self._files[before.index])


class SavedFlow:
    """Another flow, of which every field is also written to a folder, for the next time."""

    def __init__(self, flow: Flow, folder: Path) -> None:
        self._flow, self._folder = flow, folder

    def between(self, before: Picture, after: Picture) -> np.ndarray:
        field = self._flow.between(before, after)
        if after.index == before.index + 1:  # not the flow back of a check
            write_flo(self._folder / f"{before.index:06d}.flo", field)
        return field


def flo_files(folder: Path) -> list[Path]:
    """The .flo files of a folder in natural order.

    Raises:
        BadInput: the folder is not there or holds none.
    """
    try:
        files = sorted((f for f in folder.iterdir() if f.suffix == ".flo"), key=lambda f: natural_key(f.name))
    except OSError as error:
        raise BadInput(f"{folder}: cannot be listed ({error.strerror}); it must hold the .flo files") from None
    if not files:
        raise BadInput(f"{folder}: holds no .flo files; write one for each pair of neighbouring frames")
    return files


def _as_large(picture: np.ndarray, like: np.ndarray) -> np.ndarray:
    """The picture in the size of the other: frames of a folder may differ."""
    if picture.shape[:2] == like.shape[:2]:
        return picture
    return cv2.resize(picture, like.shape[1::-1], interpolation=cv2.INTER_AREA)
