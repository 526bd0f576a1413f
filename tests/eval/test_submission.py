"""`ptrack check`: good submissions pass, every usual mistake is named, hostile archives do no harm."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from poseval_scenes import CONTROL, random_matched, write_scene

from posedata.errors import BadInput
from posetrack_cli.check import check_command

NAME = "000342_mpii_test"


def check(*arguments: str | Path) -> tuple[int, str]:
    """Exit code, and what is printed."""
    result = CliRunner().invoke(check_command, [str(a) for a in arguments], standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return result.return_value, result.stdout


def zipped(folder: Path, path: Path, prefix: str = "") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for file in folder.iterdir():
            archive.write(file, prefix + file.name)
    return path


@pytest.mark.parametrize("form", ["folder", "zip", "zip with a folder"])
def test_a_good_submission_passes(form: str, tmp_path: Path) -> None:
    path = CONTROL / "pred"
    if form != "folder":
        path = zipped(path, tmp_path / "submission.zip", "val/" if "with" in form else "")
    for arguments in ((path,), (path, "--gt", CONTROL / "gt")):
        code, text = check(*arguments)
        assert code == 0 and "nothing wrong found" in text and "1 files, 6 frames, 12 people" in text


def change(annotation: str, value: object) -> Callable[[dict], None]:
    def apply(document: dict) -> None:
        document["annotations"][0][annotation] = value

    return apply


def drop_scores(document: dict) -> None:
    del document["annotations"][0]["scores"]


def drop_last_frame(document: dict) -> None:
    last = document["images"].pop()["id"]
    document["annotations"] = [a for a in document["annotations"] if a["image_id"] != last]


def swap_frames(document: dict) -> None:
    document["images"][1], document["images"][2] = document["images"][2], document["images"][1]


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        (change("track_id", 1000), "1000 is above 999"),
        (change("track_id", -1), "-1 is negative"),
        (change("track_id", 1.5), "fractional"),
        (change("image_id", 5), "not among the images"),
        (change("scores", [float("nan")] * 17), "not finite"),
        (drop_scores, "no score"),
        (drop_last_frame, "has 5 frames, the split lists 6"),
        (swap_frames, "follows"),
        (lambda document: document["categories"].clear(), "exactly one category"),
    ],
)
def test_mistakes_are_named(mistake: Callable[[dict], None], words: str, tmp_path: Path) -> None:
    document = json.loads((CONTROL / "pred" / f"{NAME}.json").read_text())
    mistake(document)
    (tmp_path / f"{NAME}.json").write_text(json.dumps(document))
    code, text = check(tmp_path, "--gt", CONTROL / "gt")
    assert code == 3 and words in text and "do not upload" in text


def test_missing_and_surplus_files_are_named(tmp_path: Path) -> None:
    pred, gt = write_scene(tmp_path, random_matched(1), "000001_mpii_test")
    write_scene(tmp_path, random_matched(2), "000002_mpii_test")
    (pred / "000002_mpii_test.json").rename(pred / "holiday.json")
    code, text = check(pred, "--gt", gt)
    assert code == 3 and "holiday is no sequence" in text and "no 000002_mpii_test.json" in text
    code, text = check(pred)
    assert code == 3 and "not that of a PoseTrack sequence" in text


def test_both_forms_in_one_submission(test_data: Path, tmp_path: Path) -> None:
    name = "000342_mpii_relpath_5sec_testsub.json"
    source = test_data / "golden" / "poseval" / "malformed" / "e28_score_nan_string" / "pred" / name
    (tmp_path / name).write_bytes(source.read_bytes().replace(b'"nan"', b"0.5"))
    assert check(tmp_path)[0] == 0
    (tmp_path / f"{NAME}.json").write_bytes((CONTROL / "pred" / f"{NAME}.json").read_bytes())
    code, text = check(tmp_path)
    assert code == 3 and "both the PoseTrack17 and the PoseTrack18 form" in text


def test_hostile_archives(tmp_path: Path) -> None:
    path = tmp_path / "s.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../000001_mpii_test.json", "{}")
        archive.writestr("notes.txt", "hello")
    code, text = check(path)
    assert code == 3 and "leaves the archive" in text and "no JSON file" in text
    assert not (tmp_path.parent / "000001_mpii_test.json").exists()
    good = zipped(CONTROL / "pred", path).read_bytes()
    for damaged in (b"", b"PK\x03\x04 not a zip", good[: len(good) // 2], good[:60] + b"\x00" * 400 + good[460:]):
        path.write_bytes(damaged)
        with pytest.raises(BadInput, match=r"s\.zip: cannot be read as a zip file"):
            check(path)


def test_as_json() -> None:
    report = json.loads(check(CONTROL / "pred", "--json")[1])
    assert report["ok"] is True and report["form"] == "PoseTrack18" and report["faults"] == []


def test_nothing_to_check(tmp_path: Path) -> None:
    assert "holds no *.json file" in check(tmp_path)[1]
    with pytest.raises(BadInput, match="does not exist"):
        check(tmp_path / "nowhere")
