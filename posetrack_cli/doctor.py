"""`ptrack doctor`: whether everything works on this machine, and what to do about what does not."""

from __future__ import annotations

import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import click

_PACKAGES = (
    *("ptrack", "torch", "torchvision", "opencv-python", "av", "numpy", "scipy", "motmetrics", "pycocotools"),
    *("shapely", "orjson", "pydantic", "PyYAML", "safetensors", "matplotlib", "click", "tqdm"),
)


@click.command("doctor")
def doctor_command() -> int:
    """Versions, device, codecs, threads, weights, and a self-test of some seconds. Ends with 1 if something fails."""
    failures = 0
    for name, check in (
        ("python", _python),
        ("packages", _packages),
        ("device", _device),
        ("codecs", _codecs),
        ("weights", _weights),
        ("self-test", _self_test),
    ):
        for good, text in _safely(check):
            failures += not good
            click.echo(f"{'ok  ' if good else 'FAIL'}  {name}: {text}")
    click.echo(
        "everything works" if not failures else f"{failures} problem{'s' if failures > 1 else ''}, see FAIL above"
    )
    return 1 if failures else 0


def _safely(check: Callable[[], Iterator[tuple[bool, str]]]) -> Iterator[tuple[bool, str]]:
    try:
        yield from check()
    except Exception as error:  # noqa: BLE001 - a doctor reports whatever is broken
        yield False, f"{type(error).__name__}: {error}"


def _python() -> Iterator[tuple[bool, str]]:
    good = sys.version_info >= (3, 10)
    yield (
        good,
        f"{platform.python_version()} on {platform.platform()}" + ("" if good else "; ptrack needs 3.10 or later"),
    )


def _packages() -> Iterator[tuple[bool, str]]:
    found, missing = [], []
    for name in _PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    yield True, ", ".join(found)
    if missing:
        yield False, f"{', '.join(missing)} missing; run `pip install {' '.join(missing)}`"


def _device() -> Iterator[tuple[bool, str]]:
    import torch

    if torch.cuda.is_available():
        names = ", ".join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))
        yield True, f"CUDA {torch.version.cuda}: {names} (used by default)"
    elif torch.backends.mps.is_available():
        yield True, "Apple GPU (used by default)"
    else:
        yield True, f"CPU, {torch.get_num_threads()} threads by torch's choice; ptrack uses --threads (2)"


def _codecs() -> Iterator[tuple[bool, str]]:
    import av

    for codec, mode, purpose in (
        ("h264", "r", "reading most videos"),
        ("hevc", "r", "reading videos of phones"),
        ("vp9", "r", "reading webm"),
        ("mpeg4", "r", "reading old avi"),
        ("libx264", "w", "writing overlays"),
    ):
        try:
            av.Codec(codec, mode)
        except ValueError:
            yield (
                False,
                f"{codec} is missing ({purpose}); install PyAV from a wheel: pip install --force-reinstall av",
            )
    yield True, f"PyAV {av.__version__} decodes h264, hevc, vp9, mpeg4 and encodes H.264"


def _weights() -> Iterator[tuple[bool, str]]:
    import os

    from configs.models import bundled_digest, bundled_weights, model_table

    for entry in model_table():
        if entry.weights == "bundled":
            digest = bundled_digest(entry)
            good = entry.sha256 is None or digest == entry.sha256
            text = f"{entry.stage} {entry.name}: {bundled_weights(entry)}"
            yield good, text if good else f"{text} is damaged (sha256 {digest[:12]}...); install ptrack again"
    home = os.environ.get("TORCH_HOME", Path.home() / ".cache" / "torch")
    yield True, f"torchvision's weights are looked for in {home}/hub/checkpoints"


def _self_test() -> Iterator[tuple[bool, str]]:
    from configs.settings import Settings
    from posedata.sequences import discover
    from posedata.synthetic import write_posetrack18
    from stages.pipeline import Pipeline
    from stages.wiring import Hardware, parts
    from stages.work import STAGES, WorkFolder

    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "data"
        write_posetrack18(root, seed=1, frames=8, size=(320, 240), people=2)
        found = discover(root, "auto", None)
        work = WorkFolder(Path(folder) / "work")
        work.claim(root, found.kind)
        report = Pipeline(work, parts(STAGES, Settings(), Hardware())).run(found.sequences[0])
    seconds = time.perf_counter() - began
    yield report.frames == 8, f"8 rendered frames through detect, pose and track in {seconds:.1f} s"
