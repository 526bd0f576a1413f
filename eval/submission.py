"""Checking a leaderboard submission before it is uploaded."""

from __future__ import annotations

import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from eval.findings import Finding, Findings
from eval.json_file import Json, read_json
from eval.raw import RawSequence
from eval.read17 import read_2017
from eval.read18 import read_2018
from eval.reading import Reading
from posedata.errors import BadInput
from posedata.formats.exported import NAME_MAP

MAX_UNPACKED = 8 << 30  # bytes; a submission of the largest split has a few hundred MiB
MAX_FILES = 20_000
_NAME = re.compile(r"\d{5,6}_(?:mpiinew|mpii|bonn)(?:_[A-Za-z0-9_]+)?$")
_NUMBER = re.compile(r"(\d+)\D*$")

# What scoring only warns of and a submission must not have.
_FORBIDDEN = frozenset(
    "track-id-odd track-id-above-999 unknown-image several-videos image-id-twice not-finite".split()  # noqa: SIM905
)


_DAMAGED = (  # what the standard library raises for damaged and encrypted archives
    *(zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error),
    *(OSError, EOFError, RuntimeError, NotImplementedError, ValueError),
)


@dataclass(frozen=True)
class CheckReport:
    """What a submission holds and what is wrong with it."""

    form: str  # "PoseTrack17", "PoseTrack18", "both" or "none"
    files: int
    frames: int
    people: int
    faults: tuple[Finding, ...]
    warnings: tuple[Finding, ...]


@dataclass(frozen=True)
class Expected:
    """A sequence that the submission must have."""

    name: str
    frames: tuple[str, ...]  # image names in order


def check_submission(
    path: Path,  # a folder or a zip file
    expected: list[Expected] | None = None,  # None = only what can be seen from the submission itself
) -> CheckReport:
    """Look for everything that an evaluation server would refuse or silently score wrongly.

    Raises:
        BadInput: the path is neither a folder nor a zip file that can be read.
    """
    findings = Findings()
    by_name = None if expected is None else {sequence.name: sequence for sequence in expected}
    forms: set[str] = set()
    totals = np.zeros(3, np.int64)
    seen: set[str] = set()
    with _unpacked(path, findings) as files:
        for label, file in files:
            name = file.name.removesuffix(".json")
            seen.add(name)
            wanted = None if by_name is None else by_name.get(name)
            if by_name is not None and wanted is None:
                findings.fault("extra-file", f"{name} is no sequence of the split", "remove it", label)
            elif by_name is None and not _NAME.match(name):
                what = "the name is not that of a PoseTrack sequence"
                findings.fault("file-name", what, "name it as the sequence, 000342_mpii_test.json", label)
            data = read_json(file, findings, label)
            sequence, form = _read(data, Reading(label, name, False, None, findings))
            forms |= {form} if form else set()
            if sequence is not None:
                _check_sequence(sequence, wanted, findings)
                totals += (1, len(sequence.frame_names), len(sequence.track))
        if not files:
            findings.fault("empty", "holds no *.json file", "write one file a sequence", str(path))
    if len(forms) > 1:
        what = "files of both the PoseTrack17 and the PoseTrack18 form"
        findings.fault("mixed-forms", what, "submit one form; they are separate challenges", str(path))
    for name in sorted(set(by_name or ()) - seen):
        remedy = "write a file for every sequence of the split"
        findings.fault(f"file-missing {name}", f"there is no {name}.json", remedy, str(path))
    if totals[0] and not totals[2]:
        findings.warn("nobody", "there is nobody in any frame", "check the export", str(path))
    return CheckReport(
        form="both" if len(forms) > 1 else next(iter(forms), "none"),
        files=len(seen),
        frames=int(totals[1]),
        people=int(totals[2]),
        faults=(*findings.faults, *(w for w in findings.warnings if w.kind in _FORBIDDEN)),
        warnings=tuple(w for w in findings.warnings if w.kind not in _FORBIDDEN),
    )


def expected_of(files: list[Path], findings: Findings) -> list[Expected]:
    """The sequences and frames that annotation files list, whether or not they hold any annotation."""
    result = []
    for file in files:
        data = read_json(file, findings)
        names: tuple[str, ...] | None = None
        try:
            if isinstance(data, dict) and "annolist" in data:
                names = tuple(str(frame["image"][0]["name"]) for frame in data["annolist"])
            elif isinstance(data, dict):
                names = tuple(str(image["file_name"]) for image in data["images"])
        except (KeyError, TypeError, IndexError):
            names = None
        if names is None:
            what = "lists no frames ('images' or 'annolist')"
            findings.fault("unknown-format", what, "give PoseTrack annotation files", str(file))
        else:
            result.append(Expected(file.name.removesuffix(".json"), names))
    return result


def _read(data: Json, reading: Reading) -> tuple[RawSequence | None, str]:
    if isinstance(data, dict) and "annolist" in data:
        return read_2017(data, reading), "PoseTrack17"
    if isinstance(data, dict) and "images" in data:
        return read_2018(data, reading), "PoseTrack18"
    if not any(finding.file == reading.file for finding in reading.findings.faults):
        what = "is neither a PoseTrack17 file (no 'annolist') nor a PoseTrack18 file (no 'images')"
        reading.fault("unknown-format", what, "write one of these formats, for example with ptrack export")
    return None, ""


def _check_sequence(sequence: RawSequence, wanted: Expected | None, findings: Findings) -> None:
    frame = sequence.person_frame
    no_id = np.isnan(sequence.track)
    if no_id.any():
        where = sequence.frame_names[frame[int(np.argmax(no_id))]]
        what, remedy = "a person has no track_id", "give every person a whole number 0..999"
        findings.fault("track-id-missing", what, remedy, sequence.file, where, "track_id")
    point_frame = frame[sequence.point_person]
    for kind, bad, what in (
        ("score-missing", ~sequence.has_score, "joints have no score"),
        ("score-nan", sequence.has_score & ~np.isfinite(sequence.point_score), "joint scores are not finite"),
    ):
        if bad.any():
            where = sequence.frame_names[point_frame[int(np.argmax(bad))]]
            findings.fault(kind, what, "write a finite score for every joint", sequence.file, where, "scores")
    outside = sequence.has_score & ((sequence.point_score < 0) | (sequence.point_score > 1))
    if outside.any():
        where = sequence.frame_names[point_frame[int(np.argmax(outside))]]
        what = "joint scores lie outside 0..1 (the rules' range; any number is scored)"
        findings.warn("score-range", what, "", sequence.file, where, "scores", int(outside.sum()))
    numbers = _numbers(sequence.frame_names)
    if numbers is not None and (np.diff(numbers) <= 0).any():
        place = int(np.argmax(np.diff(numbers) <= 0)) + 1
        what = f"frame {sequence.frame_names[place]} follows {sequence.frame_names[place - 1]}"
        findings.fault("frame-order", what, "write every frame once, in order", sequence.file)
    if wanted is None:
        return
    if len(wanted.frames) != len(sequence.frame_names):
        what = f"has {len(sequence.frame_names)} frames, the split lists {len(wanted.frames)}"
        findings.fault("frame-count", what, "write every frame, empty where nobody is found", sequence.file)
        return
    theirs = _numbers(wanted.frames)
    if numbers is not None and theirs is not None and len(numbers) and len(np.unique(numbers - theirs)) > 1:
        place = int(np.argmax(numbers - theirs != numbers[0] - theirs[0]))
        what = f"frame {place} is {sequence.frame_names[place]}, the split has {wanted.frames[place]} there"
        findings.fault("frame-order", what, "write the frames in the split's order", sequence.file)


def _numbers(names: tuple[str, ...]) -> np.ndarray | None:
    found = [_NUMBER.search(PurePosixPath(name).name.partition(".")[0][-18:]) for name in names]
    return np.array([int(match[1]) for match in found], np.int64) if all(found) else None


@contextmanager
def _unpacked(path: Path, findings: Findings) -> Iterator[list[tuple[str, Path]]]:
    """The submission's JSON files as (name for messages, path); a zip file is unpacked for the time of the check."""
    if path.is_dir():
        yield [(str(file), file) for file in sorted(path.glob("*.json")) if file.name != NAME_MAP]
        return
    if not path.is_file():
        raise BadInput(f"{path}: does not exist; give the folder or the zip file of a submission")
    with tempfile.TemporaryDirectory(prefix="ptrack-check-") as folder:
        try:
            with zipfile.ZipFile(path) as archive:
                files = _unpack(archive, Path(folder), path, findings)
        except (
            zipfile.BadZipFile,
            zipfile.LargeZipFile,
            OSError,
            EOFError,
            RuntimeError,
            NotImplementedError,
        ) as error:
            raise BadInput(f"{path}: cannot be read as a zip file ({error}); pack the folder again") from error
        yield files


def _unpack(archive: zipfile.ZipFile, folder: Path, path: Path, findings: Findings) -> list[tuple[str, Path]]:
    members = [info for info in archive.infolist() if not info.is_dir()]
    if len(members) > MAX_FILES or sum(info.file_size for info in members) > MAX_UNPACKED:
        raise BadInput(f"{path}: unpacks to more than a submission can hold; pack only the JSON files of one split")
    wanted = []
    for info in members:
        inside = PurePosixPath(info.filename)
        if inside.is_absolute() or ".." in inside.parts:
            findings.fault("zip-path", f"{info.filename!r} leaves the archive", "pack the folder again", str(path))
        elif inside.suffix == ".json" and not inside.name.startswith(".") and "__MACOSX" not in inside.parts:
            wanted.append((info, inside))
        else:
            findings.warn("zip-extra", f"{info.filename!r} is no JSON file", "leave it out", str(path))
    if len({inside.parent for _, inside in wanted}) > 1:
        what = "the JSON files lie in several folders"
        findings.fault("zip-folders", what, "put all of them into one folder or the top level", str(path))
    files = []
    for number, (info, inside) in enumerate(sorted(wanted, key=lambda member: str(member[1]))):
        target = folder / str(number) / inside.name
        target.parent.mkdir()
        with archive.open(info) as source, open(target, "wb") as out:
            shutil.copyfileobj(source, out)
        files.append((f"{path}/{inside}", target))
    return files
