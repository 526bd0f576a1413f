"""The bundled networks: shapes, sizes, weights, and how a frame goes into the detector and its boxes come back."""

import copy
import math

import numpy as np
import pytest
import torch

from configs.models import bundled_digest, find_model
from configs.settings import DetectSettings, PoseSettings
from posedata.errors import BadInput
from posedata.people import FramePeople
from stages.detect.compact import CompactDetector
from stages.detect.detector import make_detector
from stages.detect.letterbox import input_size, letterbox
from stages.detect.postprocess import select_boxes
from stages.device import runtime
from stages.pose.estimator import make_estimator
from stages.pose.networks.compact import CompactPose, target_sigma
from stages.trunk import RegNetTrunk
from stages.weights import fused, load_strict


@pytest.fixture(scope="module")
def cpu():
    return runtime("cpu", False, 4, 1)


def test_the_limits_on_size_are_kept():
    assert sum(p.numel() for p in CompactDetector().parameters()) <= 6e6
    assert sum(p.numel() for p in CompactPose(19).parameters()) <= 8e6


@pytest.mark.parametrize("height, width", [(256, 192), (192, 144), (128, 96), (100, 60)])
def test_heatmaps_are_probabilities_at_stride_four(height, width):
    heatmaps = CompactPose(5).eval()(torch.zeros(2, 3, height, width))
    assert heatmaps.shape == (2, 5, height // 4, width // 4)
    peak = 2 * math.pi * target_sigma(height // 4) ** 2
    sums = heatmaps.sum(dim=(2, 3)).detach().numpy()
    assert sums == pytest.approx(np.full((2, 5), peak), rel=1e-4)


@pytest.mark.parametrize("height, width", [(416, 416), (256, 416), (32, 64)])
def test_the_detector_answers_for_every_cell(height, width):
    scores, boxes = CompactDetector().eval()(torch.zeros(1, 3, height, width))
    cells = sum(math.ceil(height / s) * math.ceil(width / s) for s in (8, 16, 32))
    assert scores.shape == (1, cells) and boxes.shape == (1, cells, 4)
    assert (boxes[..., 2:] > boxes[..., :2]).all()


def test_folding_batch_normalisation_changes_nothing_but_the_last_digits():
    torch.manual_seed(0)
    network = CompactPose(3)
    network.train()
    network(torch.randn(4, 3, 64, 48))  # statistics that are not the initial ones
    plain = network.eval()
    folded = fused(copy.deepcopy(plain))
    crops = torch.randn(2, 3, 64, 48)
    with torch.inference_mode():
        assert torch.allclose(plain(crops), folded(crops), atol=1e-5)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in folded.pyramid.modules())


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda w: w.pop("head.1.bias"), ["missing", "head.1.bias"]),
        (lambda w: w.update(extra=torch.zeros(1)), ["unexpected", "extra"]),
        (lambda w: w.update({"head.1.bias": torch.zeros(7)}), ["another shape", "head.1.bias"]),
    ],
)
def test_weights_of_another_network_are_refused_with_their_names(tmp_path, change, words):
    network = CompactPose(3)
    weights = dict(network.state_dict())
    change(weights)
    with pytest.raises(BadInput) as error:
        load_strict(network, weights, tmp_path / "other.safetensors")
    assert all(word in str(error.value) for word in [*words, "other.safetensors"])


def test_bundled_weights_are_the_ones_of_the_table():
    for stage in ("detect", "pose"):
        entry = find_model("compact", stage)
        assert bundled_digest(entry) == entry.sha256


@pytest.mark.parametrize("width, height", [(640, 360), (360, 640), (100, 100), (7, 900), (3840, 2160)])
def test_boxes_come_back_to_the_pixels_they_were_on(width, height):
    canvas, fit = letterbox(np.zeros((height, width, 3), np.uint8), 416)
    assert canvas.shape[:2] == input_size(width, height, 416) and not any(s % 32 for s in canvas.shape[:2])
    box = np.array([[0.1 * width, 0.2 * height, 0.8 * width, 0.9 * height]])
    scale = np.array([fit.scale_x, fit.scale_y] * 2)
    assert fit.back((box + 0.5) * scale - 0.5) == pytest.approx(box, abs=1e-3)
    outside = fit.back(np.array([[-50.0, -50, 900, 900]]))[0]
    assert outside == pytest.approx((0, 0, width - 1, height - 1))


def test_of_two_boxes_on_one_person_the_better_stays():
    boxes = np.array([[0, 0, 10, 20], [1, 0, 11, 20], [50, 0, 60, 20], [80, 0, 90, 20]], float)
    scores, kept = select_boxes(np.array([0.6, 0.9, 0.5, 0.1]), boxes, 0.3, 0.6, 10)
    assert scores.tolist() == [0.9, 0.5] and kept[:, 0].tolist() == [1, 50]
    assert len(select_boxes(np.array([0.6, 0.9, 0.5, 0.1]), boxes, 0.05, 0.6, 2)[0]) == 2
    assert select_boxes(np.zeros(0), np.zeros((0, 4)), 0.3, 0.6, 10)[1].shape == (0, 4)


def test_frames_of_different_sizes_and_frames_without_people_go_through_together(cpu):
    detector = make_detector(DetectSettings(), cpu)
    frames = [np.full(shape, 90, np.uint8) for shape in ((90, 160, 3), (120, 90, 3), (90, 160, 3), (1, 1, 3))]
    found = detector.detect(frames)
    assert [len(f) for f in found] == [0, 0, 0, 0] and found[0].boxes.shape == (0, 4)
    estimator = make_estimator(PoseSettings(), cpu)
    posed = estimator.estimate(frames, found)
    assert posed[0].keypoints.shape == (0, 19, 2)


def test_a_mirrored_picture_gives_the_mirrored_pose(cpu):
    """The flip test makes it exact but for the crop's interpolation."""
    estimator = make_estimator(PoseSettings(), cpu)
    rng = np.random.default_rng(0)
    frame = np.repeat(np.repeat(rng.integers(0, 255, (24, 18, 3), np.uint8), 8, 0), 8, 1)
    width = frame.shape[1]
    box = np.array([[30.0, 20, 110, 170]], np.float32)
    mirrored_box = np.stack([width - 1 - box[:, 2], box[:, 1], width - 1 - box[:, 0], box[:, 3]], axis=1)
    points, scores = estimator.joints_of([frame], [box])
    others, other_scores = estimator.joints_of([np.ascontiguousarray(frame[:, ::-1])], [mirrored_box])
    order = estimator.skeleton.flip_order
    assert other_scores[:, order] == pytest.approx(scores, abs=0.02)
    sure = scores[0] > 0.2
    back = others[:, order] * (-1, 1) + (width - 1, 0)
    assert np.abs(back - points)[0, sure].max(initial=0) < 2


def test_batches_do_not_change_the_poses(cpu):
    """A person's joints are the same alone and among others, but for the last digits."""
    frame = np.random.default_rng(1).integers(0, 255, (200, 300, 3), np.uint8)
    boxes = np.array([[10, 10, 80, 190], [100, 20, 180, 180], [150, 5, 290, 195]], np.float32)
    estimator = make_estimator(PoseSettings(), cpu)
    together, _ = estimator.joints_of([frame], [boxes])
    alone = np.concatenate([estimator.joints_of([frame], [boxes[i : i + 1]])[0] for i in range(3)])
    assert np.abs(together - alone).max() < 0.05


def test_people_come_out_best_first_and_near_copies_are_left_out(cpu):
    frame = np.random.default_rng(2).integers(0, 255, (200, 300, 3), np.uint8)
    boxes = np.array([[100, 20, 180, 180], [100, 20, 180, 180], [10, 10, 80, 190]], np.float32)
    people = FramePeople(boxes=boxes, box_scores=np.array([0.5, 0.9, 0.7]), origin=np.zeros(3))
    posed = make_estimator(PoseSettings(min_joint_score=0), cpu).estimate([frame], [people])[0]
    assert len(posed) == 2 and (np.diff(posed.person_scores) <= 0).all()
    assert 0.5 not in posed.box_scores.tolist()


def test_the_trunk_is_torchvisions_regnet_number_for_number():
    from torchvision.models import regnet_y_400mf

    published, ours = regnet_y_400mf(weights=None).eval(), RegNetTrunk().eval()
    renamed = {
        name.replace("trunk_output.block", "blocks.", 1): value
        for name, value in published.state_dict().items()
        if not name.startswith("fc.")
    }
    keys = {f"blocks.{int(k[7]) - 1}{k[8:]}" if k.startswith("blocks.") else k: k for k in renamed}
    ours.load_state_dict({key: renamed[old] for key, old in keys.items()})
    image = torch.randn(1, 3, 97, 130, generator=torch.Generator().manual_seed(0))
    expected, x = [], published.stem(image)
    for block in published.trunk_output:
        x = block(x)
        expected.append(x)
    for found, wanted in zip(ours(image), expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=0, atol=0)


@pytest.mark.parametrize("dilation", [3, 24])
def test_posewarper_learns_on_a_cpu_by_the_same_deformation(dilation):
    from torchvision.ops import deform_conv2d

    from stages.pose.networks.posewarper import HeatmapDeformation

    generator = torch.Generator().manual_seed(0)
    layer = HeatmapDeformation(3, dilation)
    with torch.no_grad():
        layer.weight += torch.randn(layer.weight.shape, generator=generator)
    maps = torch.rand(2, 3, 8, 6, generator=generator, requires_grad=True)
    offsets = (4 * torch.randn(2, 3 * 18, 8, 6, generator=generator)).requires_grad_()
    inputs = [maps, offsets, layer.weight]
    expected = deform_conv2d(maps, offsets, layer.weight, padding=dilation, dilation=dilation)
    found = layer(maps, offsets)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        torch.testing.assert_close(layer(maps, offsets), expected)
    for mine, theirs in zip(
        torch.autograd.grad(found.square().sum(), inputs), torch.autograd.grad(expected.square().sum(), inputs)
    ):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-3)
