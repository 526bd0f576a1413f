"""`ptrack status` on a work folder in which everything occurs at once."""

from __future__ import annotations

import json
import shutil
import time

import orjson
import pytest
from batch_runs import SEQUENCES
from command import ptrack

from stages.batch.leases import Leases


@pytest.fixture
def busy(finished, tmp_path):
    """One sequence failed in its pose stage, one is being worked on, one was not begun; the others are done."""
    work = tmp_path / "work"
    shutil.copytree(finished, work)
    failed, running, missing = sorted(path for path in work.iterdir() if path.is_dir())[:3]
    (failed / "pose.json").unlink()
    (failed / "track.json").unlink()
    (failed / "failure.note").write_bytes(orjson.dumps({"error": "its disk is gone", "tries": 3}))
    whole = (running / "pose.json").read_bytes().splitlines(keepends=True)
    (running / ".pose.json.part").write_bytes(b"".join(whole[:3]))
    (running / "pose.json").unlink()
    (running / "track.json").unlink()
    shutil.rmtree(missing)
    return work, failed.name, running.name


def test_states_reasons_and_time_left(busy, tmp_path):
    work, failed, running = busy
    with Leases("run", time.time() - 3600).take(work / running):
        found = json.loads(ptrack("status", work, "--json", cwd=tmp_path).stdout)
        text = ptrack("status", work, cwd=tmp_path).stdout
    done = SEQUENCES - 1
    assert found["stages"]["detect"] == {"done": done, "running": 0, "failed": 0, "missing": 1}
    assert found["stages"]["pose"] == {"done": done - 2, "running": 1, "failed": 1, "missing": 1}
    assert found["stages"]["track"] == {"done": done - 2, "running": 1, "failed": 0, "missing": 2}
    (bad,), (one,) = found["failed"], found["running"]
    assert (bad["sequence"], bad["reason"], bad["tries"]) == (failed, "its disk is gone", 3)
    assert one["sequence"] == running and one["frames_done"] == 2 and one["pid"]
    # copies count as finished within the last hour: nine sequences then, up to three to do
    assert 0 < found["seconds_left"] < 7200
    assert f"failed: {failed}: its disk is gone (tried 3 times)" in text and "time left: about" in text
    assert f"running: {running}" in text and "2 frames of pose done" in text


def test_nothing_is_running_and_the_last_run_tells_the_pace(busy, tmp_path):
    work, *_ = busy
    found = json.loads(ptrack("status", work, "--json", cwd=tmp_path).stdout)
    assert not found["running"] and found["stages"]["pose"]["missing"] == 2
    assert found["seconds_left"] > 0
    assert "nothing is running; `ptrack run`" in ptrack("status", work, cwd=tmp_path).stdout


def test_all_done(finished, tmp_path):
    text = ptrack("status", finished, cwd=tmp_path).stdout
    assert text.splitlines()[-1] == "all done"


def test_a_folder_that_is_no_work_folder(tmp_path):
    assert "not a ptrack work folder" in ptrack("status", tmp_path, cwd=tmp_path, code=3).stderr
