"""CSV: one row a joint, columns with names, one file a sequence."""

from __future__ import annotations

import csv
from pathlib import Path

from posedata.atomic import replacing
from posedata.formats.exported import ExportSequence, Keep, Tally, file_of
from posedata.formats.table import COLUMNS, rows_of


def write(sequences: tuple[ExportSequence, ...], folder: Path, keep: Keep, tally: Tally) -> list[Path]:
    """`<sequence>.csv` for each sequence, UTF-8, comma, point; what a record does not have is an empty cell."""
    files = []
    for sequence in sequences:
        path = file_of(folder, sequence.id, ".csv")
        with replacing(path) as part, part.open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(COLUMNS)
            table.writerows(rows_of(sequence, keep, tally))
        files.append(path)
    return files
