"""Finding and reading what is to be scored: folders or single files in any PoseTrack form."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eval.findings import Findings
from eval.json_file import read_json
from eval.raw import RawSequence
from eval.read17 import read_2017
from eval.read18 import read_2018
from eval.reading import Reading
from eval.work_tracks import RECORD, is_work_folder, read_record, record_for, track_records
from posedata.formats.exported import NAME_MAP


@dataclass(frozen=True)
class FilePair:
    """One sequence: its ground truth and its predictions."""

    name: str  # the file name up to its first dot
    truth: Path
    found: Path


def load_predictions(path: str | Path) -> tuple[RawSequence, ...]:
    """Every sequence of a folder, a file, or a ptrack work folder, for `eval.poseval.score`.

    Raises:
        ScoringInputError: with every fault of the files.
    """
    path, findings = Path(path), Findings()
    if path.exists() and is_work_folder(path):
        records = track_records(path, findings)
        files = [(sequence.rpartition("/")[2], record) for sequence, record in records.items()]
    else:
        files = _named(path, findings)
    return _read_all(files, False, findings)


def load_ground_truth(path: str | Path) -> tuple[RawSequence, ...]:
    """Every sequence of a folder or a file.

    Raises:
        ScoringInputError: with every fault of the files.
    """
    findings = Findings()
    return _read_all(_named(Path(path), findings), True, findings)


def pair_loaded(
    predictions: tuple[RawSequence, ...], ground_truth: tuple[RawSequence, ...], findings: Findings
) -> list[tuple[RawSequence, RawSequence]]:
    """(truth, predictions) of each sequence, by name; one sequence on each side without asking."""
    if len(predictions) == len(ground_truth) == 1:
        return [(ground_truth[0], predictions[0])]
    by_name = {sequence.name: sequence for sequence in predictions}
    pairs = []
    for truth in ground_truth:
        if truth.name in by_name:
            pairs.append((truth, by_name[truth.name]))
        else:
            remedy = "predict every sequence of the ground truth"
            findings.fault("file-missing", f"there are no predictions of {truth.name}", remedy, truth.file)
    return pairs


def pair_files(predictions: Path, ground_truth: Path, findings: Findings) -> list[FilePair]:
    """The sequences to score, by name; files are paired by their names, two single files without asking.

    Ground-truth files without predictions are faults, further prediction files get a warning and are left out.
    Predictions may also be a work folder of ptrack.
    """
    if ground_truth.exists() and is_work_folder(predictions):
        truths = _json_files(ground_truth) if ground_truth.is_dir() else [ground_truth]
        return pair_work(predictions, truths, findings)
    for path, what in ((ground_truth, "ground truth"), (predictions, "predictions")):
        if not path.exists():
            findings.fault(
                "path-missing",
                f"the {what} do not exist" if what == "predictions" else f"the {what} does not exist",
                "check the path",
                file=str(path),
            )
    if findings.faults:
        return []
    if not ground_truth.is_dir():
        found = predictions / ground_truth.name if predictions.is_dir() else predictions
        truths = [(ground_truth, found)]
    elif not predictions.is_dir():
        truths = [(ground_truth / predictions.name, predictions)]
    else:
        truths = [(path, predictions / path.name) for path in _json_files(ground_truth)]
        extra = {path.name for path in _json_files(predictions)} - {path.name for path, _ in truths}
        if extra:
            findings.warn(
                "extra-file",
                f"{sorted(extra)[0]} has no ground truth and is not scored",
                "remove it, or check that the name is that of the ground-truth file",
                str(predictions),
                count=len(extra),
            )
        if not truths:
            what = "holds no *.json file; nothing is scored, the official tool then prints zeros and nan"
            findings.warn("no-truth", what, "check the path", str(ground_truth))
    pairs = []
    for truth, found in truths:
        if not found.exists():
            remedy = "write a prediction file of the same name for every ground-truth file"
            findings.fault("file-missing", "the prediction file does not exist", remedy, file=str(found))
        elif not truth.exists():
            remedy = "a ground-truth file of the prediction file's name is needed"
            findings.fault("file-missing", "the ground-truth file does not exist", remedy, file=str(truth))
        pairs.append(FilePair(truth.name.split(".")[0], truth, found))
    return pairs


def pair_work(work: Path, truths: list[Path], findings: Findings) -> list[FilePair]:
    """The ground-truth files with the tracks of a work folder."""
    records = track_records(work, findings)
    pairs = []
    for truth in truths:
        name = truth.name.split(".")[0]
        record = record_for(name, records)
        if record is None and len(truths) == len(records) == 1:
            record = next(iter(records.values()))
        if record is not None:
            pairs.append(FilePair(name, truth, record))
        elif records:
            what = f"has no finished tracks for the ground truth {truth.name}"
            remedy = "run ptrack track on every sequence, or score one --split"
            findings.fault(f"tracks-missing {name}", what, remedy, str(work))
    left = len(records) - len({pair.found for pair in pairs})
    if left and pairs:
        findings.warn("extra-file", "sequences have no ground truth and are not scored", "", str(work), count=left)
    return pairs


def _named(path: Path, findings: Findings) -> list[tuple[str, Path]]:
    """(name up to the first dot, file) of a folder's files or of a single one."""
    if not path.exists():
        findings.fault("path-missing", "does not exist", "check the path", str(path))
        return []
    return [(file.name.split(".")[0], file) for file in (_json_files(path) if path.is_dir() else [path])]


def _read_all(files: list[tuple[str, Path]], truth: bool, findings: Findings) -> tuple[RawSequence, ...]:
    found = [read_sequence(file, name, truth, None, findings) for name, file in files]
    findings.raise_faults()
    return tuple(sequence for sequence in found if sequence is not None)


def _json_files(folder: Path) -> list[Path]:
    """The files that the official tool's pattern finds (hidden ones are left out), by name."""
    return sorted(path for path in folder.glob("*.json") if not path.name.startswith(".") and path.name != NAME_MAP)


def read_sequence(
    path: Path,
    name: str,
    truth: bool,
    wanted: np.ndarray | None,  # [F] bool frames that will be scored; None = every frame
    findings: Findings,
) -> RawSequence | None:
    """One file in the 2017 or the 2018/2021 form, or None after noting what is wrong with it."""
    reading = Reading(str(path), name, truth, wanted, findings)
    if path.name == RECORD and not truth:
        return read_record(path, reading)
    data = read_json(path, findings)
    if isinstance(data, dict) and "annolist" in data:
        return read_2017(data, reading)
    if isinstance(data, dict) and "images" in data:
        return read_2018(data, reading)
    if not any(finding.file == str(path) for finding in findings.faults):
        what = "is neither a PoseTrack17 file (no 'annolist') nor a PoseTrack18/21 file (no 'images')"
        reading.fault("unknown-format", what, "write one of these formats, for example with ptrack export")
    return None
