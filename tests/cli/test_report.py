"""`ptrack report`: the page that a browser gets, from saved records alone."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from command import ptrack

from posedata.people import FramePeople, Origin
from posedata.records import Header, ModelRef, RecordWriter, VideoHeader
from posetrack_cli.main import main
from stages.render.page import MAX_PICTURED
from stages.work import WorkFolder

HOSTILE = "<script>alert(1)</script>&amp;"


class Page(HTMLParser):
    """What a browser would find: tags, links, texts."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(content)

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data) -> None:
        self.text += data

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.attributes if key == name]


def write_tracks(work: Path, sequence: str, stage: str = "track", warnings: tuple[str, ...] = ()) -> None:
    header = Header.create(
        stage=stage,
        sequence=sequence,
        video=VideoHeader(f"{sequence}.mp4", 25.0, 640, 480),
        skeleton="coco-17",
        ptrack_version="1",
        settings={"max_age": 30},
        input_identity="1",
        model=ModelRef("compact", "ab" * 32),
    )
    path = work / sequence / f"{stage}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(1)
    with RecordWriter(path, header, chunk=10) as writer:
        for index in range(6):
            people = FramePeople(
                boxes=[[10, 10, 90, 200]] * 2,
                keypoints=rng.uniform(20, 300, (2, 17, 2)),
                keypoint_scores=np.full((2, 17), 0.9),
                person_scores=[0.9, 0.8],
                track_ids=[4, 7] if stage == "track" else None,
                origin=[Origin.DETECTED, Origin.PROPAGATED if index % 2 else Origin.DETECTED],
            )
            writer.append(index, index / 25, people)
        writer.finish(warnings)


@pytest.fixture
def work(tmp_path) -> Path:
    source = tmp_path / "clips"
    source.mkdir()
    WorkFolder(tmp_path / "work").claim(source, "auto", None)
    return tmp_path / "work"


def refused(*arguments: object, code: int) -> str:
    """What the installed command says; only there errors become sentences."""
    return ptrack("report", *arguments, code=code).stderr


def page_of(work: Path) -> Page:
    done = CliRunner().invoke(main, ["report", str(work)])
    assert done.exit_code == 0, done.output
    return Page((work / "report.html").read_text(encoding="utf-8"))


def test_the_page_shows_counts_warnings_times_settings_and_pictures(work):
    write_tracks(work, "street", warnings=("the last 3 frames could not be decoded",))
    entry = {"sequence": "street", "made": ["track"], "seconds": {"detect": 3.0, "track": 1.0}, "error": None}
    WorkFolder(work).log_run({"sequences": [entry]})
    page = page_of(work)
    assert "the last 3 frames could not be decoded" in page.text
    assert "detect 75 %" in page.text and "track 25 %" in page.text
    assert "max_age: 30" in page.text and "compact" in page.text
    assert "not rendered; `ptrack render`" in page.text
    cells = [cell for cell in page.text.split("\n") if "street" in cell]
    assert cells, page.text
    (timeline,) = [value for value in page.values("src") if value.startswith("data:image/png;base64,")]
    assert len(timeline) > 500


def test_the_page_needs_no_other_file_and_no_script(work):
    write_tracks(work, "street")
    page = page_of(work)
    assert not {"script", "link", "iframe", "object", "form"} & set(page.tags)
    assert all(value.startswith("data:") for value in page.values("src"))
    assert all(value.startswith("#") for value in page.values("href"))


@pytest.mark.parametrize("place", ["sequence", "warning", "error"])
def test_names_and_sentences_from_outside_stay_text(work, place):
    name = "a<b>&quot;'\"" if place == "sequence" else "street"
    write_tracks(work, name, warnings=(HOSTILE,) if place == "warning" else ())
    if place == "error":
        WorkFolder(work).log_run({"sequences": [{"sequence": name, "error": HOSTILE}]})
    page = page_of(work)
    assert "script" not in page.tags and "b" not in (set(page.tags) if place != "error" else set())
    assert (name if place == "sequence" else HOSTILE) in page.text


def test_pictures_are_shown_only_when_they_belong_to_the_record(work):
    write_tracks(work, "street")
    cv2.imwrite(str(work / "street" / "contact_sheet.png"), np.full((40, 60, 3), 90, np.uint8))
    (work / "street" / "overlay.mp4").write_bytes(b"a video")
    page = page_of(work)
    assert any(value.startswith("data:image/jpeg") for value in page.values("src"))
    assert "street/overlay.mp4" in page.values("href")
    write_tracks(work, "street")
    assert "older than the record" in page_of(work).text


def test_a_failed_sequence_is_named_with_its_reason(work):
    write_tracks(work, "good")
    failed = {"sequence": "broken", "error": "broken.mp4: cannot be read as a video", "seconds": {}, "made": []}
    WorkFolder(work).log_run({"sequences": [failed]})
    text = page_of(work).text
    assert "2 sequences" in text and "broken.mp4: cannot be read as a video" in text and "failed" in text


@pytest.mark.parametrize(
    "log", [b"{", b"[1]", b'[{"sequences": [{"sequence": 4, "seconds": {"detect": "x"}}]}]', b"null"]
)
def test_a_damaged_run_log_costs_only_the_times(work, log):
    write_tracks(work, "street")
    (work / "run_log.json").write_bytes(log)
    page = page_of(work)
    assert "street" in page.text and "Seconds that each stage" not in page.text


def test_poses_alone_are_reported_without_identities(work):
    write_tracks(work, "street", stage="pose")
    page = page_of(work)
    assert "complete up to pose" in page.text and not page.values("src")


def test_many_sequences_stand_in_the_table_and_some_of_them_in_pictures(work):
    for number in range(MAX_PICTURED + 2):
        write_tracks(work, f"clip{number:03d}")
    page = page_of(work)
    assert f"clip{MAX_PICTURED + 1:03d}" in page.text
    assert "The pictures of 2 more sequences are left out." in page.text
    assert len(page.values("src")) == MAX_PICTURED


def test_scores_come_with_ground_truth(work, tmp_path):
    name = "000342_mpii_test"
    write_tracks(work, name)
    assert "MOTA" not in page_of(work).text
    truth = tmp_path / "gt"
    done = CliRunner().invoke(main, ["export", str(work), "--format", "posetrack18", "--out", str(tmp_path / "pred")])
    assert done.exit_code == 0, done.output
    truth.mkdir()
    (exported,) = (tmp_path / "pred").rglob("*.json")
    content = json.loads(exported.read_text())
    for image in content["images"]:
        image |= {"is_labeled": True, "ignore_regions_x": [], "ignore_regions_y": []}
    for person in content["annotations"]:
        person |= {"bbox_head": [10, 10, 40, 40]}
        person["keypoints"] = [1 if i % 3 == 2 else v for i, v in enumerate(person["keypoints"])]
    (truth / f"{name}.json").write_text(json.dumps(content))
    done = CliRunner().invoke(main, ["report", str(work), "--gt", str(truth)])
    assert done.exit_code == 0, done.output
    text = (work / "report.html").read_text()
    assert "MOTA" in text and "100.0" in text


def test_refusals(work, tmp_path):
    assert "holds no finished records" in refused(work, code=3)
    assert "is not a ptrack work folder" in refused(tmp_path / "clips", code=3)
    write_tracks(work, "street")
    assert "no_such" in refused(work, "--gt", tmp_path / "no_such", code=3)
    (tmp_path / "file").write_text("")
    assert "use another --out" in refused(work, "--out", tmp_path / "file" / "page.html", code=2)
    assert not list(work.rglob("report.html*"))
    record = work / "street" / "track.json"
    record.write_bytes(record.read_bytes()[:-40])
    assert "track.json" in refused(work, code=3)
