"""Finding the sequences under a path: videos, frames, or a PoseTrack data set."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from posedata.errors import BadLayout, UsageError
from posedata.posetrack_layout import find_layout, read_layout
from posedata.sequence import (
    ASSUMED_FPS,
    Folder,
    FrameRef,
    Sequence,
    is_image,
    printable,
    walk,
)

__all__ = ["KINDS", "Discovery", "FrameRef", "Sequence", "discover"]

KINDS = ("auto", "video", "videos", "frames", "frame-folders", "posetrack17", "posetrack18", "posetrack21", "images")
_LONGEST_NAME = 240  # bytes; most file systems end at 255
_POSETRACK = {"posetrack17": "PoseTrack17", "posetrack18": "PoseTrack18", "posetrack21": "PoseTrack21"}


@dataclass(frozen=True)
class Discovery:
    """What lies under a path."""

    kind: str  # one of KINDS, never auto
    sequences: tuple[Sequence, ...]
    description: str  # one sentence for the user
    problems: tuple[str, ...] = ()  # what was left out or had to be assumed


def discover(source: Path, kind: str = "auto", split: str | None = None) -> Discovery:
    """Finds out what a path holds, or reads it as the kind that is asked for.

    Hidden files and files of other types are left out. The same path and kind give the same ids in the same order.

    Raises:
        UsageError: the path does not exist, the kind is not known, or it does not fit.
        BadLayout: nothing that could be a sequence is there, or there is no such split.
    """
    if kind not in KINDS:
        raise UsageError(f"kind {kind!r} is not known; it is one of {', '.join(KINDS)}")
    try:
        there = source.exists()
    except (OSError, ValueError) as error:  # a name that is too long, or holds a null character
        raise UsageError(f"{source}: cannot be opened ({getattr(error, 'strerror', None) or error})") from None
    if not there:
        raise UsageError(f"{source}: does not exist")
    if split is not None and kind != "auto" and kind not in _POSETRACK:
        raise UsageError(f"--split is for PoseTrack data sets, not for --kind {kind}")
    if source.is_dir():
        found = _in_folder(source, kind, split)
    else:
        found = _one_file(source, kind)
    if split is not None and found.kind not in _POSETRACK:
        raise UsageError(f"{source}: is no PoseTrack data set, --split {split} does not fit; leave it out")
    return Discovery(
        found.kind,
        tuple(_with_unique_ids(found.sequences)),
        _text(found.description),
        tuple(_text(problem) for problem in found.problems),
    )


def _one_file(source: Path, kind: str) -> Discovery:
    if not source.is_file():
        raise BadLayout(f"{source}: is neither a file nor a folder; give a video, or a folder of videos or frames")
    name = printable(source.name)
    if kind in ("frames", "images") or (kind == "auto" and is_image(source.name)):
        fps = ASSUMED_FPS if kind == "frames" else None
        frame = FrameRef(source, name)
        sequence = Sequence(_stem(name), source.parent, (frame,), None, fps)
        return Discovery("images" if fps is None else "frames", (sequence,), f"{source}: one image")
    if kind not in ("auto", "video", "videos"):
        raise UsageError(f"{source}: is a file, --kind {kind} wants a folder")
    if source.suffix.lower() in (".json", ".mat", ".txt", ".csv", ".zip", ".tar", ".gz", ".pth", ".safetensors"):
        raise BadLayout(f"{source}: is no video; give a video, or the folder that holds the videos or frames")
    return Discovery("video", (Sequence(_stem(name), source),), f"{source}: one video")


def _in_folder(source: Path, kind: str, split: str | None) -> Discovery:
    if kind == "auto" or kind in _POSETRACK:
        layout = find_layout(source, certain=kind in _POSETRACK)
        if layout is not None:
            seen, sequences, problems = read_layout(layout, split)
            if kind in _POSETRACK and seen != kind:
                problems.append(f"{source}: looks like {_POSETRACK[seen]}, read as {_POSETRACK[kind]} as asked for")
                seen = kind
            if not sequences:
                raise BadLayout(
                    f"{source}: the PoseTrack data set holds no sequences; check images/ and annotations/"
                )
            said = f"{source}: {_POSETRACK[seen]}, {_count(sequences, 'sequence')}"
            wanted = split or layout.only_split
            said += f" of split {wanted}" if wanted else ""
            return Discovery(seen, tuple(sequences), said, tuple(problems))
        if kind in _POSETRACK:
            raise BadLayout(
                f"{source}: is not laid out as PoseTrack; it must hold images/ and annotations/ (or posetrack_data/)"
            )
    folders = list(walk(source))
    problems = [fault for folder in folders for fault in folder.faults]
    videos = [f for f in folders if f.videos]
    direct = folders[0].images
    nested = [f for f in folders[1:] if f.images]
    if kind == "auto":
        kind = "videos" if videos else "frame-folders" if nested else "frames"
        problems += _left_out(source, kind, len(direct), nested)
    readers = {"video": _videos, "videos": _videos, "frames": _frames, "frame-folders": _frame_folders}
    sequences = readers.get(kind, _unrelated)(source, folders)
    if not sequences:
        raise _nothing(source, kind, folders)
    said = {
        "videos": _count(sequences, "video"),
        "video": _count(sequences, "video"),
        "frames": f"one sequence of {_count(direct, 'frame')}",
        "frame-folders": f"{_count(sequences, 'sequence')} of frames in folders",
        "images": _count(sequences[0].frames or (), "unrelated image"),
    }
    kind = "videos" if kind == "video" else kind
    return Discovery(kind, tuple(sequences), f"{source}: {said[kind]}", tuple(problems))


def _videos(source: Path, folders: list[Folder]) -> list[Sequence]:
    return [
        Sequence(_id((*folder.parts, _stem(name))), folder.path / name)
        for folder in folders
        for name in folder.videos
    ]


def _frames(source: Path, folders: list[Folder]) -> list[Sequence]:
    top = folders[0]
    frames = tuple(FrameRef(top.path / n, printable(n)) for n in top.images)
    return [Sequence(_own_name(source), source, frames, None, ASSUMED_FPS)] if frames else []


def _frame_folders(source: Path, folders: list[Folder]) -> list[Sequence]:
    return [
        Sequence(
            _id(folder.parts),
            folder.path,
            tuple(FrameRef(folder.path / n, printable(n)) for n in folder.images),
            None,
            ASSUMED_FPS,
        )
        for folder in folders[1:]
        if folder.images
    ]


def _unrelated(source: Path, folders: list[Folder]) -> list[Sequence]:
    frames = tuple(FrameRef(f.path / n, _id((*f.parts, n))) for f in folders for n in f.images)
    return [Sequence(_own_name(source), source, frames)] if frames else []


def _left_out(source: Path, kind: str, direct: int, nested: list[Folder]) -> list[str]:
    """What another kind would have read."""
    if kind == "videos" and (direct or nested):
        count = direct + sum(len(f.images) for f in nested)
        return [f"{source}: {count} images beside the videos are left out; --kind frames or frame-folders reads them"]
    if kind == "frame-folders" and direct:
        return [f"{source}: {direct} images beside the folders are left out; --kind frames reads them"]
    return []


def _nothing(source: Path, kind: str, folders: list[Folder]) -> BadLayout:
    faults = [fault for folder in folders for fault in folder.faults]
    if faults:
        return BadLayout(f"{source}: holds nothing that can be read: {faults[0]}")
    files = [name for folder in folders for name in folder.files]
    wanted = {"videos": "video", "video": "video", "frames": "image", "frame-folders": "folder of images"}.get(kind)
    if not files:
        return BadLayout(f"{source}: is empty; give a video, or a folder of videos or frames")
    suffixes = sorted({os.path.splitext(n)[1].lower() or "no extension" for n in files})[:5]
    what = f"no {wanted}" if wanted and kind != "frames" else "neither videos nor images"
    hint = "check the path" if kind in ("auto", "frames") else f"check the path, or leave --kind {kind} out"
    return BadLayout(f"{source}: holds {what} ({len(files)} files: {', '.join(suffixes)}); {hint}")


def _with_unique_ids(sequences: Iterable[Sequence]) -> list[Sequence]:
    """Ids that clash get the extension back; so do those that look like a file of the work folder. None is longer
    than a file's name may be."""
    sequences = list(sequences)
    counts: dict[str, int] = {}
    for sequence in sequences:
        counts[sequence.id.casefold()] = counts.get(sequence.id.casefold(), 0) + 1
    taken: set[str] = set()
    result = []
    for sequence in sequences:
        name = sequence.id
        if sequence.frames is None and (counts[name.casefold()] > 1 or name.endswith(".json")):
            name += printable(sequence.path.suffix)
        name = "/".join(_short(part) for part in name.split("/"))
        base, number = name, 1
        while name in taken:
            number += 1
            name = f"{base}~{number}"
        taken.add(name)
        result.append(replace(sequence, id=name))
    return result


def _id(parts: tuple[str, ...]) -> str:
    return "/".join(printable(part) for part in parts)


def _text(sentence: str) -> str:
    """A sentence that can be printed, even where a path in it is not valid UTF-8."""
    return sentence.encode("utf-8", "backslashreplace").decode()


def _short(name: str) -> str:
    """A name that can be a file's with an ending, too: the end of a very long one gives way to a digest of it."""
    data = name.encode()
    if len(data) <= _LONGEST_NAME:
        return name
    return f"{data[: _LONGEST_NAME - 13].decode(errors='ignore')}~{hashlib.sha256(data).hexdigest()[:12]}"


def _stem(name: str) -> str:
    return os.path.splitext(name)[0]


def _own_name(source: Path) -> str:
    return printable(os.path.basename(os.path.abspath(source))) or "root"


def _count(things: Iterable, what: str) -> str:
    number = len(tuple(things))
    return f"{number} {what}{'' if number == 1 else 's'}"
