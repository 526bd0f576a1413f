"""Made pictures among the training pictures: rendered people, and people cut out and set before other backgrounds."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from configs.training import DetectorTraining, PoseTraining, TrainingSet
from posedata.synthetic.training_set import write_training_set
from stages.train.cutouts import random_sprite, read_cutouts
from stages.train.distributed import started_first
from stages.train.samples import read_annotations


def made_sets(
    kind: str,  # pose | detector
    settings: PoseTraining | DetectorTraining,
    run_dir: Path,
    say: Callable[[str], None],
) -> tuple[TrainingSet, ...]:
    """The rendered and composed pictures that the settings ask for, made once in the run folder.

    Half of the rendered ones and all composed ones stand before photographs without people, where there are any.
    """
    sets = []
    if settings.rendered:
        root = run_dir / f"rendered-{settings.rendered}-{settings.seed}"
        sets.append(
            _once(
                root, lambda: write_training_set(root, kind, settings.rendered, settings.seed, _empty(settings, say))
            )
        )
    if settings.composed and settings.cutouts is not None:
        place = run_dir / f"composed-{settings.composed}-{settings.seed}"
        sets.append(_once(place, lambda: _compose(place, settings, settings.cutouts, say)))
    return tuple(sets)


def _once(root: Path, make: Callable[[], object]) -> TrainingSet:
    if not started_first():  # of several processes one makes them
        while not (root / "train.json").exists():
            time.sleep(1)
    if not (root / "train.json").exists():
        make()
    return TrainingSet(annotations=root / "train.json")


def _compose(
    root: Path, settings: PoseTraining | DetectorTraining, source: TrainingSet, say: Callable[[str], None]
) -> None:
    """Crowds, for a pose network too: each of their people is one of its crops."""
    somebody = partial(random_sprite, read_cutouts(source, say))
    write_training_set(
        root, "detector", settings.composed, settings.seed, _empty(settings, say), somebody, "composed"
    )


def _empty(settings: PoseTraining | DetectorTraining, say: Callable[[str], None]) -> list[Path]:
    """Pictures without people."""
    sources = settings.train if settings.backgrounds is None else (settings.backgrounds,)
    entries = [image for source in sources for image in read_annotations(source, say).images]
    return [image.path for image in entries if not image.annotations]
