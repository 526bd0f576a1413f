"""`ptrack train` as a user starts it: alone, by torchrun, as a rehearsal, on one batch."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
import torch
from command import command, ptrack

from configs.training_presets import training_settings
from posedata.synthetic.training_set import write_training_set
from stages.train.start import start

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


@pytest.mark.slow
def test_processes_that_do_not_see_the_made_pictures_end_with_a_sentence(data, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    group = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
    both = [
        subprocess.Popen(
            command(*arguments(data, tmp_path / run)),
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **group, "RANK": rank, "LOCAL_RANK": rank},
        )
        for rank, run in (("0", "a"), ("1", "b"))
    ]
    for process, run in zip(both, ("a", "b")):
        _, err = process.communicate(timeout=300)
        assert process.returncode == 3 and f"{tmp_path / run}: the run folder is not shared" in err, err


def test_a_rehearsal_writes_nothing_and_tells_what_a_run_would_make(data, tmp_path):
    done = ptrack(*arguments(data, tmp_path / "run", "precision=bf16"), "--dry-run")
    assert "2 rendered pictures would be made first" in done.stdout
    assert "8 samples" in done.stdout and "one batch of 2 in bf16: loss" in done.stdout
    assert not list(tmp_path.iterdir())


def test_an_ended_run_shows_its_curves_and_a_quiet_one_says_nothing(data, tmp_path):
    """By SIGTERM after the first validation, long before the end."""
    long = ("rendered=0", "phases=[{size: [64, 48], samples: 100000, batch: 2}]", "validate_samples=4")
    process = subprocess.Popen(
        command(*arguments(data, tmp_path / "run", *long), "-q"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    while not (tmp_path / "run" / "last.pt").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    process.terminate()
    out, err = process.communicate(timeout=300)
    assert process.returncode == 130 and not out and "goes on where it stopped" in err
    assert (tmp_path / "run" / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_compile_reaches_the_pose_network(data, tmp_path, monkeypatch):
    convolutions = []

    def backend(graph: torch.fx.GraphModule, _: list) -> object:
        convolutions.extend(n for n in graph.graph.nodes if "conv2d" in str(n.target))
        return graph.forward

    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=backend))
    changes = [*SMALL, "rendered=0", "max_steps=1", "compile=true", "device=cpu"]
    start(training_settings("pose", "compact-pose", data, tuple(changes)), tmp_path, lambda _: None)
    assert len(convolutions) > 50
