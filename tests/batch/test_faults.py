"""What happens on clusters happens here: workers and runs that are killed, a broken sequence, a disk that is full."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import time
from pathlib import Path

import pytest
from batch_runs import CHEAP, SEQUENCES, records, wait_for
from command import command, ptrack

from stages.batch.status import status_of
from stages.work import WorkFolder

pytestmark = pytest.mark.slow


def holders(work: Path) -> list[int]:
    """The processes that hold leases."""
    found = []
    for lease in work.glob("*/.lease-*"):
        try:
            found.append(json.loads(lease.read_bytes())["pid"])
        except (OSError, ValueError):  # it was given back, or is being written
            continue
    return found


def litter(work: Path) -> list[str]:
    return [path.name for path in work.rglob(".*")]


def test_a_killed_worker_and_a_broken_sequence(broken, finished, tmp_path):
    source, bad = broken
    work = tmp_path / "work"
    driver = subprocess.Popen(
        command("run", source, "--work", work, *CHEAP, "--workers", 2),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(lambda: len(holders(work)) == 2, driver)
    killed = [pid for pid in holders(work)[:1] if pid != driver.pid]
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    _, errors = driver.communicate(timeout=240)
    assert killed and driver.returncode == 1 and f"ptrack: {bad}: " in errors and "Traceback" not in errors
    assert records(work) == {n: c for n, c in records(finished).items() if not n.startswith(bad)}
    assert [one.sequence for one in status_of(WorkFolder(work)).failed] == [bad] and not litter(work)


def test_a_killed_run_is_taken_up_by_the_next(split, finished, tmp_path):
    """Its workers notice that it is gone; what they hold is waited for or taken over."""
    work = tmp_path / "work"
    arguments = ("run", split, "--work", work, *CHEAP, "--workers", 2)
    driver = subprocess.Popen(command(*arguments), cwd=tmp_path)
    wait_for(lambda: len(list(work.glob("*/track.json"))) >= 2, driver)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    before = {path: path.stat().st_mtime_ns for path in work.glob("*/track.json")}
    ptrack(*arguments, cwd=tmp_path)
    assert records(work) == records(finished) and not litter(work)
    assert {path: path.stat().st_mtime_ns for path in before} == before  # what was done was not done again


def test_ctrl_c_ends_workers_at_once_and_is_taken_up(split, finished, tmp_path):
    work = tmp_path / "work"
    arguments = ("run", split, "--work", work, *CHEAP, "--workers", 2)
    driver = subprocess.Popen(command(*arguments), cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: len(holders(work)) == 2, driver)
    workers = [pid for pid in holders(work) if pid != driver.pid]
    driver.send_signal(signal.SIGINT)
    _, errors = driver.communicate(timeout=120)
    assert driver.returncode == 130 and "goes on where it stopped" in errors and "Traceback" not in errors
    until = time.monotonic() + 30
    while any(Path(f"/proc/{pid}").exists() for pid in workers) and time.monotonic() < until:
        time.sleep(0.1)
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)
    ptrack(*arguments, cwd=tmp_path)
    assert records(work) == records(finished) and not litter(work)


def test_two_runs_at_once_share_the_work(split, finished, tmp_path):
    work = tmp_path / "work"
    both = [
        subprocess.Popen(
            command("run", split, "--work", work, *CHEAP, "--json"), cwd=tmp_path, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    made: list[str] = []
    for running in both:
        out, _ = running.communicate(timeout=240)
        assert running.returncode == 0
        reports = json.loads(out)["sequences"]
        assert len(reports) == SEQUENCES
        made += [report["sequence"] for report in reports if report["made"]]
    assert len(made) == len(set(made)) == SEQUENCES  # each was done by one of them, and once
    assert records(work) == records(finished) and not litter(work)


def test_a_full_disk_is_named_and_the_next_run_mends_it(split, finished, tmp_path):
    """As a full disk: no file may grow beyond a limit that half of the records exceed."""
    whole, work = records(finished), tmp_path / "work"
    limit = sorted(len(content) for name, content in whole.items() if name.endswith("track.json"))[SEQUENCES // 2]
    arguments = ("run", split, "--work", work, *CHEAP, "--workers", 2)

    def full() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = subprocess.run(command(*arguments), cwd=tmp_path, capture_output=True, text=True, preexec_fn=full)
    assert done.returncode == 1 and "cannot be written" in done.stderr and "Traceback" not in done.stderr
    there = records(work)
    assert there and all(whole[name] == content for name, content in there.items())
    failed = {line.split(": ")[1] for line in done.stderr.splitlines() if line.startswith("ptrack: 9")}
    assert failed == {Path(name).parent.name for name in whole.keys() - there.keys()} and failed
    ptrack(*arguments, cwd=tmp_path)
    assert records(work) == whole and not litter(work)
