"""A PoseTrack18-like split of twelve short sequences, and what one process makes of it.

Makes the helper module `batch_runs` importable to the tests of this folder.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from posedata.synthetic import write_posetrack18

sys.path.insert(0, str(Path(__file__).parent))
from batch_runs import CHEAP, SEQUENCES
from command import ptrack


@pytest.fixture(scope="session")
def split(tmp_path_factory) -> Path:
    """Images and annotations of a test split: 2 to 5 frames a sequence, in an order that is not that of the names."""
    root = tmp_path_factory.mktemp("batch") / "PoseTrack18"
    for number in range(SEQUENCES):
        write_posetrack18(
            root,
            sequence=f"9{number:05d}_mpii_test",
            split="test",
            seed=number,
            frames=2 + number * 5 % 4,
            size=(128, 96),
            people=1,
        )
    return root


@pytest.fixture(scope="session")
def finished(split, tmp_path_factory) -> Path:
    """The work folder of one process."""
    folder = tmp_path_factory.mktemp("finished")
    ptrack("run", split, "--work", folder / "work", *CHEAP, "-q", cwd=folder)
    return folder / "work"


@pytest.fixture(scope="session")
def broken(split, tmp_path_factory) -> tuple[Path, str]:
    """The split with one sequence none of whose pictures can be read, and the name of that one."""
    root = tmp_path_factory.mktemp("broken") / "PoseTrack18"
    shutil.copytree(split, root)
    folder = sorted((root / "images" / "test").iterdir())[3]
    for picture in folder.iterdir():
        picture.write_bytes(b"no picture")
    return root, folder.name
