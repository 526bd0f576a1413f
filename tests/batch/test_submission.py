"""One command from a test split (pictures and annotations without people) to two checked zip files."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import pytest
from batch_runs import CHEAP, SEQUENCES, records
from command import ptrack

from posedata.synthetic import write_video


def emptied(split: Path, root: Path) -> Path:
    """The split as a test set is published: the lists of images, and nobody in them."""
    shutil.copytree(split / "images", root / "images")
    (root / "annotations" / "test").mkdir(parents=True)
    for file in (split / "annotations" / "test").glob("*.json"):
        content = json.loads(file.read_bytes())
        del content["annotations"]
        (root / "annotations" / "test" / file.name).write_text(json.dumps(content))
    return root


def people(archive: Path) -> int:
    with zipfile.ZipFile(archive) as files:
        return sum(len(json.loads(files.read(name))["annotations"]) for name in files.namelist())


def test_posetrack18(split, finished, tmp_path):
    source = emptied(split, tmp_path / "PoseTrack18")
    shutil.copytree(finished, tmp_path / "work")  # the pictures are the same ones: nothing need run
    content = json.loads((tmp_path / "work" / "work.json").read_bytes())
    (tmp_path / "work" / "work.json").write_text(json.dumps({**content, "source": str(source)}))
    arguments = ("run", source, "--split", "test", "--work", "work", *CHEAP, "--submission", "out")
    done = ptrack(*arguments, cwd=tmp_path)
    assert done.stdout.count("nothing wrong found") == 2 and done.stdout.count(f"{SEQUENCES} files") == 2
    assert records(tmp_path / "work") == records(finished)
    ap, mota = (tmp_path / "out" / name / "posetrack18.zip" for name in ("ap", "mota"))
    assert people(ap) > people(mota)
    checked = ptrack("check", ap, "--split", source, "--json", cwd=tmp_path)
    assert json.loads(checked.stdout)["ok"] is True


def test_posetrack17(split, tmp_path):
    """Two sequences in the older form, whose pictures count from 1."""
    root = tmp_path / "PoseTrack17"
    for number, name in enumerate(("000010_mpii", "000020_mpii")):
        pictures = sorted(sorted((split / "images" / "test").iterdir())[number].iterdir())[:2]
        (root / "images" / "test" / name).mkdir(parents=True)
        (root / "annotations" / "test").mkdir(parents=True, exist_ok=True)
        listed = []
        for place, picture in enumerate(pictures, start=1):
            inside = f"images/test/{name}/{place:08d}.jpg"
            shutil.copy(picture, root / inside)
            listed.append({"image": [{"name": inside}], "annorect": []})
        (root / "annotations" / "test" / f"{name}.json").write_text(json.dumps({"annolist": listed}))
    done = ptrack("run", root, "--work", "work", *CHEAP, "--submission", "out", cwd=tmp_path)
    assert done.stdout.count("2 files, 4 frames") == 2 and done.stdout.count("nothing wrong found") == 2
    assert (tmp_path / "out" / "ap" / "posetrack17.zip").exists()


def test_a_failing_sequence_means_no_submission(broken, finished, tmp_path):
    source, name = broken
    shutil.copytree(finished, tmp_path / "work")
    shutil.rmtree(tmp_path / "work" / name)
    content = json.loads((tmp_path / "work" / "work.json").read_bytes())
    (tmp_path / "work" / "work.json").write_text(json.dumps({**content, "source": str(source)}))
    done = ptrack("run", source, "--work", "work", *CHEAP, "--submission", "out", cwd=tmp_path, code=1)
    assert "no submission is written" in done.stderr and name in done.stderr and not (tmp_path / "out").exists()


@pytest.mark.parametrize("arguments", [("--shard", "0/2"), ("--frames", "0-1")])
def test_a_part_of_a_split_is_no_submission(split, tmp_path, arguments):
    done = ptrack("run", split, "--work", "work", *CHEAP, "--submission", "out", *arguments, cwd=tmp_path, code=2)
    assert f"leave {arguments[0]} out" in done.stderr and not (tmp_path / "work").exists()


def test_a_video_is_no_submission(tmp_path):
    write_video(tmp_path / "clip.mp4", seed=1, frames=2, size=(64, 64), people=1)
    assert "PoseTrack data sets" in ptrack("run", "clip.mp4", "--submission", "out", cwd=tmp_path, code=2).stderr
