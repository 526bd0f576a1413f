"""Scoring the tracks of a work folder, and `ptrack eval` of a PoseTrack split."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from poseval_scenes import matched, random_matched, write_scene

from eval.findings import ScoringInputError
from eval.loading import Matched
from eval.poseval import score
from eval.sources import load_ground_truth, load_predictions
from posedata.errors import BadInput
from posedata.people import FramePeople
from posedata.records import Header, RecordWriter, VideoHeader
from posetrack_cli.eval import eval_command


def write_tracks(path: Path, case: Matched, sequence: str, frames: int, unassigned: bool = False) -> None:
    """A scene's predictions as a track record; absent joints have score 0."""
    header = Header.create(
        stage="track",
        sequence=sequence,
        video=VideoHeader(sequence, 25.0, 640, 480),
        skeleton="posetrack-15",
        ptrack_version="0.1.0",
        settings={},
        input_identity="none",
    )
    found = case.scene.found
    path.parent.mkdir(parents=True)
    with RecordWriter(path, header, chunk=4) as writer:
        for f in range(frames):
            if f and f % 4 == 0:
                writer.commit_chunk()
            rows = found.frame == f
            ids = found.track[rows].astype(np.int64)
            people = FramePeople(
                keypoints=found.xy[rows],
                keypoint_scores=np.where(found.has[rows], found.score[rows], 0),
                person_scores=np.full(int(rows.sum()), 0.5),
                track_ids=np.where(ids == 50, -1, ids) if unassigned else ids,
            )
            writer.append(f, f / 25, people)
        writer.finish()


@pytest.fixture
def rounded() -> Matched:
    """A scene whose numbers a record keeps as they are: hundredths of a pixel, no score 0 (that joint is absent)."""
    case = random_matched(4, frames=7, grid=0.25)
    found = case.scene.found
    return matched(case.scene.truth, replace(found, score=np.maximum(found.score, 0.1)), 7)


@pytest.mark.parametrize("sequence", ["000342_mpii_test", "val/000342_mpii_test", "images/000342_mpii_relpath_5sec"])
def test_a_work_folder_scores_as_the_file_of_its_tracks(sequence: str, rounded: Matched, tmp_path: Path) -> None:
    pred, gt = write_scene(tmp_path, rounded)
    write_tracks(tmp_path / "work" / sequence / "track.json", rounded, sequence, 7)
    expected, found = score(pred, gt), score(tmp_path / "work", gt)
    np.testing.assert_allclose(found.mot.mota, expected.mot.mota, atol=1e-9)
    np.testing.assert_allclose(found.ap.ap, expected.ap.ap, atol=1e-9)
    single = score(tmp_path / "work", gt / "000342_mpii_test.json")
    np.testing.assert_array_equal(single.mot.mota, found.mot.mota)


def test_loaded_sequences_score_as_their_files(rounded: Matched, tmp_path: Path) -> None:
    pred, gt = write_scene(tmp_path, rounded)
    write_tracks(tmp_path / "work" / "a" / "track.json", rounded, "a", 7)
    expected = score(pred, gt)
    for predictions in (pred, load_predictions(pred), load_predictions(tmp_path / "work")):
        np.testing.assert_allclose(score(predictions, load_ground_truth(gt)).mot.mota, expected.mot.mota, atol=1e-9)


def test_people_without_identity_are_left_out_and_told(rounded: Matched, tmp_path: Path) -> None:
    _, gt = write_scene(tmp_path, rounded)
    write_tracks(tmp_path / "work" / "000342_mpii_test" / "track.json", rounded, "000342_mpii_test", 7, True)
    result = score(tmp_path / "work", gt)
    assert any(w.kind == "unassigned" and w.count > 0 for w in result.warnings)


def test_a_record_that_is_too_short_or_damaged_is_named(rounded: Matched, tmp_path: Path) -> None:
    _, gt = write_scene(tmp_path, rounded)
    path = tmp_path / "work" / "000342_mpii_test" / "track.json"
    write_tracks(path, rounded, "000342_mpii_test", 6)
    with pytest.raises(ScoringInputError, match="has 6 frames"):
        score(tmp_path / "work", gt)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ScoringInputError, match=r"track\.json"):
        score(tmp_path / "work", gt)


def test_a_sequence_without_tracks_is_named(rounded: Matched, tmp_path: Path) -> None:
    _, gt = write_scene(tmp_path, rounded)
    write_scene(tmp_path, rounded, "000777_mpii_test")
    write_tracks(tmp_path / "work" / "000342_mpii_test" / "track.json", rounded, "000342_mpii_test", 7)
    with pytest.raises(ScoringInputError, match="000777_mpii_test"):
        score(tmp_path / "work", gt)


def posetrack_root(folder: Path, case: Matched) -> Path:
    """A PoseTrack18 root with empty images: scoring never opens them."""
    name = "000342_mpii_test"
    write_scene(folder / "files", case)
    root = folder / "PoseTrack18"
    (root / "annotations" / "val").mkdir(parents=True)
    (folder / "files" / "gt" / f"{name}.json").rename(root / "annotations" / "val" / f"{name}.json")
    for f in range(len(case.scene.frame_names)):
        image = root / "images" / "val" / name / f"{f:06d}.jpg"
        image.parent.mkdir(parents=True, exist_ok=True)
        image.write_bytes(b"\xff\xd8\xff\xd9")
    return root


def test_a_posetrack_split_brings_its_own_ground_truth(
    rounded: Matched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from posedata.sequences import discover

    root = posetrack_root(tmp_path, rounded)
    sequence = discover(root).sequences[0].id
    work = tmp_path / "ptrack_work" / root.name
    with pytest.raises(BadInput, match="ptrack run"):
        CliRunner().invoke(eval_command, [str(root)], catch_exceptions=False)
    write_tracks(work / sequence / "track.json", rounded, sequence, 7)
    expected = score(work, root / "annotations" / "val")
    monkeypatch.chdir(tmp_path)  # the default work folder lies in the current one
    for arguments in ([str(root)], [str(root), "--split", "val"], [str(root), "--work", str(work)]):
        result = CliRunner().invoke(eval_command, [*arguments, "--json"], catch_exceptions=False)
        assert json.loads(result.stdout)["mot"]["mota"][-1] == expected.mot.mota[-1]


def test_thresholds_have_names_in_the_output(rounded: Matched, tmp_path: Path) -> None:
    pred, gt = write_scene(tmp_path, rounded)
    arguments = [str(pred), "--gt", str(gt), "--min-keypoint-score", "0.5"]
    result = CliRunner().invoke(eval_command, arguments, catch_exceptions=False)
    assert "joint scores from 0.5 on" in result.stdout
