"""The record store: the same bytes every time, nothing lost by a kill, nothing believed that is damaged."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from posedata import record_writer
from posedata.errors import SequenceFailed
from posedata.people import FramePeople, FrameStatus, Origin
from posedata.records import (
    FrameRecord,
    Header,
    ModelRef,
    RecordWriter,
    VideoHeader,
    header_digest,
    iter_frames,
    part_path,
    read_footer,
    read_header,
    record_digest,
    validity,
)

ROOT = Path(__file__).parents[2]
CHUNK = 4
SETTINGS = {"max_age": 30, "similarity": {"kind": "oks", "weight": 0.5}}


def make_header(**changes) -> Header:
    fields = {
        "stage": "track",
        "sequence": "day 1/Größe",
        "video": VideoHeader("Größe.mp4", 29.97, 640, 360),
        "skeleton": "coco-17",
        "ptrack_version": "0.1.0",
        "settings": SETTINGS,
        "input_identity": "size:12;sha256:ab",
        "upstream_digest": "1" * 64,
        "model": ModelRef("compact", "2" * 64),
    }
    return Header.create(**{**fields, **changes})


def make_people(index: int, count: int = 3, joints: int = 17) -> FramePeople:
    rng = np.random.default_rng(index)
    return FramePeople(
        boxes=rng.normal(300, 200, (count, 4)),
        box_scores=rng.random(count),
        keypoints=rng.normal(300, 200, (count, joints, 2)),
        keypoint_scores=rng.random((count, joints)),
        person_scores=rng.random(count),
        track_ids=rng.integers(-1, 5, count),
        origin=rng.integers(0, len(Origin), count),
    )


def frames_of(count: int) -> list[FrameRecord]:
    """Frames as a stage may produce them: full, empty, without parts, skipped, undecodable."""
    odd = {
        1: FrameRecord(1, 0.04, make_people(1, count=0)),
        2: FrameRecord(2, 0.08, FramePeople(status=FrameStatus.SKIPPED)),
        5: FrameRecord(5, 1 / 3, FramePeople(status=FrameStatus.UNDECODABLE), "could not be decoded"),
        6: FrameRecord(6, -0.0, FramePeople(boxes=np.array([[-0.001, 1e7, -1e7, 0.005]]))),
        7: FrameRecord(7, 0.5, FramePeople(keypoints=np.full((2, 17, 2), 65536.123))),
    }
    return [odd.get(i, FrameRecord(i, i / 25, make_people(i))) for i in range(count)]


def write(path: Path, frames: list[FrameRecord], header: Header, stop_after: int | None = None) -> str | None:
    """Writes as a stage does; `stop_after` frames the process "dies"."""
    with RecordWriter(path, header, chunk=CHUNK) as writer:
        todo = [frame for frame in frames if frame.index >= writer.resume_at]
        for done, frame in enumerate(todo, 1):
            writer.append(frame.index, frame.time, frame.people, frame.note)
            if done % CHUNK == 0:
                writer.commit_chunk()
            if frame.index + 1 == stop_after:
                return None
        return writer.finish(["the tail is broken"], {"dropped": 2})


def assert_same(a: FramePeople, b: FramePeople) -> None:
    assert a.status == b.status
    for name, tolerance in (("boxes", 0.006), ("keypoints", 0.006), ("box_scores", 1e-6), ("keypoint_scores", 1e-6),
                            ("person_scores", 1e-6), ("track_ids", 0), ("origin", 0)):  # fmt: skip
        x, y = getattr(a, name), getattr(b, name)
        assert (x is None) == (y is None), name
        if x is not None:
            assert x.shape == y.shape and x.dtype == y.dtype, name
            np.testing.assert_allclose(x, y, atol=tolerance, err_msg=name)


def test_what_is_written_is_read_back(tmp_path):
    path, frames, header = tmp_path / "seq" / "track.json", frames_of(11), make_header()
    digest = write(path, frames, header)
    assert read_header(path) == header
    found = list(iter_frames(path))
    assert [(f.index, f.note) for f in found] == [(f.index, f.note) for f in frames]
    assert [f.time for f in found] == pytest.approx([f.time for f in frames], abs=1e-6)
    for a, b in zip(frames, found):
        assert_same(a.people, b.people)
    footer = read_footer(path)
    ids = np.concatenate([f.people.track_ids for f in frames if f.people.track_ids is not None])
    assert footer.warnings == ("the tail is broken",)
    assert footer.counts["frames"] == 11 and footer.counts["dropped"] == 2
    assert footer.counts["people"] == sum(len(f.people) for f in frames)
    assert footer.counts["tracks"] == len(set(ids[ids >= 0].tolist()))
    assert footer.counts["unassigned"] == int((ids < 0).sum())
    assert (footer.counts["skipped"], footer.counts["undecodable"]) == (1, 1)
    assert digest == record_digest(path)
    assert os.listdir(path.parent) == ["track.json"]


def test_reading_and_writing_again_gives_the_same_bytes(tmp_path):
    rng = np.random.default_rng(7)
    frames = frames_of(9)
    wild = 10.0 ** rng.uniform(-9, 6.99, (40, 17, 2)) * rng.choice([-1, 1], (40, 17, 2))
    frames.append(FrameRecord(9, 1e6 / 7, FramePeople(keypoints=wild, keypoint_scores=wild[..., 0] ** 3)))
    frames.append(FrameRecord(10, 1e9, FramePeople(person_scores=np.array([np.finfo(np.float32).max, -0.0, 5e-7]))))
    write(tmp_path / "a.json", frames, make_header())
    write(tmp_path / "b.json", list(iter_frames(tmp_path / "a.json")), make_header())
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


@pytest.mark.parametrize("count", [0, 1, CHUNK, CHUNK + 1])
def test_a_record_is_valid_json_that_fits_the_schema(tmp_path, count):
    schema = json.loads((ROOT / "posedata/schemas/record.schema.json").read_text())
    write(tmp_path / "track.json", frames_of(count), make_header(model=None, upstream_digest=None))
    content = json.loads((tmp_path / "track.json").read_text("utf-8"))
    pytest.importorskip("jsonschema").validate(content, schema)
    assert [frame["index"] for frame in content["frames"]] == list(range(count))
    assert len(list(iter_frames(tmp_path / "track.json"))) == count


@pytest.mark.parametrize("stop_after", range(1, 12))
def test_an_interrupted_record_goes_on_and_ends_byte_identical(tmp_path, stop_after):
    frames, header = frames_of(11), make_header()
    write(tmp_path / "whole.json", frames, header)
    path = tmp_path / "track.json"
    write(path, frames, header, stop_after)
    assert not path.exists()
    with RecordWriter(path, header, chunk=CHUNK) as writer:
        assert writer.resume_at == stop_after // CHUNK * CHUNK
    digest = write(path, frames, header)
    assert path.read_bytes() == (tmp_path / "whole.json").read_bytes()
    assert digest == record_digest(path)


def test_a_part_file_cut_anywhere_resumes_at_its_last_whole_chunk(tmp_path):
    frames, header = frames_of(11), make_header()
    path = tmp_path / "track.json"
    write(path, frames, header)
    whole = path.read_bytes()
    path.unlink()
    ends = [i + 1 for i, byte in enumerate(whole) if byte == ord("\n")]  # header, 11 frames, closing line
    rng = random.Random(3)
    for cut in [0, 1, *ends, *(e - 1 for e in ends), *(rng.randrange(len(whole)) for _ in range(30))]:
        for tail in (b"", b"\0" * 9, b"\n\n", whole[:50]):
            data = whole[:cut] + tail
            part_path(path).write_bytes(data)
            with RecordWriter(path, header, chunk=CHUNK) as writer:
                lines = sum(data[:end] == whole[:end] for end in ends[1:-1])
                assert writer.resume_at == lines // CHUNK * CHUNK
            part_path(path).unlink(missing_ok=True)


@pytest.mark.parametrize("change", [{"settings": {"max_age": 60}}, {"ptrack_version": "0.2.0"}, {"model": None}])
def test_a_part_file_of_another_header_is_discarded(tmp_path, change):
    path, frames = tmp_path / "track.json", frames_of(11)
    write(path, frames, make_header(), stop_after=9)
    with RecordWriter(path, make_header(**change), chunk=CHUNK) as writer:
        assert writer.resume_at == 0
    write(path, frames, make_header(**change))
    assert read_header(path) == make_header(**change) and len(list(iter_frames(path))) == 11


def test_without_resume_the_part_file_is_discarded(tmp_path):
    path = tmp_path / "track.json"
    write(path, frames_of(11), make_header(), stop_after=9)
    with RecordWriter(path, make_header(), chunk=CHUNK, resume=False) as writer:
        assert writer.resume_at == 0


def test_the_kept_frames_can_be_read_while_new_ones_are_written(tmp_path):
    frames, path = frames_of(11), tmp_path / "track.json"
    write(path, frames, make_header(), stop_after=6)
    with RecordWriter(path, make_header(), chunk=CHUNK) as writer:
        for frame in frames[CHUNK : 2 * CHUNK]:
            writer.append(frame.index, frame.time, frame.people, frame.note)
        writer.commit_chunk()
        kept = list(writer.kept())
    assert [frame.index for frame in kept] == list(range(CHUNK))
    for a, b in zip(frames, kept):
        assert_same(a.people, b.people)


def test_the_header_digest_follows_what_the_content_follows_from():
    assert header_digest(make_header()) == header_digest(make_header())
    assert header_digest(make_header()) != header_digest(make_header(upstream_digest="5" * 64))


def test_an_error_in_the_stage_keeps_whole_chunks_and_the_old_record(tmp_path):
    path, frames = tmp_path / "track.json", frames_of(11)
    write(path, frames, make_header())
    old = path.read_bytes()
    with pytest.raises(RuntimeError), RecordWriter(path, make_header(settings={}), chunk=CHUNK) as writer:
        for frame in frames[:CHUNK]:
            writer.append(frame.index, frame.time, frame.people, frame.note)
        writer.commit_chunk()
        writer.append(CHUNK, 1.0, FramePeople())
        raise RuntimeError
    assert path.read_bytes() == old
    with RecordWriter(path, make_header(settings={}), chunk=CHUNK) as writer:
        assert writer.resume_at == CHUNK


def test_a_record_that_never_got_a_chunk_leaves_no_part_file(tmp_path):
    with RecordWriter(tmp_path / "track.json", make_header(), chunk=CHUNK) as writer:
        writer.append(0, 0.0, FramePeople())
    assert os.listdir(tmp_path) == []


def test_a_second_writer_is_refused_with_a_sentence(tmp_path):
    path = tmp_path / "track.json"
    with RecordWriter(path, make_header(), chunk=CHUNK) as first:
        for frame in frames_of(CHUNK):
            first.append(frame.index, frame.time, frame.people, frame.note)
        with pytest.raises(SequenceFailed, match="another ptrack process is writing"):
            RecordWriter(path, make_header(), chunk=CHUNK).__enter__()
        first.finish()
    assert len(list(iter_frames(path))) == CHUNK
    with RecordWriter(path, make_header(), chunk=CHUNK) as writer:  # the lock went with its holder
        assert writer.resume_at == 0


def test_a_killed_process_leaves_its_chunks_and_no_lock(tmp_path):
    path = tmp_path / "track.json"
    script = f"""
import os, signal, sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from tests.posedata.test_records import *
with RecordWriter(Path({str(path)!r}), make_header(), chunk=CHUNK) as writer:
    for frame in frames_of(11)[:CHUNK * 2 + 1]:
        writer.append(frame.index, frame.time, frame.people, frame.note)
        if (frame.index + 1) % CHUNK == 0:
            writer.commit_chunk()
    os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, timeout=60)
    assert done.returncode == -9, done.stderr
    write(tmp_path / "whole.json", frames_of(11), make_header())
    with RecordWriter(path, make_header(), chunk=CHUNK) as writer:
        assert writer.resume_at == CHUNK * 2
    write(path, frames_of(11), make_header())
    assert path.read_bytes() == (tmp_path / "whole.json").read_bytes()


def test_a_full_disk_is_a_sentence_and_the_run_goes_on_when_there_is_space(tmp_path, monkeypatch):
    path, frames = tmp_path / "track.json", frames_of(11)
    write(tmp_path / "whole.json", frames, make_header())

    class FullFile(record_writer.FileIO):
        def write(self, data):
            room = 4000 - self.seek(0, 2)
            if room <= 0:
                raise OSError(28, "No space left on device")
            return super().write(data[:room])

    with monkeypatch.context() as patch:
        patch.setattr(record_writer, "FileIO", FullFile)
        with pytest.raises(SequenceFailed, match=r"track.json: cannot be written \(No space left on device\)"):
            write(path, frames, make_header())
    assert not path.exists()
    with RecordWriter(path, make_header(), chunk=CHUNK) as writer:
        assert writer.resume_at == CHUNK
    write(path, frames, make_header())
    assert path.read_bytes() == (tmp_path / "whole.json").read_bytes()


def test_an_unwritable_folder_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SequenceFailed, match="cannot be written"):
        RecordWriter(tmp_path / "file" / "track.json", make_header(), chunk=CHUNK).__enter__()


@pytest.mark.parametrize(
    "steps, message",
    [
        ([(0, FramePeople()), (0, FramePeople())], "frame 0 comes where frame 1"),
        ([(3, FramePeople()), (1, FramePeople())], "frame 1 comes where frame 4"),
        ([(0, make_people(0, joints=15))], "15 joints, skeleton coco-17 17"),
        ([(i, FramePeople()) for i in range(CHUNK + 1)], "commit whole chunks of 4"),
    ],
)
def test_a_stage_that_writes_nonsense_is_stopped(tmp_path, steps, message):
    with (
        RecordWriter(tmp_path / "track.json", make_header(), chunk=CHUNK) as writer,
        pytest.raises(ValueError, match=message),
    ):
        for index, people in steps:
            writer.append(index, index / 25, people)


@pytest.mark.parametrize(
    "change, reason",
    [
        ({}, None),
        ({"ptrack_version": "9.9"}, None),
        ({"settings": {**SETTINGS, "max_age": 60}}, "settings changed: max_age 30 -> 60"),
        (
            {"settings": {"max_age": 30, "similarity": {"kind": "iou"}}},
            'similarity.kind "oks" -> "iou", similarity.weight 0.5 -> unset',
        ),
        ({"input_identity": "other"}, "the input changed"),
        ({"upstream_digest": "3" * 64}, "the upstream record changed"),
        ({"model": ModelRef("hrnet-w32", "2" * 64)}, "made by another model: compact -> hrnet-w32"),
        ({"model": ModelRef("compact", "4" * 64)}, "made by other weights of model compact"),
        ({"model": None}, "made by another model: compact -> none"),
        ({"skeleton": "ptrack-19"}, "skeleton changed: coco-17 -> ptrack-19"),
        ({"stage": "pose"}, "stage changed: track -> pose"),
    ],
)  # fmt: skip
def test_validity_gives_the_reason_in_words(tmp_path, change, reason):
    path = tmp_path / "track.json"
    write(path, frames_of(5), make_header())
    found = validity(path, make_header(**change))
    assert found == reason if reason is None else found.endswith(reason)


def test_validity_of_a_missing_and_of_a_torn_record(tmp_path):
    path = tmp_path / "track.json"
    assert validity(path, make_header()) == "there is no record yet"
    write(path, frames_of(5), make_header())
    whole = path.read_bytes()
    for size in (0, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        assert "the record is unusable: " in validity(path, make_header())


def test_settings_are_canonical_and_json():
    assert make_header(settings={"b": (1, 2), "a": 1}) == make_header(settings={"a": 1, "b": [1, 2]})
    for bad in ({"a": float("nan")}, {"a": [{"b": float("inf")}]}, {"a": Path("x")}, {1: 2}, [1]):
        with pytest.raises(ValueError, match="settings"):
            make_header(settings=bad)


def test_a_name_that_is_no_utf8_is_refused_with_a_sentence():
    with pytest.raises(ValueError, match=r"sequence is not valid UTF-8: 'caf\\udce9'; rename"):
        make_header(sequence="caf\udce9")


def test_a_header_is_immutable_and_replaceable():
    header = make_header()
    with pytest.raises(AttributeError):
        header.stage = "pose"
    assert replace(header, sequence="b").settings_digest == header.settings_digest
