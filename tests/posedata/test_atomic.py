"""Files that are whole or not there, whatever happens while they are written."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from posedata.atomic import replacing, write_atomically
from posedata.locks import folder_locked


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


def test_others_may_read_what_a_careful_writer_wrote_for_its_owner_alone(tmp_path):
    """safetensors puts a file of its own in the place that it is given."""
    (tmp_path / "usual").touch()
    with replacing(tmp_path / "weights") as part:
        part.unlink()
        os.close(os.open(part, os.O_CREAT | os.O_WRONLY, 0o600))
        part.write_bytes(b"weights")
    assert (tmp_path / "weights").stat().st_mode == (tmp_path / "usual").stat().st_mode


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


def test_a_full_disk_is_told_with_the_name_of_the_file(tmp_path):
    with pytest.raises(OSError, match="No space") as error, replacing(tmp_path / "last.pt"):
        raise OSError(28, "No space left on device")  # as a write says it, which knows no name
    assert error.value.filename == str(tmp_path / "last.pt")


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


def test_two_writers_of_one_file_never_share_a_part_and_the_last_one_counts(tmp_path):
    path = tmp_path / "overlay.mp4"
    with replacing(path) as first:
        first.write_bytes(b"first")
        with replacing(path) as second:
            second.write_bytes(b"the second")
            assert second != first and first.read_bytes() == b"first"
        assert path.read_bytes() == b"the second"
    assert path.read_bytes() == b"first" and names(tmp_path) == ["overlay.mp4"]


def test_what_killed_writers_left_is_used_again(tmp_path):
    path = tmp_path / "overlay.mp4"
    script = (
        "import os, sys; from pathlib import Path; from posedata.atomic import replacing\n"
        "with replacing(Path(sys.argv[1])) as part:\n    part.write_bytes(b'x' * 1000)\n    os._exit(9)"
    )
    for _ in range(3):
        assert subprocess.run([sys.executable, "-c", script, path]).returncode == 9
    assert len(names(tmp_path)) == 1  # not one more for each kill
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new" and names(tmp_path) == ["overlay.mp4"]


def test_a_file_system_without_locks_is_written_all_the_same(tmp_path, monkeypatch):
    def unsupported(handle: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("posedata.locks.fcntl.flock", unsupported)
    with replacing(tmp_path / "x") as first, replacing(tmp_path / "x") as second:
        assert first != second
        first.write_bytes(b"1")
        second.write_bytes(b"2")
    with folder_locked(tmp_path):
        write_atomically(tmp_path / "y", b"3")
    assert names(tmp_path) == ["x", "y"]


def test_processes_that_add_to_one_file_lose_nothing(tmp_path):
    script = (
        "import sys; from pathlib import Path; from posedata.atomic import write_atomically\n"
        "from posedata.locks import folder_locked\n"
        "path = Path(sys.argv[1])\n"
        "for _ in range(30):\n"
        "    with folder_locked(path.parent):\n"
        "        write_atomically(path, (path.read_bytes() if path.exists() else b'') + b'x')\n"
    )
    running = [subprocess.Popen([sys.executable, "-c", script, tmp_path / "log"]) for _ in range(3)]
    assert [process.wait() for process in running] == [0, 0, 0]
    assert (tmp_path / "log").read_bytes() == b"x" * 90
