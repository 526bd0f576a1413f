"""The official tool's figures, through the command: AP, MOT, counts, per sequence, printed lines, written files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from poseval_scenes import CONTROL

from posetrack_cli.eval import eval_command

CASES = (
    "g01_pt18_real_frames_ap_only",
    "g02_pt18_gt_as_pred_noscores",
    "g03_pt18_small_tracker",
    "g04_pt17_small_tracker",
    "g05_pt18_ignore_regions",
    "g06_pt18_empty_frames",
    "g07_pt18_id_switches",
    "g08_pt17_missing_joints",
    "g09_mixed_gt17_pred18",
    "g10_pt18_tied_scores",
    "g11_pt18_real_tracks_campus",
    "g12_pt17_medium",
)
TOLERANCE = 1e-6


def run(*arguments: str | Path) -> str:
    """What the command prints on stdout; it must succeed."""
    result = CliRunner().invoke(eval_command, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def same(found: list[float | None], expected: list[float | None], what: str) -> None:
    left, right = (np.array([np.nan if v is None else v for v in values], float) for values in (found, expected))
    np.testing.assert_allclose(left, right, rtol=0, atol=TOLERANCE, equal_nan=True, err_msg=what)


def compare(found: dict, expected: dict, what: str, tied: bool = False) -> None:
    """One set's or one sequence's blocks."""
    for name in ("ap", "pre", "rec"):
        if not (tied and name == "ap"):
            same(found["ap"][name], expected["ap"][name], f"{what} {name}")
    if "mot_classic" not in expected:
        return
    for name in ("mota", "motp", "pre", "rec"):
        same(found["mot"][name], expected["mot_classic"][name], f"{what} {name}")
    same(found["mot"]["motp_head"], expected["mot_head"]["motp"], f"{what} motp at head")


@pytest.mark.parametrize("case", CASES)
def test_numbers(case: str, test_data: Path) -> None:
    folder = test_data / "golden" / "poseval" / case
    expected = json.loads((folder / "expected.json").read_text())
    found = json.loads(run(folder / "pred", "--gt", folder / "gt", "--json", "--per-sequence"))
    assert found["frames"] == expected["n_frames_evaluated_ap"]
    tied = "ap_tie_bounds" in expected
    compare(found, expected, case, tied)
    if tied:
        worst, best = (np.array(expected["ap_tie_bounds"][name]) for name in ("worst", "best"))
        assert (np.array(found["ap"]["ap"]) >= worst - TOLERANCE).all()
        assert (np.array(found["ap"]["ap"]) <= best + TOLERANCE).all()
        for name in ("worst", "best"):
            same(found["ap_tie_bounds"][name], expected["ap_tie_bounds"][name], name)
    assert found["per_sequence"].keys() == expected["per_sequence"].keys()
    for name, block in expected["per_sequence"].items():
        compare(found["per_sequence"][name], block, f"{case} {name}", tied)
    if "mot_counts" in expected:
        fields = (
            "misses",
            "switches",
            "false_positives",
            "objects",
            "detections",
            "distance",
            "distance_head",
        )
        counts = np.array([found["counts"][field] for field in fields]).T
        np.testing.assert_allclose(counts, expected["mot_counts"]["rows"], rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("motp", ["classic", "head"])
@pytest.mark.parametrize("case", [case for case in CASES if "g10" not in case])
def test_printed_lines(case: str, motp: str, test_data: Path) -> None:
    folder = test_data / "golden" / "poseval" / case
    expected = json.loads((folder / "expected.json").read_text())[f"printed_table_{motp}"]
    metrics = "ap" if expected[-1].count("&") == 8 else "all"
    printed = run(folder / "pred", "--gt", folder / "gt", "--latex", "--motp", motp, "--metrics", metrics)
    assert printed.splitlines() == expected


def test_official_files(test_data: Path, tmp_path: Path) -> None:
    folder = test_data / "golden" / "poseval" / "g08_pt17_missing_joints"
    expected = json.loads((folder / "expected.json").read_text())
    run(folder / "pred", "--gt", folder / "gt", "--out", tmp_path, "--per-sequence", "--motp", "head")
    names = {f"{s}_{m}_metrics.json" for s in ("total", *expected["per_sequence"]) for m in ("AP", "MOT")}
    assert {path.name for path in tmp_path.iterdir()} == names
    text = (tmp_path / "total_AP_metrics.json").read_text()
    assert "NaN" in text  # bare, as the official tool writes it
    content = json.loads(text)
    assert list(content) == ["ap", "pre", "rec", "names"]
    assert content["names"]["12"] == "neck" and content["names"]["15"] == "total" and len(content["names"]) == 16
    content = json.loads((tmp_path / "total_MOT_metrics.json").read_text())
    assert list(content) == ["mota", "motp", "pre", "rec", "names"]
    same(content["motp"], expected["mot_head"]["motp"], "motp")


def test_motmetrics_engine_agrees(test_data: Path) -> None:
    pytest.importorskip("motmetrics")
    folder = test_data / "golden" / "poseval" / "g06_pt18_empty_frames"
    ours, theirs = (
        json.loads(run(folder / "pred", "--gt", folder / "gt", "--json", "--mot-engine", engine))
        for engine in ("ptrack", "motmetrics")
    )
    same(ours["mot"]["mota"], theirs["mot"]["mota"], "mota")
    same(ours["mot"]["motp_head"], theirs["mot"]["motp_head"], "motp at head")
    assert ours["counts"]["switches"] == theirs["counts"]["switches"]


def test_workers_change_nothing(test_data: Path) -> None:
    folder = test_data / "golden" / "poseval" / "g04_pt17_small_tracker"
    one, two = (run(folder / "pred", "--gt", folder / "gt", "--json", "--workers", n) for n in ("1", "2"))
    assert one == two


def test_control_case_of_this_repository() -> None:
    expected = json.loads((CONTROL / "expected.json").read_text())["files_head"]
    found = json.loads(run(CONTROL / "pred", "--gt", CONTROL / "gt", "--json"))
    same(found["ap"]["ap"], expected["total_AP_metrics.json"]["ap"], "ap")
    for name, key in (("mota", "mota"), ("motp", "motp_head"), ("pre", "pre"), ("rec", "rec")):
        same(found["mot"][key], expected["total_MOT_metrics.json"][name], name)


@pytest.mark.parametrize("pairing", ["files", "file and folder", "folder and file"])
def test_single_files(pairing: str) -> None:
    name = "000342_mpii_test.json"
    pred = CONTROL / "pred" if pairing == "folder and file" else CONTROL / "pred" / name
    gt = CONTROL / "gt" if pairing == "file and folder" else CONTROL / "gt" / name
    assert run(pred, "--gt", gt, "--csv") == run(CONTROL / "pred", "--gt", CONTROL / "gt", "--csv")


def test_csv_has_a_line_for_each_joint() -> None:
    lines = run(CONTROL / "pred", "--gt", CONTROL / "gt", "--csv", "--per-sequence").splitlines()
    assert len(lines) == 1 + 2 * 16
    assert lines[0].startswith("sequence,joint,ap,") and lines[16].startswith("total,total,")


def test_readable_tables_and_extras(tmp_path: Path) -> None:
    text = run(
        CONTROL / "pred", "--gt", CONTROL / "gt", "--strict", "--hota", "--sweep", "--joints", "--out", tmp_path
    )
    for expected in ("MOTP head", "right_ankle", "HOTA", "Corrected:", "last frame", "best MOTA"):
        assert expected in text
    assert (tmp_path / "sweep.csv").read_text().count("\n") > 20
    assert (tmp_path / "sweep.png").read_bytes()[:4] == b"\x89PNG"
