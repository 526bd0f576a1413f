"""Random damage to records, annotations, detections and settings: whatever a command makes of it, it ends soon, with
an exit code of its own and one sentence, and never with a traceback."""

from __future__ import annotations

import contextlib
import io
import json
import random
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import hostile
import numpy as np
import pytest
from mutation import damaged_bytes, damaged_json

from posedata.people import FramePeople
from posedata.records import Header, RecordWriter, VideoHeader, header_digest
from posetrack_cli.main import BUG, run

SECONDS = 240  # longer is a hang, however busy the machine
QUICK, SLOW = 320, 1000  # mutations of each kind


@contextlib.contextmanager
def no_hang(what: str) -> Iterator[None]:
    def ring(*_: object) -> None:
        raise AssertionError(f"{what} still ran after {SECONDS} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def ptrack(*arguments: object) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the entry point, in this process; an exception is the test's failure."""
    out, err, before = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = ["ptrack", *map(str, arguments)]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), no_hang(" ".join(sys.argv)):
            run()
    except SystemExit as end:
        return end.code or 0, out.getvalue(), err.getvalue()
    finally:
        sys.argv = before
    raise AssertionError("the entry point did not exit")


def check(ended: tuple[int, str, str], name: str) -> int:
    """The exit code, after looking at what was said."""
    code, _, err = ended
    assert code in (0, 1, 2, 3), ended
    assert "Traceback" not in err and BUG not in err and len(err) < 10_000, err
    if code:
        last = err.strip().splitlines()[-1]
        assert last.startswith("ptrack: ") and len(last) < 2000, err
        assert name in err, err
    return code


def attack(count: int, seed: int, once: Callable[[random.Random], int]) -> None:
    """`count` rounds of random damage; some of it must be refused, and some must not."""
    codes: dict[int, int] = {}
    for number in range(count):
        rng = random.Random(f"{seed} {number}")
        try:
            code = once(rng)
        except Exception as error:
            raise AssertionError(f"round {number} of seed {seed} ended in {error!r}") from error
        codes[code] = codes.get(code, 0) + 1
    assert codes.get(0, 0) > count / 100 and count - codes.get(0, 0) > count / 20, codes


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    """A PoseTrack18 root of three frames."""
    from posedata.synthetic import write_posetrack18

    root = tmp_path_factory.mktemp("images") / "data"
    write_posetrack18(root, seed=3, frames=3, size=hostile.SIZE, people=1)
    return root


def people(index: int, *, tracks: bool) -> FramePeople:
    rng = np.random.default_rng(index)
    corners = rng.random((2, 2)) * 50
    return FramePeople(
        boxes=np.concatenate([corners, corners + 30], axis=1),
        box_scores=rng.random(2),
        keypoints=rng.random((2, 17, 2)) * 90,
        keypoint_scores=rng.random((2, 17)),
        person_scores=rng.random(2),
        track_ids=np.arange(2) if tracks else None,
        origin=np.zeros(2),
    )


@pytest.fixture(scope="module")
def worked(images, tmp_path_factory) -> Path:
    """A work folder with records of the three frames."""
    work = tmp_path_factory.mktemp("worked") / "work"
    from posedata.identity import input_identity
    from posedata.sequences import discover
    from stages.work import WorkFolder

    found = discover(images)
    WorkFolder(work).claim(images, found.kind)
    (sequence,) = found.sequences
    upstream = None
    for stage in ("detect", "pose", "track"):
        header = Header.create(
            stage=stage,
            sequence=sequence.id,
            video=VideoHeader("900001_mpii_test", 25.0, *hostile.SIZE),
            skeleton="coco-17",
            ptrack_version="0.1.0",
            settings={"max_age": 30, "nested": {"a": [1, 2]}},
            input_identity=input_identity(sequence),
            upstream_digest=upstream,
        )
        with RecordWriter(work / sequence.id / f"{stage}.json", header, chunk=16) as writer:
            for index in range(3):
                writer.append(index, index / 25, people(index, tracks=stage == "track"))
            writer.finish()
        upstream = header_digest(header)
    return work


def damaged_record(data: bytes, rng: random.Random) -> bytes:
    """Damage in the bytes, or in one line's values while the line stays a line."""
    if rng.random() < 0.4:
        return damaged_bytes(data, rng)
    lines = data.splitlines(keepends=True)
    number = rng.randrange(len(lines))
    line = lines[number].strip()
    before, after = (b"", b"")
    if number == 0:
        line, after = line.removesuffix(b',"frames":[') + b"}", b',"frames":['
    elif line.startswith(b"],"):
        line, before = b"{" + line[2:], b"],"
    elif line.startswith(b","):
        line, before = line[1:], b","
    text = damaged_json(json.loads(line), rng)
    if number == 0:
        text = text[:-1]
    elif before == b"],":
        text = text[1:]
    lines[number] = before + text + after + b"\n"
    return b"".join(lines)


def records(count: int, seed: int, images: Path, worked: Path, folder: Path) -> None:
    shutil.copytree(worked, folder / "work")
    place = next((folder / "work").rglob("track.json")).parent

    def once(rng: random.Random) -> int:
        stage = rng.choice(("track", "pose"))
        path = place / f"{stage}.json"
        whole = path.read_bytes()
        path.write_bytes(damaged_record(whole, rng))
        work = folder / "work"
        commands = (
            ("export", work, "--format", rng.choice(("csv", "posetrack18", "coco", "mot")), "--out", folder / "out"),
            ("render", work, "-q"),
        )
        command = (
            ("track", images, "--work", work, "-q", "--no-recover", "--flow", "none", "--similarity", "oks")
            if stage == "pose"
            else commands[rng.random() < 0.1]
        )
        try:
            return check(ptrack(*command), f"{stage}.json" if stage == "track" else "")
        finally:
            path.write_bytes(whole)

    attack(count, seed, once)


def annotations(count: int, seed: int, images: Path, worked: Path, folder: Path) -> None:
    root = folder / "data"
    shutil.copytree(images, root)
    path = next((root / "annotations").rglob("*.json"))
    whole = path.read_bytes()
    content = json.loads(whole)

    def once(rng: random.Random) -> int:
        path.write_bytes(damaged_bytes(whole, rng) if rng.random() < 0.3 else damaged_json(content, rng))
        return check(ptrack("detect", root, "--work", folder / "work", "--dry-run"), path.stem)

    attack(min(count, 200), seed, once)  # each opens the images and times a first chunk


def detections(count: int, seed: int, images: Path, worked: Path, folder: Path) -> None:
    truth = json.loads(next((images / "annotations").rglob("*.json")).read_bytes())
    coco = [
        {"image_id": image["id"], "category_id": 1, "bbox": [5, 6, 30, 40.5], "score": 0.5}
        for image in truth["images"]
        for _ in range(2)
    ]
    posetrack17 = {
        "annolist": [
            {
                "image": [{"name": image["file_name"]}],
                "annorect": [{"x1": [1], "y1": [2], "x2": [30], "y2": [40], "score": [0.5], "track_id": [0]}],
            }
            for image in truth["images"]
        ]
    }
    mot = b"".join(b"%d,1,5,6,30,40.5,0.5,-1,-1,-1\n" % (frame + 1) for frame in range(3))

    def once(rng: random.Random) -> int:
        name = rng.choice(("coco.json", "posetrack17.json", "posetrack18.json", "900001_mpii_test.txt"))
        content = {"coco.json": coco, "posetrack17.json": posetrack17, "posetrack18.json": truth}.get(name)
        if content is None:
            data = damaged_bytes(mot, rng)
        elif rng.random() < 0.3:
            data = damaged_bytes(json.dumps(content).encode(), rng)
        else:
            data = damaged_json(content, rng)
        (folder / name).write_bytes(data)
        command = ("detect", images, "--detections", folder / name, "--work", folder / "work", "-q", "--overwrite")
        return check(ptrack(*command), name)

    attack(count, seed, once)


SETTINGS = """\
# what a user may have written
detect: &shared
  min_box_score: 0.25
  max_people: 40
  stride: 2
pose:
  flip: false
  decode: dark
track: {similarity: mixed, max_age: 30, new_track_score: 0.4}
render:
  show_boxes: yes
  crf: 23
"""
_ODD_YAML = (
    *("!!python/object/apply:os.system [x]", "*shared", "&a [*a]", "<<: *shared", "!!binary aGk=", "2001-01-01", "~"),
    *(
        "? [a]\n: b",
        "- ",
        "{",
        "[",
        "'",
        '"',
        "|",
        ">",
        "%",
        "@",
        "`",
        "\t",
        ": ",
        "# ",
        "---\n",
        ".inf",
        ".nan",
        "1_0",
    ),
    *("0x10", "1e400", "9" * 5000, "max_age", "true", "\u2028", "\x00", "&x [&y [*x, *x], *x]", "track:\n", "detect"),
)


def settings(count: int, seed: int, images: Path, worked: Path, folder: Path) -> None:
    path = folder / "settings.yaml"

    def once(rng: random.Random) -> int:
        text = SETTINGS
        for _ in range(rng.choice((1, 1, 2, 3))):
            at = rng.randrange(len(text))
            text = text[:at] + rng.choice(_ODD_YAML) + text[at + rng.choice((0, 0, 1, 5, 20)) :]
        data = text.encode()
        path.write_bytes(damaged_bytes(data, rng) if rng.random() < 0.2 else data)
        return check(ptrack("detect", images, "--config", path, "--work", folder / "work", "--dry-run"), "")

    attack(count, seed, once)


KINDS = (records, annotations, detections, settings)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_damage_ends_in_a_sentence(images, worked, tmp_path, kind):
    kind(QUICK, 1, images, worked, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_much_damage_ends_in_a_sentence(images, worked, tmp_path, kind):
    kind(SLOW, 2, images, worked, tmp_path)


def test_settings_that_grow_without_end_are_refused_at_once(tmp_path, images):
    """Lists of nine references to the list before: a billion values in a few hundred bytes."""
    nested = ["&a0 [x, x]", *(f"&a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12))]
    (tmp_path / "bomb.yaml").write_text(f"detect:\n  max_people: [{', '.join(nested)}]\n")
    code, _, err = ptrack("detect", images, "--config", tmp_path / "bomb.yaml", "--dry-run")
    assert code == 2 and "detect.max_people: Input should be a valid integer" in err and len(err) < 2000


def test_a_mistake_of_ours_is_a_sentence_too(tmp_path, images, monkeypatch):
    def broken(*_: object) -> None:
        raise ZeroDivisionError("division\nby zero")

    monkeypatch.setattr("posetrack_cli.stages.find", broken)
    code, _, err = ptrack("detect", images, "--dry-run")
    assert code == 1 and err == (
        f"ptrack: {BUG} (ZeroDivisionError: division by zero); run the command with -vv and report what it prints\n"
    )
