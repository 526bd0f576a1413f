"""Leases: one holder at a time, whoever dies, sleeps or comes at the same moment."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import orjson
import pytest

from posedata.errors import SequenceFailed
from stages.batch.leases import Leases, leases_of


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def foreign(folder: Path, *, age: float, number: int = 1, seconds: float = 60.0) -> Path:
    """The lease of a process on another machine, touched `age` seconds ago."""
    with Leases("other", 0.0, seconds).take(folder / "template"):
        holder = leases_of(folder / "template")[0].holder
    (folder / "template").rmdir()
    path = folder / f".lease-{number}"
    path.write_bytes(orjson.dumps(asdict(replace(holder, host="elsewhere"))))
    os.utime(path, (time.time() - age,) * 2)
    return path


def test_a_lease_is_held_by_one_and_free_again_when_given_back(tmp_path):
    leases = Leases("run", 0.0)
    with leases.take(tmp_path / "sequence") as lease:
        lease.check()
        assert leases.take(tmp_path / "sequence") is None
        assert Leases("another", 0.0).take(tmp_path / "sequence") is None
    assert names(tmp_path / "sequence") == []
    with leases.take(tmp_path / "sequence") as lease:
        lease.check()


def test_a_living_lease_of_another_machine_is_respected(tmp_path):
    foreign(tmp_path, age=50)
    assert Leases("run", 0.0).take(tmp_path) is None
    assert names(tmp_path) == [".lease-1"]


def test_an_expired_lease_is_taken_over_once(tmp_path):
    foreign(tmp_path, age=70)
    first, second = Leases("first", 0.0), Leases("second", 0.0)
    with first.take(tmp_path) as lease:
        assert second.take(tmp_path) is None
        lease.check()
        assert names(tmp_path) == [".lease-2"]


def test_the_lease_of_a_process_that_died_here_is_free_at_once(tmp_path):
    script = (
        "import os, sys; from pathlib import Path; from stages.batch.leases import Leases\n"
        "assert Leases('killed', 0.0).take(Path(sys.argv[1])) is not None; os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", script, tmp_path]).returncode == 9
    assert names(tmp_path) == [".lease-1"]
    with Leases("run", 0.0).take(tmp_path) as lease:
        lease.check()


def test_a_holder_is_not_expired_while_it_lives(tmp_path):
    with Leases("run", 0.0, seconds=3).take(tmp_path) as lease:
        for _ in range(5):
            time.sleep(0.8)
            lease.check()
            assert not leases_of(tmp_path)[0].expired


def test_a_holder_whose_lease_was_taken_over_notices_and_leaves_the_new_one_alone(tmp_path):
    with Leases("slept", 0.0, seconds=0.4).take(tmp_path) as lease:
        (tmp_path / ".lease-1").unlink()
        with Leases("new", 0.0).take(tmp_path) as new:
            until = time.monotonic() + 10
            with pytest.raises(SequenceFailed, match="took this sequence over"):
                while time.monotonic() < until:
                    lease.check()
                    time.sleep(0.05)
            new.check()
    assert names(tmp_path) == []


def test_a_holder_that_was_stopped_for_long_keeps_what_nobody_took(tmp_path, monkeypatch):
    with Leases("stopped", 0.0, seconds=1000).take(tmp_path) as lease:
        awake = time.monotonic() + 5000
        monkeypatch.setattr(time, "monotonic", lambda: awake)
        os.utime(tmp_path / ".lease-1", (time.time() - 5000,) * 2)
        assert leases_of(tmp_path)[0].expired
        lease.check()
        assert not leases_of(tmp_path)[0].expired
    assert names(tmp_path) == []


def test_a_lease_that_is_being_written_counts(tmp_path):
    (tmp_path / ".lease-1").touch()
    assert Leases("run", 0.0).take(tmp_path) is None


@pytest.mark.parametrize("name", [".lease-", ".lease-x", ".lease-99999999999999999"])
def test_files_that_only_look_like_leases_are_passed_over(tmp_path, name):
    (tmp_path / name).touch()
    with Leases("run", 0.0).take(tmp_path) as lease:
        lease.check()


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SequenceFailed, match="cannot be written"):
        Leases("run", 0.0).take(tmp_path / "file" / "sequence")


def test_of_many_processes_that_want_an_expired_lease_one_has_it_at_a_time(tmp_path):
    """Each adds its turn to a log while it holds the lease; turns never overlap."""
    folder = tmp_path / "sequence"
    folder.mkdir()
    foreign(folder, age=1000)
    script = (
        "import os, sys, time; from pathlib import Path; from stages.batch.leases import Leases\n"
        "leases, log = Leases('run', 0.0), os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT)\n"
        "turns = 0\n"
        "while turns < 8:\n"
        "    lease = leases.take(Path(sys.argv[1]))\n"
        "    if lease is None:\n"
        "        time.sleep(0.001); continue\n"
        "    with lease:\n"
        "        os.write(log, b'('); time.sleep(0.002); os.write(log, b')'); turns += 1\n"
    )
    running = [subprocess.Popen([sys.executable, "-c", script, folder, tmp_path / "log"]) for _ in range(3)]
    assert [process.wait(120) for process in running] == [0, 0, 0]
    assert (tmp_path / "log").read_bytes() == b"()" * 24
    assert names(folder) == []
