"""Checkpoints in every layout they are published in; and those that must be refused without being run."""

from __future__ import annotations

import json
import os
import pickle
from collections import OrderedDict
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import save_file

from configs.models import find_model, model_table
from posedata.errors import BadInput
from posetrack_cli.models import models_command
from stages.checkpoint_file import read_checkpoint
from stages.pose.checkpoints import identify, network_of
from stages.pose.networks import create

PUBLISHED = [entry for entry in model_table() if entry.weights == "file" and entry.licence != "yours"]
R50 = "pose-resnet50-coco-256x192"


@cache
def shapes_of(architecture: str, options: tuple) -> dict[str, torch.Tensor]:
    with torch.device("meta"):
        return create(architecture, **dict(options)).state_dict()


def weights_of(name: str, counters: bool = True) -> dict[str, torch.Tensor]:
    """Every entry has its own constant value, and takes no room in a file."""
    entry = find_model(name, "pose")
    found = {}
    for number, (key, value) in enumerate(shapes_of(entry.architecture, tuple(entry.options.items())).items()):
        constant = torch.tensor(1 + number / 1000).to(value.dtype)
        found[key] = constant.expand(value.shape)
    return {k: v for k, v in found.items() if counters or not k.endswith("num_batches_tracked")}


def prefixed(weights: dict, prefix: str) -> dict:
    return {prefix + key: value for key, value in weights.items()}


def training_state(weights: dict) -> dict:
    """As Simple Baselines' and HRNet's training programs leave it."""
    return {
        "epoch": 140,
        "model": "pose_resnet",
        "state_dict": OrderedDict(prefixed(weights, "module.")),
        "perf": np.float64(0.704),
        "optimizer": {"state": {0: {"exp_avg": torch.zeros(3)}}, "param_groups": [{"lr": 1e-3, "params": [0]}]},
    }


LAYOUTS = {
    "bare": lambda w: w,
    "ordered": OrderedDict,
    "data parallel": lambda w: prefixed(w, "module."),
    "training": training_state,
    "loss around the network": lambda w: {"weights": prefixed(w, "module.posenet."), "epoch": 52},
}


@pytest.mark.parametrize("old_format", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_published_layout_loads_the_same_weights(tmp_path, layout, old_format):
    path = tmp_path / "some.pth.tar"
    weights = weights_of(R50)
    if old_format:  # of torch 0.4: no zip archive, and no counters
        weights = weights_of(R50, counters=False)
    torch.save(LAYOUTS[layout](weights), path, _use_new_zipfile_serialization=not old_format)
    loaded = network_of(find_model(R50, "pose"), path).state_dict()
    for key, value in weights.items():
        assert (loaded[key] == value.reshape(-1)[0]).all(), key
    if old_format:
        assert loaded["bn1.num_batches_tracked"] == 0


def test_safetensors_load_too_whatever_their_name(tmp_path):
    weights = {k: v.contiguous() for k, v in weights_of("pose-resnet50-mpii-256x256").items()}
    for name in ("some.safetensors", "some.pth"):
        save_file(weights, tmp_path / name)
        assert identify(tmp_path / name).fits[0].name == "pose-resnet50-mpii-256x256"


@pytest.mark.parametrize("name", [e.name for e in PUBLISHED])
def test_each_published_model_is_recognised_from_its_keys(tmp_path, name):
    entry = find_model(name, "pose")
    path = tmp_path / Path(entry.authors_file or "unnamed.pth").name
    torch.save(weights_of(name), path)
    found = identify(path)
    assert name in [m.name for m in found.fits]
    assert {m.architecture for m in found.fits} == {entry.architecture}
    assert {m.skeleton for m in found.fits if m in PUBLISHED} == {entry.skeleton}
    if entry.authors_file:
        assert found.by_name == found.fits[0] == entry


@pytest.mark.parametrize("architecture", ["imhn_main", "imhn_final"])
@pytest.mark.parametrize("stacks, width, increase", [(1, 32, 16), (2, 64, 128)])
def test_a_simplepose_of_any_size_is_recognised(tmp_path, architecture, stacks, width, increase):
    options = {"nstack": stacks, "num_layers": 50, "inp_dim": width, "increase": increase}
    network = create(architecture, **options)
    torch.save(network.state_dict(), tmp_path / "w.pth")
    found = identify(tmp_path / "w.pth")
    assert (found.architecture, found.options, bool(found.wrong)) == (architecture, options, False)


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda w: w.pop("layer3.2.bn1.weight"), ["missing", "layer3.2.bn1.weight"]),
        (lambda w: w.update(extra=torch.zeros(1)), ["unexpected", "extra"]),
        (lambda w: w.update({"layer1.0.conv1.weight": torch.zeros(64, 64, 3, 3)}), ["64x64x3x3", "64x64x1x1"]),
    ],
    ids=["a missing layer", "a surplus layer", "another shape"],
)
def test_a_checkpoint_that_does_not_fit_is_refused_with_the_keys(tmp_path, change, words):
    weights = weights_of(R50)
    change(weights)
    path = tmp_path / "wrong.pth"
    torch.save(weights, path)
    with pytest.raises(BadInput) as error:
        network_of(find_model(R50, "pose"), path)
    assert all(word in str(error.value) for word in [*words, "wrong.pth", R50])
    done = CliRunner().invoke(models_command, ["check", str(path)], standalone_mode=False)
    assert done.return_value == 3 and all(word in done.output for word in words)


def test_the_checkpoint_of_another_model_is_refused(tmp_path):
    path = tmp_path / "w32.pth"
    torch.save(weights_of("hrnet-w32-coco-256x192"), path)
    with pytest.raises(BadInput, match=r"w32.pth.*missing.*layer2"):
        network_of(find_model(R50, "pose"), path)


class Program:
    """What a hostile file would run."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("how", ["zip", "old", "plain pickle", "whole module"])
def test_a_file_with_objects_is_refused_and_nothing_is_run(tmp_path, how):
    mark, path = tmp_path / "it ran", tmp_path / "hostile.pth"
    content = {"state_dict": {"conv1.weight": torch.zeros(2)}, "extra": Program(mark)}
    if how == "plain pickle":
        path.write_bytes(pickle.dumps(content))
    elif how == "whole module":
        torch.save(torch.nn.Linear(2, 2), path)
    else:
        torch.save(content, path, _use_new_zipfile_serialization=how == "zip")
    with pytest.raises(BadInput, match="hostile"):
        read_checkpoint(path)
    done = CliRunner().invoke(models_command, ["check", str(path)], standalone_mode=False)
    assert isinstance(done.exception, BadInput)
    assert not mark.exists()


@pytest.mark.parametrize(
    "content, words",
    [
        ({"epoch": 3, "optimizer": {}}, ["no weights", "epoch"]),
        ([torch.zeros(2)], ["list"]),
        ({}, ["no weights"]),
        ({"conv1.weight": torch.zeros(2), "name": "x"}, ["no weights", "conv1.weight"]),
        ({"features.0.weight": torch.zeros(2)}, ["no network", "features.0.weight"]),
        ({"fc.weight": torch.zeros(2), "layer4.0.conv1.weight": torch.zeros(2)}, ["classification"]),
        ({"roi_heads.box_head.fc6.weight": torch.zeros(2)}, ["torchvision"]),
        ({"stage4.0.branches.0.0.conv1.weight": torch.zeros(8)}, ["final_layer.weight", "not complete"]),
        ({"pre.conv1.weight": torch.zeros(8)}, ["outs.0.0.conv.weight", "not complete"]),
        ({"layer4.0.conv1.weight": torch.zeros(8), "layer1.999999.x": torch.zeros(1)}, ["1000000"]),
        ({"layer4.0.conv1.weight": torch.zeros(8), f"layer1.{'7' * 5000}.x": torch.zeros(1)}, ["no published"]),
    ],
)
def test_files_without_a_pose_network_are_refused_in_a_sentence(tmp_path, content, words):
    path = tmp_path / "other.pth"
    torch.save(content, path)
    with pytest.raises(BadInput) as error:
        identify(path)
    assert all(word in str(error.value) for word in [*words, "other.pth"])


def test_files_that_are_not_there_or_no_checkpoints(tmp_path):
    for name, content in (("text.pth", b"hello there"), ("empty.pth", b""), ("zip.pth", b"PK\x03\x04" + bytes(40))):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(BadInput, match=name.split(".")[0]):
            read_checkpoint(tmp_path / name)
    with pytest.raises(BadInput, match=r"nowhere\.pth: cannot be read"):
        read_checkpoint(tmp_path / "nowhere.pth")
    os.mkfifo(tmp_path / "pipe.pth")
    with pytest.raises(BadInput, match=r"pipe\.pth: is not a regular file"):
        read_checkpoint(tmp_path / "pipe.pth")


@pytest.mark.parametrize("kind", ["zip", "old", "safetensors"])
def test_damaged_files_never_end_in_a_traceback(tmp_path, kind):
    good = tmp_path / "good.pth"
    weights = {f"layer{n}.weight": torch.zeros(4, 4) for n in range(4)}
    if kind == "safetensors":
        save_file(weights, good)
    else:
        torch.save(weights, good, _use_new_zipfile_serialization=kind == "zip")
    whole = good.read_bytes()
    rng = np.random.default_rng(0)
    path = tmp_path / "damaged.pth"
    for case in range(150):
        broken = bytearray(whole)
        if case % 3 == 0:
            broken = broken[: rng.integers(0, len(broken))]
        for at in rng.integers(0, max(len(broken), 1), 4):
            if len(broken):
                broken[at] = rng.integers(0, 256)
        path.write_bytes(broken)
        try:
            read_checkpoint(path)
        except BadInput as error:
            assert "damaged.pth" in str(error)


def test_check_says_what_a_file_is_and_what_to_do_with_it(tmp_path):
    path = tmp_path / "pose_resnet_50_384x288.pth.tar"
    torch.save(training_state(weights_of("pose-resnet50-coco-384x288", counters=False)), path)
    text = CliRunner().invoke(models_command, ["check", str(path)], standalone_mode=False).output
    for words in ("34.00 M", "state_dict", "module.", "counters", "its file is called so", "--checkpoint"):
        assert words in text
    done = CliRunner().invoke(models_command, ["check", str(path), "--json"], standalone_mode=False)
    found = json.loads(done.output)
    assert found["by_file_name"] == found["fits"][0] == "pose-resnet50-coco-384x288"
    others = {"pose-resnet50-coco-384x288", "pose-resnet50-caffe-coco-256x192", "pose-resnet50-posetrack-256x192"}
    assert set(found["fits"]) == {R50} | others
    assert found["counters_missing"] and found["prefixes"] == ["module."] and not found["missing"]


def test_the_table_says_everything_a_published_model_needs():
    assert len(PUBLISHED) >= 42
    for entry in PUBLISHED:
        assert entry.skeleton and entry.dataset and entry.score and entry.offered and entry.licence
        if entry.input:
            assert entry.mean and entry.std
            assert entry.colour == ("RGB" if "hrnet" in entry.name or "warper" in entry.name else "BGR")
        else:
            assert entry.architecture.startswith("imhn") and entry.mean is None


def test_the_page_of_models_is_the_table():
    page = (Path(__file__).parents[2] / "docs" / "models.md").read_text()
    assert CliRunner().invoke(models_command, ["--page"]).output == page
