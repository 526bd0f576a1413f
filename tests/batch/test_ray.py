"""A Ray cluster of two nodes on this machine: the same records, whatever dies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from batch_runs import CHEAP, SEQUENCES, records, wait_for
from command import command, ptrack

from stages.batch.status import status_of
from stages.work import WorkFolder

ray = pytest.importorskip("ray", reason="Ray is not installed (pip install 'ptrack[cluster]')")


@contextmanager
def two_nodes() -> Iterator[object]:
    """Two raylets with one CPU each; the head has none, so that work is on nodes that can be killed."""
    from ray.cluster_utils import Cluster

    small = {"object_store_memory": 80 << 20, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **small})
    try:
        for _ in range(2):
            cluster.add_node(num_cpus=1, object_store_memory=80 << 20)
        yield cluster
    finally:
        cluster.shutdown()


def on(cluster: object) -> tuple[str, ...]:
    return ("--executor", "ray", "--ray-address", cluster.address)


def test_a_cluster_gives_the_same_bytes_and_imports_nothing_from_the_driver_s_folder(split, finished, tmp_path):
    for name in ("configs", "eval", "stages", "posedata"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('imported the wrong package')\n")
    with two_nodes() as cluster:
        done = ptrack("run", split, "--work", "work", *CHEAP, *on(cluster), "--json", cwd=tmp_path)
        assert len(json.loads(done.stdout)["sequences"]) == SEQUENCES
        assert records(tmp_path / "work") == records(finished)
        too_much = ptrack(
            "run", split, "--work", "other", *CHEAP, *on(cluster), "--threads", 64, cwd=tmp_path, code=2
        )
        assert "no node of the Ray cluster has the 64 CPUs" in too_much.stderr
    assert not list((tmp_path / "work").rglob(".*"))


def test_a_cluster_that_is_not_there_is_one_sentence(split, tmp_path):
    arguments = ("--executor", "ray", "--ray-address", "127.0.0.1:1")
    done = ptrack("run", split, "--work", "work", *CHEAP, *arguments, cwd=tmp_path, code=2)
    assert "no Ray cluster answers there" in done.stderr.splitlines()[-1]


@pytest.mark.slow
def test_a_killed_raylet_and_a_broken_sequence(broken, finished, tmp_path):
    """Half of the cluster dies with a sequence in its hands: the other half does it."""
    source, bad = broken
    with two_nodes() as cluster:
        driver = subprocess.Popen(command("run", source, "--work", "work", *CHEAP, *on(cluster)), cwd=tmp_path)
        wait_for(lambda: len(list((tmp_path / "work").glob("*/.lease-*"))) == 2, driver)
        cluster.remove_node(sorted(cluster.worker_nodes, key=str)[0], allow_graceful=False)
        assert driver.wait(240) == 1
    healthy = {name: content for name, content in records(finished).items() if not name.startswith(bad)}
    assert records(tmp_path / "work") == healthy
    found = status_of(WorkFolder(tmp_path / "work"))
    assert [one.sequence for one in found.failed] == [bad] and "can be read" in found.failed[0].reason


@pytest.mark.slow
def test_a_driver_that_is_killed_and_started_again(split, finished, tmp_path):
    with two_nodes() as cluster:
        arguments = command("run", split, "--work", "work", *CHEAP, *on(cluster))
        driver = subprocess.Popen(arguments, cwd=tmp_path)
        wait_for(lambda: len(list((tmp_path / "work").glob("*/track.json"))) >= 2, driver)
        driver.send_signal(signal.SIGKILL)
        driver.wait()
        before = {path: path.stat().st_mtime_ns for path in (tmp_path / "work").glob("*/track.json")}
        done = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert records(tmp_path / "work") == records(finished)
    assert {path: path.stat().st_mtime_ns for path in before} == before  # what was done was not done again


@pytest.mark.slow
def test_a_poison_sequence_is_given_up_after_k_tries(split, finished, tmp_path):
    """Whoever touches it dies: here, by the hand of this test."""
    poison = sorted((split / "images" / "test").iterdir())[0].name
    with two_nodes() as cluster:
        driver = subprocess.Popen(
            command("run", split, "--work", "work", *CHEAP, *on(cluster), "--tries", 2, "--workers", 1), cwd=tmp_path
        )
        killed: set[int] = set()
        until = time.monotonic() + 240
        while driver.poll() is None and time.monotonic() < until:
            for lease in (tmp_path / "work" / poison).glob(".lease-*"):
                try:
                    pid = json.loads(lease.read_bytes())["pid"]
                except (OSError, ValueError):
                    continue
                if pid not in killed:
                    os.kill(pid, signal.SIGKILL)
                    killed.add(pid)
            time.sleep(0.01)
        assert driver.wait(1) == 1 and len(killed) == 2
    others = {name: content for name, content in records(finished).items() if not name.startswith(poison)}
    assert {n: c for n, c in records(tmp_path / "work").items() if not n.startswith(poison)} == others
    assert status_of(WorkFolder(tmp_path / "work")).failed[0].tries == 2
