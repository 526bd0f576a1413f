"""Every bad or odd input: what ptrack says about it, its exit code, and that everything else is still done.

The commands run whole, entry point included, and the tests read what they wrote and said.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import hostile
import numpy as np
import pytest
from processes import QUICK, STAGES, Starter, records

from posedata.records import iter_frames, read_footer, read_header

FAST = (*QUICK, "--no-render")


def run(starter: Starter, source: Path, cwd: Path, *more: object, code: int):
    return starter.run("run", source, "--work", cwd / "work", *FAST, *more, cwd=cwd, code=code)


@pytest.fixture(scope="session")
def good(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("good") / "good.mp4"
    return hostile.video(path, hostile.pictures(6))


# Sequences that cannot be used ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Refused:
    """A file that cannot be used: what makes it, and what the sentence must say beside the file's name."""

    name: str
    make: Callable[[Path, Path], object]  # file to make, a good video
    words: str


REFUSED = (
    Refused("text.mp4", lambda p, g: p.write_bytes(b"this is no video\n" * 99), "cannot be read as a video"),
    Refused("empty.mp4", lambda p, g: p.write_bytes(b""), "cannot be read as a video"),
    Refused("cut.mp4", lambda p, g: hostile.cut(p, g, 0.6), "cannot be read as a video"),
    Refused("noframes.mkv", lambda p, g: hostile.no_frames(p), "it ends before its first frame"),
    Refused("sound.mp4", lambda p, g: hostile.sound_only(p), "holds no video (only audio)"),
    Refused("playlist.mp4", lambda p, g: p.write_text("ffconcat version 1.0\nfile good.mp4\n"), "cannot be read"),
    Refused("dangling.mp4", lambda p, g: p.symlink_to("nowhere.mp4"), "is not there any more, or is no file"),
    Refused("folder.mp4/x.mp4", lambda p, g: (p.parent.mkdir(), p.write_bytes(b"x")), "cannot be read as a video"),
)


def test_unusable_videos_fail_alone_each_with_its_sentence(starter, good, tmp_path):
    clips = tmp_path / "clips"
    clips.mkdir()
    shutil.copy(good, clips / "good.mp4")
    for row in REFUSED:
        row.make(clips / row.name, good)
    ended = run(starter, clips, tmp_path, "--frames", "0-3", code=1)
    for row in REFUSED:
        said = [line for line in ended.err.splitlines() if row.name in line]
        assert len(said) == 1 and row.words in said[0], (row.name, ended.err)
        assert said[0].startswith("ptrack: ") and len(said[0]) < 400
    assert read_footer(tmp_path / "work" / "good" / "track.json").counts["frames"] == 4
    assert set(records(tmp_path / "work")) == {f"good/{stage}.json" for stage in STAGES}
    assert "failed" in ended.out and ended.out.count("good") == 1


@pytest.mark.parametrize("row", REFUSED, ids=lambda row: row.name)
def test_an_unusable_video_alone_is_bad_input(starter, good, tmp_path, row):
    if "/" in row.name:
        pytest.skip("this one lies in a folder")
    row.make(tmp_path / row.name, good)
    # a link that leads nowhere does not exist, as far as a command's argument goes
    code, words = (2, "does not exist") if row.name == "dangling.mp4" else (3, row.words)
    ended = run(starter, tmp_path / row.name, tmp_path, code=code)
    assert row.name in ended.sentence and words in ended.sentence
    assert not list((tmp_path / "work").rglob("track.json"))


def image_list(*names: str) -> Callable[[Path], object]:
    return lambda root: hostile.posetrack(root, list(names))


def annotation(text: str) -> Callable[[Path], object]:
    return lambda root: hostile.posetrack(root, []).write_text(text)


OUTSIDE = "leads out of the data set; write it relative to the root"
ANNOTATIONS = {
    "dots": (image_list("images/val/../../../etc/000000.jpg"), "image 0: the name 'images/val/../../../etc"),
    "absolute": (image_list("/etc/000000.jpg"), OUTSIDE),
    "home": (image_list("~/000000.jpg"), OUTSIDE),
    "backslash": (image_list("images\\..\\..\\x.jpg"), OUTSIDE),
    "second": (image_list("images/val/a/000000.jpg", "../x.jpg"), "image 1: "),
    "null-character": (image_list("images/val/a\0/000000.jpg"), OUTSIDE),
    "nan": (annotation('{"images": [{"file_name": "a.jpg", "id": NaN}]}'), "NaN and Infinity are not JSON"),
    "huge": (annotation('{"images": [{"file_name": "a.jpg", "id": 1e400}]}'), "not valid JSON"),
    "huge-id": (
        annotation('{"images": [{"file_name": "a.jpg", "id": 1' + "0" * 400 + "}]}"),
        "900002_mpii_test.json",
    ),
    "deep": (annotation('{"images": ' + "[" * 100_000), "not valid JSON"),
    "deep-closed": (annotation('{"images": ' + "[" * 900 + "]" * 900 + "}"), "images[0]"),
    "no-images": (annotation('{"annotations": []}'), "has neither 'annolist' (PoseTrack17) nor 'images'"),
    "empty-list": (annotation('{"images": []}'), "lists no images"),
    "half": (annotation('{"images": [{"file_name": "ima'), "not valid JSON"),
    "empty": (annotation(""), "is empty"),
    "no-text": (annotation('{"images": [{"file_name": 7}]}'), "images[0]"),
    "twice": (
        annotation('{"images": [{"file_name": "a/0.jpg", "id": 1}, {"file_name": "a/1.jpg", "id": 1}]}'),
        "images[1].id is 1, as images[0].id",
    ),
}


@pytest.fixture(scope="session")
def posetrack(tmp_path_factory) -> Path:
    from posedata.synthetic import write_posetrack18

    root = tmp_path_factory.mktemp("posetrack") / "data"
    write_posetrack18(root, seed=3, frames=3, size=hostile.SIZE, people=1)
    return root


@pytest.mark.parametrize("name", ANNOTATIONS)
def test_an_annotation_that_cannot_be_used_fails_its_sequence_alone(starter, posetrack, tmp_path, name):
    make, words = ANNOTATIONS[name]
    root = tmp_path / "data"
    shutil.copytree(posetrack, root)
    make(root)
    ended = run(starter, root, tmp_path, code=1)
    said = [line for line in ended.err.splitlines() if "900002_mpii_test.json" in line]
    assert len(said) == 1 and words in said[0] and len(said[0]) < 500, ended.err
    assert read_footer(tmp_path / "work" / "900001_mpii_test" / "track.json").counts["frames"] == 3


# Inputs that are odd, and read all the same -----------------------------------------------------------------------


@dataclass(frozen=True)
class Odd:
    """An input that is read: its frames, the picture's size, people in all frames, and what is said about it."""

    name: str
    make: Callable[[Path], Path]
    frames: int
    size: tuple[int, int] = hostile.SIZE
    people: int | None = None
    words: tuple[str, ...] = ()


WIDTH, HEIGHT = hostile.SIZE
LONG = "ein-sehr-langer-Name-" * 11  # 231 characters


def broken_tail(path: Path) -> Path:
    whole = hostile.video(path.with_suffix(".whole.mkv"), hostile.pictures(20))
    hostile.cut(path, whole, 0.6)
    whole.unlink()
    return path


ODD = (
    Odd("tail.mkv", broken_tail, 9, words=("tail: the video is damaged: it breaks off after frame 8",)),
    Odd("turned.mp4", hostile.turned, 3, (HEIGHT, WIDTH), 3),
    Odd("rate.mp4", lambda p: hostile.video(p, hostile.pictures(4), times=[0, 0.1, 0.5, 0.6]), 4),
    Odd("nobody.mp4", lambda p: hostile.video(p, hostile.blank(4)), 4, people=0),
    Odd(
        "odd-sides.mkv",
        lambda p: hostile.video(p, hostile.pictures(3, (75, 65)), codec="ffv1", pixels="yuv444p"),
        3,
        (75, 65),
    ),
    Odd("odd-images", lambda p: hostile.frames(p, hostile.pictures(3, (75, 65))), 3, (75, 65)),
    Odd("depths", hostile.sixteen_grey_alpha, 4, people=4),
    Odd("corrupt", hostile.one_corrupt, 4, people=3, words=("frame 2: 000002.png cannot be read as an image",)),
    Odd("mixed", hostile.mixed_sizes, 4, words=("frame 2: 000002.png is 64x96, the first image is 96x72",)),
    Odd("one-frame.mp4", lambda p: hostile.video(p, hostile.pictures(1)), 1, people=1),
    Odd("Straße 日本 ñ'$;.mp4", lambda p: hostile.video(p, hostile.pictures(2)), 2, people=2),
    Odd(LONG + ".mp4", lambda p: hostile.video(p, hostile.pictures(2)), 2, people=2),
    Odd("tiny", lambda p: hostile.frames(p, [np.zeros((1, 1, 3), np.uint8)] * 2), 2, (1, 1)),
)


@pytest.mark.parametrize("row", ODD, ids=lambda row: row.name[:20])
def test_odd_input_is_read_drawn_and_exported(starter, tmp_path, row):
    source = row.make(tmp_path / row.name)
    work = tmp_path / "work"
    ended = starter.run("run", source, "--work", work, *QUICK, cwd=tmp_path)
    record = next(work.rglob("track.json"))
    header, counts = read_header(record), read_footer(record).counts
    assert (header.video.width, header.video.height) == row.size and counts["frames"] == row.frames
    assert row.people is None or counts["people"] == row.people
    for words in row.words:
        assert f"warning: {words}" in ended.err or words in ended.err
    assert (record.parent / "overlay.mp4").stat().st_size > 500
    for kind in ("posetrack18", "csv"):
        starter.run("export", work, "--format", kind, "--out", tmp_path / kind, cwd=tmp_path)
        assert any(path.is_file() for path in (tmp_path / kind).rglob("*"))


def test_the_times_of_a_variable_frame_rate_are_kept(starter, tmp_path):
    source = hostile.video(tmp_path / "rate.mp4", hostile.pictures(4), times=[0, 0.1, 0.5, 0.6])
    run(starter, source, tmp_path, code=0)
    times = [frame.time for frame in iter_frames(tmp_path / "work" / "rate" / "track.json")]
    assert times == pytest.approx([0, 0.1, 0.5, 0.6], abs=0.002)


def test_many_people_are_kept_up_to_the_limit_asked_for(starter, tmp_path):
    source = hostile.video(tmp_path / "crowd.mp4", hostile.pictures(2, (192, 128), people=12))
    arguments = ("--threads", 1, "--long-side", 192, "--no-flip", "--min-box-score", 0.01, "--no-render")
    for number in (1, 30):
        work = tmp_path / str(number)
        starter.run("run", source, "--work", work, *arguments, "--max-people", number, cwd=tmp_path)
        assert 0 < read_footer(work / "crowd" / "detect.json").counts["people"] <= 2 * number


def test_a_name_that_is_no_utf8(starter, good, tmp_path):
    name = os.fsdecode(b"caf\xe9.mp4")
    try:
        shutil.copy(good, tmp_path / name)
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    (tmp_path / "clips").mkdir()
    shutil.move(tmp_path / name, tmp_path / "clips" / name)
    ended = run(starter, tmp_path / "clips", tmp_path, "--frames", "0-1", code=0)
    assert "caf_xe9" in ended.out and (tmp_path / "work" / "caf_xe9" / "track.json").exists()


# Folders and commands ---------------------------------------------------------------------------------------------


def test_read_only_input_is_read_and_an_unwritable_place_refused(starter, good, tmp_path):
    clips = tmp_path / "clips"
    clips.mkdir()
    shutil.copy(good, clips / "good.mp4")
    (clips / "good.mp4").chmod(0o444)
    clips.chmod(0o555)
    command, few = ("run", clips, "--work"), (*FAST, "--frames", "0-1")
    try:
        starter.run(*command, tmp_path / "work", *few, cwd=tmp_path, powerless=True)
        assert read_footer(tmp_path / "work" / "good" / "track.json").counts["frames"] == 2
        assert [p.name for p in clips.iterdir()] == ["good.mp4"]
        ended = starter.run(*command, clips / "work", *few, cwd=tmp_path, powerless=True, code=2)
        assert ended.sentence == f"ptrack: {clips}/work: cannot be written (Permission denied); use another --work"
        (clips / "good.mp4").chmod(0)
        ended = starter.run(*command, tmp_path / "other", *few, cwd=tmp_path, powerless=True, code=3)
        assert "good.mp4" in ended.sentence and "Permission denied" in ended.sentence
    finally:
        clips.chmod(0o755)


def test_a_work_folder_that_cannot_be_made(starter, good, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    ended = starter.run("run", good, "--work", tmp_path / "file" / "work", *FAST, cwd=tmp_path, code=2)
    assert "cannot be written" in ended.sentence and "use another --work" in ended.sentence


def test_a_work_folder_of_another_source(starter, good, finished, tmp_path):
    ended = starter.run("run", good, "--work", finished, *FAST, cwd=tmp_path, code=2)
    assert ended.sentence.endswith("use another --work") and "holds the work of" in ended.sentence


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"source": 7, "views": []}',
        b'{"source": "x"}',
        b'{"source": "x", "views": [["a"]]}',
        b"\xff",
    ],
)
def test_a_damaged_work_json_is_one_sentence(starter, good, tmp_path, content):
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "work.json").write_bytes(content)
    ended = run(starter, good, tmp_path, code=3)
    assert "work.json" in ended.sentence and "\n" not in ended.sentence


def settings_file(text: str) -> Callable[[Path], list]:
    def make(folder: Path) -> list:
        (folder / "settings.yaml").write_text(text)
        return ["--config", "settings.yaml"]

    return make


COMMANDS = {
    "missing path": (2, lambda f: ["run", "nowhere.mp4"], "nowhere.mp4: does not exist"),
    "empty folder": (3, lambda f: ["run", "empty"], "empty: is empty; give a video, or a folder of videos or frames"),
    "no media": (3, lambda f: ["run", "texts"], "texts: holds neither videos nor images (1 files: .txt)"),
    "a record as input": (3, lambda f: ["run", "record.json"], "is no video"),
    "name with a null": (2, lambda f: ["run", "n" * 300], "File name too long"),
    "unknown key": (2, lambda f: ["run", "good.mp4", "--set", "track.maxage=3"], "did you mean 'track.max_age'?"),
    "unknown section": (2, lambda f: ["run", "good.mp4", "--set", "trak.max_age=3"], "did you mean 'track.max_age'?"),
    "no value": (2, lambda f: ["run", "good.mp4", "--set", "track.max_age"], "write it as key=value"),
    "wrong value": (2, lambda f: ["run", "good.mp4", "--set", "track.max_age=soon"], "track.max_age"),
    "value out of range": (2, lambda f: ["run", "good.mp4", "--set", "detect.nms_iou=7"], "detect.nms_iou"),
    "nan as value": (2, lambda f: ["run", "good.mp4", "--set", "detect.min_box_score=.nan"], "min_box_score"),
    "unknown preset": (2, lambda f: ["run", "good.mp4", "--preset", "fsat"], "did you mean 'fast'?"),
    "unknown model": (2, lambda f: ["run", "good.mp4", "--set", "pose.model=compat"], "did you mean 'compact'?"),
    "unknown device": (2, lambda f: ["run", "good.mp4", "--device", "gpu"], "--device gpu"),
    "unknown option": (2, lambda f: ["run", "good.mp4", "--maxage", "3"], "--maxage"),
    "unknown command": (2, lambda f: ["rnu"], "rnu"),
    "config: unknown key": (
        2,
        lambda f: ["run", "good.mp4", *settings_file("track:\n  max_agee: 3\n")(f)],
        "settings.yaml: unknown setting 'track.max_agee', did you mean 'track.max_age'?",
    ),
    "config: no section": (2, lambda f: ["run", "good.mp4", *settings_file("max_age: 3\n")(f)], "section max_age"),
    "config: no mapping": (
        2,
        lambda f: ["run", "good.mp4", *settings_file("- 1\n")(f)],
        "must be sections with keys",
    ),
    "config: no yaml": (2, lambda f: ["run", "good.mp4", *settings_file("a: [")(f)], "is not YAML"),
    "config: code": (
        2,
        lambda f: ["run", "good.mp4", *settings_file("!!python/object/apply:os.system ['touch ran']\n")(f)],
        "is not YAML",
    ),
    "config: deep": (2, lambda f: ["run", "good.mp4", *settings_file("[" * 20_000)(f)], "is not YAML"),
    "config: missing": (2, lambda f: ["run", "good.mp4", "--config", "none.yaml"], "none.yaml"),
    "config: bytes": (
        2,
        lambda f: ["run", "good.mp4", "--config", (f / "b.yaml").write_bytes(b"\xff\xfe\0") and "b.yaml"],
        "b.yaml",
    ),
    "kind does not fit": (2, lambda f: ["run", "good.mp4", "--kind", "frames-folder"], "frames-folder"),
    "frames backwards": (2, lambda f: ["run", "good.mp4", "--frames", "9-3"], "9-3"),
    "render nowhere": (3, lambda f: ["render", "nowhere"], "nowhere"),
    "render an empty folder": (3, lambda f: ["render", "empty"], "is not a ptrack work folder"),
    "export nowhere": (3, lambda f: ["export", "nowhere", "--format", "csv", "--out", "o"], "nowhere"),
    "eval nowhere": (3, lambda f: ["eval", "nowhere", "--gt", "empty"], "nowhere"),
    "check nowhere": (3, lambda f: ["check", "nowhere"], "nowhere"),
    "report nowhere": (3, lambda f: ["report", "nowhere"], "nowhere"),
    "pose before detect": (3, lambda f: ["pose", "good.mp4"], "there is no such record; run its stage first"),
    "track before pose": (3, lambda f: ["track", "good.mp4"], "there is no such record; run its stage first"),
}


@pytest.fixture(scope="session")
def scene(good, tmp_path_factory) -> Path:
    """What the commands of the table find in the current folder."""
    folder = tmp_path_factory.mktemp("scene")
    (folder / "empty").mkdir()
    (folder / "texts").mkdir()
    (folder / "texts" / "x.txt").write_text("x")
    (folder / "record.json").write_text("{}")
    shutil.copy(good, folder / "good.mp4")
    return folder


@pytest.mark.parametrize("name", COMMANDS)
def test_a_wrong_command_is_one_sentence(starter, scene, name):
    code, arguments, words = COMMANDS[name]
    ended = starter.run(*arguments(scene), cwd=scene, code=code)
    assert words in ended.sentence, ended.err
    assert not (scene / "ran").exists() and len(ended.err) < 2000


# Detections from elsewhere ----------------------------------------------------------------------------------------

BOX = '{"image_id": 10000010000, "category_id": 1, "bbox": %s, "score": %s}'
DETECTIONS = {
    "nan.json": ("[" + BOX % ("[1, 2, 3, NaN]", "0.5") + "]", "NaN and Infinity are not JSON"),
    "huge.json": ("[" + BOX % ("[1, 2, 3, 1e300]", "0.5") + "]", "bbox"),
    "infinite.json": ("[" + BOX % ("[1, 2, 3, 1e999]", "0.5") + "]", "infinite.json"),
    "short.json": ("[" + BOX % ("[1, 2, 3]", "0.5") + "]", "bbox"),
    "text.json": ("[" + BOX % ("[1, 2, 3, 4]", '"high"') + "]", "score"),
    "deep.json": ("[" * 100_000, "not valid JSON"),
    "form.json": ('{"boxes": []}', "is in no form that detections are read from"),
    "empty.json": ("", "is empty"),
    "words.txt": ("1,2,three,4,5,6\n", "words.txt"),
    "few.txt": ("1,2\n", "few.txt"),
    "nan.txt": ("1,-1,nan,4,5,6,1\n", "nan.txt"),
}


@pytest.mark.parametrize("name", DETECTIONS)
def test_detections_that_cannot_be_used(starter, posetrack, tmp_path, name):
    text, words = DETECTIONS[name]
    (tmp_path / name).write_text(text)
    ended = starter.run(
        "detect", posetrack, "--detections", tmp_path / name, "--work", tmp_path / "work", cwd=tmp_path, code=3
    )
    assert name in ended.sentence and words in ended.sentence and len(ended.sentence) < 500


# Records ----------------------------------------------------------------------------------------------------------


def replaced(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    def edit(data: bytes) -> bytes:
        assert old in data
        return data.replace(old, new, 1)

    return edit


RECORDS = {
    "another schema": (replaced(b'"ptrack/1"', b'"ptrack/9"'), "schema is 'ptrack/9', this version reads 'ptrack/1'"),
    "another skeleton": (replaced(b'"skeleton":"ptrack-19"', b'"skeleton":"coco-18"'), "skeleton is 'coco-18'"),
    "skeleton that does not fit": (
        replaced(b'"skeleton":"ptrack-19"', b'"skeleton":"coco-17"'),
        "must hold 34 numbers",
    ),
    "wrong digest": (replaced(b'"settings_digest":"', b'"settings_digest":"0'), "settings_digest"),
    "cut off": (lambda data: data[: len(data) // 2], "the record is incomplete"),
    "empty": (lambda data: b"", "the file is empty"),
    "not json": (lambda data: b"\x80\x04pickle" + data, "line 1 is not the header"),
    "nan": (replaced(b'"time":0.0', b'"time":NaN'), "line 2: is not valid JSON"),
    "huge": (replaced(b'"index":1,', b'"index":1' + b"0" * 30 + b","), "index must be a whole number"),
    "deep": (replaced(b'"boxes":', b'"boxes":' + b"[" * 50_000), "is not valid JSON"),
}


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_that_cannot_be_used_is_named_and_a_run_makes_it_again(starter, clip, finished, tmp_path, name):
    edit, words = RECORDS[name]
    work = tmp_path / "work"
    shutil.copytree(finished, work)
    path = work / "walker" / "track.json"
    whole = path.read_bytes()
    path.write_bytes(edit(whole))
    for command in (("export", work, "--format", "csv", "--out", tmp_path / "out"), ("render", work)):
        ended = starter.run(*command, cwd=tmp_path, code=None)
        assert ended.code in (1, 3), ended
        assert "track.json" in ended.sentence and words in ended.sentence, ended.err
    assert not (work / "walker" / "overlay.mp4").exists() and not list((tmp_path / "out").rglob("*.csv"))
    ended = starter.run("run", clip, "--work", work, *QUICK, "--no-render", cwd=tmp_path, code=0)
    if name in ("skeleton that does not fit", "nan", "huge", "deep"):
        # damage in the middle is not looked for where nothing is read; --overwrite is for that
        ended = starter.run("track", clip, "--work", work, "--threads", 1, "--overwrite", cwd=tmp_path)
    assert "track was redone" in ended.out and path.read_bytes() == whole


@pytest.mark.parametrize("name", ["another schema", "wrong digest", "cut off", "nan", "skeleton that does not fit"])
def test_a_stage_refuses_a_record_before_it_that_cannot_be_used(starter, clip, finished, tmp_path, name):
    edit, words = RECORDS[name]
    work = tmp_path / "work"
    shutil.copytree(finished, work)
    (work / "walker" / "track.json").unlink()
    path = work / "walker" / "pose.json"
    path.write_bytes(edit(path.read_bytes()))
    ended = starter.run("track", clip, "--work", work, "--threads", 1, cwd=tmp_path, code=3)
    assert "pose.json" in ended.sentence and words in ended.sentence
    assert not (work / "walker" / "track.json").exists()


@pytest.mark.parametrize(
    "edit",
    [
        lambda data: b"",
        lambda data: data[:-1],
        lambda data: b"\0" * 4096,
        lambda data: data.replace(b'"ptrack/1"', b'"ptrack/0"'),
        lambda data: data + b",{}\n" * 40,
        lambda data: data[:200],
    ],
)
def test_a_damaged_part_file_costs_time_and_nothing_else(starter, clip, finished, tmp_path, edit):
    work = tmp_path / "work" / "walker"
    work.mkdir(parents=True)
    for stage in STAGES:
        lines = (finished / "walker" / f"{stage}.json").read_bytes().splitlines(keepends=True)
        (work / f".{stage}.json.part").write_bytes(edit(b"".join(lines[:40])))
    run(starter, clip, tmp_path, code=0)
    for stage in STAGES:
        assert (work / f"{stage}.json").read_bytes() == (finished / "walker" / f"{stage}.json").read_bytes()


def test_the_sentences_of_this_table_name_no_python(starter, scene):
    """A user reads them: no class names, no tracebacks; `-vv` is for those who want one."""
    plain = starter.run("run", "nowhere.mp4", cwd=scene, code=2).err
    assert plain == "ptrack: nowhere.mp4: does not exist\n"
    ended = starter.start("run", "nowhere.mp4", "-vv", cwd=scene).wait()
    assert ended.code == 2 and "Traceback" in ended.err


def test_json_output_carries_the_error_of_a_sequence(starter, tmp_path):
    (tmp_path / "bad.mp4").write_bytes(b"x")
    ended = run(starter, tmp_path / "bad.mp4", tmp_path, "--json", code=3)
    content = json.loads(ended.out)
    assert "bad.mp4" in content["sequences"][0]["error"]
