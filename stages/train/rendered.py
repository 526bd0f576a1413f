"""Rendered people among the training pictures."""

from __future__ import annotations

from pathlib import Path

from configs.training import DetectorTraining, PoseTraining, TrainingSet


def rendered_set(
    kind: str,  # pose | detector
    settings: PoseTraining | DetectorTraining,
    run_dir: Path,
) -> tuple[TrainingSet, ...]:
    """The rendered pictures that the settings ask for, made once in the run folder; empty where they ask for none."""
    if not settings.rendered:
        return ()
    root = run_dir / f"rendered-{settings.rendered}-{settings.seed}"
    annotations = root / "train.json"
    if not annotations.exists():
        from posedata.synthetic import write_training_set

        write_training_set(root, kind, settings.rendered, settings.seed)
    return (TrainingSet(annotations=annotations),)
