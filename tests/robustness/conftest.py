"""Lets the tests here import their helpers, and gives them what several of them need."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from processes import Starter


@pytest.fixture(scope="session")
def starter() -> Iterator[Starter]:
    """Starts ptrack processes that have their libraries imported already."""
    with Starter() as running:
        yield running


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small rendered video of one person, five chunks long."""
    from posedata.synthetic import write_video

    path = tmp_path_factory.mktemp("clip") / "walker.mp4"
    return write_video(path, seed=5, frames=72, size=(128, 96), people=1, fps=25.0)


@pytest.fixture(scope="session")
def finished(starter: Starter, clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The work folder of an undisturbed run over `clip`."""
    from processes import QUICK

    folder = tmp_path_factory.mktemp("finished")
    starter.run("run", clip, "--work", folder / "work", *QUICK, "--no-render", cwd=folder)
    return folder / "work"
