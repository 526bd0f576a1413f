"""Rendered people among the training pictures."""

from __future__ import annotations

import time
from pathlib import Path

from configs.training import DetectorTraining, PoseTraining, TrainingSet
from posedata.synthetic.training_set import write_training_set
from stages.train.distributed import started_first
from stages.train.samples import read_annotations


def rendered_set(
    kind: str,  # pose | detector
    settings: PoseTraining | DetectorTraining,
    run_dir: Path,
) -> tuple[TrainingSet, ...]:
    """The rendered pictures that the settings ask for, made once in the run folder; empty where they ask for none.

    Half of them stand before photographs without people, where the training sets hold any.
    """
    if not settings.rendered:
        return ()
    root = run_dir / f"rendered-{settings.rendered}-{settings.seed}"
    if not started_first():  # of several processes one renders
        while not (root / "train.json").exists():
            time.sleep(1)
    if not (root / "train.json").exists():
        entries = [image for source in settings.train for image in read_annotations(source).images]
        empty = [image.path for image in entries if not image.annotations]
        write_training_set(root, kind, settings.rendered, settings.seed, empty)
    return (TrainingSet(annotations=root / "train.json"),)
