"""The table of models: what each network is, how it must be fed, and where its weights come from."""

from __future__ import annotations

import difflib
import hashlib
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict

from configs.errors import SettingsError


class ModelEntry(BaseModel):
    """One line of `configs/models.yaml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    stage: Literal["detect", "pose"]
    architecture: str  # of pose networks: the name that `stages.pose.networks.create` knows
    options: dict[str, str | int] = {}  # of that network
    summary: str
    dataset: str | None = None  # it was trained on
    skeleton: str | None = None  # of pose networks
    input: tuple[int, int] | None = None  # height, width of the crop; None = the frame's own shape
    frame_height: int = 640  # of bottom-up models: what frames are scaled to, pixels
    colour: Literal["RGB", "BGR"] = "RGB"
    mean: tuple[float, float, float] | None = None  # of 0..1, in the order of `colour`; None = not normalised
    std: tuple[float, float, float] | None = None
    weights: Literal["bundled", "torchvision", "file"]
    file: str | None = None  # of bundled weights
    sha256: str | None = None
    offered: str | None = None  # where its authors offer the weights
    authors_file: str | None = None  # what the authors call the file
    licence: str
    score: str | None = None  # published or measured, in words

    @property
    def bottom_up(self) -> bool:
        """Whether it finds people by itself, without boxes."""
        return self.stage == "pose" and self.architecture.startswith("imhn")


@cache
def model_table() -> tuple[ModelEntry, ...]:
    """Every known model, in the file's order."""
    text = resources.files("configs").joinpath("models.yaml").read_text()
    return tuple(ModelEntry.model_validate(entry) for entry in yaml.safe_load(text)["models"])


def find_model(name: str, stage: str) -> ModelEntry:
    """The model of that name.

    Raises:
        SettingsError: there is none for this stage; the nearest is named.
    """
    names = [m.name for m in model_table() if m.stage == stage]
    for entry in model_table():
        if entry.stage == stage and entry.name == name:
            return entry
    close = difflib.get_close_matches(name, names, n=1)
    hint = f", did you mean {close[0]!r}?" if close else f"; there are {', '.join(names)}"
    raise SettingsError(f"{stage}.model: {name!r} is not known{hint} (see `ptrack models`)")


def bundled_weights(entry: ModelEntry) -> Path:
    """Where the weights that came with the package lie."""
    return Path(str(resources.files("configs").joinpath("weights", entry.file or "")))


def missing_checkpoint(entry: ModelEntry) -> str:
    """What to say where a published model is used without its weights."""
    called = f"{entry.authors_file} " if entry.authors_file else ""
    return (
        f"{entry.name}: its weights are a file of yours; fetch {called}from its authors ({entry.offered}) "
        "and add --checkpoint FILE"
    )


def weights_sha256(entry: ModelEntry, checkpoint: str) -> str:
    """The sha256 of a pose model's weights, hexadecimal: of the checkpoint, or of what came with the package.

    Raises:
        SettingsError: there is no such file, or none is given.
    """
    if not checkpoint:
        if entry.weights == "file":
            raise SettingsError(missing_checkpoint(entry))
        return bundled_digest(entry)
    digest = hashlib.sha256()
    try:
        with Path(checkpoint).open("rb") as file:
            while part := file.read(1 << 20):
                digest.update(part)
    except OSError as error:
        raise SettingsError(f"--checkpoint {checkpoint}: cannot be read ({error.strerror})") from None
    return digest.hexdigest()


def bundled_digest(entry: ModelEntry) -> str:
    """The sha256 of the bundled weights, hexadecimal.

    Raises:
        SettingsError: the file is not there.
    """
    try:
        return hashlib.sha256(bundled_weights(entry).read_bytes()).hexdigest()
    except OSError:
        raise SettingsError(
            f"{bundled_weights(entry)}: the weights of {entry.name} are missing; install ptrack again"
        ) from None
