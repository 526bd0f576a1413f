"""PoseWarper's two trainings: sparse labels, what the second one trains and is judged by, their presets."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from configs.training_presets import training_settings
from posedata.synthetic import write_posetrack18
from posetrack_cli.main import main
from stages.pose.networks import create
from stages.train.datasets.crops import CropRecipe, plain_view, read_crop
from stages.train.heatmaps import HeatmapTask
from stages.train.warper import WarperTask, freeze

QUICK = ("threads=1", "loader_workers=0", "tensorboard=false", "precision=fp32", "validate_limit=2", "max_steps=1")


def silent(_: str) -> None:
    pass


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """Two people in a sequence of twelve frames, to train on and to validate on."""
    folder = tmp_path_factory.mktemp("posetrack")
    path = write_posetrack18(folder, split="train", seed=3, frames=12, size=(320, 240), people=2)
    (folder / "annotations" / "val").mkdir()
    (folder / "annotations" / "val" / path.name).write_bytes(path.read_bytes())
    return folder


def train(what: str, preset: str, root: Path, run: Path, *words: str, **changes: object):
    command = ["train", what, "--preset", preset, "--data", str(root), "--run", str(run), *words]
    for change in (*QUICK, *(f"{key}={value}" for key, value in changes.items())):
        command += ["--set", change]
    return CliRunner().invoke(main, command)


def test_both_stages_see_the_same_sparse_labels(root):
    said: list[str] = []
    changes = ("label_every=7", "loader_workers=0")
    first = HeatmapTask(training_settings("pose", "posewarper-small-baseline", root, changes), said.append)
    second = WarperTask(training_settings("warper", "posewarper-small", root, changes), silent)
    assert {p.image.stem for p in first.people} == {"000003", "000010"}
    assert [p.image for p in first.people] == [p.image for p in second.people]
    assert len({p.image for p in first.validation}) == 12
    assert f"labels of every 7 frames: {len(first.people)} of " in said[0]
    assert f"{len(first.people)} people to train on" in said[1]


def test_sparse_labels_of_pictures_that_are_no_sequence_are_refused(root, tmp_path):
    found = next((root / "annotations" / "train").glob("*.json"))
    changes = {"label_every": 7, "train": f"[{{format: coco, annotations: {found}, images: {root}}}]"}
    done = train("pose", "posewarper-small-baseline", root, tmp_path / "run", "--dry-run", **changes)
    assert done.exception.exit_code == 2 and "label_every=7: " in str(done.exception)
    assert "read as coco, whose pictures are no sequences" in str(done.exception)


@pytest.mark.parametrize("words", [(), ("--dry-run",), ("--overfit", "1")])
def test_a_frozen_backbone_needs_weights(root, tmp_path, words):
    done = train("warper", "posewarper-small", root, tmp_path / "run", *words)
    assert done.exception.exit_code == 2 and "--init: name the first stage's weights" in str(done.exception)
    assert not (tmp_path / "run").exists()


def test_a_backbone_that_learns_as_well_needs_none(root, tmp_path):
    one = "[{size: [64, 64], epochs: 1, batch: 1}]"
    done = train("warper", "posewarper-small", root, tmp_path / "run", "--dry-run", freeze="false", phases=one)
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("reach, others", [(2, {0: 2, 1: 3, 3: 1, 4: 6, 10: 8, 11: 9}), (20, {0: 11, 1: 11, 6: 0})])
def test_the_warper_is_judged_by_frames_as_far_away_as_it_reaches(root, reach, others):
    task = WarperTask(training_settings("warper", "posewarper-small", root, (f"reach={reach}", *QUICK[1:2])), silent)
    recipe = CropRecipe(task.size(task.settings.phases[0]), rgb=True)
    samples = task.judged(task.validation, recipe)
    for number, person in enumerate(task.validation):
        frame = int(person.image.stem)
        if frame in others:
            crops = samples[number][0].numpy()
            assert samples[number][3] == number
            matrix = plain_view(person, recipe).matrix
            for crop, path in zip(
                (crops[:3], crops[3:]), (person.image, person.image.with_name(f"{others[frame]:06d}.jpg"))
            ):
                np.testing.assert_array_equal(crop, read_crop(path, matrix, recipe).transpose(2, 0, 1))


def test_a_neighbour_that_is_no_picture_is_as_one_that_is_missing(root, tmp_path):
    shutil.copytree(root, tmp_path / "set")
    [folder] = (tmp_path / "set" / "images" / "train").iterdir()
    (folder / "000006.jpg").write_bytes(b"no picture")
    task = WarperTask(training_settings("warper", "posewarper-small", tmp_path / "set", QUICK[1:2]), silent)
    samples = task.judged(task.validation, CropRecipe((64, 48), rgb=True))
    rows = {int(p.image.stem): samples[k] for k, p in enumerate(task.validation)}
    beside, damaged, other = rows[9], rows[6], rows[1]  # the 9th looks three back
    assert torch.equal(beside[0][:3], beside[0][3:]) and beside[3] >= 0 and beside[2].any()
    assert damaged[3] < 0 and not damaged[2].any()
    assert not torch.equal(other[0][:3], other[0][3:])


def test_validation_shows_the_network_two_frames(root):
    task = WarperTask(training_settings("warper", "posewarper-small", root, QUICK), silent)
    seen = []

    def network(crops: torch.Tensor) -> torch.Tensor:
        seen.append(crops)
        return torch.zeros(len(crops), 17, crops.shape[2] // 4, crops.shape[3] // 4)

    task.validate(network, torch.device("cpu"))
    [crops] = seen
    assert crops.shape[:2] == (2, 6) and not torch.equal(crops[:, :3], crops[:, 3:])


def test_the_second_stage_trains_what_the_published_one_does(test_data):
    path = test_data / "golden" / "networks" / "nets" / "posewarper_trainable.json"
    published = json.loads(path.read_text())["trainable_parameters"]
    model = create("posewarper_pair", width=16, num_joints=17)  # the warper's own keys are those of any backbone
    freeze(model)
    trained = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    assert sorted(trained) == sorted(published["keys"]) and len(trained) == published["count"] == 133


@pytest.mark.parametrize(
    "what, preset, epochs, batch, every",
    [
        ("pose", "posewarper-baseline-posetrack17", 3, 16, 1),
        ("pose", "posewarper-baseline-posetrack18", 10, 16, 1),
        ("pose", "posewarper-baseline-sparse-posetrack17", 10, 8, 7),
        ("pose", "posewarper-retrain-posetrack17", 10, 16, 1),
        ("pose", "posewarper-retrain-posetrack18", 10, 16, 1),
        ("warper", "posewarper-posetrack17", 19, 8, 1),
        ("warper", "posewarper-posetrack18", 19, 8, 1),
        ("warper", "posewarper-sparse-posetrack17", 20, 8, 7),
    ],
)
def test_lengths_are_those_of_the_published_experiments(what, preset, epochs, batch, every, tmp_path):
    settings = training_settings(what, preset, tmp_path)
    [phase] = settings.phases
    assert (phase.epochs, phase.batch, settings.label_every) == (epochs, batch, every)
    assert ("retrain" in preset) == (tmp_path / "propagated" in {source.annotations for source in settings.train})
    assert len(settings.train) == 1
