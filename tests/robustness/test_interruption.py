"""Runs that are killed or interrupted at random moments, and runs side by side: what is done stays done, nothing
half-done looks finished, and the same command ends with the bytes of an undisturbed run."""

from __future__ import annotations

import json
import random
import shutil
import signal
import time
from pathlib import Path

import pytest
from processes import QUICK, Starter, records

from posedata.records import part_path

KILL, INTERRUPT = signal.SIGKILL, signal.SIGINT


def progress(work: Path) -> int:
    """Bytes of records that are on the disk, finished or not."""
    found = 0
    for path in [*work.rglob("*.json"), *work.rglob(".*.json.part")]:
        try:
            found += path.stat().st_size if path.parent != work else 0
        except FileNotFoundError:  # it was renamed in this moment
            continue
    return found


def stop_at(starter: Starter, clip: Path, folder: Path, how: signal.Signals, moment: float, whole: int, pause: float):
    """Starts a run and stops it when `moment` (0..1) of the records' bytes are there and `pause` seconds went by."""
    work = folder / "work"
    running = starter.start("run", clip, "--work", work, *QUICK, "--no-render", cwd=folder)
    if running.wait_until(lambda: (work / "work.json").exists() and progress(work) >= moment * whole):
        time.sleep(pause)
    running.send(how)
    return running.wait()


def is_a_beginning(work: Path, undisturbed: dict[str, bytes]) -> bool:
    """Whether every record that has its name is the undisturbed run's, and every other one the beginning of it."""
    for name, whole in undisturbed.items():
        path = work / name
        if path.exists() and path.read_bytes() != whole:
            return False
        part = part_path(path)
        # a torn last line is a beginning, too
        if part.exists() and not whole.startswith(part.read_bytes()):
            return False
    return True


def stop_and_go_on(starter, clip, finished, folder, how, count, seed):
    """Stops `count` runs at random moments; how many were stopped before their end."""
    undisturbed, rng, stopped = records(finished), random.Random(seed), 0
    whole = sum(map(len, undisturbed.values()))
    for number in range(count):
        place = folder / str(number)
        place.mkdir()
        moment = (number + rng.random()) / count  # one in every part of the run
        ended = stop_at(starter, clip, place, how, moment * 0.97, whole, rng.random() * 0.1)
        assert ended.code in (0, -KILL if how is KILL else 130), ended
        assert is_a_beginning(place / "work", undisturbed), number
        if ended.code:
            stopped += 1
            assert "Traceback" not in ended.err
            if how is INTERRUPT:
                assert ended.sentence == "interrupted; the same command goes on where it stopped"
        again = starter.run("run", clip, "--work", place / "work", *QUICK, "--no-render", cwd=place)
        assert records(place / "work") == undisturbed, (number, again.out)
        litter = [p.name for p in (place / "work").rglob(".*")]
        assert not litter, litter
        shutil.rmtree(place)
    return stopped


@pytest.mark.parametrize("how", [KILL, INTERRUPT])
def test_three_random_moments(starter, clip, finished, tmp_path, how):
    assert stop_and_go_on(starter, clip, finished, tmp_path, how, 3, 1) >= 1


@pytest.mark.slow
@pytest.mark.parametrize("how", [KILL, INTERRUPT])
def test_twenty_random_moments(starter, clip, finished, tmp_path, how):
    assert stop_and_go_on(starter, clip, finished, tmp_path, how, 20, 2) >= 10


def test_stopped_again_and_again_it_still_arrives(starter, clip, finished, tmp_path):
    """Every start gets a little further: work that was committed is never thrown away."""
    whole, reached = sum(map(len, records(finished).values())), 0
    for number, moment in enumerate((0.2, 0.5, 0.8)):
        ended = stop_at(starter, clip, tmp_path, (KILL, INTERRUPT)[number % 2], moment, whole, 0.0)
        assert progress(tmp_path / "work") >= reached
        reached = progress(tmp_path / "work")
    last = starter.run("run", clip, "--work", tmp_path / "work", *QUICK, "--no-render", cwd=tmp_path)
    assert records(tmp_path / "work") == records(finished)
    assert ended.code == 0 or "taken up at frame" in last.out


def test_two_runs_at_once_in_one_work_folder(starter, clip, finished, tmp_path):
    arguments = ("run", clip, "--work", tmp_path / "work", *QUICK, "--no-render")
    both = [starter.start(*arguments, cwd=tmp_path) for _ in range(2)]
    ended = [running.wait() for running in both]
    for end in ended:
        assert end.code in (0, 1) and "Traceback" not in end.err
        if end.code:
            assert "another ptrack process is writing this record; wait for it, or use another --work" in end.err
    assert any(end.code == 0 for end in ended)
    assert records(tmp_path / "work") == records(finished)
    log = json.loads((tmp_path / "work" / "run_log.json").read_bytes())
    assert len(log) == 2  # neither run's entry was lost
    assert "nothing to do" in starter.run(*arguments, cwd=tmp_path).out


def test_two_sources_that_claim_one_work_folder_at_once(starter, clip, tmp_path):
    other = tmp_path / "other.mp4"
    shutil.copy(clip, other)
    frames = (*QUICK, "--no-render", "--frames", "0-3", "-q")
    for number in range(3):
        work = tmp_path / f"work{number}"
        both = [starter.start("run", source, "--work", work, *frames, cwd=tmp_path) for source in (clip, other)]
        ended = [running.wait() for running in both]
        assert sorted(end.code for end in ended) == [0, 2]
        assert "use another --work" in max(ended, key=lambda end: end.code).err
        assert len(list(work.rglob("track.json"))) == 1


def test_an_interrupted_rendering_leaves_no_half_video_and_is_done_again(starter, clip, finished, tmp_path):
    work = tmp_path / "work"
    shutil.copytree(finished, work)
    for how in (INTERRUPT, KILL):
        running = starter.start("render", work, cwd=tmp_path)
        if running.wait_until(lambda: any(p.stat().st_size for p in work.rglob(".*.part"))):
            running.send(how)
        ended = running.wait()
        assert ended.code in (0, 130, -KILL) and "Traceback" not in ended.err
        assert ended.code == 0 or not (work / "walker" / "overlay.mp4").exists()
        if ended.code == 0:
            (work / "walker" / "overlay.mp4").unlink()
    done = starter.run("render", work, cwd=tmp_path)
    assert "overlay.mp4" in done.out and (work / "walker" / "overlay.mp4").stat().st_size > 1000
    assert not list(work.rglob(".*"))
