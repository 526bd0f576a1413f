"""How a model's crops and heatmaps are treated: the settings, with what they leave to the model filled in."""

from __future__ import annotations

from dataclasses import dataclass

from configs.models import ModelEntry
from configs.settings import PoseSettings


@dataclass(frozen=True)
class Recipe:
    """Nothing in it is `auto` any more."""

    published: bool  # crops as the published code makes them: published weights need it
    compat: bool  # the published code's quirks, too
    decode: str  # quarter or dark
    flip: bool
    shift: bool  # of the mirrored heatmaps
    min_joint_score: float  # joints above count towards a person's score
    nms: str  # oks, soft-oks or none
    oks_nms: float  # its threshold


def recipe(settings: PoseSettings, entry: ModelEntry) -> Recipe:
    """What the settings mean for a model.

    Published models (whose weights are a file of the user's) are treated as their authors' code does, so that they
    give the published numbers; models of our own do without its quirks.
    """
    published = entry.weights == "file"
    compat = published if settings.compat == "auto" else settings.compat == "on"
    warped = entry.architecture.startswith("posewarper")
    nms = settings.nms if settings.nms != "auto" else "none" if warped else "oks"
    decode = settings.decode if settings.decode != "auto" else "quarter" if published else "dark"
    shift = published if settings.flip_shift == "auto" else settings.flip_shift == "on"
    return Recipe(
        published=published or compat,
        compat=compat,
        decode=decode,
        flip=settings.flip and not warped,  # PoseWarper has no flip test
        shift=shift,
        min_joint_score=settings.min_joint_score,
        nms=nms,
        oks_nms=settings.oks_nms,
    )
