"""A record's first line: what was made, from what, by what, so that staleness can be told from it alone."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import orjson

from posedata.skeletons import SKELETONS

SCHEMA = "ptrack/1"
OPENING = b',"frames":['  # how the header line ends

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


@dataclass(frozen=True)
class VideoHeader:
    """The video that a record is about; `fps` is None where the frames have no rate (unrelated images)."""

    name: str
    fps: float | None
    width: int  # pixels
    height: int  # pixels

    def __post_init__(self) -> None:
        require_text("video.name", self.name)
        if self.fps is not None:
            rate = require_number("video.fps", self.fps)
            if rate <= 0:
                raise ValueError(f"video.fps must be positive, not {rate:g}")
            object.__setattr__(self, "fps", rate)
        require_integer("video.width", self.width, 1)
        require_integer("video.height", self.height, 1)


@dataclass(frozen=True)
class ModelRef:
    """The weights that made a record."""

    name: str
    sha256: str  # of the weights file, hexadecimal

    def __post_init__(self) -> None:
        require_text("model.name", self.name)
        require_digest("model.sha256", self.sha256)


@dataclass(frozen=True)
class Header:
    """What a record says of itself before its frames. It names no absolute path, time, host or device.

    `settings` holds those settings that change the content, with sorted keys; `settings_digest` is the sha256 of
    its canonical JSON. `upstream_digest` is `record_digest` of the record that this one was made from, None for the
    first stage. `input_identity` is whatever text `posedata.sequences` identifies the pixels by.

    Raises:
        ValueError: a field has the wrong type or value; the message begins with the field's name.
    """

    stage: str
    sequence: str
    video: VideoHeader
    skeleton: str | None
    ptrack_version: str
    settings: Mapping[str, Json]
    settings_digest: str
    input_identity: str
    upstream_digest: str | None = None
    model: ModelRef | None = None
    schema: str = SCHEMA

    def __post_init__(self) -> None:
        if self.schema != SCHEMA:
            raise ValueError(f"schema is {self.schema!r}, this version reads {SCHEMA!r}")
        for name in ("stage", "sequence", "ptrack_version", "input_identity"):
            require_text(name, getattr(self, name))
        if self.skeleton is not None and (not isinstance(self.skeleton, str) or self.skeleton not in SKELETONS):
            raise ValueError(f"skeleton is {self.skeleton!r}, known are {', '.join(SKELETONS)}")
        if self.upstream_digest is not None:
            require_digest("upstream_digest", self.upstream_digest)
        text = _canonical(self.settings)
        object.__setattr__(self, "settings", orjson.loads(text))
        if self.settings_digest != hashlib.sha256(text).hexdigest():
            raise ValueError("settings_digest does not fit the settings")

    @classmethod
    def create(
        cls,
        *,
        stage: str,
        sequence: str,
        video: VideoHeader,
        skeleton: str | None,
        ptrack_version: str,
        settings: Mapping[str, Json],
        input_identity: str,
        upstream_digest: str | None = None,
        model: ModelRef | None = None,
    ) -> Header:
        """The header with its settings' digest worked out."""
        return cls(
            stage=stage,
            sequence=sequence,
            video=video,
            skeleton=skeleton,
            ptrack_version=ptrack_version,
            settings=settings,
            settings_digest=settings_digest(settings),
            input_identity=input_identity,
            upstream_digest=upstream_digest,
            model=model,
        )

    @property
    def joints(self) -> int | None:
        """The number of joints of each person's pose; None for a record without poses."""
        return None if self.skeleton is None else len(SKELETONS[self.skeleton])


def settings_digest(settings: Mapping[str, Json]) -> str:
    """The sha256 of the settings' canonical JSON (sorted keys, no spaces), hexadecimal.

    Raises:
        ValueError: the settings hold something that JSON cannot (NaN, a path, a key that is no text).
    """
    return hashlib.sha256(_canonical(settings)).hexdigest()


def header_digest(header: Header) -> str:
    """The sha256 of the header line, hexadecimal.

    It stands for the record in the next stage's header: everything the content follows from is in the header, and it
    is known before the first frame is, so that stages can be written side by side.
    """
    return hashlib.sha256(encode_header(header)).hexdigest()


def encode_header(header: Header) -> bytes:
    """The first line of the record, with its line end; the frames' list is left open."""
    video, model = header.video, header.model
    content = {
        "schema": header.schema,
        "stage": header.stage,
        "sequence": header.sequence,
        "video": {"name": video.name, "fps": video.fps, "width": video.width, "height": video.height},
        "skeleton": header.skeleton,
        "ptrack_version": header.ptrack_version,
        "settings": header.settings,
        "settings_digest": header.settings_digest,
        "input_identity": header.input_identity,
        "upstream_digest": header.upstream_digest,
        "model": None if model is None else {"name": model.name, "sha256": model.sha256},
    }
    return orjson.dumps(content)[:-1] + OPENING + b"\n"


def decode_header(line: bytes) -> Header:
    """The header in a record's first line.

    Raises:
        ValueError: the line is no header; the message names the field.
    """
    text = line.rstrip(b"\r\n")
    if not text.endswith(OPENING):
        raise ValueError('the first line must hold the header and end with "frames":[')
    content = parse_object(text[: -len(OPENING)] + b"}")
    if content.get("schema") != SCHEMA:  # first: another schema may have other fields
        raise ValueError(f"schema is {shown(content.get('schema'))}, this version reads {SCHEMA!r}")
    names = set(Header.__dataclass_fields__)
    require_keys("the header", content, names, names)
    return Header(
        **{
            **content,
            "video": VideoHeader(**_part(content, "video", VideoHeader)),
            "model": None if content["model"] is None else ModelRef(**_part(content, "model", ModelRef)),
        }
    )


def parse_object(text: bytes) -> dict[str, Json]:
    """The JSON object in a text.

    Raises:
        ValueError: the text is no JSON, or not an object.
    """
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"is not valid JSON ({error.msg} at column {error.colno})") from None
    if not isinstance(value, dict):
        raise ValueError(f"must be a JSON object, not {shown(value)}")
    return value


def require_keys(
    where: str,
    content: dict[str, Json],
    required: set[str],
    allowed: set[str],
) -> None:
    """Raises ValueError where a field is missing or unknown."""
    missing, unknown = sorted(required - content.keys()), sorted(content.keys() - allowed)
    if missing:
        raise ValueError(f"{where} lacks the field {missing[0]!r}")
    if unknown:
        raise ValueError(f"{where} has the unknown field {shown(unknown[0])}")


def require_text(name: str, value: object) -> str:
    """The value if it is text that a file can hold; ValueError otherwise."""
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} must be a text, not {shown(value)}")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError(f"{name} is not valid UTF-8: {value!a}; rename the file") from None
    return value


def require_digest(name: str, value: object) -> str:
    """The value if it is a sha256 in hexadecimal; ValueError otherwise."""
    if not isinstance(value, str) or len(value) != 64 or set(value) - set("0123456789abcdef"):
        raise ValueError(f"{name} must be a sha256 of 64 hexadecimal digits, not {shown(value)}")
    return value


def require_integer(name: str, value: object, least: int) -> int:
    """The value if it is a whole number of at least `least` that JSON readers keep exact; ValueError otherwise."""
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= 2**53:
        raise ValueError(f"{name} must be a whole number of at least {least}, not {shown(value)}")
    return value


def require_number(name: str, value: object) -> float:
    """The value as a float if it is a finite number; ValueError otherwise."""
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not math.isfinite(value):
        raise ValueError(f"{name} must be a finite number, not {shown(value)}")
    return float(value)


def shown(value: object) -> str:
    """A value for an error message: short whatever it is."""
    text = type(value).__name__ if isinstance(value, (list, dict)) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _part(
    content: dict[str, Json],
    name: str,
    kind: type[VideoHeader] | type[ModelRef],
) -> dict[str, Json]:
    value = content[name]
    if not isinstance(value, dict):
        raise ValueError(f"{name} must be an object, not {shown(value)}")
    names = set(kind.__dataclass_fields__)
    require_keys(name, value, names, names)
    return value


def _canonical(settings: Mapping[str, Json]) -> bytes:
    if not isinstance(settings, Mapping):
        raise ValueError(f"settings must be an object, not {shown(settings)}")
    try:
        text = orjson.dumps(dict(settings), option=orjson.OPT_SORT_KEYS)
    except TypeError as error:
        raise ValueError(f"settings cannot be written as JSON: {error}") from None
    if b"null" in text:  # as orjson writes NaN, too
        _reject_not_finite(settings, "settings")
    return text


def _reject_not_finite(value: object, where: str) -> None:
    """orjson writes NaN as null; in settings that would hide a mistake."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{where} must be finite, not {value}")
    if isinstance(value, Mapping):
        for key, inner in value.items():
            _reject_not_finite(inner, f"{where}.{key}")
    elif isinstance(value, (list, tuple)):
        for inner in value:
            _reject_not_finite(inner, where)
