"""The track stage's wiring: which flow it gets, and the estimator that recovers people."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from configs.models import find_model
from configs.settings import PoseSettings, TrackSettings
from posedata.errors import BadInput, UsageError
from posedata.records import Header, Json, ModelRef
from posedata.skeletons import SKELETONS
from stages.pipeline import Part
from stages.stream import Stage

if TYPE_CHECKING:
    from posedata.formats.poses import GivenPoses
    from stages.pose.estimator import PoseEstimator
    from stages.track.flow import Flow

EstimatorOf = Callable[[PoseSettings], "PoseEstimator"]
ModelOf = Callable[[PoseSettings], ModelRef]
_CARRIED = ("flow", "multi-flow", "mixed")  # similarities that are nothing without flow


def track_part(settings: TrackSettings, device: str, estimator_of: EstimatorOf, model_of: ModelOf) -> Part:
    """The track stage over the poses of a record; people are recovered by the model that made them.

    Raises:
        SettingsError, UsageError: settings that do not go together, or flow files that are not there.
    """
    method = _method(settings, device)

    def make(header: Header, before: Header | None) -> Stage:
        from stages.track.stage import TrackStage

        poses_in = None
        if settings.recover and method != "none" and _takes_boxes(before):
            poses_in = _poses_in(_pose_settings(before), before, estimator_of, model_of)
        return TrackStage(settings, SKELETONS[header.skeleton], _flow(settings, method, device, header), poses_in)

    def warnings(before: Header | None) -> list[str]:
        if not settings.recover or _takes_boxes(before):
            return []
        return [f"{before.model.name} finds people by itself, not in given boxes: nobody whom it missed is recovered"]

    return Part(
        "track",
        make,
        _dump(settings, method),
        None,
        None,
        resumes=False,
        own=bool(settings.flow_files or settings.save_flow),
        warnings=warnings,
    )


def given_poses_part(
    settings: TrackSettings,
    device: str,
    given: GivenPoses,
    pose: PoseSettings | None,  # the model that recovers people; None = nobody is recovered
    estimator_of: EstimatorOf,
    model_of: ModelOf,
) -> Part:
    """The track stage over poses that the user brings; reads no record.

    Raises:
        SettingsError, UsageError: settings that do not go together, or flow files that are not there.
    """
    method = _method(settings, device)

    def make(header: Header, before: Header | None) -> Stage:
        from stages.track.given import GivenTrackStage
        from stages.track.stage import TrackStage

        poses_in = None
        if pose is not None and settings.recover and method != "none":
            poses_in = _in_skeleton(estimator_of(pose), given.skeleton)
        stage = TrackStage(settings, given.skeleton, _flow(settings, method, device, header), poses_in)
        return GivenTrackStage(stage, given.frames.get(header.sequence, {}), len(given.skeleton))

    dump = {**_dump(settings, method), "poses": given.digest, "recover": settings.recover and pose is not None}
    if pose is not None:
        dump["pose"] = pose.model_dump(mode="json", exclude={"checkpoint"})
    model = None if pose is None else model_of(pose)
    return Part(
        "track",
        make,
        dump,
        model,
        given.skeleton.name,
        first=True,
        resumes=False,
        own=True,
    )


def _method(settings: TrackSettings, device: str) -> str:
    """The flow that is meant; `auto` looks at what there is.

    Raises:
        UsageError: the similarity needs flow and there is none.
    """
    if settings.flow_files:
        return "files"
    if settings.flow == "none" and settings.similarity in _CARRIED:
        raise UsageError(
            f"similarity {settings.similarity} needs optical flow; use iou or oks with --flow none, or another --flow"
        )
    if settings.flow != "auto":
        return settings.flow
    from stages.track.raft import weights_lie_there

    for name in ("raft-large", "raft-small"):
        if weights_lie_there(name):  # looked for first: it costs nothing, the search for a GPU does
            from stages.device import pick_device

            return name if pick_device(device).type == "cuda" else "dis"
    return "dis"


def _dump(settings: TrackSettings, method: str) -> dict[str, Json]:
    """What the record's header says: the settings, with what they came to in place of what cannot be repeated."""
    dump = settings.model_dump(mode="json") | {"flow": method}
    del dump["save_flow"]
    if settings.flow_files:
        dump["flow_files"] = _files_digest(Path(settings.flow_files))
    return dump


def _files_digest(folder: Path) -> str:
    """The folder's name and a digest of its files' names and sizes."""
    if not folder.is_dir():
        raise UsageError(f"--flow-files {folder}: there is no such folder")
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.flo")):
        digest.update(f"{path.relative_to(folder)} {os.path.getsize(path)}\n".encode())
    return f"{folder.name} {digest.hexdigest()[:16]}"


def _flow(settings: TrackSettings, method: str, device: str, header: Header) -> Callable[[], Flow] | None:
    """What makes the flow of one sequence; None where none is wanted."""
    if method == "none":
        return None

    def make() -> Flow:
        from stages.track.flow import DisFlow, FloFolder, SavedFlow

        if method == "files":
            own = Path(settings.flow_files) / header.sequence
            return FloFolder(own if own.is_dir() else Path(settings.flow_files))
        if method == "dis":
            flow: Flow = DisFlow()
        else:
            from stages.track.raft import make_raft

            flow = make_raft(method, device)
        return SavedFlow(flow, Path(settings.save_flow) / header.sequence) if settings.save_flow else flow

    return make


def _takes_boxes(before: Header | None) -> bool:
    """Whether the model that made a record's poses can look into boxes; a bottom-up one cannot."""
    if before is None or before.model is None:
        return False
    return not find_model(before.model.name, "pose").bottom_up


def _pose_settings(before: Header) -> PoseSettings:
    """The settings that made a record of poses.

    Raises:
        BadInput: another version of ptrack made it.
    """
    known = {name: before.settings[name] for name in PoseSettings.model_fields if name in before.settings}
    try:
        return PoseSettings.model_validate(known)
    except ValidationError:
        raise BadInput(
            f"{before.sequence}: another version of ptrack made its poses; run `ptrack pose` again, or --no-recover"
        ) from None


def _poses_in(pose: PoseSettings, before: Header, estimator_of: EstimatorOf, model_of: ModelOf):
    """The estimator that made the poses, for boxes of one frame.

    Raises:
        BadInput: its weights are others by now.
    """
    if model_of(pose) != before.model:
        made_by = "no model" if before.model is None else f"other weights of {before.model.name} than lie here"
        raise BadInput(
            f"{before.sequence}: its poses were made by {made_by}; run `ptrack pose` again, or --no-recover"
        )
    return _for_one_frame(estimator_of(pose))


def _for_one_frame(estimator: PoseEstimator):
    return lambda image, boxes: estimator.joints_of([image], [boxes])


def _in_skeleton(estimator: PoseEstimator, skeleton):
    """The estimator's joints as those of another skeleton."""
    from posedata.skeletons import mapping

    to_given = mapping(estimator.skeleton, skeleton)

    def poses_in(image, boxes):
        return to_given.apply(*estimator.joints_of([image], [boxes]))

    return poses_in
