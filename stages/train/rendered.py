"""Made pictures among the training pictures: rendered people, and people cut out and set before other backgrounds."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from configs.training import DetectorTraining, PoseTraining, Training, TrainingSet
from posedata.errors import BadInput
from posedata.jsonio import read_json
from posedata.synthetic.training_set import write_training_set
from stages.train.cutouts import random_sprite, read_cutouts
from stages.train.distributed import joined
from stages.train.pose_data import picture
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
        root = run_dir / _folder("rendered", settings)
        sets.append(
            _once(
                root,
                settings,
                lambda: write_training_set(root, kind, settings.rendered, settings.seed, _empty(settings, say)),
            )
        )
    if settings.composed and settings.cutouts is not None:
        place = run_dir / _folder("composed", settings)
        sets.append(_once(place, settings, lambda: _compose(place, settings, settings.cutouts, say)))
    return tuple(sets)


def only_made(settings: Training, run_dir: Path, say: Callable[[str], None]) -> Training:
    """The settings without the sets that a run would first have to make; these are told."""
    missing = {}
    for name in ("rendered", "composed"):
        count = getattr(settings, name, 0)
        if count and not (run_dir / _folder(name, settings) / "train.json").exists():
            missing[name] = 0
            say(f"{count} {name} pictures would be made first, in {run_dir}; what follows is without them")
    return settings.model_copy(update=missing)


def _folder(name: str, settings: Training) -> str:
    return f"{name}-{getattr(settings, name)}-{settings.seed}"


def _once(root: Path, settings: Training, make: Callable[[], object]) -> TrainingSet:
    """Made by one of the processes while the others wait.

    Raises:
        BadInput: another process does not see them.
    """
    made = root / "train.json"
    with joined(settings.device) as (ranks, device):
        if ranks.first and not made.exists():
            make()
        ranks.wait()
        if ranks.any(not made.exists(), device):
            raise BadInput(
                f"{root.parent}: the run folder is not shared: not all processes see the pictures that the first "
                "made in it; give --run a folder that all machines see"
            )
    return TrainingSet(annotations=made)


def _compose(
    root: Path, settings: PoseTraining | DetectorTraining, source: TrainingSet, say: Callable[[str], None]
) -> None:
    """Crowds, for a pose network too: each of their people is one of its crops.

    Raises:
        BadInput: nobody can be cut out, or nobody came into a picture; no set is then left.
    """
    cutouts = read_cutouts(source, say)
    if not any(picture(cutout.path) is not None for cutout in cutouts):
        raise BadInput(
            f"{source.annotations}: not one picture of the people to be cut out can be read, "
            f"{cutouts[0].path} for one; write them again, or train with composed=0"
        )
    made = write_training_set(
        root,
        "detector",
        settings.composed,
        settings.seed,
        _empty(settings, say),
        partial(random_sprite, cutouts),
        "composed",
    )
    if not read_json(made)["annotations"]:
        made.unlink()
        raise BadInput(
            f"{source.annotations}: nobody of it came into the {settings.composed} composed pictures; give more of "
            "them, or people whose pictures can be read"
        )


def _empty(settings: PoseTraining | DetectorTraining, say: Callable[[str], None]) -> list[Path]:
    """Pictures without people."""
    sources = settings.train if settings.backgrounds is None else (settings.backgrounds,)
    entries = [image for source in sources for image in read_annotations(source, say).images]
    return [image.path for image in entries if not image.annotations]
