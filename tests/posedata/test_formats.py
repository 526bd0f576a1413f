"""Exports of saved records: what the files hold, what is left out, and how they score."""

from __future__ import annotations

import csv
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from posedata.errors import BadInput, PtrackError, UsageError
from posedata.formats import posetrack17, posetrack18
from posedata.formats.export import FORMATS, ExportSequence, export
from posedata.formats.submission import within_rules
from posedata.people import FramePeople, FrameStatus, Origin
from posedata.records import FrameRecord, VideoHeader
from posedata.skeletons import COCO_17, POSETRACK_15, POSETRACK_17, PTRACK_19, Skeleton, mapping

VIDEO = VideoHeader("v.mp4", 25.0, 640, 480)
TEXT_FORMATS = tuple(name for name in FORMATS if name != "parquet")


def people(ids: list[int], skeleton: Skeleton = PTRACK_19, seed: int = 0, **parts: object) -> FramePeople:
    """One person for each id, with sure joints anywhere in the frame."""
    rng = np.random.default_rng(seed)
    count, joints = len(ids), len(skeleton)
    content = {
        "boxes": np.tile(np.float32([10, 20, 110, 220]), (count, 1)),
        "keypoints": rng.uniform(20, 400, (count, joints, 2)).round(2),
        "keypoint_scores": rng.uniform(0.3, 1, (count, joints)).round(6),
        "person_scores": np.linspace(0.9, 0.5, count),
        "track_ids": ids,
        "origin": [Origin.DETECTED] * count,
    }
    return FramePeople(**{**content, **parts})


def sequence(
    frames: list[FramePeople] | dict[int, FramePeople], name: str = "walkers", skeleton: Skeleton = PTRACK_19, **more
) -> ExportSequence:
    numbered = frames if isinstance(frames, dict) else dict(enumerate(frames))
    records = [FrameRecord(index, index / 25, found) for index, found in numbered.items()]
    return ExportSequence(name, VIDEO, skeleton, lambda: iter(records), **more)


def content(path: Path):
    return json.loads(path.read_bytes())


def annotation18(folder: Path, name: str, frames: list[int], tracks: int = 0) -> Path:
    """A PoseTrack18 file whose people stand still; joints a head apart."""
    images = [
        {"file_name": f"images/val/{name}/{f:06d}.jpg", "id": 10000000 + 7 * f, "is_labeled": True} for f in frames
    ]
    rng = np.random.default_rng(3)
    poses = rng.uniform(20, 400, (tracks, 17, 2)).round(2)
    annotations = [
        {
            "id": 100 * number + track,
            "image_id": image["id"],
            "track_id": track + 5,
            "category_id": 1,
            "bbox": [0, 0, 400, 400],
            "bbox_head": [30, 30, 25, 30],
            "keypoints": np.concatenate([poses[track] + number, np.ones((17, 1))], axis=1).ravel().tolist(),
        }
        for number, image in enumerate(images)
        for track in range(tracks)
    ]
    category = {"id": 1, "name": "person", "keypoints": list(POSETRACK_17.joints)}
    path = folder / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": [category]}))
    return path


# --- submissions


def test_posetrack18_holds_every_frame_and_ids_from_0(tmp_path):
    given = sequence({1: people([70, 3]), 4: people([3, 12])})
    report = export([given], "posetrack18", tmp_path)
    found = content(tmp_path / "900001_mpii_test.json")
    assert [i["file_name"] for i in found["images"]] == [
        f"images/test/900001_mpii_test/{n:06d}.jpg" for n in range(5)
    ]
    by_image = {i["id"]: number for number, i in enumerate(found["images"])}
    assert [(by_image[a["image_id"]], a["track_id"]) for a in found["annotations"]] == [
        (1, 0),
        (1, 1),
        (4, 1),
        (4, 2),
    ]
    assert content(tmp_path / "name_map.json") == {"900001_mpii_test": "walkers"}
    assert report.counts["frames"] == 5 and report.counts["frames_padded"] == 3
    assert any("3 frames written empty" in w for w in report.warnings)
    [category] = found["categories"]
    assert category["name"] == "person" and tuple(category["keypoints"]) == POSETRACK_17.joints


@pytest.mark.parametrize("form", ["posetrack17", "posetrack18"])
def test_people_of_no_track_can_be_kept_for_the_sake_of_ap(form, tmp_path):
    from eval.submission import check_submission

    given = sequence([people([7, -1, -1]), people([-1, 7])])
    report = export([given], form, tmp_path, unassigned=True)
    read = {"posetrack17": lambda c: [r["track_id"][0] for i in c["annolist"] for r in i["annorect"]]}
    read["posetrack18"] = lambda c: [a["track_id"] for a in c["annotations"]]
    assert read[form](content(tmp_path / "900001_mpii_test.json")) == [0, 999, 998, 999, 0]
    assert report.counts["people"] == 5
    assert not check_submission(tmp_path).faults


def test_joints_go_by_name_and_weak_ones_are_left_out(tmp_path):
    shown = people([0])
    scores = shown.keypoint_scores.copy()
    scores[0, PTRACK_19.joints.index("left_knee")] = 0.1
    given = sequence([people([0], keypoint_scores=scores)])
    for form in ("posetrack17", "posetrack18", "coco"):
        report = export([given], form, tmp_path / form, min_keypoint_score=0.2)
        assert report.counts["keypoints_below_score"] == 1
    [person] = content(tmp_path / "posetrack18" / "900001_mpii_test.json")["annotations"]
    triples = np.array(person["keypoints"]).reshape(-1, 3)
    knee, nose = (POSETRACK_17.joints.index(j) for j in ("left_knee", "nose"))
    assert triples[knee].tolist() == [0, 0, 0] and person["scores"][knee] == 0
    assert triples[nose] == pytest.approx([*shown.keypoints[0, 0], 1], abs=1e-3)
    [frame] = content(tmp_path / "posetrack17" / "900001_mpii_test.json")["annolist"]
    points = {p["id"][0]: p for p in frame["annorect"][0]["annopoints"][0]["point"]}
    assert POSETRACK_15.joints.index("left_knee") not in points and len(points) == 14
    assert points[13]["x"] == pytest.approx([shown.keypoints[0, 0, 0]], abs=1e-3)
    [person] = content(tmp_path / "coco" / "coco_keypoints.json")["annotations"]
    assert person["num_keypoints"] == 16


LEFT_OUT = {
    # name: (people, thresholds, the count, people in a submission, people in a table)
    "without identity": (people([-1, 4]), {}, "people_without_identity", 1, 2),
    "below the person score": (people([1, 2]), {"min_person_score": 0.6}, "people_below_score", 1, 1),
    "without joints": (people([1, 2]), {"min_keypoint_score": 2.0}, "people_without_joints", 0, 0),
    "no poses at all": (FramePeople(boxes=[[0, 0, 9, 9]], track_ids=[1]), {}, "people_without_joints", 0, 0),
    "skipped": (FramePeople(status=FrameStatus.SKIPPED), {}, "frames_skipped", 0, 0),
    "skipped and filled": (people([1], status=FrameStatus.SKIPPED), {}, "frames_skipped", 1, 1),
    "undecodable": (FramePeople(status=FrameStatus.UNDECODABLE), {}, "frames_undecodable", 0, 0),
}


@pytest.mark.parametrize("name", LEFT_OUT)
def test_what_is_left_out_is_counted_with_its_reason(name, tmp_path):
    found, thresholds, count, submitted, listed = LEFT_OUT[name]
    for form, expected in (("posetrack17", submitted), ("posetrack18", submitted), ("coco", listed), ("csv", listed)):
        report = export([sequence([people([8]), found])], form, tmp_path / form, **thresholds)
        own = 0 if "min_keypoint_score" in thresholds else 1
        assert report.counts["people"] == expected + own, form
        if name == "without identity" and form in ("coco", "csv"):
            assert count not in report.counts
            continue
        assert report.counts[count] >= 1, form
        assert any(w.startswith(f"{report.counts[count]} ") for w in report.warnings), form


def test_the_annotation_defines_the_images(tmp_path):
    path = annotation18(tmp_path / "gt", "000342_mpii_test", [4, 2, 9])
    export([sequence({2: people([1])}, annotation=path)], "posetrack18", tmp_path / "18")
    found = content(tmp_path / "18" / "000342_mpii_test.json")
    wanted = [(i["file_name"], i["id"]) for i in content(path)["images"]]
    assert [(i["file_name"], i["id"]) for i in found["images"]] == wanted
    assert found["annotations"][0]["image_id"] == wanted[2][1]
    assert not (tmp_path / "18" / "name_map.json").exists()
    export([sequence({2: people([1])}, annotation=path)], "posetrack17", tmp_path / "17")
    frames = content(tmp_path / "17" / "000342_mpii_test.json")["annolist"]
    assert [f["image"][0]["name"] for f in frames] == [name for name, _ in wanted]
    assert [len(f["annorect"]) for f in frames] == [0, 0, 1]


def test_a_posetrack_name_and_its_images_stay_without_an_annotation(tmp_path):
    names = tuple(f"images/test/000693_mpii_test/{n:06d}.jpg" for n in range(3))
    given = sequence([people([1])], "000693_mpii_test", frame_names=names)
    report = export([given], "posetrack18", tmp_path)
    images = content(tmp_path / "000693_mpii_test.json")["images"]
    assert [i["file_name"] for i in images] == list(names)
    assert [i["id"] for i in images] == [10006930000, 10006930001, 10006930002]
    assert [p.name for p in report.files] == ["000693_mpii_test.json"]


def test_images_with_names_that_poseval_cannot_read_are_numbered(tmp_path):
    given = sequence([people([1])], frame_names=("img_a.png", "img_b.png"))
    export([given], "posetrack17", tmp_path)
    frames = content(tmp_path / "900001_mpii_test.json")["annolist"]
    assert [f["image"][0]["name"][-10:] for f in frames] == ["000000.jpg", "000001.jpg"]


def test_an_older_name_map_does_not_stay(tmp_path):
    export([sequence([people([1])])], "posetrack18", tmp_path)
    export([sequence([people([1])], "000001_bonn_test")], "posetrack18", tmp_path)
    assert not (tmp_path / "name_map.json").exists()


REFUSED = {
    "1001 identities": (lambda t: sequence([people(list(range(1001)))]), "walkers.*1001.*1000"),
    "an identity twice": (lambda t: sequence([people([1]), people([4, 4])]), "walkers: frame 1: track_id 4"),
    "more frames than names": (lambda t: sequence({10_000: people([1])}), "walkers: has 10001 frames"),
    "a frame that is not annotated": (
        lambda t: sequence({3: people([1])}, annotation=annotation18(t, "000001_mpii_test", [0, 1])),
        "frame 3.*lists 2 frames",
    ),
    "other images than annotated": (
        lambda t: sequence([], annotation=annotation18(t, "000001_mpii_test", [0, 1]), frame_names=("a.jpg",)),
        "has 1 images.*lists 2",
    ),
    "no annotation there": (lambda t: sequence([], annotation=t / "none.json"), "none.json"),
}


@pytest.mark.parametrize("form", ["posetrack17", "posetrack18"])
@pytest.mark.parametrize("name", REFUSED)
def test_what_a_submission_cannot_hold_is_refused(name, form, tmp_path):
    make, message = REFUSED[name]
    with pytest.raises(BadInput, match=message):
        export([make(tmp_path)], form, tmp_path / "out")
    assert not list((tmp_path / "out").glob("**/*.json"))


BROKEN_ANNOTATIONS = {
    "no list": ({"images": 3}, "neither"),
    "no name": ({"images": [{"id": 1}]}, r"images\[0\].file_name"),
    "text id": ({"images": [{"file_name": "a/0.jpg", "id": "1"}]}, r"images\[0\].id"),
    "id twice": (
        {"images": [{"file_name": "a/0.jpg", "id": 1}, {"file_name": "a/1.jpg", "id": 1}]},
        r"images\[1\].id",
    ),
    "2017 without name": ({"annolist": [{"image": []}]}, r"annolist\[0\]"),
    "a list": ([1], "neither"),
}


@pytest.mark.parametrize("name", BROKEN_ANNOTATIONS)
def test_broken_annotations_are_named(name, tmp_path):
    broken, message = BROKEN_ANNOTATIONS[name]
    (tmp_path / "gt.json").write_text(json.dumps(broken))
    with pytest.raises(BadInput, match=rf"gt\.json.*{message}"):
        export([sequence([], annotation=tmp_path / "gt.json")], "posetrack18", tmp_path / "out")


@pytest.mark.parametrize("skeleton", [COCO_17, POSETRACK_15, PTRACK_19], ids=lambda s: s.name)
def test_submissions_check_out_and_score_the_same(skeleton, tmp_path):
    from eval.poseval import score
    from eval.submission import check_submission

    truth = annotation18(tmp_path / "gt", "000342_mpii_test", list(range(6)), tracks=3)
    frames = [people([9, -1, 4], skeleton, seed=n) for n in range(6)]
    given = sequence(frames, "000342_mpii_test", skeleton, annotation=truth)
    results = []
    for form in ("posetrack17", "posetrack18"):
        export([given], form, tmp_path / form, min_keypoint_score=0.4)
        report = check_submission(tmp_path / form)
        assert not report.faults and report.people == 12 and report.frames == 6
        results.append(score(tmp_path / form, tmp_path / "gt"))
    np.testing.assert_array_equal(results[0].ap.ap, results[1].ap.ap)
    np.testing.assert_array_equal(results[0].mot.mota, results[1].mot.mota)


@pytest.mark.parametrize("form", ["posetrack17", "posetrack18"])
def test_ground_truth_as_predictions_gets_full_marks(form, tmp_path):
    from eval.poseval import score

    truth = annotation18(tmp_path / "gt", "000342_mpii_test", list(range(6)), tracks=3)
    frames = []
    entries = content(truth)
    for image in entries["images"]:
        own = [a for a in entries["annotations"] if a["image_id"] == image["id"]]
        triples = np.array([a["keypoints"] for a in own]).reshape(-1, 17, 3)
        frames.append(
            FramePeople(
                keypoints=triples[..., :2], keypoint_scores=triples[..., 2], track_ids=[a["track_id"] for a in own]
            )
        )
    given = sequence(frames, "000342_mpii_test", POSETRACK_17, annotation=truth)
    export([given], form, tmp_path / "out")
    result = score(tmp_path / "out", tmp_path / "gt")
    assert result.ap.ap[-1] == pytest.approx(100) and result.mot.mota[-1] == pytest.approx(100)


@pytest.mark.parametrize("case", ["g03_pt18_small_tracker", "g07_pt18_id_switches"])
def test_real_results_keep_their_official_scores(case, test_data, tmp_path):
    from eval.poseval import score

    folder = test_data / "golden" / "poseval" / case
    given = []
    for truth in sorted((folder / "gt").glob("*.json")):
        found = content(folder / "pred" / truth.name)
        frames = []
        for image in found["images"]:
            own = [a for a in found["annotations"] if a["image_id"] == image["id"]]
            triples = np.array([a["keypoints"] for a in own]).reshape(-1, 17, 3)
            scores = np.array([a["scores"] for a in own]).reshape(-1, 17)
            ids = [a["track_id"] for a in own]
            frames.append(FramePeople(keypoints=triples[..., :2], keypoint_scores=scores, track_ids=ids))
        given.append(sequence(frames, truth.stem, POSETRACK_17, annotation=truth))
    direct = score(folder / "pred", folder / "gt")
    for form in ("posetrack17", "posetrack18"):
        export(given, form, tmp_path / form)
        exported = score(tmp_path / form, folder / "gt")
        np.testing.assert_allclose(exported.ap.ap, direct.ap.ap, atol=1e-6)
        np.testing.assert_allclose(exported.mot.mota, direct.mot.mota, atol=1e-6)


def test_joint_scores_of_submissions_lie_in_0_to_1_in_the_same_order():
    scores = np.array([[-0.2, 0.0, 0.5, 0.99], [0.995, 1.0, 1.1, 30.0]])
    squeezed = within_rules(scores)
    assert (squeezed >= 0).all() and (squeezed <= 1).all()
    assert squeezed[0].tolist() == [0, 0, 0.5, 0.99] and (np.diff(squeezed[1]) > 0).all()


# --- tables


def test_csv_has_one_row_a_joint(tmp_path):
    found = people([5, -1])
    export([sequence({2: found}, "rooms/a")], "csv", tmp_path)
    with (tmp_path / "rooms" / "a.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 19
    row = next(r for r in rows if r["joint"] == "left_wrist" and r["person"] == "1")
    wrist = PTRACK_19.joints.index("left_wrist")
    assert (row["sequence"], row["frame"], row["track_id"], row["origin"]) == ("rooms/a", "2", "-1", "detected")
    assert float(row["x"]) == pytest.approx(found.keypoints[1, wrist, 0], abs=1e-3)
    assert float(row["keypoint_score"]) == pytest.approx(found.keypoint_scores[1, wrist], abs=1e-6)
    assert [float(row[c]) for c in ("box_x1", "box_y1", "box_x2", "box_y2")] == [10, 20, 110, 220]
    assert row["box_score"] == "" and float(row["time"]) == 0.08


def test_parquet_has_the_columns_of_the_csv_table(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    given = [sequence([people([5, -1])])]
    for form in ("csv", "parquet"):
        export(given, form, tmp_path)
    table = parquet.read_table(tmp_path / "walkers.parquet").to_pylist()
    with (tmp_path / "walkers.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [{k: "" if v is None else str(v) for k, v in row.items()} for row in table] == rows


def test_parquet_without_its_library_says_what_to_install(tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError, match=r"pip install 'ptrack\[tables\]'"):
        export([sequence([people([1])])], "parquet", tmp_path)


def test_mot_counts_frames_and_ids_from_1(tmp_path):
    report = export([sequence({4: people([7, -1])})], "mot", tmp_path, min_keypoint_score=5)
    assert (tmp_path / "walkers.txt").read_text() == "5,8,10.0,20.0,100.0,200.0,0.9,-1,-1,-1\n"
    assert report.counts["people_without_identity"] == 1


def test_coco_files_load_in_pycocotools(tmp_path):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    export([sequence([people([1, 2]), people([])], "a"), sequence({3: people([-1])}, "b")], "coco", tmp_path)
    dataset = COCO(str(tmp_path / "coco_keypoints.json"))
    assert [i["file_name"] for i in dataset.dataset["images"]] == ["a/000000.jpg", "a/000001.jpg", "b/000003.jpg"]
    results = dataset.loadRes(str(tmp_path / "coco_results.json"))
    scoring = COCOeval(dataset, results, "keypoints")
    scoring.evaluate()
    scoring.accumulate()
    scoring.summarize()
    assert scoring.stats[0] == pytest.approx(1.0)


# --- all of them


@pytest.mark.parametrize("form", TEXT_FORMATS)
@pytest.mark.parametrize("as_zip", [False, True], ids=["files", "zip"])
def test_the_same_export_gives_the_same_bytes(form, as_zip, tmp_path):
    given = [sequence([people([1, 2]), people([])], "a/x"), sequence([people([3])], "b")]
    reports = [export(given, form, tmp_path / n, as_zip=as_zip) for n in "12"]
    assert [f.read_bytes() for f in reports[0].files] == [f.read_bytes() for f in reports[1].files]
    assert sorted(p.name for p in (tmp_path / "1").rglob("*") if p.is_file()) == sorted(
        f.name for f in reports[0].files
    )


def test_a_zip_holds_the_submission_and_nothing_else(tmp_path):
    given = [sequence([people([1])], "a"), sequence([people([1])], "000001_mpii_test")]
    report = export(given, "posetrack18", tmp_path, as_zip=True)
    assert [f.name for f in report.files] == ["posetrack18.zip", "name_map.json"]
    with zipfile.ZipFile(report.files[0]) as archive:
        assert archive.namelist() == ["900001_mpii_test.json", "000001_mpii_test.json"]
        assert len(json.loads(archive.read("000001_mpii_test.json"))["annotations"]) == 1


@pytest.mark.parametrize("form", TEXT_FORMATS)
def test_nobody_anywhere_is_a_legal_export(form, tmp_path):
    report = export([sequence([people([]), FramePeople()])], form, tmp_path)
    assert report.counts["people"] == 0 and all(f.exists() for f in report.files)


@pytest.mark.parametrize("form", TEXT_FORMATS)
def test_an_export_that_fails_leaves_nothing_half_there(form, tmp_path):
    def torn():
        yield FrameRecord(0, 0.0, people([1]))
        raise PtrackError("the record is damaged")

    with pytest.raises(PtrackError, match="damaged"):
        export([ExportSequence("a", VIDEO, PTRACK_19, torn)], form, tmp_path / "out")
    assert not [p for p in (tmp_path / "out").rglob("*") if p.is_file()]


WRONG = {
    "unknown format": ({"format": "xml"}, UsageError, "xml"),
    "threshold not a number": ({"min_keypoint_score": float("nan")}, UsageError, "min-keypoint-score"),
    "nothing": ({"sequences": []}, BadInput, "no sequence"),
    "a name that leads out": ({"sequences": [sequence([], "../a")], "format": "csv"}, BadInput, "leads out"),
    "an absolute name": ({"sequences": [sequence([], "/a")], "format": "mot"}, BadInput, "leads out"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_requests_are_refused(name, tmp_path):
    change, kind, message = WRONG[name]
    request = {"sequences": [sequence([])], "format": "posetrack18", "out_dir": tmp_path / "out", **change}
    with pytest.raises(kind, match=message):
        export(**request)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be written"):
        export([sequence([people([1])])], "csv", tmp_path / "file" / "out")


def test_reading_back_gives_the_boxes(tmp_path):
    given = [sequence([people([3, 8]), people([])])]
    export(given, "posetrack18", tmp_path / "18")
    first, second = posetrack18.read_people(tmp_path / "18" / "900001_mpii_test.json")
    assert first.people.boxes.tolist() == [[10, 20, 110, 220]] * 2 and len(second.people) == 0
    assert first.people.box_scores == pytest.approx([0.9, 0.5])
    export(given, "posetrack17", tmp_path / "17")
    first, second = posetrack17.read_people(tmp_path / "17" / "900001_mpii_test.json")
    found = people([3, 8])
    joints, _ = mapping(PTRACK_19, POSETRACK_15).apply(found.keypoints, found.keypoint_scores)
    around = np.concatenate([found.boxes.reshape(2, 2, 2), joints], axis=1)  # the box and all joints
    expected = np.concatenate([around.min(axis=1), around.max(axis=1)], axis=1)
    np.testing.assert_allclose(first.people.boxes, expected, atol=1e-3)
    assert len(first.people) == 2 and len(second.people) == 0
