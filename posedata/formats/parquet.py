"""Parquet: the columns of the CSV table, typed; needs pyarrow."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from posedata.atomic import replacing
from posedata.errors import UsageError
from posedata.formats.exported import ExportSequence, Keep, Tally, file_of
from posedata.formats.table import COLUMNS, rows_of

_GROUP = 65_536  # rows that are in memory at once
_TEXT = {"sequence", "origin", "joint"}
_WHOLE = {"frame", "person", "track_id"}


def write(sequences: tuple[ExportSequence, ...], folder: Path, keep: Keep, tally: Tally) -> list[Path]:
    """`<sequence>.parquet` for each sequence.

    Raises:
        UsageError: pyarrow is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise UsageError(
            "Parquet files need pyarrow, which is not installed: pip install 'ptrack[tables]', or export csv"
        ) from None
    types = {name: pyarrow.float64() for name in COLUMNS}
    types |= {name: pyarrow.string() for name in _TEXT} | {name: pyarrow.int64() for name in _WHOLE}
    schema = pyarrow.schema(list(types.items()))
    files = []
    for sequence in sequences:
        path = file_of(folder, sequence.id, ".parquet")
        rows = rows_of(sequence, keep, tally)
        with replacing(path) as part, pyarrow.parquet.ParquetWriter(part, schema) as file:
            while group := list(islice(rows, _GROUP)):
                columns = zip(*group)
                file.write_table(pyarrow.table([list(column) for column in columns], schema=schema))
        files.append(path)
    return files
