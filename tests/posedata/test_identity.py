"""The identity of an input: changed by content, not by touching, moving or losing the index."""

from __future__ import annotations

import os
from pathlib import Path

import orjson
import pytest

from posedata import identity as identity_module
from posedata.errors import BadInput
from posedata.identity import EDGE, input_identity
from posedata.sequence import FrameRef, Sequence
from posedata.video import input_identity as from_video


def video(path: Path, content: bytes = b"frames" * 1000) -> Sequence:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return Sequence(path.stem, path)


def frames(folder: Path, **contents: bytes | None) -> Sequence:
    """A sequence of frames; a content of None is a frame that is listed but not there."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        if content is not None:
            (folder / f"{name}.jpg").write_bytes(content)
    names = [f"{name}.jpg" for name in contents]
    return Sequence("frames", folder, tuple(FrameRef(folder / n, n) for n in names))


def touch(path: Path, seconds: int = 50) -> None:
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + seconds * 10**9))


@pytest.fixture
def reads(monkeypatch) -> list[Path]:
    """The files whose content was read."""
    seen: list[Path] = []
    real = identity_module._ends
    monkeypatch.setattr(identity_module, "_ends", lambda path, size: (seen.append(path), real(path, size))[1])
    return seen


def test_it_is_a_digest_and_the_same_in_another_place(tmp_path):
    first, second = (
        input_identity(video(tmp_path / "a" / "clip.mp4")),
        input_identity(video(tmp_path / "b" / "clip.mp4")),
    )
    assert first == second == from_video(Sequence("clip", tmp_path / "a" / "clip.mp4"))
    assert len(first) == 64 and set(first) <= set("0123456789abcdef")
    here, there = (frames(tmp_path / n / "s", a=b"1", b=b"2") for n in "xy")
    assert input_identity(here) == input_identity(there)


@pytest.mark.parametrize("with_index", [False, True])
@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"framez" * 1000, id="same size"),
        pytest.param(b"frames" * 1001, id="longer"),
        pytest.param(b"", id="emptied"),
    ],
)
def test_changed_content_changes_it(tmp_path, content, with_index):
    index = tmp_path / "work" / "inputs.json" if with_index else None
    sequence = video(tmp_path / "clip.mp4")
    before = input_identity(sequence, index)
    sequence.path.write_bytes(content)
    touch(sequence.path)
    assert input_identity(sequence, index) != before


@pytest.mark.parametrize("place", [0, EDGE - 1, 3 * EDGE, 4 * EDGE - 1])
def test_both_ends_of_a_long_file_count(tmp_path, place):
    content = bytearray(4 * EDGE)
    before = input_identity(video(tmp_path / "clip.mp4", bytes(content)))
    content[place] = 1
    assert input_identity(video(tmp_path / "clip.mp4", bytes(content))) != before


@pytest.mark.parametrize("size", [EDGE - 1, EDGE, EDGE + 1, 2 * EDGE - 1, 2 * EDGE])
def test_every_byte_of_a_short_file_counts(tmp_path, size):
    content = bytearray(size)
    before = input_identity(video(tmp_path / "clip.mp4", bytes(content)))
    content[size // 2] = 1
    assert input_identity(video(tmp_path / "clip.mp4", bytes(content))) != before


def test_a_touch_changes_nothing_and_an_untouched_file_is_not_read(tmp_path, reads):
    sequence, index = video(tmp_path / "clip.mp4"), tmp_path / "work" / "inputs.json"
    before = input_identity(sequence, index)
    assert input_identity(sequence, index) == before and len(reads) == 1
    touch(sequence.path)
    assert input_identity(sequence, index) == before and len(reads) == 2
    assert input_identity(sequence, index) == before and len(reads) == 2
    assert [p.name for p in index.parent.iterdir()] == ["inputs.json"]


def test_sequences_share_an_index_without_disturbing_each_other(tmp_path, reads):
    index = tmp_path / "inputs.json"
    clips = [video(tmp_path / f"{n}.mp4", n.encode() * 50) for n in "abc"]
    found = [input_identity(clip, index) for clip in clips]
    assert len(set(found)) == 3 and len(reads) == 3
    assert [input_identity(clip, index) for clip in clips] == found and len(reads) == 3


def test_an_index_of_another_file_of_the_same_id_is_not_believed(tmp_path):
    index = tmp_path / "inputs.json"
    first, second = video(tmp_path / "a" / "clip.mp4", b"a" * 99), video(tmp_path / "b" / "clip.mp4", b"b" * 99)
    stamp = first.path.stat()
    os.utime(second.path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert input_identity(first, index) != input_identity(second, index)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b'{"clip": ["', id="torn"),
        pytest.param(b"[1, 2]", id="a list"),
        pytest.param(b'{"clip": 5}', id="a number where an entry should be"),
        pytest.param(b'{"clip": ["STAMP", 7]}', id="a number for the identity"),
        pytest.param(b'{"clip": ["STAMP", "../../etc"]}', id="no digest for the identity"),
        pytest.param(b"[" * 5000, id="deep"),
        pytest.param(b"\xff\xfe\x00", id="no text"),
    ],
)
def test_a_damaged_index_is_passed_over_and_mended(tmp_path, content, reads):
    sequence, index = video(tmp_path / "clip.mp4"), tmp_path / "inputs.json"
    expected = input_identity(sequence)
    input_identity(sequence, index)
    stamp = orjson.loads(index.read_bytes())["clip"][0].encode()
    index.write_bytes(content.replace(b"STAMP", stamp))
    reads.clear()
    assert input_identity(sequence, index) == expected and len(reads) == 1
    assert input_identity(sequence, index) == expected and len(reads) == 1


@pytest.mark.parametrize("obstacle", ["folder is a file", "index is a folder"])
def test_an_index_that_cannot_be_written_does_no_harm(tmp_path, obstacle):
    sequence, index = video(tmp_path / "clip.mp4"), tmp_path / "work" / "inputs.json"
    if obstacle == "folder is a file":
        index.parent.write_bytes(b"")
    else:
        index.mkdir(parents=True)
    assert input_identity(sequence, index) == input_identity(sequence)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_does_no_harm(tmp_path):
    sequence, folder = video(tmp_path / "clip.mp4"), tmp_path / "work"
    folder.mkdir(mode=0o500)
    assert input_identity(sequence, folder / "inputs.json") == input_identity(sequence)


FRAMES = {"0": b"zero", "1": b"one", "2": b"two"}


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"0": b"zero", "1": b"ONE", "2": b"two"}, id="another picture"),
        pytest.param({"0": b"zero", "2": b"two"}, id="one frame fewer in the list"),
        pytest.param({"0": b"zero", "2": b"two", "1": b"one"}, id="another order"),
        pytest.param({"0": b"zero", "1": None, "2": b"two"}, id="one is missing on disk"),
        pytest.param({"0": b"zero", "1": b"one", "3": b"two"}, id="another name"),
        pytest.param({**FRAMES, "3": b"three"}, id="one more"),
        pytest.param({**FRAMES, "3": None}, id="one more that is missing"),
    ],
)
def test_the_list_of_frames_counts(tmp_path, changed):
    before = input_identity(frames(tmp_path / "a", **FRAMES), tmp_path / "inputs.json")
    assert input_identity(frames(tmp_path / "b", **changed), tmp_path / "inputs.json") != before


def test_a_frame_that_comes_back_changes_it(tmp_path):
    index = tmp_path / "inputs.json"
    before = input_identity(frames(tmp_path / "a", **{"0": b"zero", "1": None}), index)
    assert input_identity(frames(tmp_path / "a", **{"0": b"zero", "1": b"one"}), index) != before


def test_a_video_that_is_gone_and_a_refused_sequence_are_bad_input(tmp_path):
    with pytest.raises(BadInput, match=r"gone\.mp4: .*put it back"):
        input_identity(Sequence("gone", tmp_path / "gone.mp4"))
    with pytest.raises(BadInput, match="image 3"):
        input_identity(Sequence("s", tmp_path, (), None, None, "val.json: image 3: leads out"))


def test_names_of_odd_bytes_are_only_names(tmp_path):
    path = tmp_path / os.fsdecode(b"bad\xff.mp4")
    path.write_bytes(b"x")
    index = tmp_path / "inputs.json"
    sequence = Sequence("bad_xff", path)
    assert input_identity(sequence, index) == input_identity(sequence, index)
    assert "bad_xff" in orjson.loads(index.read_bytes())
