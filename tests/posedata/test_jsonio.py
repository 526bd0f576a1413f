"""Files that are whole or not there, and JSON with errors that say where."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from posedata.atomic import replacing, write_atomically
from posedata.errors import BadInput
from posedata.jsonio import dumps, parse_json, read_json


def content(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir()}


def test_bytes_and_blocks_are_written_into_a_new_folder(tmp_path):
    write_atomically(tmp_path / "a" / "b" / "x", b"one")
    write_atomically(tmp_path / "a" / "b" / "y", (b"%d," % i for i in range(3)))
    assert content(tmp_path / "a" / "b") == {"x": b"one", "y": b"0,1,2,"}


def test_an_old_file_is_replaced_whole(tmp_path):
    for data in (b"a long first version", b"2"):
        write_atomically(tmp_path / "x", data)
    assert content(tmp_path) == {"x": b"2"}


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt(), ValueError("bad")])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, error):
    write_atomically(tmp_path / "x", b"old")

    def blocks():
        yield b"new"
        raise error

    with pytest.raises(type(error)):
        write_atomically(tmp_path / "x", blocks())
    assert content(tmp_path) == {"x": b"old"}


def test_a_disk_that_is_full_at_the_last_moment(tmp_path, monkeypatch):
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(tmp_path / "x", b"new")
    assert content(tmp_path) == {}


def test_a_writer_that_wants_a_path(tmp_path):
    with replacing(tmp_path / "x.mp4") as part:
        assert part.parent == tmp_path  # the same file system, or the rename would copy
        part.write_bytes(b"video")
        assert not (tmp_path / "x.mp4").exists()
    assert content(tmp_path) == {"x.mp4": b"video"}
    with pytest.raises(RuntimeError), replacing(tmp_path / "x.mp4") as part:
        part.write_bytes(b"half")
        raise RuntimeError
    assert content(tmp_path) == {"x.mp4": b"video"}


def test_a_writer_that_wrote_nothing_is_an_error(tmp_path):
    with pytest.raises(OSError, match="nothing was written"), replacing(tmp_path / "x"):
        pass
    assert content(tmp_path) == {}


def test_the_longest_name_that_a_file_system_takes(tmp_path):
    name = "ä" * 125 + ".json"  # 255 bytes
    write_atomically(tmp_path / name, b"x")
    assert content(tmp_path) == {name: b"x"}


def test_reading(tmp_path):
    path = tmp_path / "größe.json"
    path.write_bytes(b'\xef\xbb\xbf{"a": [1, 2.5, "\xc3\xbc", null]}')  # a byte order mark is forgiven
    assert read_json(path) == {"a": [1, 2.5, "ü", None]}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b'{"a": 1', "line 1"),
        (b'{\n "a": 1,,\n}', "line 2, column 9"),
        (b'{"a":\n NaN}', "line 2, column 2: NaN and Infinity are not JSON"),
        (b"[-Infinity]", "NaN and Infinity are not JSON"),
        (b"[1e999]", "infinity"),
        (b"[" * 100_000, "depth"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"\x80\x04\x95", "not valid JSON"),  # a pickle
        (b"PK\x03\x04", "not valid JSON"),  # a zip
    ],
)
def test_damage_is_named_with_its_place(tmp_path, data, words):
    path = tmp_path / "x.json"
    path.write_bytes(data)
    with pytest.raises(BadInput) as caught:
        read_json(path)
    assert str(caught.value).startswith(str(path))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_no_file(tmp_path):
    for path, words in (
        (tmp_path / "none.json", "No such file"),
        (tmp_path, "not a regular file"),
        (Path("/dev/zero"), "not a regular file"),  # it would never end
        (tmp_path / ("n" * 300), "too long"),
        (tmp_path / "a\0b", "null"),
    ):
        if path.name == "zero" and not path.exists():
            continue
        with pytest.raises(BadInput) as caught:
            read_json(path)
        assert words in str(caught.value)


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    path = tmp_path / "x.json"
    path.write_bytes(b"[]" + b" " * (3 << 20))
    with pytest.raises(BadInput, match="is 3 MiB; ptrack reads JSON up to 1 MiB"):
        read_json(path, max_bytes=1 << 20)


def test_writing_is_compact_and_refuses_what_would_become_null():
    assert dumps({"a": [1, 0.5, "ü", None]}) == '{"a":[1,0.5,"ü",null]}'.encode()
    for value, words in (
        ({"a": [0.0, float("nan")]}, r"\$\.a\[1\] is nan"),
        ([float("-inf")], r"\$\[0\] is -inf"),
        ({"a": Path("x")}, "cannot be written as JSON"),
    ):
        with pytest.raises(ValueError, match=words):
            dumps(value)


def test_a_text_names_its_place_too():
    with pytest.raises(BadInput, match=r"^the answer: is not valid JSON \(line 1"):
        parse_json(b"{]", "the answer")
