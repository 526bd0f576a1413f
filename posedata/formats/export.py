"""Writing saved records in the formats that others read."""

from __future__ import annotations

import math
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

import orjson

from posedata.atomic import replacing, write_atomically
from posedata.errors import BadInput, UsageError
from posedata.formats import coco, csv_table, mot, parquet, posetrack17, posetrack18
from posedata.formats.exported import NAME_MAP, ExportReport, ExportSequence, Keep, Tally

__all__ = ["FORMATS", "ExportReport", "ExportSequence", "export"]

FORMATS = ("posetrack17", "posetrack18", "coco", "csv", "parquet", "mot")
_TABLES = {"coco": coco.write, "csv": csv_table.write, "parquet": parquet.write, "mot": mot.write}
_SUBMISSIONS = {"posetrack17": posetrack17.write, "posetrack18": posetrack18.write}
_LEFT_OUT = {
    "people_without_identity": "people left out, they belong to no track",
    "people_below_score": "people left out, their score is too low",
    "people_without_joints": "people left out, none of their joints scores high enough",
    "keypoints_below_score": "joints left out, their score is too low",
    "frames_padded": "frames written empty, the record does not have them",
    "frames_skipped": "frames were not looked at by the detector",
    "frames_undecodable": "frames could not be decoded",
}
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # the same bytes whenever it is packed


def export(
    sequences: Iterable[ExportSequence],
    format: str,
    out_dir: Path,
    *,
    min_keypoint_score: float = 0.0,
    min_person_score: float = 0.0,
    unassigned: bool = False,  # submissions hold people of no track, too
    as_zip: bool = False,  # one FORMAT.zip instead of its files
) -> ExportReport:
    """Writes the sequences into a folder; every file is whole or not there, and the same bytes every time.

    Raises:
        UsageError: an unknown format, a threshold that is no number, a missing library, a folder that refuses.
        BadInput: nothing to export, or what the format cannot hold; names the sequence.
        BadRecord: a damaged record.
    """
    if format not in FORMATS:
        raise UsageError(f"format {format!r} is not known; choose one of {', '.join(FORMATS)}")
    for name, value in (("keypoint", min_keypoint_score), ("person", min_person_score)):
        if not math.isfinite(value):
            raise UsageError(f"--min-{name}-score is {value}; give a number, as 0.3")
    keep, tally, given = Keep(min_keypoint_score, min_person_score, unassigned), Tally(), tuple(sequences)
    if not given:
        raise BadInput(f"{out_dir}: there is no sequence to export; run `ptrack run` first")
    try:
        if as_zip:
            files = _zipped(given, format, out_dir, keep, tally)
        else:
            files = _written(given, format, out_dir, out_dir, keep, tally)
    except OSError as error:
        raise UsageError(
            f"{error.filename or out_dir}: cannot be written ({error.strerror or error}); choose another --out"
        ) from error
    for name, meaning in _LEFT_OUT.items():
        if tally.counts.get(name):
            tally.warn(f"{tally.counts[name]} {meaning}")
    return ExportReport(tuple(files), tally.counts, tuple(tally.warnings))


def _written(
    sequences: tuple[ExportSequence, ...], format: str, folder: Path, map_folder: Path, keep: Keep, tally: Tally
) -> list[Path]:
    """The files of a format; the name map goes to a folder of its own, as no submission may hold it."""
    if format in _TABLES:
        return _TABLES[format](sequences, folder, keep, tally)
    files, renamed = _SUBMISSIONS[format](sequences, folder, keep, tally)
    path = map_folder / NAME_MAP
    if not renamed:
        path.unlink(missing_ok=True)  # an earlier export's would tell lies
        return files
    write_atomically(path, orjson.dumps(renamed, option=orjson.OPT_INDENT_2) + b"\n")
    which = "1 sequence has" if len(renamed) == 1 else f"{len(renamed)} sequences have"
    tally.warn(f"{which} no PoseTrack name; {NAME_MAP} says which file is which")
    return [*files, path]


def _zipped(
    sequences: tuple[ExportSequence, ...], format: str, out_dir: Path, keep: Keep, tally: Tally
) -> list[Path]:
    out_dir.mkdir(parents=True, exist_ok=True)
    target = out_dir / f"{format}.zip"
    with tempfile.TemporaryDirectory(prefix=".export-", dir=out_dir) as name:
        folder = Path(name)
        files = _written(sequences, format, folder, out_dir, keep, tally)
        inside = [file for file in files if file.is_relative_to(folder)]
        with replacing(target) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in inside:
                info = zipfile.ZipInfo(file.relative_to(folder).as_posix(), _ZIP_TIME)
                info.compress_type = zipfile.ZIP_DEFLATED
                info.external_attr = 0o644 << 16
                info.file_size = file.stat().st_size  # so that a large file gets a large file's header
                with file.open("rb") as source, archive.open(info, "w") as packed:
                    while block := source.read(1 << 20):
                        packed.write(block)
        return [target, *(file for file in files if file not in inside)]
