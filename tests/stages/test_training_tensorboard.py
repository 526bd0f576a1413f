"""TensorBoard shows what the run's own logs hold, also after steps that were done again."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from tiny_training import TinyTask, network, settings

from stages.train.loop import train

READER = "tensorboard.backend.event_processing.event_accumulator"


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as handle:
        return list(csv.DictReader(handle))


def test_curves_go_on_where_a_run_goes_on(tmp_path):
    reader = pytest.importorskip(READER, reason="extra `train` is not installed")
    run, checkpoint = tmp_path / "run", tmp_path / "run" / "last.pt"

    def until(step: int | None) -> None:
        train(network(), TinyTask(), settings(tensorboard=True, max_steps=step), run, lambda _: None)

    until(4)
    early = checkpoint.read_bytes()
    until(6)
    checkpoint.write_bytes(early)  # as after a kill: steps 5 and 6 are done again
    until(None)
    shown = reader.EventAccumulator(str(run / "tensorboard"))
    shown.Reload()
    steps, validations = rows(run / "steps.csv"), rows(run / "log.csv")
    for name, column in (("loss", "loss"), ("learning rate", "lr")):
        points = shown.Scalars(name)
        assert [p.step for p in points] == [int(row["step"]) for row in steps] == list(range(1, 13))
        assert [p.value for p in points] == pytest.approx([float(row[column]) for row in steps], rel=1e-3)
    right = shown.Scalars("validation/right")
    assert [p.value for p in right] == pytest.approx([float(row["right"]) for row in validations])
