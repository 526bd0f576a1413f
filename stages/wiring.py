"""From settings to the parts of a pipeline. Networks are made when a sequence needs them, not before."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from configs.models import bundled_digest, find_model, weights_sha256
from configs.settings import PoseSettings, RenderSettings, Settings
from posedata.people import FramePeople
from posedata.records import Header, ModelRef
from posedata.sequences import Sequence
from stages.pipeline import Part
from stages.stream import Stage
from stages.wiring_track import given_poses_part, track_part
from stages.work import WorkFolder

if TYPE_CHECKING:
    from posedata.formats.poses import GivenPoses
    from stages.device import Runtime
    from stages.pose.estimator import AnyEstimator
    from stages.render.render import RenderReport


@dataclass(frozen=True)
class Hardware:
    """How the networks run; resolved when the first one is made."""

    device: str = "auto"
    half: bool | None = None  # None = on CUDA only
    batch_size: int = 16
    threads: int = 2
    compile: bool = False


@dataclass(frozen=True)
class GivenDetections:
    """Boxes that the user brings."""

    file: Path
    digest: str  # sha256 of the file, hexadecimal
    frames: Mapping[str, Mapping[int, FramePeople]]  # sequence id -> frame -> people
    warnings: tuple[str, ...] = ()


class Estimators:
    """The pose networks of one process, each loaded when it is first needed: pose and track share them."""

    def __init__(self, hardware: Hardware, checkpoint: str = "") -> None:
        self._hardware = hardware
        self._checkpoint = checkpoint  # of settings that were read from a record, which names no files
        self._made: dict[str, AnyEstimator] = {}
        self._models: dict[tuple[str, str], ModelRef] = {}  # telling one reads all of its weights' file

    def of(self, settings: PoseSettings) -> AnyEstimator:
        """The estimator that these settings ask for.

        Raises:
            SettingsError, UsageError, BadInput: no such model, or its weights cannot be loaded.
        """
        settings = self.complete(settings)
        key = settings.model_dump_json()
        if key not in self._made:
            from stages.pose.estimator import make_estimator

            self._made[key] = make_estimator(settings, self.runtime())
        return self._made[key]

    def complete(self, settings: PoseSettings) -> PoseSettings:
        """The settings with the file of their model's weights."""
        if settings.checkpoint or not self._checkpoint:
            return settings
        return settings.model_copy(update={"checkpoint": self._checkpoint})

    def model_of(self, settings: PoseSettings) -> ModelRef:
        """The weights that a record of poses names.

        Raises:
            SettingsError: a model that is not known or whose weights are missing.
        """
        settings = self.complete(settings)
        key = (settings.model, settings.checkpoint)
        if key not in self._models:
            self._models[key] = pose_model(settings)
        return self._models[key]

    def runtime(self) -> Runtime:
        """How the networks run."""
        return _runtime(self._hardware)


@dataclass(frozen=True)
class Recipe:
    """What the parts of a pipeline are made from; can be sent to another process."""

    stages: tuple[str, ...]
    settings: Settings
    given: GivenDetections | None = None  # in place of the detector
    poses: GivenPoses | None = None  # in place of the pose stage: tracking alone
    recover: bool = False  # with `poses`: the model of the pose settings looks for missed people

    def parts(self, hardware: Hardware) -> list[Part]:
        """The parts for all sequences.

        Raises:
            SettingsError: a model that is not known or whose weights are missing.
        """
        if self.poses is not None:
            return [given_poses(self.poses, self.settings, hardware, self.recover)]
        made = parts(tuple(s for s in self.stages if s != "detect" or self.given is None), self.settings, hardware)
        return made if self.given is None else [given_boxes(self.given), *made]


def parts(stages: tuple[str, ...], settings: Settings, hardware: Hardware) -> list[Part]:
    """The asked-for stages in order; a bottom-up pose model needs no detector, which is then left out.

    Raises:
        SettingsError: a model that is not known or whose weights are missing.
    """
    if "pose" in stages and find_model(settings.pose.model, "pose").bottom_up:
        stages = tuple(name for name in stages if name != "detect")
    estimators = Estimators(hardware, settings.pose.checkpoint)
    makers = {
        "detect": lambda: _detect(settings, hardware),
        "pose": lambda: _pose(settings, estimators),
        "track": lambda: track_part(settings.track, hardware.device, estimators.of, estimators.model_of),
    }
    return [makers[name]() for name in stages]


def read_given(file: Path, sequences: tuple[Sequence, ...]) -> GivenDetections:
    """The boxes of a COCO results, PoseTrack or MOT file, by sequence and frame.

    Raises:
        BadInput: the file cannot be used, naming entry and field; or none of its boxes belongs to the sequences.
    """
    from posedata.formats.detections import read_detections

    found = read_detections(file, sequences)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return GivenDetections(file, digest, found.frames, found.warnings)


def given_boxes(given: GivenDetections) -> Part:
    """The detect stage for boxes from a file."""

    def make(header: Header, before: Header | None) -> Stage:
        from stages.detect.stage import GivenBoxes

        return GivenBoxes(given.frames.get(header.sequence, {}))

    return Part("detect", make, {"detections": given.file.name}, ModelRef("detections", given.digest), None, own=True)


def is_rendered(work: WorkFolder, sequence: Sequence, settings: RenderSettings) -> bool:
    """Whether the pictures of a sequence were made from its tracks with these settings.

    Raises:
        BadRecord: there are no tracks.
    """
    from stages.render import render as renderer

    record = work.record(sequence.id, "track")
    return renderer.is_rendered(record, record.parent, settings)


def render(
    work: WorkFolder, sequence: Sequence, settings: RenderSettings, progress: Callable[[int], None] | None = None
) -> RenderReport:
    """Draws the overlay and the pictures of a sequence from its tracks.

    Raises:
        PtrackError: the record is damaged, or the pictures cannot be written.
    """
    from stages.render import render as renderer

    record = work.record(sequence.id, "track")
    return renderer.render_sequence(sequence, record, record.parent, settings, progress)


def read_given_poses(path: Path, sequences: tuple[Sequence, ...]) -> GivenPoses:
    """The poses of a file or folder, by sequence and frame.

    Raises:
        BadInput: a file cannot be used, naming entry and field; or none of its poses belongs to the sequences.
    """
    from posedata.formats.poses import read_poses

    return read_poses(path, sequences)


def given_poses(given: GivenPoses, settings: Settings, hardware: Hardware, recover: bool) -> Part:
    """The track stage for poses from files; with `recover` the model of the pose settings looks for missed people.

    Raises:
        SettingsError: a model that is not known or whose weights are missing.
    """
    pose = settings.pose if recover else None
    estimators = Estimators(hardware)
    return given_poses_part(settings.track, hardware.device, given, pose, estimators.of, estimators.model_of)


def _detect(settings: Settings, hardware: Hardware) -> Part:
    entry = find_model(settings.detect.model, "detect")
    if entry.weights == "bundled":
        digest = bundled_digest(entry)
    else:
        from stages.torchvision_weights import weights_digest

        digest = weights_digest(entry.name)

    def make(header: Header, before: Header | None) -> Stage:
        from stages.detect.detector import make_detector
        from stages.detect.stage import DetectStage

        return DetectStage(make_detector(settings.detect, _runtime(hardware)), settings.detect.stride)

    return Part("detect", make, settings.detect.model_dump(mode="json"), ModelRef(entry.name, digest), None)


def _pose(settings: Settings, estimators: Estimators) -> Part:
    entry = find_model(settings.pose.model, "pose")

    def make(header: Header, before: Header | None) -> Stage:
        from stages.pose.making import make_stage

        return make_stage(settings.pose, estimators.runtime(), estimators.of)

    # the weights' sha256 says which they are; where the file lay does not matter
    recorded = settings.pose.model_dump(mode="json", exclude={"checkpoint"})
    return Part("pose", make, recorded, estimators.model_of(settings.pose), entry.skeleton, first=entry.bottom_up)


def pose_model(settings: PoseSettings) -> ModelRef:
    """The weights that a record of poses names.

    Raises:
        SettingsError: a model that is not known or whose weights are missing.
    """
    entry = find_model(settings.model, "pose")
    if entry.weights == "torchvision":
        from stages.torchvision_weights import weights_digest

        return ModelRef(entry.name, weights_digest(entry.name))
    return ModelRef(entry.name, weights_sha256(entry, settings.checkpoint))


def _runtime(hardware: Hardware):
    from stages.device import runtime

    return runtime(hardware.device, hardware.half, hardware.batch_size, hardware.threads, hardware.compile)
