"""`ptrack train` as a user starts it: alone, by torchrun, as a rehearsal, on one batch."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from command import command, ptrack

from posedata.synthetic.training_set import write_training_set

DOCUMENTED = "torchrun --nproc-per-node N --no-python -- ptrack train"
SMALL = (
    "val={annotations: train.json}",
    "rendered=2",
    "phases=[{size: [64, 48], samples: 8, batch: 2}]",
    "threads=1",
    "loader_workers=0",
    "precision=fp32",
    "tensorboard=false",
)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("data")
    write_training_set(root, "pose", 6, seed=0)
    return root


def arguments(data: Path, run: Path, *changes: str) -> list[str]:
    """Of a small training of the bundled pose network."""
    sets = [part for change in (*SMALL, *changes) for part in ("--set", change)]
    return ["train", "pose", "--data", str(data), "--run", str(run), *sets]


@pytest.mark.slow
def test_the_documented_torchrun_command_trains(data, tmp_path):
    page = Path(__file__).parents[2] / "docs" / "training.md"
    assert DOCUMENTED in page.read_text() and DOCUMENTED in ptrack("train", "--help").stdout
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    before = DOCUMENTED.removeprefix("torchrun").removesuffix("ptrack train").replace("N", "2", 1).split()
    trained = command(*arguments(data, tmp_path / "run"))
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--master-port", port, *before, *trained],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert "x 2 processes" in done.stdout and done.stdout.count("weights:") == 1
    assert "Warning" not in done.stderr
    assert (tmp_path / "run" / "best.safetensors").exists() and (tmp_path / "run" / "curves.png").exists()
