"""Every option of the stages, typed; and how presets, files and the command line come together.

Later wins: defaults, presets in the order given, `--config` file, `--set`, named options.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from configs.errors import SettingsError


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DetectSettings(_Strict):
    """`ptrack detect`"""

    model: str = Field("compact", description="detector, see `ptrack models`")
    long_side: int = Field(416, ge=64, le=4096, description="frames are scaled to this long side, pixels")
    min_box_score: float = Field(0.3, ge=0, le=1, description="boxes below are not kept")
    nms_iou: float = Field(0.6, gt=0, le=1, description="of two boxes that overlap more the weaker goes")
    max_people: int = Field(100, ge=1, description="boxes kept a frame, best first")
    stride: int = Field(1, ge=1, description="look at every N-th frame; the others are marked skipped")


class PoseSettings(_Strict):
    """`ptrack pose`"""

    model: str = Field("compact", description="pose network, see `ptrack models`")
    checkpoint: str = Field("", description="file with the model's weights, where it is a published one")
    flip: bool = Field(True, description="average with the mirrored crop")
    flip_shift: Literal["auto", "on", "off"] = Field(
        "auto", description="move the mirrored heatmaps by a cell; auto: where the crop's geometry needs it"
    )
    decode: Literal["auto", "quarter", "dark"] = Field(
        "auto", description="sub-cell position of a heatmap's peak; auto: as the model's authors, dark for our own"
    )
    compat: Literal["auto", "on", "off"] = Field(
        "auto", description="do as the published code does, its quirks included; auto: for published models"
    )
    min_joint_score: float = Field(0.2, ge=0, le=1, description="joints above count in a person's score")
    nms: Literal["auto", "oks", "soft-oks", "none"] = Field(
        "auto", description="how near-copies of a person are left out; auto: oks, none for PoseWarper"
    )
    oks_nms: float = Field(0.9, gt=0, le=1, description="of two poses more alike (OKS) the weaker goes")
    scales: tuple[float, ...] = Field(
        (1.0,), min_length=1, max_length=8, description="of a bottom-up model: sizes of the frame that are averaged"
    )


class TrackSettings(_Strict):
    """`ptrack track`; docs/tracking.md tells how the defaults were chosen"""

    similarity: Literal["iou", "oks", "flow", "multi-flow", "mixed"] = Field(
        "multi-flow", description="what makes two people one"
    )
    min_similarity: float = Field(0.3, ge=0, le=1, description="pairs below are never matched")
    assignment: Literal["hungarian", "greedy"] = Field("hungarian", description="how pairs are chosen")
    max_age: int = Field(30, ge=1, description="frames a person may be missing and still be taken up again")
    queue: int = Field(8, ge=1, le=100, description="past poses of a person that are compared with")
    min_box_score: float = Field(0.5, ge=0, le=1, description="people whose box is below get no identity")
    high_score: float = Field(0.25, ge=0, le=1, description="people above are matched first")
    low_score: float = Field(0.2, ge=0, le=1, description="people below get no identity")
    low_age: int = Field(5, ge=1, description="people between are matched with who was seen this many frames ago")
    new_track_score: float = Field(0.2, ge=0, le=1, description="an unmatched person above begins a track")
    confirm: int = Field(2, ge=0, le=100, description="frames within which a new person must be seen again")
    copy_oks: float = Field(0.5, ge=0, le=1, description="one more alike (OKS) to somebody tracked is a copy")
    min_joint_score: float = Field(0.2, ge=0, le=1, description="joints above count in the similarity")
    appearance: float = Field(0.0, ge=0, le=1, description="weight of people's colours in the similarity")
    flow: Literal["auto", "none", "dis", "raft-small", "raft-large"] = Field(
        "auto", description="optical flow; auto is RAFT on a GPU that has its weights, else DIS"
    )
    flow_side: int = Field(320, ge=64, le=4096, description="flow is computed on frames of this long side, pixels")
    flow_check: bool = Field(False, description="trust flow only where the way back leads home")
    flow_files: str = Field("", description="folder with .flo files, one folder a sequence, in place of --flow")
    save_flow: str = Field("", description="folder that the flow is written to, as .flo files")
    recover: bool = Field(True, description="look for missed people where the flow carried them")
    recover_score: float = Field(0.3, ge=0, le=1, description="mean of the joints that a recovered person must have")
    recover_oks: float = Field(0.3, ge=0, le=1, description="likeness (OKS) to the pose that was expected")
    recover_iou: float = Field(0.6, ge=0, le=1, description="nobody is looked for where a box overlaps more (IoU)")
    recover_frames: int = Field(5, ge=1, description="frames in a row that a person is carried undetected")
    offline: bool = Field(False, description="look back in the end: stitch tracks, fill short gaps")
    stitch_gap: int = Field(60, ge=0, description="offline: frames between two tracks that may be one person")
    stitch_similarity: float = Field(0.3, ge=0, le=1, description="offline: likeness that stitched tracks must have")
    stitch_appearance: float = Field(0.5, ge=0, le=1, description="offline: weight of people's colours in it")
    fill_gap: int = Field(8, ge=0, description="offline: gaps of at most this many frames are filled in")
    min_track: int = Field(3, ge=1, description="offline: tracks of fewer frames lose their identity")
    smooth: Literal["off", "one-euro", "savgol"] = Field("off", description="calmer joints to look at, not to score")


class RenderSettings(_Strict):
    """`ptrack render`"""

    min_keypoint_score: float = Field(0.25, ge=0, le=1, description="joints below are not drawn")
    min_person_score: float = Field(0.0, ge=0, le=1, description="people below are not drawn")
    show_boxes: bool = Field(True, description="draw boxes")
    show_ids: bool = Field(True, description="write identities")
    show_unassigned: bool = Field(False, description="draw people without identity, grey")
    show_timeline: bool = Field(False, description="identity timeline in the overlay's corner")
    max_side: int = Field(1920, ge=64, description="larger frames are scaled down to this side, pixels")
    crf: int = Field(23, ge=0, le=51, description="H.264 quality, less is better")


class Settings(_Strict):
    """All stages together."""

    detect: DetectSettings = DetectSettings()
    pose: PoseSettings = PoseSettings()
    track: TrackSettings = TrackSettings()
    render: RenderSettings = RenderSettings()


def resolve(
    presets: Iterable[str] = (),
    config: Path | None = None,
    assignments: Iterable[str] = (),  # "track.max_age=60"
    options: Mapping[str, object] | None = None,  # "track.max_age" -> 60; None values are left out
) -> Settings:
    """The settings of one command.

    Raises:
        SettingsError: an unknown preset or key (the nearest is named), or a value of the wrong kind.
    """
    tree: dict = {}
    for name in presets:
        _merge(tree, read_preset(name), f"preset {name}")
    if config is not None:
        _merge(tree, _read_yaml(config), str(config))
    for text in assignments:
        key, equals, value = text.partition("=")
        if not equals:
            raise SettingsError(f"--set {text}: write it as key=value")
        try:
            content = yaml.safe_load(value)
        except (yaml.YAMLError, ValueError, RecursionError):
            raise SettingsError(f"--set {_shown(text)}: the value cannot be read") from None
        _set(tree, key.strip(), content, "--set")
    for key, value in (options or {}).items():
        if value is not None:
            _set(tree, key, value, "--" + key.split(".")[-1].replace("_", "-"))
    try:
        return Settings.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise SettingsError(f"{key}: {first['msg']}, not {_shown(first['input'])}") from None


def preset_names() -> list[str]:
    """The presets that are installed."""
    folder = resources.files("configs") / "presets"
    return sorted(f.name.removesuffix(".yaml") for f in folder.iterdir() if f.name.endswith(".yaml"))


def read_preset(name: str) -> dict:
    """The tree of an installed preset.

    Raises:
        SettingsError: there is none of that name.
    """
    if name not in preset_names():
        raise SettingsError(f"preset {name!r} does not exist{_nearest(name, preset_names())}")
    return _parse(resources.files("configs").joinpath("presets", f"{name}.yaml").read_text(), f"preset {name}")


def _read_yaml(path: Path) -> dict:
    try:
        return _parse(path.read_text(), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read ({error})") from None


def _parse(text: str, where: str) -> dict:
    try:
        tree = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # 2020-99-99 is a ValueError
        raise SettingsError(f"{where}: is not YAML ({str(error).splitlines()[0]})") from None
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise SettingsError(f"{where}: must be sections with keys, not {type(tree).__name__}")
    return tree


def _merge(tree: dict, extra: dict, where: str) -> None:
    for section, values in extra.items():
        if not isinstance(values, dict):
            raise SettingsError(f"{where}: section {str(section)[:60]} must hold keys, not {type(values).__name__}")
        for key, value in values.items():
            _set(tree, f"{section}.{key}", value, where)


def _set(tree: dict, key: str, value: object, where: str) -> None:
    known = [f"{s}.{k}" for s, field in Settings.model_fields.items() for k in field.annotation.model_fields]
    if key not in known:
        raise SettingsError(f"{where}: unknown setting {_shown(key)}{_nearest(key, known)}")
    section, name = key.split(".")
    tree.setdefault(section, {})[name] = value


def _shown(value: object) -> str:
    """Short whatever it is: a few lines of YAML make a list that would fill the memory as text."""
    text = f"a {type(value).__name__}" if isinstance(value, (list, dict, set, tuple)) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _nearest(name: str, known: Iterable[str]) -> str:
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if not close:  # the key alone may be right and its section wrong or missing
        close = [k for k in known if k.split(".")[-1] == name.split(".")[-1]]
    return f", did you mean {close[0]!r}?" if close else f"; known are {', '.join(known)}"
