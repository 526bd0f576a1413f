"""The image list of a PoseTrack annotation file: what the frames of its sequence are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from posedata.errors import BadInput
from posedata.jsonio import read_json
from posedata.record_header import Json

_REMEDY = "take the annotation file as it was published"


@dataclass(frozen=True)
class AnnotatedFrame:
    """One image of the list."""

    name: str  # as the file has it, images/val/000342_mpii_test/000000.jpg
    id: int | None  # of a PoseTrack18/21 file
    number: int | None  # `imgnum` of a PoseTrack17 file


def read_image_list(path: Path) -> tuple[AnnotatedFrame, ...]:
    """The images in the file's order.

    Raises:
        BadInput: the file cannot be read, is in neither PoseTrack form, or an image has no name or a wrong id.
    """
    return image_list(read_json(path), path)


def image_list(content: Json, path: Path) -> tuple[AnnotatedFrame, ...]:
    """The images of a file's content; see `read_image_list`."""
    if isinstance(content, dict) and isinstance(content.get("annolist"), list):
        return tuple(_of_2017(entry, path, place) for place, entry in enumerate(content["annolist"]))
    if isinstance(content, dict) and isinstance(content.get("images"), list):
        frames = tuple(_of_2018(entry, path, place) for place, entry in enumerate(content["images"]))
        seen: dict[int, int] = {}
        for place, frame in enumerate(frames):
            if frame.id in seen:
                raise BadInput(f"{path}: images[{place}].id is {frame.id}, as images[{seen[frame.id]}].id; {_REMEDY}")
            seen[frame.id] = place
        return frames
    raise BadInput(f"{path}: has neither 'annolist' (PoseTrack17) nor 'images' (PoseTrack18/21); {_REMEDY}")


def first_sequence(frames: tuple[AnnotatedFrame, ...]) -> tuple[AnnotatedFrame, ...]:
    """The images of the first sequence in a file that lists several; the official evaluator takes these, too."""
    parents = [frame.name.rpartition("/")[0] for frame in frames]
    return tuple(frame for frame, parent in zip(frames, parents) if parent == parents[0])


def annotation_name(path: Path) -> str:
    """The sequence's name that an annotation file stands for: its own, without `.json`."""
    return path.name.removesuffix(".json")


def _of_2017(entry: Json, path: Path, place: int) -> AnnotatedFrame:
    try:
        name = entry["image"][0]["name"]
    except (TypeError, KeyError, IndexError):
        name = None
    if not isinstance(name, str) or not name:
        raise BadInput(f"{path}: annolist[{place}].image[0].name is missing or no text; {_REMEDY}")
    number = entry.get("imgnum")
    first = number[0] if isinstance(number, list) and number else None
    return AnnotatedFrame(name, None, first if type(first) is int else None)


def _of_2018(entry: Json, path: Path, place: int) -> AnnotatedFrame:
    name = entry.get("file_name") if isinstance(entry, dict) else None
    if not isinstance(name, str) or not name:
        raise BadInput(f"{path}: images[{place}].file_name is missing or no text; {_REMEDY}")
    number = entry.get("id")
    if type(number) is not int:
        raise BadInput(f"{path}: images[{place}].id is {str(number)[:40]}, not a whole number; {_REMEDY}")
    return AnnotatedFrame(name, number, None)
