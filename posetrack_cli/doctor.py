"""`ptrack doctor`: whether everything works on this machine, and what to do about what does not."""

from __future__ import annotations

import importlib
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import click

from posetrack_cli.options import verbosity_option

_PACKAGES = {  # distribution -> what is imported of it
    "torch": "torch",
    "torchvision": "torchvision",
    "opencv-python": "cv2",
    "av": "av",
    "numpy": "numpy",
    "scipy": "scipy.optimize",
    "motmetrics": "motmetrics",
    "pycocotools": "pycocotools.mask",
    "shapely": "shapely",
    "orjson": "orjson",
    "pydantic": "pydantic",
    "PyYAML": "yaml",
    "safetensors": "safetensors.torch",
    "matplotlib": "matplotlib",
    "click": "click",
    "tqdm": "tqdm",
}
_EXTRAS = {"tables": ("pyarrow",), "train": ("tensorboard",), "export": ("onnx", "onnxruntime"), "cluster": ("ray",)}
_OTHER_OPENCV = ("opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless")
_CODECS = (  # name, reading or writing, what for
    ("h264", "r", "reading most videos"),
    ("hevc", "r", "reading videos of phones"),
    ("vp9", "r", "reading webm"),
    ("av1", "r", "reading new web videos"),
    ("mpeg4", "r", "reading old avi"),
    ("libx264", "w", "writing overlays"),
)
_LEAST_ROOM = 1 << 30  # bytes on the disk


@dataclass(frozen=True)
class Finding:
    """One line of the report; a failure says what to do."""

    level: str  # "ok", "note" (works, but look at it) or "FAIL"
    about: str
    text: str


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@verbosity_option
def doctor_command(as_json: bool) -> int:
    """Versions, device, codecs, threads, weights, disk, and a self-test of some ten seconds; what to do about what is
    wrong. Ends with 1 if something is."""
    findings: list[Finding] = []
    for about, check in _CHECKS.items():
        for level, text in _safely(check):
            findings.append(Finding(level, about, text))
            if not as_json:
                click.echo(f"{level:4}  {about}: {text}")
    failures = sum(f.level == "FAIL" for f in findings)
    if as_json:
        click.echo(json.dumps({"failures": failures, "findings": [asdict(f) for f in findings]}))
    else:
        several = "s" if failures > 1 else ""
        click.echo(f"{failures} problem{several}, see FAIL above" if failures else "everything works")
    return 1 if failures else 0


def _safely(check: Callable[[], Iterator[tuple[str, str]]]) -> Iterator[tuple[str, str]]:
    try:
        yield from check()
    except Exception as error:  # noqa: BLE001 - a doctor reports whatever is broken
        what = " ".join(f"{type(error).__name__}: {error}".split())
        yield "FAIL", f"{what}; mend what fails above first, else install ptrack anew in a fresh environment"


def _python() -> Iterator[tuple[str, str]]:
    yield "ok", f"{platform.python_version()} on {platform.platform()}"


def _packages() -> Iterator[tuple[str, str]]:
    found = [f"ptrack {version('ptrack')}"]
    for name, module in _PACKAGES.items():
        try:
            importlib.import_module(module)
            found.append(f"{name} {_version(name, module)}")
        except ImportError as error:
            yield "FAIL", f"{name} cannot be imported ({error}); {_remedy(name, str(error))}"
    yield "ok", ", ".join(found)
    several = [name for name in ("opencv-python", *_OTHER_OPENCV) if _installed(name)]
    if len(several) > 1:
        yield (
            "note",
            f"{' and '.join(several)} overwrite each other's files; pip uninstall all of them, then install one",
        )
    for extra, names in _EXTRAS.items():
        missing = [name for name in names if not _installed(name)]
        if missing:
            yield "note", f"{' and '.join(missing)} not there, for what needs it: pip install 'ptrack[{extra}]'"


def _version(name: str, module: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:  # the same module out of another distribution
        return getattr(sys.modules[module.partition(".")[0]], "__version__", "of unknown version")


def _remedy(name: str, error: str) -> str:
    if name == "opencv-python" and ".so" in error:
        return "a system library is missing: pip uninstall opencv-python, then pip install opencv-python-headless"
    if ".so" in error or "DLL" in error:
        return f"a library of it is missing or damaged: pip install --force-reinstall {name}"
    return f"pip install {name}"


def _installed(name: str) -> bool:
    try:
        return bool(version(name))
    except PackageNotFoundError:
        return False


def _device() -> Iterator[tuple[str, str]]:
    import torch

    if torch.cuda.is_available():
        for number in range(torch.cuda.device_count()):
            free, whole = torch.cuda.mem_get_info(number)
            name = torch.cuda.get_device_name(number)
            yield "ok", f"cuda:{number} is {name}, {free >> 20} of {whole >> 20} MiB free (CUDA {torch.version.cuda})"
        one = torch.ones(64, 64, device="cuda")
        if float((one @ one).sum()) != 64**3:
            yield "FAIL", "the GPU computes wrong numbers; look at its driver, and use --device cpu until then"
    elif torch.backends.mps.is_available():
        yield "ok", "Apple GPU (used by default)"
    else:
        yield "ok", "no GPU that torch can use; networks run on the CPU"
        if torch.version.cuda and os.path.exists("/proc/driver/nvidia/version"):
            yield (
                "note",
                f"there is an NVIDIA driver, but torch (CUDA {torch.version.cuda}) cannot use it: "
                "update the driver, or install a torch for an older CUDA",
            )


def _threads() -> Iterator[tuple[str, str]]:
    import cv2
    import torch

    from stages.device import usable_cores

    usable = usable_cores()
    settings = [f"{name}={os.environ[name]}" for name in sorted(os.environ) if name.startswith(("OMP_", "MKL_"))]
    yield (
        "ok",
        f"{usable} of {os.cpu_count()} processors may be used; ptrack's networks use --threads (2) in each process, "
        f"whatever torch ({torch.get_num_threads()}) and OpenCV ({cv2.getNumThreads()}) would take; "
        f"environment: {', '.join(settings) or 'nothing set'}",
    )
    quota = _cpu_quota()
    if quota is not None and quota < min(usable, 2):
        yield "note", f"this container gets {quota:.1f} processors; use --threads 1"
    if os.environ.get("OMP_WAIT_POLICY", "").upper() == "ACTIVE":
        yield "note", "OMP_WAIT_POLICY=ACTIVE makes waiting threads spin; unset it where other work runs beside"


def _cpu_quota() -> float | None:
    """Processors that the container's limit allows; None where there is none."""
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):
        return None


def _codecs() -> Iterator[tuple[str, str]]:
    import av

    good = []
    for codec, mode, purpose in _CODECS:
        try:
            av.Codec(codec, mode)
            good.append(codec)
        except ValueError:
            yield (
                "FAIL",
                f"{codec} is missing ({purpose}); install PyAV's own wheel: pip install --force-reinstall av",
            )
    libraries = ", ".join(f"{name} {'.'.join(map(str, number))}" for name, number in av.library_versions.items())
    yield "ok", f"PyAV {av.__version__} has {', '.join(good)} ({libraries})"
    with tempfile.TemporaryDirectory() as folder:
        from posedata.sequence import Sequence
        from posedata.synthetic import write_video
        from posedata.video import open_sequence

        path = write_video(Path(folder) / "test.mp4", frames=5, size=(64, 64), people=0)
        with open_sequence(Sequence("test", path)) as source:
            count = sum(1 for _ in source)
    if count == 5:
        yield "ok", "an H.264 video was written and read back"
    else:
        yield "FAIL", f"of 5 frames written as H.264 {count} came back; pip install --force-reinstall av"


def _weights() -> Iterator[tuple[str, str]]:
    from configs.models import bundled_weights, model_table

    for entry in model_table():
        if entry.weights == "bundled":
            path = bundled_weights(entry)
            yield _looked_at(f"{entry.stage} {entry.name}: {path}", path, entry.sha256)
    from torch.hub import get_dir

    folder = Path(get_dir()) / "checkpoints"
    files = sorted(path.name for path in folder.glob("*.pth")) if folder.is_dir() else []
    where = f"torchvision's weights are looked for in {folder} (TORCH_HOME moves it)"
    yield "ok", f"{where}: {', '.join(files) if files else 'none there yet, they are fetched when first asked for'}"
    yield "ok", "weights of published models are files of yours, given by --checkpoint; `ptrack models` lists them"


def _looked_at(text: str, path: Path, digest: str | None) -> tuple[str, str]:
    import hashlib

    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        return "FAIL", f"{text} cannot be read ({error.strerror}); install ptrack again"
    if digest is not None and found != digest:
        return "FAIL", f"{text} is damaged (sha256 {found[:12]}..., not {digest[:12]}...); install ptrack again"
    return "ok", text


def _disk() -> Iterator[tuple[str, str]]:
    """The current folder is where records go unless --work says otherwise."""
    from posedata.atomic import write_atomically
    from posedata.locks import lock_file

    here = Path.cwd()
    room = shutil.disk_usage(here).free
    try:
        with tempfile.TemporaryDirectory(prefix=".ptrack-doctor-", dir=here) as folder:
            path = Path(folder) / "file"
            write_atomically(path, b"x")
            with path.open("r+b") as file:
                locks = lock_file(file.fileno())
    except OSError as error:
        yield "note", f"{here} cannot be written ({error.strerror}); give --work a folder that can"
        return
    yield ("ok" if room >= _LEAST_ROOM else "note"), f"{here} can be written, {room >> 20} MiB free"
    if not locks:
        yield "note", f"{here} has no file locks: do not run two ptrack processes on one work folder there"


def _self_test() -> Iterator[tuple[str, str]]:
    from configs.settings import Settings
    from posedata.records import iter_frames
    from posedata.sequences import discover
    from posedata.synthetic import write_posetrack18
    from stages.pipeline import Pipeline
    from stages.render.render import render_sequence
    from stages.wiring import Hardware, parts
    from stages.work import STAGES, WorkFolder

    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "data"
        write_posetrack18(root, seed=7, frames=8, people=2)
        found = discover(root, "auto", None)
        (sequence,) = found.sequences
        work = WorkFolder(Path(folder) / "work")
        work.claim(root, found.kind)
        settings = Settings()
        report = Pipeline(work, parts(STAGES, settings, Hardware())).run(sequence)
        record = work.record(sequence.id, "track")
        seen = sum(len(frame.people) > 0 for frame in iter_frames(record))
        render_sequence(sequence, record, record.parent, settings.render)
    seconds = time.perf_counter() - began
    text = f"8 rendered frames through detect, pose, track and render in {seconds:.1f} s"
    if report.frames == 8 and seen >= 4:
        yield "ok", f"{text}, people found in {seen} of them"
    else:
        yield "FAIL", f"{text}, but people found in {seen} only; try --device cpu --no-half, and install ptrack again"


_CHECKS: dict[str, Callable[[], Iterator[tuple[str, str]]]] = {
    "python": _python,
    "packages": _packages,
    "device": _device,
    "threads": _threads,
    "codecs": _codecs,
    "weights": _weights,
    "disk": _disk,
    "self-test": _self_test,
}
