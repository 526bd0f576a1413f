"""`ptrack export` on a work folder made here; the real command is run and its files are read."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from command import ptrack

from posedata.people import FramePeople, Origin
from posedata.records import Header, RecordWriter, VideoHeader, iter_frames
from posedata.skeletons import POSETRACK_17, PTRACK_19, mapping
from stages.work import WorkFolder

FRAMES = 5
NAME = "000342_mpii_test"


def write_record(work: Path, sequence: str, stage: str = "track", skeleton: str | None = "ptrack-19") -> None:
    header = Header.create(
        stage=stage,
        sequence=sequence,
        video=VideoHeader(sequence, 25.0, 640, 480),
        skeleton=skeleton,
        ptrack_version="1",
        settings={},
        input_identity="1",
    )
    rng = np.random.default_rng(1)
    path = work / sequence / f"{stage}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    with RecordWriter(path, header, chunk=FRAMES) as writer:
        for index in range(FRAMES):
            parts = {"boxes": [[10, 10, 90, 200]] * 3, "origin": [Origin.DETECTED] * 3}
            if skeleton is not None:
                parts |= {
                    "keypoints": rng.uniform(20, 300, (3, len(PTRACK_19), 2)),
                    "keypoint_scores": rng.uniform(0.1, 1, (3, len(PTRACK_19))),
                    "person_scores": [0.9, 0.8, 0.3],
                    "track_ids": [40, 2, -1],
                }
            writer.append(index, index / 25, FramePeople(**parts))
        writer.finish()


@pytest.fixture
def posetrack_work(tmp_path) -> Path:
    """The work folder of a PoseTrack18 root with one sequence."""
    root, work = tmp_path / "root", tmp_path / "work"
    images = []
    for frame in range(FRAMES):
        name = f"images/val/{NAME}/{frame:06d}.jpg"
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"never opened")
        images.append({"file_name": name, "id": 500 + 3 * frame})
    annotation = root / "annotations" / "val" / f"{NAME}.json"
    annotation.parent.mkdir(parents=True)
    WorkFolder(work).claim(root, "auto", None)
    write_record(work, NAME)
    joints = mapping(PTRACK_19, POSETRACK_17)
    rng = np.random.default_rng(2)
    people = []
    for record in iter_frames(work / NAME / "track.json"):
        found = record.people
        keypoints, _ = joints.apply(found.keypoints, found.keypoint_scores)
        noisy = keypoints + rng.normal(0, 8, keypoints.shape)
        triples = np.concatenate([noisy, np.ones((3, len(POSETRACK_17), 1))], axis=2).reshape(3, -1)
        people += [
            {
                "image_id": images[record.index]["id"],
                "track_id": number,
                "bbox_head": [20, 20, 20, 24],
                "keypoints": triples[number].tolist(),
            }
            for number in range(3)
        ]
    category = {"id": 1, "name": "person", "keypoints": list(POSETRACK_17.joints)}
    annotation.write_text(json.dumps({"images": images, "annotations": people, "categories": [category]}))
    return work


@pytest.fixture
def video_work(tmp_path) -> Path:
    """A work folder of two videos that are gone."""
    work, source = tmp_path / "work", tmp_path / "videos"
    source.mkdir()
    WorkFolder(work).claim(source, "auto", None)
    source.rmdir()
    write_record(work, "a")
    write_record(work, "rooms/b")
    return work


@pytest.mark.parametrize("form", ["posetrack18", "posetrack21"])
def test_a_submission_has_the_annotations_images(form, posetrack_work, tmp_path):
    done = ptrack(
        "export", posetrack_work, "--format", form, "--out", tmp_path / "out", "--min-keypoint-score", "0.4"
    )
    found = json.loads((tmp_path / "out" / f"{NAME}.json").read_bytes())
    assert [i["id"] for i in found["images"]] == [500, 503, 506, 509, 512]
    assert {a["track_id"] for a in found["annotations"]} == {0, 1} and len(found["annotations"]) == 2 * FRAMES
    scores = [s for a in found["annotations"] for s in a["scores"]]
    assert min(s for s in scores if s) >= 0.4
    assert f"wrote {tmp_path / 'out' / NAME}.json" in done.stdout
    assert "5 people left out, they belong to no track" in done.stderr


def test_json_output_is_one_object(posetrack_work, tmp_path):
    done = ptrack("export", posetrack_work, "--format", "posetrack17", "--out", tmp_path / "out", "--zip", "--json")
    report = json.loads(done.stdout)
    assert report["files"] == [str(tmp_path / "out" / "posetrack17.zip")]
    assert report["counts"]["frames"] == FRAMES and report["counts"]["people_without_identity"] == FRAMES
    assert done.stderr == ""
    assert "nothing wrong found" in ptrack("check", report["files"][0]).stdout


@pytest.mark.parametrize("form", ["posetrack17", "posetrack18"])
def test_a_submission_scores_as_its_work_folder(form, posetrack_work, tmp_path):
    truth = tmp_path / "root" / "annotations" / "val"
    ptrack("export", posetrack_work, "--format", form, "--out", tmp_path / "out", "--min-keypoint-score", "0.5")
    scores = [
        json.loads(ptrack("eval", *given, "--gt", truth, "--json").stdout)
        for given in ((tmp_path / "out",), (posetrack_work, "--min-keypoint-score", "0.5"))
    ]
    assert scores[0]["ap"] == scores[1]["ap"] and 0 < scores[0]["ap"]["ap"][-1] < 100
    for name in ("mota", "motp", "pre", "rec"):
        assert scores[0]["mot"][name] == pytest.approx(scores[1]["mot"][name], rel=1e-5), name


@pytest.mark.parametrize("form", ["posetrack17", "posetrack18", "coco", "csv", "mot"])
def test_videos_that_are_gone_are_exported_from_their_records(form, video_work, tmp_path):
    done = ptrack("export", video_work, "--format", form, "--out", tmp_path / "out", "--json")
    report = json.loads(done.stdout)
    assert report["counts"]["sequences"] == 2 and all(Path(f).stat().st_size > 0 for f in report["files"])
    assert "is gone" in report["warnings"][0]


def test_csv_goes_into_a_file_for_each_sequence(video_work, tmp_path):
    ptrack("export", video_work, "--format", "csv", "--out", tmp_path / "out", "--min-person-score", "0.85")
    with (tmp_path / "out" / "rooms" / "b.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == FRAMES * len(PTRACK_19) and {r["track_id"] for r in rows} == {"40"}


def test_other_videos_get_names_that_poseval_reads(video_work, tmp_path):
    ptrack("export", video_work, "--format", "posetrack18", "--out", tmp_path / "out")
    names = json.loads((tmp_path / "out" / "name_map.json").read_bytes())
    assert names == {"900001_mpii_test": "a", "900002_mpii_test": "rooms/b"}


def test_a_second_export_writes_the_same_bytes(video_work, tmp_path):
    for form in ("posetrack18", "csv"):
        for out in "12":
            ptrack("export", video_work, "--format", form, "--out", tmp_path / form / out)
        files = [sorted(p for p in (tmp_path / form / out).rglob("*") if p.is_file()) for out in "12"]
        assert [p.read_bytes() for p in files[0]] == [p.read_bytes() for p in files[1]] and files[0]


WRONG = {
    "unknown format": (["--format", "xml"], 2, "xml"),
    "no threshold": (["--format", "csv", "--min-keypoint-score", "nan"], 2, "--min-keypoint-score is nan"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_options_are_usage_errors(name, video_work, tmp_path):
    options, code, message = WRONG[name]
    done = ptrack("export", video_work, *options, "--out", tmp_path / "out", code=code)
    assert message in done.stderr and not (tmp_path / "out").exists()


def no_folder(work: Path) -> None:
    pass


def no_tracks(work: Path) -> None:
    WorkFolder(work).claim(work.parent, "auto", None)
    write_record(work, "a", "detect", None)


def no_poses(work: Path) -> None:
    WorkFolder(work).claim(work.parent, "auto", None)
    write_record(work, "a", "track", None)


def cut_record(work: Path) -> None:
    WorkFolder(work).claim(work.parent, "auto", None)
    write_record(work, "a")
    path = work / "a" / "track.json"
    path.write_bytes(path.read_bytes()[:-400])


UNUSABLE = {
    "no folder": (no_folder, "is no folder"),
    "no tracks": (no_tracks, "holds no finished tracks"),
    "no poses": (no_poses, "track.json: holds no poses"),
    "cut record": (cut_record, "track.json"),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_unusable_work_folders_are_named(name, tmp_path):
    make, message = UNUSABLE[name]
    make(tmp_path / "work")
    done = ptrack("export", tmp_path / "work", "--format", "csv", "--out", tmp_path / "out", code=3)
    assert message in done.stderr and len(done.stderr.strip().splitlines()) == 1
    assert not [p for p in (tmp_path / "out").rglob("*") if p.is_file()]
