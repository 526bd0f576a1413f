"""MATLAB files that somebody else wrote."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np

from posedata.errors import BadInput


def read_matlab(
    path: str | Path,
    wanted: str,  # what to give instead, for messages
) -> dict[str, np.ndarray]:
    """The arrays of a file by their names.

    Raises:
        BadInput: it is missing, no regular file or damaged.
    """
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    # All that scipy's reader is known to raise for damaged files.
    damage = (
        OSError,
        ValueError,
        TypeError,
        LookupError,
        ArithmeticError,
        NotImplementedError,
        MatReadError,
        zlib.error,
        MemoryError,  # of a size that is not true
    )
    try:
        if Path(path).exists() and not Path(path).is_file():  # a pipe would be waited for
            raise OSError("it is not a regular file")
        return loadmat(str(path))
    except damage as error:
        raise BadInput(f"{path}: cannot be read as a MATLAB file ({error}); give {wanted}") from error
