"""Damaged and hostile records: one sentence with the file, the line and the field; never a traceback."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from posedata.errors import BadRecord
from posedata.people import FramePeople
from posedata.records import (
    Header,
    ModelRef,
    RecordWriter,
    VideoHeader,
    iter_frames,
    read_footer,
    read_header,
    record_digest,
    validity,
)

HEADER = Header.create(
    stage="track",
    sequence="a",
    video=VideoHeader("a.mp4", 29.97, 640, 360),
    skeleton="coco-17",
    ptrack_version="0.1.0",
    settings={"max_age": 30},
    input_identity="size:12",
    upstream_digest="1" * 64,
    model=ModelRef("compact", "2" * 64),
)


def write(path: Path, frames: int) -> None:
    """A sound record of two people a frame."""
    rng = np.random.default_rng(0)
    with RecordWriter(path, HEADER, chunk=max(frames, 1)) as writer:
        for index in range(frames):
            people = FramePeople(
                boxes=rng.random((2, 4)) * 300,
                box_scores=rng.random(2),
                keypoints=rng.random((2, 17, 2)) * 300,
                keypoint_scores=rng.random((2, 17)),
                track_ids=np.arange(2),
                origin=np.zeros(2),
            )
            writer.append(index, index / 25, people, "a note" if index == 3 else "")
        writer.finish(["a warning"])


FRAME = '{"index":0,"time":0.0,"status":"ok","people":1,%s}'


@pytest.mark.parametrize(
    "line, message",
    [
        ('{"index":0,"time":0.0,"status":"ok"}', "lacks the field 'people'"),
        ('{"index":0,"time":0.0,"status":"ok","people":0,"poses":[]}', "unknown field 'poses'"),
        ('{"index":-1,"time":0.0,"status":"ok","people":0}', "index must be a whole number of at least 0, not -1"),
        ('{"index":0.0,"time":0.0,"status":"ok","people":0}', "index must be a whole number"),
        ('{"index":1e308,"time":0.0,"status":"ok","people":0}', "index must be a whole number"),
        ('{"index":true,"time":0.0,"status":"ok","people":0}', "index must be a whole number"),
        ('{"index":99999999999999999999999,"time":0.0,"status":"ok","people":0}', "index must be a whole number"),
        ('{"index":0,"time":"0","status":"ok","people":0}', "time must be a finite number"),
        ('{"index":0,"time":NaN,"status":"ok","people":0}', "not valid JSON"),
        ('{"index":0,"time":1e999,"status":"ok","people":0}', "line 2: "),
        ('{"index":0,"time":0.0,"status":"fine","people":0}', "status must be one of ok, skipped, undecodable"),
        ('{"index":0,"time":0.0,"status":["ok"],"people":0}', "status must be one of"),
        ('{"index":0,"time":0.0,"status":"ok","people":1}', "people is 1 where the frame has none"),
        ('{"index":0,"time":0.0,"status":"ok","people":0,"note":7}', "note must be a text"),
        (FRAME % '"boxes":[[1,2,3]]', "boxes row 0 must hold 4 numbers, not 3"),
        (FRAME % '"boxes":[[1,2,3,4],[1,2,3,4]]', "boxes has 2 rows for 1 people"),
        (FRAME % '"boxes":[[1,2,3,"4"]]', "boxes must hold numbers only"),
        (FRAME % '"boxes":[[1,2,3,null]]', "boxes must hold numbers only"),
        (FRAME % '"boxes":[[1,2,3,true]]', "boxes must hold numbers only"),
        (FRAME % '"boxes":[[1,2,3,[4]]]', "boxes must hold numbers only"),
        (FRAME % '"boxes":[[[1],[2],[3],[4]]]', "boxes must hold numbers only"),
        (FRAME % '"boxes":{"0":1}', "boxes must be a list"),
        (FRAME % '"boxes":7', "boxes must be a list"),
        (FRAME % '"boxes":[[1,2,3,1e308]]', "boxes holds a number that is too large"),
        (FRAME % '"boxes":[[1,2,3,1e9]]', "boxes holds a coordinate beyond"),
        (FRAME % '"boxes":[[1,2,3,-NaN]]', "not valid JSON"),
        (FRAME % '"boxes":[[1,2,3,18446744073709551616]]', "boxes holds a coordinate beyond"),
        (FRAME % '"box_scores":[Infinity]', "not valid JSON"),
        (FRAME % '"box_scores":["high"]', "box_scores must hold numbers only"),
        (FRAME % '"box_scores":[[0.5]]', "box_scores must hold numbers only"),
        (FRAME % '"keypoints":[[1,2]]', "keypoints row 0 must hold 34 numbers, not 2"),
        (FRAME % ('"keypoint_scores":[[' + ",".join(["1"] * 17) + "]]"), "keypoint_scores without keypoints"),
        (FRAME % '"track_ids":[1.5]', "track_ids must hold whole numbers"),
        (FRAME % '"track_ids":[-2]', "track_ids must hold whole numbers"),
        (FRAME % '"track_ids":[18446744073709551615]', "track_ids must hold whole numbers"),
        (FRAME % '"origin":[3]', "origin must hold whole numbers from 0 to 2"),
        (FRAME % ('"note":' + "[" * 900 + "]" * 900), "note must be a text"),
        (FRAME % ('"boxes":' + "[" * 100_000), "not valid JSON"),
        (FRAME % ('"boxes":[[1,2,3,' + "[" * 900 + "]" * 900 + "]]"), "boxes must hold numbers only"),
        ("null", "must be a JSON object"),
        ("", "not valid JSON"),
        ('\ufffd{"index":0', "not valid JSON"),
    ],
)  # fmt: skip
def test_a_hostile_frame_line_is_one_sentence(tmp_path, line, message):
    path = tmp_path / "track.json"
    write(path, 0)
    head, tail = path.read_bytes().split(b"\n", 1)
    path.write_bytes(head + b"\n" + line.encode() + b"\n" + tail)
    with pytest.raises(BadRecord) as error:
        list(iter_frames(path))
    text = str(error.value)
    assert message in text and text.startswith(f"{path}: line 2") and len(text) < 400 and "\n" not in text


@pytest.mark.parametrize(
    "edit, message",
    [
        (lambda lines: [*lines[:2], lines[2], lines[2], *lines[3:]], "line 4 (after frame 1): index is 1, it must"),
        (lambda lines: [*lines[:2], lines[3], lines[2], *lines[4:]], "index is 1, it must be greater than the 2"),
        (lambda lines: [*lines[:2], lines[2][1:], *lines[3:]], "must begin with a comma"),
        (lambda lines: [lines[0], b"," + lines[1], *lines[2:]], "line 2: is not valid JSON"),
        (lambda lines: [*lines[:3], lines[-1]], "counts.frames says 5, the record holds 2"),
        (lambda lines: lines[:-1], "the record is incomplete"),
        (lambda lines: [*lines[:-1], lines[-1][:-1]], "the record is incomplete"),
        (lambda lines: [*lines[:-1], lines[-1].replace(b"true", b"false")], "complete must be true"),
        (lambda lines: [*lines[:-1], lines[-1].replace(b'"frames":5', b'"frames":"5"')], "counts.frames must be"),
        (lambda lines: [*lines[:-1], lines[-1].replace(b'"people"', b'"persons"')], "counts lacks the field 'pe"),
        (lambda lines: [*lines, b"{}\n"], "more after the closing line"),
        (lambda lines: lines[1:], "line 1 is not the header"),
        (lambda lines: [], "the file is empty"),
        (lambda lines: [b"".join(lines).replace(b"\n", b"")], "incomplete"),
        (lambda lines: [lines[0].replace(b"ptrack/1", b"ptrack/2"), *lines[1:]], "schema is 'ptrack/2'"),
        (lambda lines: [lines[0].replace(b"coco-17", b"coco-18"), *lines[1:]], "skeleton is 'coco-18', known are"),
        (lambda lines: [lines[0].replace(b"max_age\":30", b"max_age\":31"), *lines[1:]], "settings_digest does not"),
        (lambda lines: [lines[0].replace(b'"width":640', b'"width":-1'), *lines[1:]], "video.width must be"),
        (lambda lines: [lines[0].replace(b"29.97", b"0.0"), *lines[1:]], "video.fps must be positive"),
        (lambda lines: [lines[0].replace(b'"video":{', b'"video":7,"x":{'), *lines[1:]], "unknown field 'x'"),
        (lambda lines: [lines[0].replace(b'"stage":"track",', b""), *lines[1:]], "lacks the field 'stage'"),
        (lambda lines: [lines[0].replace(b"1" * 64, b"1" * 63), *lines[1:]], "upstream_digest must be a sha256"),
        (lambda lines: [b"\x80\x04\x95\x00 a pickle\n"], "line 1 is not the header"),
        (lambda lines: [b"\0" * 5000 + b"\n"], "line 1 is not the header"),
    ],
)  # fmt: skip
def test_a_damaged_record_is_one_sentence(tmp_path, edit, message):
    path = tmp_path / "track.json"
    write(path, 5)
    path.write_bytes(b"".join(edit(path.read_bytes().splitlines(keepends=True))))
    with pytest.raises(BadRecord) as error:
        list(iter_frames(path))
        read_footer(path)
    text = str(error.value)
    assert message in text and str(path) in text and len(text) < 400 and "\n" not in text


@pytest.mark.parametrize("read", [read_header, read_footer, record_digest, lambda path: list(iter_frames(path))])
def test_what_is_no_file_is_one_sentence(tmp_path, read):
    with pytest.raises(BadRecord, match="there is no such record; run its stage first"):
        read(tmp_path / "none.json")
    with pytest.raises(BadRecord, match="cannot be read"):
        read(tmp_path)
    with pytest.raises(BadRecord, match="cannot be read"):
        read(Path("a\0b"))


def test_random_damage_never_ends_in_a_traceback(tmp_path):
    path = tmp_path / "track.json"
    write(path, 5)
    whole, rng = path.read_bytes(), random.Random(1)
    tokens = [
        b"1e308",
        b"-1",
        b"null",
        b'"x"',
        b"[",
        b"]",
        b"{",
        b"}",
        b",",
        b"\n",
        b"\0",
        b"\xff",
        b"NaN",
        b"true",
        b"",
    ]
    outcomes = set()
    for _ in range(600):
        data = bytearray(whole)
        for _ in range(rng.choice([1, 1, 2, 5])):
            at = rng.randrange(len(data))
            data[at : at + rng.choice([0, 1, 1, 8])] = rng.choice(tokens)
        path.write_bytes(data)
        try:
            for frame in iter_frames(path):
                assert np.isfinite(frame.time)
            read_footer(path)
            outcomes.add("read")  # the damage gave another legal number or text
        except BadRecord as error:
            outcomes.add("refused")
            assert str(path) in str(error)
        reason = validity(path, HEADER)
        assert reason is None or isinstance(reason, str)
    assert outcomes == {"read", "refused"}
