"""From settings to the parts of a pipeline. Networks are made when a sequence needs them, not before."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from configs.models import bundled_digest, find_model
from configs.settings import Settings
from posedata.people import FramePeople
from posedata.records import ModelRef
from posedata.sequences import Sequence
from posedata.skeletons import SKELETONS
from stages.pipeline import Part
from stages.stream import Stage


@dataclass(frozen=True)
class Hardware:
    """How the networks run; resolved when the first one is made."""

    device: str = "auto"
    half: bool | None = None  # None = on CUDA only
    batch_size: int = 16
    threads: int = 2


@dataclass(frozen=True)
class GivenDetections:
    """Boxes that the user brings."""

    file: Path
    frames: Mapping[str, Mapping[int, FramePeople]]  # sequence id -> frame -> people
    warnings: tuple[str, ...] = ()


def parts(stages: tuple[str, ...], settings: Settings, hardware: Hardware) -> list[Part]:
    """The asked-for stages in order.

    Raises:
        SettingsError: a model that is not known or whose weights are missing.
    """
    makers = {"detect": _detect, "pose": _pose, "track": _track}
    return [makers[name](settings, hardware) for name in stages]


def read_given(file: Path, sequences: tuple[Sequence, ...]) -> GivenDetections:
    """The boxes of a COCO results, PoseTrack or MOT file, by sequence and frame.

    Raises:
        BadInput: the file cannot be used, naming entry and field; or none of its boxes belongs to the sequences.
    """
    from posedata.formats.detections import read_detections

    found = read_detections(file, sequences)
    return GivenDetections(file, found.frames, found.warnings)


def given_boxes(given: GivenDetections, sequence: str) -> Part:
    """The detect stage for boxes from a file, of one sequence."""

    def make(skeleton: str | None) -> Stage:
        from stages.detect.stage import GivenBoxes

        return GivenBoxes(given.frames.get(sequence, {}))

    digest = hashlib.sha256(given.file.read_bytes()).hexdigest()
    return Part("detect", make, {"detections": given.file.name}, ModelRef("detections", digest), None)


def _detect(settings: Settings, hardware: Hardware) -> Part:
    entry = find_model(settings.detect.model, "detect")
    if entry.weights == "bundled":
        digest = bundled_digest(entry)
    else:
        from stages.detect.torchvision_models import weights_digest

        digest = weights_digest(entry.name)

    def make(skeleton: str | None) -> Stage:
        from stages.detect.detector import make_detector
        from stages.detect.stage import DetectStage

        return DetectStage(make_detector(settings.detect, _runtime(hardware)), settings.detect.stride)

    return Part("detect", make, settings.detect.model_dump(mode="json"), ModelRef(entry.name, digest), None)


def _pose(settings: Settings, hardware: Hardware) -> Part:
    entry = find_model(settings.pose.model, "pose")

    def make(skeleton: str | None) -> Stage:
        from stages.pose.estimator import make_estimator
        from stages.pose.stage import PoseStage

        return PoseStage(make_estimator(settings.pose, _runtime(hardware)))

    model = ModelRef(entry.name, bundled_digest(entry))
    return Part("pose", make, settings.pose.model_dump(mode="json"), model, entry.skeleton)


def _track(settings: Settings, hardware: Hardware) -> Part:
    def make(skeleton: str | None) -> Stage:
        from stages.track.stage import TrackStage

        return TrackStage(settings.track, SKELETONS[skeleton])

    return Part("track", make, settings.track.model_dump(mode="json"), None, None)


def _runtime(hardware: Hardware):
    from stages.device import runtime

    return runtime(hardware.device, hardware.half, hardware.batch_size, hardware.threads)
