"""`ptrack models export`: what other programs read is the network, with what they must know about it."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors import safe_open

from configs.models import bundled_weights, find_model
from posedata.errors import UsageError
from posetrack_cli.models import models_command
from stages.pose.networks import create
from stages.weights import load_bundled


def export(*words: str):
    return CliRunner().invoke(models_command, ["export", *words], catch_exceptions=False, standalone_mode=False)


def test_safetensors_hold_the_weights_and_the_facts(tmp_path):
    path = tmp_path / "c.safetensors"
    done = export("compact", "--out", str(path))
    assert "4.40 M weights" in done.output and "differs from the network's by 0 of" in done.output
    with safe_open(path, "pt") as file, safe_open(bundled_weights(find_model("compact", "pose")), "pt") as own:
        assert file.metadata()["skeleton"] == "ptrack-19" and json.loads(file.metadata()["input"]) == [192, 144]
        assert len(json.loads(file.metadata()["joints"])) == 19
        for key in own.keys():  # noqa: SIM118
            assert torch.equal(file.get_tensor(key).float(), own.get_tensor(key).float())


def test_onnx_gives_the_networks_heatmaps_for_any_number_of_crops(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime", reason="extra `export` is not installed")
    pytest.importorskip("onnx", reason="extra `export` is not installed")
    path = tmp_path / "c.onnx"
    assert export("compact", "--format", "onnx", "--out", str(path)).exit_code == 0
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    assert session.get_modelmeta().custom_metadata_map["colour"] == "RGB"
    entry = find_model("compact", "pose")
    network = create(entry.architecture, **entry.options).eval()
    load_bundled(network, entry)
    for count in (1, 3):
        crops = torch.randn(count, 3, 192, 144)
        with torch.inference_mode():
            want = network(crops).numpy()
        [got] = session.run(None, {"input": crops.numpy()})
        np.testing.assert_allclose(got, want, atol=1e-4 * np.abs(want).max())


@pytest.mark.slow
def test_trained_networks_of_other_families_export(tmp_path):
    pytest.importorskip("onnxruntime", reason="extra `export` is not installed")
    for name in ("simplepose-small", "hrnet-w16-posetrack-128x96"):
        entry = find_model(name, "pose")
        torch.save(create(entry.architecture, **entry.options).state_dict(), tmp_path / "w.pt")
        done = export(name, "--checkpoint", str(tmp_path / "w.pt"), "--format", "onnx", "--out", str(tmp_path / "o"))
        assert done.exit_code == 0 and "differs" in done.output


@pytest.mark.parametrize(
    "words, message",
    [
        (("hrnet-w32-coco-256x192",), "needs a file with its weights"),
        (("keypointrcnn_resnet50_fpn",), "torchvision"),
        (("compact", "--format", "onnx", "--half"), "safetensors only"),
        (("compact", "--out", f"{__file__}/c"), r"^--out .*test_export_models.py/c: cannot be written \("),
    ],
)
def test_what_cannot_be_exported_is_said(words, message):
    with pytest.raises(UsageError, match=message):
        export(*words)


def test_posewarper_has_no_onnx(tmp_path):
    entry = find_model("posewarper-small", "pose")
    torch.save(create(entry.architecture, **entry.options).state_dict(), tmp_path / "w.pt")
    with pytest.raises(UsageError, match="deformable"):
        export("posewarper-small", "--checkpoint", str(tmp_path / "w.pt"), "--format", "onnx")
