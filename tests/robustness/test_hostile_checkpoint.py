"""A checkpoint is somebody else's file: whatever it says, nothing of it is run."""

from __future__ import annotations

import pickle
import re

import hostile
import pytest

PICKLES = ("weights.pth", "weights.pth.tar", "weights.pt", "weights.safetensors", "weights.bin")


def test_the_checkpoints_of_these_tests_are_dangerous(tmp_path):
    """Else the others would show nothing."""
    import torch

    pickle.loads(hostile.pickle_with_code(tmp_path / "a.pth", tmp_path / "ran").read_bytes())
    assert (tmp_path / "ran").exists()
    path = hostile.pickle_with_code(tmp_path / "b.pth", tmp_path / "ran-too", as_zip=True)
    torch.load(path, weights_only=False)
    assert (tmp_path / "ran-too").exists()


@pytest.mark.parametrize("as_zip", [False, True], ids=["pickle", "zip"])
@pytest.mark.parametrize("name", PICKLES)
def test_looking_at_a_checkpoint_runs_nothing(starter, tmp_path, name, as_zip):
    path = hostile.pickle_with_code(tmp_path / name, tmp_path / "ran", as_zip=as_zip)
    ended = starter.run("models", "check", path, cwd=tmp_path, code=3)
    assert name in ended.sentence and ended.sentence.startswith("ptrack: ") and len(ended.sentence) < 600
    assert not (tmp_path / "ran").exists()
    if name != "weights.safetensors":  # which is read as what it calls itself, and is none
        assert re.search("nothing of it was run|without running it", ended.sentence)


@pytest.mark.parametrize("as_zip", [False, True], ids=["pickle", "zip"])
def test_estimating_poses_with_a_checkpoint_runs_nothing(starter, clip, finished, tmp_path, as_zip):
    path = hostile.pickle_with_code(tmp_path / "hrnet.pth", tmp_path / "ran", as_zip=as_zip)
    command = ("pose", clip, "--work", finished, "--model", "compact", "--checkpoint", path, "--threads", 1)
    ended = starter.run(*command, cwd=tmp_path, code=None)
    assert ended.code in (2, 3) and "ptrack" in ended.err.lower()
    assert not (tmp_path / "ran").exists()


def test_bundled_weights_that_were_exchanged_for_a_program_run_nothing(tmp_path, monkeypatch):
    from configs.models import find_model
    from posedata.errors import BadInput
    from stages import weights
    from stages.pose.networks.compact import CompactPose

    entry = find_model("compact", "pose")
    path = hostile.pickle_with_code(tmp_path / entry.file, tmp_path / "ran")
    monkeypatch.setattr(weights, "bundled_weights", lambda _: path)
    with pytest.raises(BadInput, match=r"is damaged .*; install ptrack again"):
        weights.load_bundled(CompactPose(19), entry)
    assert not (tmp_path / "ran").exists()
