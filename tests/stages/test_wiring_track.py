"""Which poses the tracker can recover people with."""

import pytest

from configs.models import model_table
from configs.settings import PoseSettings, TrackSettings
from posedata.errors import BadInput, UsageError
from posedata.records import Header, ModelRef, VideoHeader
from stages.wiring_track import track_part

BOTTOM_UP = next(m.name for m in model_table() if m.stage == "pose" and m.bottom_up)


def header(model: str, sha: str = "0" * 64) -> Header:
    return Header.create(
        stage="pose",
        sequence="a",
        video=VideoHeader("a", 25.0, 64, 48),
        skeleton="coco-17",
        ptrack_version="0",
        settings=PoseSettings(model=model).model_dump(mode="json"),
        input_identity="a",
        model=ModelRef(model, sha),
    )


def part(asked: list[str], **settings):
    def estimator_of(pose):
        asked.append(pose.model)

    return track_part(TrackSettings(**settings), "cpu", estimator_of, lambda pose: ModelRef(pose.model, "0" * 64))


def test_people_are_recovered_by_the_model_that_made_the_poses():
    asked: list[str] = []
    made = part(asked)
    stage = made.make(header("compact"), header("compact"))
    assert asked == ["compact"] and stage.poses_in is not None and made.warnings(header("compact")) == []


def test_a_bottom_up_model_recovers_nobody_and_the_record_says_so():
    asked: list[str] = []
    made = part(asked)
    stage = made.make(header(BOTTOM_UP), header(BOTTOM_UP))
    assert asked == [] and stage.poses_in is None
    (warning,) = made.warnings(header(BOTTOM_UP))
    assert BOTTOM_UP in warning and "recovered" in warning


def test_other_weights_than_those_that_made_the_poses_are_refused():
    before = header("compact", "1" * 64)
    with pytest.raises(BadInput, match="--no-recover"):
        part([]).make(before, before)
    assert part([], recover=False).make(before, before).poses_in is None


def test_flow_similarity_without_flow_is_refused():
    with pytest.raises(UsageError, match="needs optical flow"):
        part([], flow="none")


def test_neither_the_place_of_files_nor_where_flow_is_saved_stands_in_the_record(tmp_path):
    folder = tmp_path / "flows"
    folder.mkdir()
    dump = part([], flow_files=str(folder), save_flow=str(tmp_path / "saved")).settings
    assert str(tmp_path) not in str(dump) and "save_flow" not in dump and dump["flow"] == "files"
