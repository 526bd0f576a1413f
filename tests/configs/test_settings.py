"""How defaults, presets, files and the command line come together."""

import pytest

from configs.errors import SettingsError
from configs.models import find_model, model_table
from configs.settings import Settings, preset_names, resolve


def test_nothing_given_is_the_defaults():
    assert resolve() == Settings()


def test_later_wins(tmp_path):
    config = tmp_path / "mine.yaml"
    config.write_text("track: {max_age: 10, queue: 3}\ndetect: {stride: 2}\n")
    settings = resolve(
        config=config, assignments=["track.max_age=20"], options={"track.queue": 4, "detect.stride": None}
    )
    assert (settings.track.max_age, settings.track.queue, settings.detect.stride) == (20, 4, 2)


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_is_valid(name):
    resolve([name])


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"assignments": ["track.max_aeg=3"]}, ["track.max_aeg", "did you mean 'track.max_age'"]),
        ({"assignments": ["max_age=3"]}, ["max_age", "track.max_age"]),
        ({"assignments": ["track.max_age"]}, ["key=value"]),
        ({"assignments": ["track.max_age=soon"]}, ["track.max_age", "integer", "soon"]),
        ({"assignments": ["detect.min_box_score=.nan"]}, ["detect.min_box_score"]),
        ({"assignments": ["detect.min_box_score=1.5"]}, ["detect.min_box_score", "1.5"]),
        ({"assignments": ["track.max_age={"]}, ["cannot be read"]),
        ({"presets": ["no-such"]}, ["no-such", "does not exist"]),
    ],
)
def test_a_wrong_setting_is_one_sentence_with_its_name(arguments, words):
    with pytest.raises(SettingsError) as error:
        resolve(**arguments)
    assert all(word in str(error.value) for word in words) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "text, words",
    [
        ("- a\n", ["must be sections"]),
        ("track: 3\n", ["section track"]),
        ("tracks: {max_age: 3}\n", ["tracks.max_age", "track.max_age"]),
        ("track: {max_age: [", ["not YAML"]),
    ],
)
def test_a_wrong_file_is_named(tmp_path, text, words):
    config = tmp_path / "wrong.yaml"
    config.write_text(text)
    with pytest.raises(SettingsError) as error:
        resolve(config=config)
    assert str(config) in str(error.value) and all(word in str(error.value) for word in words)


def test_the_model_table_is_valid_and_finds_by_stage():
    assert {m.stage for m in model_table()} == {"detect", "pose"}
    assert find_model("compact", "pose").skeleton == "ptrack-19"
    with pytest.raises(SettingsError, match="did you mean 'compact'"):
        find_model("compcat", "detect")
