"""What a GPU does to crops, network and decoding is what the CPU does, tried on the CPU as the device; and what
happens when its memory is too small."""

from __future__ import annotations

import logging

import cv2
import numpy as np
import pytest
import torch
from small_models import small_model

from configs.settings import PoseSettings
from posedata.errors import SequenceFailed
from stages.batches import Batches
from stages.device import Runtime
from stages.pose import decode, device_decode
from stages.pose.crop import crop_matrices, published_matrices
from stages.pose.device_crops import device_crops, upload
from stages.pose.estimator import PoseEstimator, cut

CPU = torch.device("cpu")
ENTRY = small_model((64, 48), "pose_resnet", "coco-17", colour="BGR", mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.25))


class Small(torch.nn.Module):
    """Heatmaps that move with the picture: smooth functions of the three channels."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.mix = torch.nn.Conv2d(3, 17, 9, 4, 4)
        self.batches: list[int] = []

    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        self.batches.append(len(crops))
        return torch.exp(self.mix(torch.nn.functional.avg_pool2d(crops, 9, 1, 4)))


def frames(count: int = 3) -> list[np.ndarray]:
    """Smooth pictures of different sizes."""
    found = []
    for number in range(count):
        rng = np.random.default_rng(number)
        size = (120 + 31 * number, 200 - 17 * number)
        small = rng.integers(0, 255, (12, 16, 3), np.uint8)
        found.append(cv2.resize(small, size[::-1], interpolation=cv2.INTER_CUBIC))
    return found


def boxes(images: list[np.ndarray], each: int = 4) -> list[np.ndarray]:
    rng = np.random.default_rng(5)
    found = []
    for _ in images:
        low = rng.uniform(-20, 80, (each, 2))
        found.append(np.concatenate([low, low + rng.uniform(20, 90, (each, 2))], axis=1).astype(np.float32))
    found.insert(1, np.zeros((0, 4), np.float32))
    images.insert(1, images[0])
    return found


@pytest.mark.parametrize("compat", [True, False])
def test_crops_are_those_of_opencv(compat):
    images = frames()
    rng = np.random.default_rng(0)
    centre, owner = rng.uniform(0, 150, (12, 2)), np.arange(12) % 3
    sides = np.geomspace(15, 800, 12)  # from strongly enlarged to strongly reduced
    if compat:
        matrices = published_matrices(centre, np.stack([sides, sides / 0.75], axis=1) / 200, (48, 64))
    else:
        matrices = crop_matrices(centre, np.stack([sides * 0.75, sides], axis=1), (48, 64))
    got = device_crops(upload(images, CPU), owner, matrices, (48, 64), compat)
    assert got.shape == (12, 3, 64, 48) and got.is_contiguous(memory_format=torch.channels_last)
    want = np.stack([cut(images[o], m, 48, 64, compat) for o, m in zip(owner, matrices)])
    off = np.abs(got.permute(0, 2, 3, 1).numpy() - want)
    if compat:  # OpenCV 4 rounds places to 1/32 of a pixel, 5 does not
        assert (off <= 1).mean() > 0.99 and off.mean() < 0.1
    else:  # averages of strongly reduced people are taken over somewhat other pixels
        assert (off <= 1).mean() > 0.95 and off.mean() < 0.5


@pytest.mark.parametrize("name", ["quarter", "dark"])
def test_decoding_is_that_of_the_cpu(name):
    rng = np.random.default_rng(1)
    maps = rng.random((5, 17, 16, 12)).astype(np.float32)
    maps[0, 0] = -1  # nothing there
    maps[0, 1] = 0.5  # all equal: the first cell
    maps[0, 2, 0, :] = maps[0, 2, :, 11] = 2  # peaks in a row on the edge
    maps[1] = [cv2.GaussianBlur(m, (7, 7), 0) for m in maps[1]]
    maps[2] = 0
    for k in range(17):
        maps[2, k, k % 16, k % 12] = 1  # every distance to the edges
    want, want_score = decode.DECODERS[name](maps)
    got, score = device_decode.DECODERS[name](torch.from_numpy(maps))
    off = np.abs(got.numpy() - want)
    # where a flat top lies, and whether a step from the edge is one cell or less, is up to the last digits
    assert np.median(off) < 1e-6 and (off < 1e-3).mean() > 0.95
    assert (score.numpy() == want_score).all()


@pytest.mark.parametrize("how", ["quarter", "dark"])
@pytest.mark.parametrize("compat", ["on", "off"])
def test_a_whole_chunk_gives_the_same_joints_on_the_device(how, compat):
    images = frames()
    given = boxes(images)
    settings = PoseSettings(decode=how, compat=compat)
    on_cpu = PoseEstimator(Small(), ENTRY, settings, Runtime(CPU, False, 5), on_device=False)
    on_device = PoseEstimator(Small(), ENTRY, settings, Runtime(CPU, False, 5), on_device=True)
    want, want_scores = on_cpu.joints_of(images, given)
    got, scores = on_device.joints_of(images, given)
    assert got.shape == (12, 17, 2)
    assert np.median(np.abs(got - want)) <= 0.05
    assert (np.abs(got - want).max(axis=2) < 0.5).mean() > 0.97
    assert scores == pytest.approx(want_scores, rel=0.02)


def test_half_precision_keeps_the_joints():
    images = frames()
    given = boxes(images)
    settings = PoseSettings(decode="quarter")
    full = PoseEstimator(Small(), ENTRY, settings, Runtime(CPU, False, 5), on_device=True)
    half = PoseEstimator(Small(), ENTRY, settings, Runtime(CPU, True, 5), on_device=True)
    assert next(half.heatmaps.network.parameters()).dtype is torch.bfloat16
    off = np.abs(full.joints_of(images, given)[0] - half.joints_of(images, given)[0])
    assert np.median(off) < 0.5


def test_crops_are_batched_across_frames_and_people():
    images = frames()
    given = boxes(images)
    network = Small()
    estimator = PoseEstimator(network, ENTRY, PoseSettings(flip=False), Runtime(CPU, False, 5))
    estimator.joints_of(images, given)
    assert network.batches == [5, 5, 2]


class TooLarge(Small):
    """Holds two crops, no more."""

    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        if len(crops) > 2:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return super().forward(crops)


@pytest.mark.parametrize("on_device", [False, True])
def test_out_of_memory_halves_the_batch_and_loses_nobody(on_device, caplog):
    images = frames()
    given = boxes(images)
    settings, run = PoseSettings(flip=False), Runtime(CPU, False, 16)
    want = PoseEstimator(Small(), ENTRY, settings, run, on_device).joints_of(images, given)
    network = TooLarge()
    estimator = PoseEstimator(network, ENTRY, settings, run, on_device)
    with caplog.at_level(logging.WARNING, "ptrack"):
        got = estimator.joints_of(images, given)
    assert np.abs(got[0] - want[0]).max() < 0.01 and np.abs(got[1] - want[1]).max() < 1e-4
    assert "batches of 1" in caplog.text or "batches of 2" in caplog.text
    before = len(network.batches)
    estimator.joints_of(images, given)  # the next chunk does not try the large batch again
    assert len(network.batches) > before and max(network.batches) <= 2


def test_a_crop_that_alone_does_not_fit_ends_in_a_sentence():
    def nothing_fits(rows: range) -> None:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(SequenceFailed, match="--device cpu"):
        Batches(8).run(3, nothing_fits)


def test_compiled_networks_see_one_batch_size_only(monkeypatch):
    compiled = []

    def compile_(network, **how):
        compiled.append(how)
        return network

    monkeypatch.setattr(torch, "compile", compile_)
    images = frames()
    given = boxes(images)
    network = Small()
    settings = PoseSettings(flip=False)
    estimator = PoseEstimator(network, ENTRY, settings, Runtime(CPU, False, 5, compile=True))
    got = estimator.joints_of(images, given)[0]
    assert compiled == [{"mode": "default", "dynamic": False}] and network.batches == [5, 5, 5]
    want = PoseEstimator(Small(), ENTRY, settings, Runtime(CPU, False, 5)).joints_of(images, given)[0]
    assert np.abs(got - want).max() < 0.01
