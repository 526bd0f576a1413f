"""Finding sequences: every layout people have, and everything that lies around in it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from posedata.errors import BadInput, BadLayout, UsageError
from posedata.sequences import Discovery, discover
from posedata.video import open_sequence

SEQUENCE = "000342_mpii_test"


def fill(root: Path, *names: str) -> Path:
    """Files with some content; discovery never looks into videos and images."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return root


def ids(found: Discovery) -> list[str]:
    return [s.id for s in found.sequences]


def names(found: Discovery, number: int = 0) -> list[str]:
    return [f.path.name for f in found.sequences[number].frames]


def annotation18(*files: str) -> dict:
    return {
        "images": [{"id": i, "file_name": name} for i, name in enumerate(files)],
        "annotations": [],
        "categories": [{"id": 1, "name": "person"}],
    }


def annotation17(*files: str) -> dict:
    return {"annolist": [{"image": [{"name": name}], "annorect": []} for name in files]}


def posetrack(root: Path, content: dict, on_disk: list[str], place: str = "annotations/val") -> Path:
    path = root / place / f"{SEQUENCE}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return fill(root, *on_disk)


@pytest.mark.parametrize(
    ("files", "kind", "expected"),
    [
        (["a.mp4"], "videos", ["a"]),
        (["b.MOV", "a.mp4", "notes.txt"], "videos", ["a", "b"]),
        # the extension comes back where two clash, and where the name would look like a record
        (["a.mp4", "a.avi", "c.mkv"], "videos", ["a.avi", "a.mp4", "c"]),
        (["day1/a.mp4", "day2/a.mp4", "day2/in/b.webm"], "videos", ["day1/a", "day2/a", "day2/in/b"]),
        (["a.mp4", "a/b.mp4"], "videos", ["a", "a/b"]),
        (["track.json.mp4"], "videos", ["track.json.mp4"]),
        (["größe 1.mp4", "片段.mp4"], "videos", ["größe 1", "片段"]),
        # what systems and annotators leave behind
        (
            ["a.mp4", ".DS_Store", "Thumbs.db", "._a.mp4", ".hidden/b.mp4", "__MACOSX/c.mp4", "a.json"],
            "videos",
            ["a"],
        ),
        # ptrack's own output in the folder is no input
        (["a.mp4", "ptrack_work/x/work.json", "ptrack_work/x/a/overlay.mp4"], "videos", ["a"]),
        (["1.jpg", "2.jpg"], "frames", ["TOP"]),
        (["cam1/1.jpg", "cam2/1.png", "cam2/deep/1.jpg"], "frame-folders", ["cam1", "cam2", "cam2/deep"]),
        (["x.mp4", "cam1/1.jpg"], "videos", ["x"]),
        (["cover.jpg", "cam1/1.jpg"], "frame-folders", ["cam1"]),
    ],
)
def test_kinds_and_ids(tmp_path, files, kind, expected):
    root = fill(tmp_path / "TOP", *files)
    found = discover(root)
    assert found.kind == kind
    assert ids(found) == expected
    # what `auto` found is what the kind gives when it is forced
    assert discover(root, kind).sequences == found.sequences
    assert str(root) in found.description


def test_frames_come_in_the_order_of_their_numbers(tmp_path):
    fill(tmp_path, "f10.jpg", "f9.jpg", "f1.jpg", "f2.JPG", "f100.png", "readme.md", ".f3.jpg")
    found = discover(tmp_path)
    assert names(found) == ["f1.jpg", "f2.JPG", "f9.jpg", "f10.jpg", "f100.png"]
    assert found.sequences[0].fps == 25
    assert found.sequences[0].frame_names == ("f1.jpg", "f2.JPG", "f9.jpg", "f10.jpg", "f100.png")


def test_a_single_file(tmp_path):
    fill(tmp_path, "clip.mp4", "clip.weird", "photo.jpg")
    assert ids(discover(tmp_path / "clip.mp4")) == ["clip"]
    assert discover(tmp_path / "clip.weird").kind == "video"  # what it is, opening it will tell
    photo = discover(tmp_path / "photo.jpg")
    assert (photo.kind, photo.sequences[0].fps, names(photo)) == ("images", None, ["photo.jpg"])


def test_unrelated_images_are_one_sequence_without_a_rate(tmp_path):
    fill(tmp_path / "set", "b/2.jpg", "a.jpg", "b/1.png", "clip.mp4")
    found = discover(tmp_path / "set", "images")
    assert ids(found) == ["set"]
    assert found.sequences[0].fps is None
    assert found.sequences[0].frame_names == ("a.jpg", "b/1.png", "b/2.jpg")


def test_what_is_left_out_is_said(tmp_path):
    fill(tmp_path, "x.mp4", "cam1/1.jpg", "cam1/2.jpg")
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    problems = " ".join(discover(tmp_path).problems)
    assert "2 images" in problems
    assert "--kind frames" in problems
    assert f"{tmp_path}/gone is a link that leads nowhere" in problems


def test_a_video_that_is_a_link_to_nowhere_fails_by_its_name(tmp_path):
    (tmp_path / "gone.mp4").symlink_to(tmp_path / "nowhere.mp4")
    (sequence,) = discover(tmp_path).sequences
    with pytest.raises(BadInput, match=r"gone\.mp4: cannot be read"), open_sequence(sequence):
        pass


def test_links_are_followed_once(tmp_path):
    fill(tmp_path / "real", "a.mp4")
    root = tmp_path / "top"
    (root / "in").mkdir(parents=True)
    (root / "in" / "up").symlink_to(root)  # a circle
    (root / "linked").symlink_to(tmp_path / "real")
    (root / "self.mp4").symlink_to("self.mp4")
    found = discover(root)
    assert ids(found) == ["linked/a"]
    assert any("self.mp4" in p for p in found.problems)


@pytest.mark.skipif(os.name != "posix", reason="names are bytes on POSIX alone")
def test_names_that_are_no_text_become_printable(tmp_path):
    try:
        (tmp_path / os.fsdecode(b"caf\xe9\n.mp4")).write_bytes(b"x")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    (tmp_path / os.fsdecode(b"gone\xe9")).symlink_to(tmp_path / "nowhere")
    found = discover(tmp_path)
    assert ids(found) == ["caf_xe9_"]
    assert b"gone" in found.problems[0].encode()


@pytest.mark.parametrize(
    ("make", "arguments", "error", "words"),
    [
        (lambda p: p / "nowhere", (), UsageError, "does not exist"),
        (lambda p: Path("x\0y"), (), UsageError, "x"),
        (lambda p: p / ("n" * 300), (), UsageError, "nnn"),
        (lambda p: p, (), BadLayout, "is empty"),
        (lambda p: fill(p, "a.txt", "b"), (), BadLayout, "neither videos nor images (2 files: .txt, no extension)"),
        (lambda p: fill(p, "a.mp4"), ("frames",), BadLayout, "neither videos nor images"),
        (lambda p: fill(p, "a.jpg"), ("videos",), BadLayout, "no video"),
        (lambda p: fill(p, "a.jpg"), ("frame-folders",), BadLayout, "no folder of images"),
        (lambda p: fill(p, "a.jpg"), ("posetrack18",), BadLayout, "not laid out as PoseTrack"),
        (lambda p: fill(p, "a.jpg"), ("movies",), UsageError, "movies"),
        (lambda p: fill(p, "a.mp4"), ("auto", "val"), UsageError, "--split val"),
        (lambda p: fill(p, "a.mp4"), ("videos", "val"), UsageError, "--split"),
        (lambda p: fill(p, "a.json") / "a.json", (), BadLayout, "is no video"),
        (lambda p: fill(p, "a.mp4") / "a.mp4", ("frame-folders",), UsageError, "wants a folder"),
    ],
)
def test_refusals(tmp_path, make, arguments, error, words):
    with pytest.raises(error) as caught:
        discover(make(tmp_path), *arguments)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_that_cannot_be_listed(tmp_path, monkeypatch):
    fill(tmp_path, "a.mp4", "in/b.mp4")
    scandir = os.scandir

    def locked(path):
        if Path(path).name == "in":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", locked)
    found = discover(tmp_path)
    assert ids(found) == ["a"]
    assert found.problems == (f"{tmp_path / 'in'} cannot be listed (Permission denied)",)
    with pytest.raises(BadLayout, match="cannot be listed"):
        discover(tmp_path / "in")


FRAMES18 = [f"images/val/{SEQUENCE}/{i:06d}.jpg" for i in range(3)]
FRAMES17 = [f"images/bonn_5sec/{SEQUENCE}/{i:08d}.jpg" for i in range(1, 4)]
LAYOUTS = {
    # content, files on disk, place of the annotation -> kind
    "18": (annotation18(*FRAMES18), FRAMES18, "annotations/val", "posetrack18"),
    "18 in posetrack_data": (annotation18(*FRAMES18), FRAMES18, "posetrack_data/annotations/val", "posetrack18"),
    "18 without split folders": (annotation18(*FRAMES18), FRAMES18, "annotations", "posetrack18"),
    "21": (annotation18(*FRAMES18), FRAMES18, "posetrack_data/val", "posetrack21"),
    "17": (annotation17(*FRAMES17), FRAMES17, "annotations/val", "posetrack17"),
    "17 named without images/": (
        annotation17(*(n.removeprefix("images/") for n in FRAMES17)),
        FRAMES17,
        "posetrack_data/annotations/val",
        "posetrack17",
    ),
    "17 with images moved to the split's folder": (
        annotation17(*FRAMES17),
        [n.replace("bonn_5sec", "val") for n in FRAMES17],
        "annotations/val",
        "posetrack17",
    ),
    "17 with images moved elsewhere": (
        annotation17(*FRAMES17),
        [n.replace("bonn_5sec", "some/where") for n in FRAMES17],
        "annotations/val",
        "posetrack17",
    ),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_posetrack_layouts(tmp_path, name):
    content, files, place, kind = LAYOUTS[name]
    root = posetrack(tmp_path / "data", content, [*files, f"{Path(files[0]).parent}/notes.txt"], place)
    found = discover(root)
    assert (found.kind, ids(found)) == (kind, [SEQUENCE])
    (sequence,) = found.sequences
    assert [f.path for f in sequence.frames] == [root / f for f in files]
    assert sequence.annotation == root / place / f"{SEQUENCE}.json"
    assert found.problems == ()
    assert discover(root, kind).sequences == found.sequences


def test_the_annotation_defines_frames_and_their_order(tmp_path):
    order = [FRAMES18[2], FRAMES18[0]]
    found = discover(posetrack(tmp_path, annotation18(*order), FRAMES18))
    assert found.sequences[0].frame_names == tuple(order)
    assert names(found) == ["000002.jpg", "000000.jpg"]


@pytest.mark.parametrize(
    ("listed", "on_disk"),
    [
        # PoseTrack17's eight digits became six, another extension, counted from 0, PoseTrack18 counted from 1
        (FRAMES17, ["000001.jpg", "000002.jpg", "000003.jpg"]),
        (FRAMES17, ["00000001.png", "00000002.png", "00000003.png"]),
        (FRAMES17, ["000000.jpg", "000001.jpg", "000002.jpg"]),
        (FRAMES17, ["00000000.jpg", "00000001.jpg", "00000002.jpg"]),
        (FRAMES18, ["000001.jpg", "000002.jpg", "000003.jpg"]),
    ],
)
def test_renamed_images_are_paired_by_number(tmp_path, listed, on_disk):
    folder = Path(listed[0]).parent
    found = discover(posetrack(tmp_path, annotation17(*listed), [f"{folder}/{n}" for n in on_disk]))
    assert names(found) == on_disk
    assert found.sequences[0].frame_names == tuple(listed)
    assert "paired by number" in found.problems[0]


def test_missing_images_stay_frames_and_are_named(tmp_path):
    # four files remain, one of the listed is gone: no reason to shift the numbers
    listed = [f"images/val/{SEQUENCE}/{i:06d}.jpg" for i in range(5)]
    root = posetrack(tmp_path, annotation18(*listed), listed[:2] + listed[3:])
    found = discover(root)
    assert [f.path for f in found.sequences[0].frames] == [root / n for n in listed]
    assert "1 of 5 frames" in found.problems[0]
    assert listed[2] in found.problems[0]


@pytest.mark.parametrize(
    "name",
    ["../../secret.jpg", "images/../../x.jpg", "/etc/passwd", "C:/x.jpg", "images\\..\\x.jpg", "~root/x.jpg", "a\0b"],
)
@pytest.mark.parametrize("form", [annotation17, annotation18])
def test_a_name_that_leads_out_of_the_root_fails_its_sequence_alone(tmp_path, name, form):
    root = posetrack(tmp_path, form(FRAMES18[0], name), FRAMES18)
    other = root / "annotations" / "val" / "000001_bonn_test.json"
    other.write_text(json.dumps(annotation18(*FRAMES18)))
    found = discover(root)
    good, bad = found.sequences
    assert (good.fault, len(good.frames)) == ("", 3)
    with pytest.raises(BadInput) as caught, open_sequence(bad):
        pass
    assert f"{SEQUENCE}.json: image 1" in str(caught.value)
    assert "leads out" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is empty"),
        ("{", "not valid JSON"),
        ('{"images": [NaN]}', "NaN"),
        ("[" * 100_000, "not valid JSON"),
        ("[]", "neither"),
        ('{"images": []}', "lists no images"),
        ('{"images": 7}', "neither"),
        ('{"images": [{"id": 1}]}', "images[0].file_name"),
        ('{"images": [{"id": 1, "file_name": 7}]}', "images[0].file_name"),
        ('{"images": [{"id": "a", "file_name": "x/1.jpg"}]}', "images[0].id"),
        ('{"annolist": [{"image": []}]}', "annolist[0].image[0].name"),
        ('{"annolist": [null]}', "annolist[0].image[0].name"),
    ],
)
def test_a_damaged_annotation_fails_its_sequence_alone(tmp_path, content, words):
    root = posetrack(tmp_path, annotation18(*FRAMES18), FRAMES18)
    damaged = root / "annotations" / "val" / "000001_bonn_test.json"
    damaged.write_text(content)
    bad, good = discover(root).sequences
    assert (good.id, good.fault) == (SEQUENCE, "")
    assert bad.fault.startswith(str(damaged))
    assert words in bad.fault


def test_splits(tmp_path):
    """A split can be asked for at the root, or be the folder that is given; clashing names get the split."""
    posetrack(tmp_path, annotation18(*FRAMES18), FRAMES18)
    train = [n.replace("/val/", "/train/") for n in FRAMES18]
    posetrack(tmp_path, annotation18(*train), train, "annotations/train")
    fill(tmp_path, f"images/test/{SEQUENCE}/000000.jpg")
    assert ids(discover(tmp_path)) == [f"train/{SEQUENCE}", f"val/{SEQUENCE}"]
    of_val = discover(tmp_path, "auto", "val").sequences
    assert [s.id for s in of_val] == [SEQUENCE]
    for place in ("images/val", "annotations/val"):
        assert discover(tmp_path / place).sequences == of_val
    test = discover(tmp_path, "posetrack18", "test")
    assert test.sequences[0].annotation is None
    assert test.sequences[0].frame_names == (f"images/test/{SEQUENCE}/000000.jpg",)
    with pytest.raises(BadLayout, match="it has test, train, val"):
        discover(tmp_path, "auto", "vla")


def test_sequences_without_annotation_are_found_and_said(tmp_path):
    posetrack(tmp_path, annotation18(*FRAMES18), [*FRAMES18, "images/val/000999_bonn_test/000000.jpg"])
    found = discover(tmp_path)
    assert ids(found) == [SEQUENCE, "000999_bonn_test"]
    assert found.sequences[1].annotation is None
    assert "000999_bonn_test" in found.problems[0]


def test_images_without_any_annotation(tmp_path):
    fill(tmp_path, *FRAMES18)
    assert discover(tmp_path).kind == "posetrack18"
    fill(tmp_path / "other", *FRAMES17, "annotations/val/x.mat")
    found = discover(tmp_path / "other")
    assert found.kind == "posetrack17"
    assert ".mat" in found.problems[0]


def test_a_file_of_several_sequences_gives_the_first(tmp_path):
    other = "images/val/000999_bonn_test/000000.jpg"
    found = discover(posetrack(tmp_path, annotation18(*FRAMES18, other), [*FRAMES18, other]))
    assert found.sequences[0].frame_names == tuple(FRAMES18)
    assert "2 sequences" in found.problems[0]


def test_another_data_set_with_images_and_annotations_is_not_taken_for_posetrack(tmp_path):
    fill(tmp_path, "images/000000000139.jpg", "images/000000000285.jpg")
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "instances_val2017.json").write_text(json.dumps(annotation18("000000000139.jpg")))
    assert discover(tmp_path).kind == "frame-folders"


def test_asking_for_another_posetrack_year_is_obeyed_and_said(tmp_path):
    root = posetrack(tmp_path, annotation18(*FRAMES18), FRAMES18)
    found = discover(root, "posetrack21")
    assert found.kind == "posetrack21"
    assert "looks like PoseTrack18" in found.problems[0]


def test_real_data(test_data):
    found = discover(test_data / "media" / "posetrack18_mmpose")
    assert (found.kind, found.problems) == ("posetrack18", ())
    assert ids(found) == ["003418_mpii_test", "009473_mpii_test", "012834_mpii_test"]
    composites = discover(test_data / "composites" / "public", "auto", "val")
    assert [len(s.frames) for s in composites.sequences] == [60, 58, 50, 64, 40]
    assert len(discover(test_data / "media" / "clips").sequences) == 5
