"""A disk that fills up in the middle of each stage: a sentence and exit code 1; with space again the same command
completes, byte for byte as if nothing had happened."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from processes import QUICK, STAGES, Starter, records

from posedata.errors import SequenceFailed
from stages.render.overlay import overlay_writer

OPTIONS = {
    "detect": ("--threads", 1, "--long-side", 64, "--max-people", 1, "--min-box-score", 0.05),
    "pose": ("--threads", 1, "--no-flip"),
    "track": ("--threads", 1),
}
PICTURES = ("overlay.mp4", "contact_sheet.png", "timeline.png")


@pytest.fixture(scope="module")
def drawn(starter: Starter, finished: Path, tmp_path_factory) -> Path:
    """The undisturbed work folder with its pictures and an export."""
    folder = tmp_path_factory.mktemp("drawn")
    shutil.copytree(finished, folder / "work")
    starter.run("render", folder / "work", cwd=folder)
    for kind in ("csv", "coco", "posetrack17", "posetrack18", "mot", "parquet"):
        starter.run("export", folder / "work", "--format", kind, "--out", folder / kind, cwd=folder)
    return folder


def copy_up_to(stage: str, finished: Path, work: Path) -> None:
    """The work folder as it is before `stage`."""
    shutil.copytree(finished, work)
    for later in STAGES[STAGES.index(stage) :]:
        (work / "walker" / f"{later}.json").unlink()


@pytest.mark.parametrize("part", [0.06, 0.6, 0.995])
@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_that_may_not_write_on(starter, clip, finished, tmp_path, stage, part):
    """The operating system refuses what goes beyond a part of the record's size."""
    work = tmp_path / "work"
    copy_up_to(stage, finished, work)
    whole = finished / "walker" / f"{stage}.json"
    most = int(whole.stat().st_size * part)
    command = (stage, clip, "--work", work, *OPTIONS[stage])
    ended = starter.run(*command, cwd=tmp_path, largest_file=most, code=1)
    assert f"{stage}.json: cannot be written (File too large)" in ended.sentence
    assert ended.sentence.endswith("run the same command again, it goes on from the last whole chunk")
    assert not (work / "walker" / f"{stage}.json").exists()
    starter.run(*command, cwd=tmp_path)
    assert (work / "walker" / f"{stage}.json").read_bytes() == whole.read_bytes()


def test_pictures_that_may_not_be_written_to_their_end(starter, drawn, tmp_path):
    work = tmp_path / "work"
    shutil.copytree(drawn / "work", work, ignore=shutil.ignore_patterns(*PICTURES))
    most = (drawn / "work" / "walker" / "contact_sheet.png").stat().st_size - 100  # the largest of them
    ended = starter.run("render", work, cwd=tmp_path, largest_file=most, code=1)
    assert "contact_sheet.png: cannot be written (File too large); mend that and render again" in ended.sentence
    assert not (work / "walker" / "overlay.mp4").exists() and not list(work.rglob(".*"))
    assert records(work) == records(drawn / "work")
    starter.run("render", work, cwd=tmp_path)
    for picture in PICTURES:
        made = (work / "walker" / picture).read_bytes()
        assert made == (drawn / "work" / "walker" / picture).read_bytes(), picture


@pytest.mark.parametrize("part", [0.001, 0.5, 0.999])
def test_an_overlay_that_may_not_be_written_to_its_end(tmp_path, part):
    pictures = np.random.default_rng(0).integers(0, 255, (30, 96, 128, 3), np.uint8)

    def write(path: Path) -> None:
        with overlay_writer(path, 128, 96, fps=25, crf=10) as overlay:
            for number, picture in enumerate(pictures):
                overlay.write(picture, number / 25)

    write(tmp_path / "whole.mp4")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int((tmp_path / "whole.mp4").stat().st_size * part), limits[1]))
    try:
        with pytest.raises(
            SequenceFailed, match=r"cannot be written .*mend that and render again; no record is lost"
        ):
            write(tmp_path / "cut.mp4")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path.name for path in tmp_path.iterdir()] == ["whole.mp4"]


@pytest.mark.parametrize("kind", ["csv", "coco", "posetrack17", "posetrack18", "mot", "parquet"])
def test_an_export_that_may_not_be_written_to_its_end(starter, drawn, tmp_path, kind):
    files = {p.relative_to(drawn / kind): p.read_bytes() for p in (drawn / kind).rglob("*") if p.is_file()}
    most = int(max(map(len, files.values())) * 0.7)
    command = ("export", drawn / "work", "--format", kind, "--out", tmp_path / "out")
    if most < 200:
        pytest.skip("nothing to speak of is written")
    ended = starter.run(*command, cwd=tmp_path, largest_file=most, code=2)
    assert "cannot be written (" in ended.sentence and "File too large" in ended.sentence
    assert "choose another --out" in ended.sentence
    for path in (tmp_path / "out").rglob("*"):
        if path.is_file():
            assert path.read_bytes() == files[path.relative_to(tmp_path / "out")]  # whole, or not there
    starter.run(*command, cwd=tmp_path)
    assert {p.relative_to(tmp_path / "out"): p.read_bytes() for p in (tmp_path / "out").rglob("*.*")} == files


@contextlib.contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Path]:
    """A file system of `size` bytes; skips where this machine does not let us have one."""
    folder.mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    options = f"size={size}".encode()
    if not hasattr(libc, "mount") or libc.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", 0, options):
        pytest.skip(f"no small disk can be mounted here ({os.strerror(ctypes.get_errno())})")
    try:
        yield folder
    finally:
        libc.umount2(os.fsencode(folder), 2)


@pytest.mark.slow
@pytest.mark.parametrize("room", [4, 12, 20, 36, 60, 84, 100, 132, 164, 260])  # KiB
def test_a_disk_that_is_full_at_some_point_of_a_run(starter, clip, drawn, tmp_path, room):
    """A real file system without room: wherever the run is by then, it says so, and goes on when there is room."""
    with small_disk(tmp_path / "disk", 8 << 20) as disk:
        work, ballast = disk / "work", disk / "ballast"
        free = os.statvfs(disk)
        ballast.write_bytes(b"x" * (free.f_bavail * free.f_frsize - (room << 10)))
        command = ("run", clip, "--work", work, *QUICK)
        ended = starter.run(*command, cwd=tmp_path, code=None)
        assert ended.code in (1, 2), ended
        assert "No space left on device" in ended.sentence and ended.sentence.startswith("ptrack: ")
        assert "again" in ended.sentence or "use another --work" in ended.sentence
        for name, content in records(work).items():
            assert content == records(drawn / "work")[name]
        ballast.unlink()
        starter.run(*command, cwd=tmp_path)
        assert records(work) == records(drawn / "work")
        for picture in PICTURES:
            made = (work / "walker" / picture).read_bytes()
            assert made == (drawn / "work" / "walker" / picture).read_bytes(), picture
        assert not list(work.rglob(".*"))
