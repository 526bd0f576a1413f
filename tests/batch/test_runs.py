"""The same records whoever makes them: one process, two workers, three shards."""

from __future__ import annotations

import json

import pytest
from batch_runs import CHEAP, SEQUENCES, records
from command import ptrack

from posedata.records import iter_frames


def test_two_workers_give_the_same_bytes(split, finished, tmp_path):
    done = ptrack("run", split, "--work", tmp_path / "work", *CHEAP, "--workers", 2, cwd=tmp_path)
    assert records(tmp_path / "work") == records(finished)
    assert f"all {SEQUENCES}" in done.stdout
    assert not list((tmp_path / "work").rglob(".lease*")) and not list((tmp_path / "work").rglob("*.part"))


def test_three_shards_give_the_same_bytes_together(split, finished, tmp_path):
    seen: list[str] = []
    for number in range(3):
        if number < 2:
            given = ptrack("run", split, "--work", "work", *CHEAP, "--json", "--shard", f"{number}/3", cwd=tmp_path)
        else:  # as a task of a Slurm array knows it
            array = {"SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_TASK_COUNT": "3", "SLURM_ARRAY_TASK_MIN": "1"}
            given = ptrack("run", split, "--work", "work", *CHEAP, "--json", cwd=tmp_path, **array)
            assert "shard 2/3, as the Slurm array says" in given.stderr
        seen += [report["sequence"] for report in json.loads(given.stdout)["sequences"]]
    assert len(seen) == len(set(seen)) == SEQUENCES
    assert records(tmp_path / "work") == records(finished)


def test_workers_take_each_sequence_its_own_given_boxes_and_no_foreign_package(split, tmp_path):
    """From a folder that holds packages of our names, and of some that we use."""
    for name in ("configs", "eval", "stages", "posedata", "posetrack_cli", "pickle", "queue"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('imported the wrong package')\n")
    annotations = sorted((split / "annotations" / "test").glob("*.json"))
    results = [
        {"image_id": json.loads(file.read_bytes())["images"][0]["id"], "bbox": [number, 1, 20, 30], "score": 0.9}
        for number, file in enumerate(annotations)
    ]
    (tmp_path / "boxes.json").write_text(json.dumps([{**result, "category_id": 1} for result in results]))
    ptrack(
        *("detect", split, "--work", "work", "--detections", "boxes.json", "--workers", 2, "--threads", 1, "-q"),
        cwd=tmp_path,
    )
    made = (tmp_path / "work" / file.stem / "detect.json" for file in annotations)
    lefts = [next(iter_frames(path)).people.boxes[0, 0] for path in made]
    assert [round(float(left)) for left in lefts] == list(range(SEQUENCES))


def test_a_wrong_device_is_the_command_s_fault_and_not_each_sequence_s(split, tmp_path):
    done = ptrack("run", split, "--work", "work", *CHEAP, "--workers", 2, "--device", "cuda:99", cwd=tmp_path, code=2)
    assert done.stderr.splitlines()[-1].startswith("ptrack: --device cuda:99")


@pytest.mark.parametrize("text", ["3/3", "1", "-1/3", "1/0"])
def test_a_shard_that_is_none_is_explained(split, tmp_path, text):
    done = ptrack("run", split, "--shard", text, cwd=tmp_path, code=2)
    assert "from 0: 0/4, 1/4, 2/4, 3/4" in done.stderr
