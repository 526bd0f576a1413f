"""Every input that the official tool refuses ends in an error that names the place; what it accepts is scored."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from poseval_scenes import CONTROL

from eval.findings import ScoringInputError
from eval.poseval import score

NAME = "000342_mpii_test.json"
FRAME = "images/val/000342_mpii_test/000000.jpg"
Change = Callable[[dict, dict], None]  # (ground truth, predictions), changed in place


@dataclass(frozen=True)
class Case:
    """A change of the control case and what must come of it."""

    name: str
    change: Change
    words: tuple[str, ...]  # in the error, or in the warnings
    refused: bool = True


def at(side: str, path: tuple, value: object) -> Change:
    """Set a value in one of the files; `...` deletes the field."""

    def change(truth: dict, found: dict) -> None:
        holder = truth if side == "gt" else found
        for step in path[:-1]:
            holder = holder[step]
        if value is ...:
            del holder[path[-1]]
        else:
            holder[path[-1]] = value

    return change


def reversed_images(truth: dict, found: dict) -> None:
    found["images"].reverse()


def one_labelled_frame(truth: dict, found: dict) -> None:
    first = truth["images"][0]["id"]
    truth["annotations"] = [a for a in truth["annotations"] if a["image_id"] == first]


def no_scores(truth: dict, found: dict) -> None:
    for annotation in found["annotations"]:
        del annotation["scores"]


def twice(side: str) -> Change:
    def change(truth: dict, found: dict) -> None:
        annotations = (truth if side == "gt" else found)["annotations"]
        annotations[1]["track_id"] = annotations[0]["track_id"]

    return change


def second_video(truth: dict, found: dict) -> None:
    for image in found["images"][3:]:
        image["file_name"] = image["file_name"].replace("000342", "000343")


def thin_region(truth: dict, found: dict) -> None:
    truth["images"][0] |= {"ignore_regions_x": [[1, 2]], "ignore_regions_y": [[1, 2]]}


P, G = "pred", "gt"
A = ("annotations", 0)
CASES = (
    Case("frame missing", lambda t, f: f["images"].pop(), (f"{P}/{NAME}", "5 frames", "6")),
    Case("id twice in a predicted frame", twice(P), (f"{P}/{NAME}", FRAME, "track_id", "two people")),
    Case("id twice in an annotated frame", twice(G), (FRAME, "two annotated people", "--metrics ap")),
    Case("id 10000 in the ground truth", at(G, (*A, "track_id"), 10000), (f"{G}/{NAME}", FRAME, "10000")),
    Case("id 10000 in the prediction", at(P, (*A, "track_id"), 10000), (f"{P}/{NAME}", FRAME, "10000")),
    Case("id missing", at(P, (*A, "track_id"), ...), (FRAME, "annotations[0].track_id", "missing")),
    Case("id a word", at(P, (*A, "track_id"), "7"), (FRAME, "annotations[0].track_id", "'7'")),
    Case("id null", at(P, (*A, "track_id"), None), (FRAME, "annotations[0].track_id", "None")),
    Case("no categories", at(P, ("categories",), ...), (f"{P}/{NAME}", "exactly one category")),
    Case("two categories", lambda t, f: f["categories"].append({}), ("categories", "2 entries")),
    Case("category name", at(P, ("categories", 0, "name"), "human"), ("categories[0].name", "'human'")),
    Case("16 names", lambda t, f: f["categories"][0]["keypoints"].pop(), ("categories[0].keypoints", "16")),
    Case("landmark unknown", at(P, ("categories", 0, "keypoints", 1), "neck"), ("head_bottom",)),
    Case("keypoints short", lambda t, f: f["annotations"][0]["keypoints"].pop(), ("annotations[0].keypoints", "51")),
    Case("keypoint a word", at(P, (*A, "keypoints", 3), "x"), ("annotations[0].keypoints", "'x'")),
    Case("keypoints missing", at(G, (*A, "keypoints"), ...), (f"{G}/{NAME}", "annotations[0].keypoints")),
    Case("scores short", lambda t, f: f["annotations"][0]["scores"].pop(), ("annotations[0].scores", "16 values")),
    Case("score a word", at(P, (*A, "scores", 0), "high"), ("annotations[0].scores", "'high'")),
    Case("head box missing", at(G, (*A, "bbox_head"), ...), (f"{G}/{NAME}", FRAME, "bbox_head")),
    Case("head box null", at(G, (*A, "bbox_head"), None), (FRAME, "annotations[0].bbox_head")),
    Case(
        "source unknown", lambda t, f: f["images"][0].update(file_name="a/000342_foo/0.jpg"), ("images[0].file_name",)
    ),
    Case("frame 10000", lambda t, f: f["images"][0].update(file_name="a/0_mpii/10000.jpg"), ("images[0].file_name",)),
    Case("image without id", at(P, ("images", 2, "id"), ...), ("images[2]", "id")),
    Case("no images", at(P, ("images",), ...), (f"{P}/{NAME}", "neither", "'images'")),
    Case("images empty", at(P, ("images",), []), ("images", "at least one")),
    Case("no annotations", at(P, ("annotations",), ...), (f"{P}/{NAME}", "'annotations'")),
    Case("image_id missing", at(P, (*A, "image_id"), ...), ("annotations[0].image_id",)),
    Case("annotation a number", at(P, A, 5), ("annotations[0]",)),
    Case("region of two corners", thin_region, (f"{G}/{NAME}", FRAME, "ignore_regions", "2 corners")),
    Case("two videos in a file", second_video, ("3 frames",)),
    Case("frames reversed", reversed_images, ("paired by their position", "frame 0"), False),
    Case("one labelled frame", one_labelled_frame, ("single labelled frame",), False),
    Case("scores missing", no_scores, ("no score", "-9999"), False),
    Case("negative id", at(P, (*A, "track_id"), -3), ("-3", "negative"), False),
    Case("id above 999", at(P, (*A, "track_id"), 1000), ("1000", "above 999"), False),
    Case("image unknown", at(P, (*A, "image_id"), 77), ("77", "dropped"), False),
    Case("head box of no size", at(G, (*A, "bbox_head"), [1, 1, 0, 0]), ("no size",), False),
    Case("coordinate NaN", at(P, (*A, "keypoints", 0), float("nan")), ("not finite",), False),
    Case("scores null", at(P, (*A, "scores"), [None] * 17), ("not numbers",), False),
    Case("nobody annotated", at(G, ("annotations",), []), ("no frame lists anybody",), False),
    Case("nested keypoints", at(P, (*A, "keypoints"), [[1, 1, 1]] * 17), (), False),
)


def folder_with(change: Change, tmp_path: Path) -> Path:
    """The control case with a change."""
    truth, found = (json.loads((CONTROL / side / NAME).read_text()) for side in (G, P))
    change(truth, found)
    for side, content in ((G, truth), (P, found)):
        (tmp_path / side).mkdir(parents=True)
        (tmp_path / side / NAME).write_text(json.dumps(content))
    return tmp_path


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_changes_of_a_good_case(case: Case, tmp_path: Path) -> None:
    folder = folder_with(case.change, tmp_path)
    if case.refused:
        with pytest.raises(ScoringInputError) as caught:
            score(folder / P, folder / G)
        assert caught.value.exit_code == 3
        text = str(caught.value)
    else:
        result = score(folder / P, folder / G)
        text = "\n".join(warning.sentence() for warning in result.warnings)
    for word in case.words:
        assert word in text, text


def test_every_fault_of_a_set_is_listed(tmp_path: Path) -> None:
    truth, found = (json.loads((CONTROL / side / NAME).read_text()) for side in (G, P))
    (tmp_path / G).mkdir()
    (tmp_path / P).mkdir()
    for number in range(3):
        name = NAME.replace("342", f"34{number}")
        (tmp_path / G / name).write_text(json.dumps(truth))
        wrong = copy.deepcopy(found)
        wrong["annotations"][number]["track_id"] = 20000
        if number < 2:
            (tmp_path / P / name).write_text(json.dumps(wrong))
    (tmp_path / G / "broken.json").write_text("{")
    (tmp_path / P / "broken.json").write_text("")
    with pytest.raises(ScoringInputError) as caught:
        score(tmp_path / P, tmp_path / G)
    text = str(caught.value)
    for words in (
        "000340_mpii",
        "000341_mpii",
        "342_mpii_test.json: the prediction file does not exist",
        "the file is empty",
    ):
        assert words in text
    assert len(caught.value.findings) == 5


@pytest.mark.parametrize("missing", [P, G])
def test_a_missing_folder_is_named(missing: str, tmp_path: Path) -> None:
    other = {P: CONTROL / P, G: CONTROL / G} | {missing: tmp_path / "nowhere"}
    with pytest.raises(ScoringInputError, match="nowhere"):
        score(other[P], other[G])


def test_extra_files_are_left_out(tmp_path: Path) -> None:
    shutil.copytree(CONTROL, tmp_path / "set")
    (tmp_path / "set" / P / "009999_mpii_test.json").write_text("not even JSON")
    result = score(tmp_path / "set" / P, tmp_path / "set" / G)
    assert result.mot.mota[-1] == score(CONTROL / P, CONTROL / G).mot.mota[-1]
    assert any("009999_mpii_test" in warning.sentence() for warning in result.warnings)


def test_an_empty_ground_truth_gives_the_official_zeros(tmp_path: Path) -> None:
    result = score(CONTROL / P, tmp_path)
    assert (result.ap.ap == 0).all() and np.isnan(result.mot.mota).all() and result.mot.motp[-1] == 0
    assert any("no *.json" in warning.sentence() for warning in result.warnings)


def test_ap_alone_takes_ids_twice_in_the_ground_truth(tmp_path: Path) -> None:
    folder = folder_with(twice(G), tmp_path)
    assert score(folder / P, folder / G, mot=False).ap.ap[-1] == score(CONTROL / P, CONTROL / G).ap.ap[-1]


def test_golden_malformed_cases(test_data: Path) -> None:
    for folder in sorted((test_data / "golden" / "poseval" / "malformed").iterdir()):
        expected = json.loads((folder / "expected.json").read_text())
        error = expected["official_error"]
        # What the official tool only refuses by accident is scored here: no trailing slash, one labelled frame.
        if error is not None and folder.name not in ("e01_no_trailing_slash", "e21_single_labelled_frame_mot"):
            with pytest.raises(ScoringInputError, match=r"\.(json|jpg)"):
                score(folder / P, folder / G)
            continue
        result = score(folder / P, folder / G)
        for file, block in expected.get("files_head", {}).items():
            for name, values in block.items():
                if name == "names":
                    continue
                field = {"pre": "precision", "rec": "recall", "motp": "motp_head"}.get(name, name)
                found = getattr(result.ap if "AP" in file else result.mot, field)
                wanted = np.array([np.nan if v is None else v for v in values], float)
                np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-6, err_msg=f"{folder.name} {name}")
