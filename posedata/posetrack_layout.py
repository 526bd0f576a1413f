"""Where PoseTrack data sets keep their annotations and images, as published and as people rearrange them.

PoseTrack18: `images/SPLIT/SEQUENCE/000000.jpg` and `annotations/SPLIT/SEQUENCE.json`. PoseTrack21: the same images,
`posetrack_data/SPLIT/SEQUENCE.json`. PoseTrack17: `images/FOLDER/SEQUENCE/00000001.jpg`, numbered from 1, and
`annotations/SPLIT/SEQUENCE.json`, also under `posetrack_data`; its images are often renumbered or moved.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from posedata.errors import BadInput, BadLayout
from posedata.formats.annotated import AnnotatedFrame, annotation_name, first_sequence, image_list
from posedata.jsonio import read_json
from posedata.sequence import (
    ASSUMED_FPS,
    Folder,
    FrameRef,
    Sequence,
    frame_number,
    list_folder,
    natural_key,
    printable,
    walk,
)

SEQUENCE_NAME = re.compile(r"[0-9]{5,6}_(mpiinew|mpii|bonn)(_|\.|$)")
# Where annotations lie under a root, best place first; each may hold split folders or the files themselves.
_PLACES = ("annotations", "posetrack_data/annotations", "posetrack_data")
_IMAGE_DEPTH = 4
_EIGHT_DIGITS = re.compile(r"/[0-9]{8}\.[A-Za-z]+$")  # a frame of PoseTrack17


@dataclass(frozen=True)
class PoseTrackLayout:
    """What was found before any annotation was read."""

    root: Path  # names in annotations are relative to it
    place: str  # of the annotations under the root, "" where there are none
    annotations: tuple[tuple[str, Path], ...]  # (split, file) in order of split and name
    matlab: int  # number of .mat files, which are not read
    only_split: str | None  # the split that the given folder is


def find_layout(source: Path, certain: bool = False) -> PoseTrackLayout | None:
    """The PoseTrack layout that a folder is or lies in, as the root, `images/SPLIT` or `annotations/SPLIT`.

    Other data sets have folders of these names, too: unless the user is `certain`, names must look like PoseTrack's.
    """
    found = _of_root(source, None, certain)
    if found is not None:
        return found
    whole = Path(os.path.abspath(source))  # not resolved: a link's neighbours count, not its target's
    for up in whole.parents[1:4]:
        inside = whole.relative_to(up).parts
        if inside[:-1] in (("images",), *(tuple(p.split("/")) for p in _PLACES)):
            found = _of_root(up, inside[-1], certain)
            if found is not None and any(split == inside[-1] for split, _ in found.annotations):
                return found
    return None


def _of_root(root: Path, only_split: str | None, certain: bool) -> PoseTrackLayout | None:
    if not os.path.isdir(root / "images"):
        return None
    matlab = 0
    for place in _PLACES:
        files: list[tuple[str, Path]] = []
        top = list_folder(root / place)
        for split in top.folders:
            inside = list_folder(root / place / split, (split,))
            found = [(split, inside.path / n) for n in inside.files if n.endswith(".json")]
            if certain or os.path.isdir(root / "images" / split) or _named_like(found):
                files += found
            matlab += sum(n.endswith(".mat") for n in inside.files)
        if not files:  # files beside split folders are collections of sequences
            found = [("", top.path / n) for n in top.files if n.endswith(".json")]
            files = found if certain or _named_like(found) else []
        if files:
            return PoseTrackLayout(root, place, tuple(files), matlab, only_split)
    folders = [f for f in walk(root / "images", _IMAGE_DEPTH) if f.images]
    if matlab or certain or any(SEQUENCE_NAME.match(f.path.name) for f in folders):
        return PoseTrackLayout(root, "", (), matlab, only_split)
    return None


def _named_like(files: list[tuple[str, Path]]) -> bool:
    """Whether one of the files has the name of a PoseTrack sequence."""
    return any(SEQUENCE_NAME.match(path.name) for _, path in files)


def read_layout(
    layout: PoseTrackLayout,
    split: str | None,
) -> tuple[str, list[Sequence], list[str]]:
    """The kind (`posetrack17`, `18` or `21`), the sequences, and what is wrong with the data as a whole.

    A sequence whose annotation cannot be used carries that as its fault; the others go on.

    Raises:
        BadLayout: there is no such split.
    """
    root = layout.root
    problems: list[str] = []
    if layout.matlab and not layout.annotations:
        problems.append(
            f"{root}: its {layout.matlab} .mat annotations cannot be read, the image folders define the frames; "
            "convert them with poseval's matlab/mat2json.m"
        )
    folders = [f for f in walk(root / "images", _IMAGE_DEPTH) if f.images]
    problems += [fault for f in folders for fault in f.faults]
    split = split or layout.only_split
    known = sorted({s for s, _ in layout.annotations if s} | {f.parts[0] for f in folders if len(f.parts) > 1})
    if split is not None and split not in known:
        raise BadLayout(f"{root}: has no split {split!r}; it has {', '.join(known) or 'no splits'}")
    by_name: dict[str, list[Folder]] = {}
    for folder in folders:
        by_name.setdefault(folder.path.name, []).append(folder)
    sequences: list[tuple[str, Sequence]] = []  # with their split
    kinds: list[str] = []
    for of_split, path in layout.annotations:
        if split is None or of_split == split:
            sequence, kind = _annotated(root, of_split, path, by_name, problems)
            sequences.append((of_split, sequence))
            kinds.append(kind)
    bare = _without_annotation(layout, split, folders, {a for _, s in sequences for a in (s.path.name, s.id)})
    if bare and kinds:
        problems.append(
            f"{root}: {len(bare)} sequences have no annotation ({bare[0][1].id} is the first); the files in their "
            "folders define their frames"
        )
    sequences += bare
    kind = next((k for k in kinds if k), "posetrack18")
    if kind == "posetrack18" and layout.place == "posetrack_data":
        kind = "posetrack21"
    if not kinds and all(_EIGHT_DIGITS.search(s.frames[0].name) for _, s in sequences):
        kind = "posetrack17"
    names = [s.id for _, s in sequences]
    unique = [
        Sequence(f"{of_split}/{s.id}", s.path, s.frames, s.annotation, s.fps, s.fault)
        if of_split and names.count(s.id) > 1
        else s
        for of_split, s in sequences
    ]
    return kind, unique, problems


def _annotated(
    root: Path,
    split: str,
    path: Path,
    by_name: dict[str, list[Folder]],
    problems: list[str],
) -> tuple[Sequence, str]:
    """The sequence of an annotation file and its kind, "" where the file cannot be read."""
    name = printable(annotation_name(path))
    folder = root / "images" / split / name
    kind = ""
    try:
        content = read_json(path)
        kind = "posetrack17" if isinstance(content, dict) and "annolist" in content else "posetrack18"
        listed = image_list(content, path)
        if not listed:
            raise BadInput(f"{path}: lists no images; take the annotation file as it was published")
        for place, frame in enumerate(listed):
            _refuse_escape(path, place, frame.name)
    except BadInput as error:
        return Sequence(name, folder, (), path, ASSUMED_FPS, str(error)), kind
    parents = {frame.name.rpartition("/")[0] for frame in listed}
    if len(parents) > 1:
        listed = first_sequence(listed)
        first = listed[0].name.rpartition("/")[0]
        problems.append(
            f"{path}: lists images of {len(parents)} sequences; the first ({first}) is used, as the official "
            "evaluator does"
        )
    folder, names = _folder_of(root, split, name, listed[0].name, by_name)
    files, notice = _match(listed, names)
    frames = tuple(FrameRef(folder / file, frame.name) for frame, file in zip(listed, files))
    if notice:
        problems.append(f"{name}: {notice}")
    missing = [frame.name for frame, file in zip(listed, files) if file not in names]
    if missing:
        problems.append(
            f"{name}: {len(missing)} of {len(listed)} frames are not there ({missing[0]} is the first) and count as "
            "undecodable; put them back"
        )
    return Sequence(name, folder, frames, path, ASSUMED_FPS), kind


def _refuse_escape(path: Path, place: int, name: str) -> None:
    """Names in annotations are somebody else's: none may lead out of the data set.

    Raises:
        BadInput: it does.
    """
    bad = name.startswith(("/", "~")) or "\\" in name or "\0" in name or ":" in name.split("/")[0]
    if bad or ".." in name.split("/"):
        raise BadInput(
            f"{path}: image {place}: the name {name[:80]!r} leads out of the data set; write it relative to the root"
        )


def _folder_of(
    root: Path,
    split: str,
    name: str,  # of the annotation file
    first: str,  # the first image's name
    by_name: dict[str, list[Folder]],
) -> tuple[Path, frozenset[str]]:
    """The folder of a sequence's frames, and the files in it; the one named in the annotation where none is."""
    inside = PurePosixPath(first).parent
    named = [root / inside, root / "images" / inside]
    named += [root / "images" / split / last for last in dict.fromkeys((inside.name, name)) if last]
    for folder in named:
        # os.path asks without failing, whatever the name in the annotation
        if os.path.isdir(folder) and (files := list_folder(folder).images):
            return folder, frozenset(files)
    for last in (inside.name, name):
        if len(found := by_name.get(last, [])) == 1:
            return found[0].path, frozenset(found[0].images)
    return named[0], frozenset()


def _match(
    listed: tuple[AnnotatedFrame, ...],
    files: frozenset[str],
) -> tuple[list[str], str]:
    """The file of each listed image, and what had to be assumed.

    The file's own name counts where the folder has it; otherwise the number in it, whatever its zeros and its
    extension; otherwise, where every number is one off, the place (PoseTrack17 counts from 1, copies of it from 0).
    """
    wanted = [frame.name.rpartition("/")[2] for frame in listed]
    missing = [name for name in wanted if name not in files]
    if not missing or not files:
        return wanted, ""
    numbers: dict[int, str] = {}
    for file in sorted(files, key=natural_key, reverse=True):
        if (number := frame_number(file)) is not None:
            numbers[number] = file
    wished = [frame_number(name) for name in wanted]

    def by_number(shift: int) -> list[str]:
        return [numbers.get(-1 if n is None else n + shift, name) for n, name in zip(wished, wanted)]

    for shift in (0, -1, 1):
        found = by_number(shift)
        if all(file in files for file in found) and (shift == 0 or len(files) == len(wanted)):
            said = f"numbered from {min(numbers)}" if shift else "named otherwise"
            return (
                found,
                f"its images are {said} than in the annotation ({wanted[0]} is {found[0]}); paired by number",
            )
    return [name if name in files else file for name, file in zip(wanted, by_number(0))], ""


def _without_annotation(
    layout: PoseTrackLayout,
    split: str | None,
    folders: list[Folder],
    known: set[str],
) -> list[tuple[str, Sequence]]:
    """Image folders of the wanted splits that no annotation names.

    PoseTrack17's image folders are no splits: where only some of them are wanted, the annotations say which.
    """
    splits = {s for s, _ in layout.annotations if s}
    found = []
    for folder in folders:
        of_split = folder.parts[0] if len(folder.parts) > 1 else ""
        wanted = of_split == split if split is not None else of_split in splits or not layout.annotations
        if not folder.parts or not wanted or folder.path.name in known:
            continue
        names = folder.images
        where = "/".join(("images", *folder.parts))
        frames = tuple(FrameRef(folder.path / n, printable(f"{where}/{n}")) for n in names)
        found.append((of_split, Sequence(printable(folder.path.name), folder.path, frames, None, ASSUMED_FPS)))
    return found
