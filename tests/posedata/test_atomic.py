"""Files that are whole or not there, whatever happens while they are written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from posedata.atomic import replacing, write_atomically


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


@pytest.mark.parametrize(
    "data, content",
    [
        pytest.param(b"whole", b"whole", id="bytes"),
        pytest.param([b"in ", b"", b"blocks"], b"in blocks", id="blocks"),
        pytest.param((c.encode() for c in "lazily"), b"lazily", id="a generator"),
        pytest.param(b"", b"", id="nothing"),
    ],
)
def test_what_was_given_is_there_and_nothing_else(tmp_path, data, content):
    path = tmp_path / "new" / "folders" / "file.json"
    write_atomically(path, data)
    assert path.read_bytes() == content and names(path.parent) == ["file.json"]


def test_an_old_file_is_replaced(tmp_path):
    path = tmp_path / "file.json"
    path.write_bytes(b"old and longer")
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new" and names(tmp_path) == ["file.json"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), ValueError("bad"), KeyboardInterrupt()])
def test_a_failure_leaves_the_old_file_and_no_litter(tmp_path, error):
    path = tmp_path / "file.json"
    path.write_bytes(b"old")

    def blocks():
        yield b"half of the new"
        raise error

    with pytest.raises(type(error)):
        write_atomically(path, blocks())
    assert path.read_bytes() == b"old" and names(tmp_path) == ["file.json"]
    with pytest.raises(type(error)):
        write_atomically(tmp_path / "other.json", blocks())
    assert names(tmp_path) == ["file.json"]


def test_readers_see_the_old_file_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "file.json"
    path.write_bytes(b"old")
    with replacing(path) as part:
        part.write_bytes(b"new")
        assert path.read_bytes() == b"old" and part.parent == path.parent
    assert path.read_bytes() == b"new"


def test_a_writer_that_wrote_nothing_is_an_error(tmp_path):
    with pytest.raises(OSError), replacing(tmp_path / "file.json"):
        pass
    assert names(tmp_path) == []


@pytest.mark.parametrize("name", ["n" * 255, "ü" * 127, "a b'c.json", os.fsdecode(b"bad\xff")])
def test_long_and_odd_names(tmp_path, name):
    write_atomically(tmp_path / name, b"x")
    assert names(tmp_path) == [name]


def test_a_place_that_cannot_be_written_is_an_oserror(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError):
        write_atomically(tmp_path / "file" / "inside.json", b"x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError):
        write_atomically(tmp_path / "folder", b"x")
    assert names(tmp_path) == ["file", "folder"]
