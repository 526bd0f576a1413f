"""The published networks give the published implementations' numbers, key for key and value for value.

`tests/data/networks` holds a slim subset (some values of each output, digests of the lists of keys), so that a plain
clone proves parity; with development data every stored value and key is compared.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest
import recipe
import torch

from stages.pose.networks import create
from stages.train.losses import joints_mse

DATA = Path(__file__).parents[1] / "data" / "networks"
SLIM = json.loads((DATA / "forward.json").read_text())
MANIFESTS = json.loads((DATA / "manifests.json").read_text())
HEAVY = (  # a second or more each
    "imhn_final_4stack_192x128",
    "mrfea2_r50_coco_256x192",
    "pose_hrnet_w48_coco_256x192",
    "posewarper_w48_agg5_384x288",
    "posewarper_w48_pair_384x288",
    "posewarper_w48_pair_reverse_gt_256x192",
)


def network(model: dict) -> torch.nn.Module:
    options = dict(model)
    return create(options.pop("family"), **options)


def of_manifest(name: str) -> torch.nn.Module:
    """The network whose keys the manifest of that name lists, without values."""
    if name == "pose_resnet18_k3bias_fc3":
        family = "pose_resnet"
        options = {"num_layers": 18, "deconv_kernels": (3, 3, 3), "deconv_with_bias": True, "final_conv_kernel": 3}
    elif match := re.fullmatch(r"(\w*pose_resnet)(\d+)_j(\d+)", name):
        family, options = match[1], {"num_layers": int(match[2]), "num_joints": int(match[3])}
    elif match := re.fullmatch(r"pose_hrnet_w(\d+)_j(\d+)", name):
        family, options = "pose_hrnet", {"width": int(match[1]), "num_joints": int(match[2])}
    elif name == "posewarper_w48_j17":
        family, options = "posewarper_pair", {}
    else:
        family, options = name.removesuffix("_s4"), {}
    with torch.device("meta"):
        return create(family, **options)


def entries(module: torch.nn.Module) -> list[tuple[str, list[int], str]]:
    return [(k, list(v.shape), str(v.dtype).removeprefix("torch.")) for k, v in module.state_dict().items()]


def answer(case: dict) -> dict[str, np.ndarray]:
    module = recipe.fill(network(case["model"]), case["salt"]).eval()
    with torch.inference_mode():
        return recipe.outputs_of(module(*recipe.inputs_of(case)))


def viewed(array: np.ndarray, view: list | None) -> np.ndarray:
    return array[tuple(slice(*v) if v else slice(None) for v in view)] if view else array


@pytest.mark.parametrize("name", [
    pytest.param(n, marks=pytest.mark.slow) if n in HEAVY else n for n in SLIM
])  # fmt: skip
def test_some_values_of_the_published_outputs(name):
    case = SLIM[name]
    found = answer(case)
    for output in case["outputs"]:
        got = found[output["name"]]
        assert list(got.shape) == output["shape"]
        sample = viewed(got, output["view"]).reshape(-1)[:: output["step"]][: len(output["values"])]
        recipe.assert_close(sample, np.array(output["values"]), output["largest"])
        assert np.abs(got.astype(np.float64)).sum() == pytest.approx(output["abs_sum"], rel=1e-4)


@pytest.mark.parametrize("name", MANIFESTS)
def test_the_keys_are_the_published_ones(name):
    want = MANIFESTS[name]
    module = of_manifest(name)
    lines = sorted(f"{key} {shape} {dtype}" for key, shape, dtype in entries(module))
    assert len(lines) == want["entries"]
    assert sum(p.numel() for p in module.parameters()) == want["parameters"]
    assert hashlib.sha256("\n".join(lines).encode()).hexdigest() == want["sha256"]


@pytest.mark.parametrize("name", MANIFESTS)
def test_each_key_and_shape_against_the_full_list(name, test_data):
    path = test_data / "golden" / "networks" / "nets" / "manifests" / f"{name}.json"
    want = sorted((k, s, d) for k, s, d in json.loads(path.read_text())["entries"])
    assert sorted(entries(of_manifest(name))) == want


@pytest.mark.slow
def test_every_stored_value_of_every_case(test_data):
    folder = test_data / "golden" / "networks" / "nets"
    cases = [json.loads(p.read_text()) for p in sorted(folder.glob("*.json"))]
    cases = [c for c in cases if "outputs" in c and c.get("kind") != "train_step"]
    assert len(cases) >= 26
    for case in cases:
        found = answer(case)
        with np.load(folder / case["npz"]) as stored:
            for output in case["outputs"]:
                if not output.get("internal"):
                    recipe.assert_close(viewed(found[output["name"]], output.get("view")), stored[output["name"]])


@pytest.mark.parametrize("name", [
    "train_pose_resnet18",
    pytest.param("train_pose_hrnet_w32", marks=pytest.mark.slow),
    pytest.param("train_posewarper_w48_pair", marks=pytest.mark.slow),
])  # fmt: skip
def test_a_step_of_training_has_the_published_gradients(name, test_data):
    """Train mode: outputs, losses, gradients and running statistics of three steps of Adam."""
    folder = test_data / "golden" / "networks" / "nets"
    case = json.loads((folder / f"{name}.json").read_text())
    module = recipe.fill(network(case["model"]), case["salt"]).train()
    if "frozen" in case:
        for key, parameter in module.named_parameters():
            parameter.requires_grad_(key.startswith(("offset_feats.", "offsets", "deform_conv")))
    shape = tuple(case["heatmap_shape"])
    target = torch.from_numpy(np.clip(recipe.image_like(case["salt"], "target", shape, -0.5, 1.0), 0, 1))
    present = recipe.uniform(case["salt"], "input/target_weight", shape[0] * shape[1]) > 0.2
    weight = torch.from_numpy(present.astype(np.float32)).view(shape[0], shape[1])
    [crops] = recipe.inputs_of(case)
    # the warper's offsets have kinks: summed in float64 its gradients differ from the stored ones by 2e-3 too
    tolerance = 4e-3 if "warper" in name else 1e-3
    adam = torch.optim.Adam(module.parameters(), lr=case["optimizer"]["lr"])
    losses = []
    for step in range(3):
        out = module(crops)
        loss = joints_mse(out, target, weight)
        adam.zero_grad()
        loss.backward()
        if step == 0:
            with np.load(folder / case["npz"]) as stored:
                recipe.assert_close(out.detach().numpy(), stored["out"])
            for key, norm in case["grad_norms_step0"].items():
                gradient = module.get_parameter(key).grad
                if norm is None:
                    assert gradient is None
                else:
                    assert gradient.norm().item() == pytest.approx(norm, rel=tolerance, abs=1e-9), key
        adam.step()
        if step == 0:
            buffers = dict(module.named_buffers())
            for key, total in case["running_stat_sums_after_step1"].items():
                assert buffers[key].double().sum().item() == pytest.approx(total, rel=1e-3, abs=1e-3), key
        losses.append(loss.item())
    assert losses == pytest.approx(case["loss"]["values_first_3_steps"], rel=1e-3)


def test_the_deformable_convolution_is_the_published_kernels(test_data):
    folder = test_data / "golden" / "networks" / "funcs"
    from torchvision.ops import deform_conv2d

    cases = json.loads((folder / "deform_conv.json").read_text())["cases"]
    with np.load(folder / "deform_conv.npz") as stored:
        for number, case in enumerate(cases):
            maps, offsets, weight = (torch.from_numpy(stored[f"{n}{number}"]) for n in ("x", "off", "w"))
            spread = {"padding": case["padding"], "dilation": case["dilation"]}
            got = deform_conv2d(maps, offsets, weight, **spread)
            recipe.assert_close(got.numpy(), stored[f"out{number}"])


def test_an_untrained_warper_leaves_the_maps_as_they_are():
    torch.manual_seed(0)
    module = create("posewarper_pair", width=8, num_joints=5).eval()
    maps = torch.randn(2, 5, 16, 12)
    with torch.inference_mode():
        assert torch.allclose(module.warp(torch.randn(2, 5, 16, 12), maps), maps, atol=1e-6)


def test_what_inference_looks_at_is_the_last_stacks_finest_map():
    torch.manual_seed(0)
    for name in ("imhn_main", "imhn_final"):
        module = create(name, nstack=2, num_layers=6, increase=16).eval()
        images = torch.rand(1, 64, 128, 3)
        with torch.inference_mode():
            assert torch.equal(module.maps(images), module(images)[-1][0])


@pytest.mark.parametrize(
    "name, options, words",
    [
        ("pose_resnet49", {}, ["pose_resnet49", "pose_hrnet"]),
        ("pose_resnet", {"num_layers": 49}, ["ResNet-49", "152"]),
        ("pose_resnet", {"width": 32}, ["pose_resnet", "width"]),
        ("pose_resnet", {"style": "keras"}, ["keras", "caffe"]),
        ("pose_resnet", {"deconv_kernels": (5, 4, 4)}, ["deconv_kernels", "5"]),
        ("mrfea1_pose_resnet", {"num_layers": 18}, ["ResNet-50", "18"]),
        ("mrheat1_pose_resnet", {"deconv_filters": (128, 128, 128)}, ["deconv_filters", "256"]),
        ("imhn_main", {"inp_dim": 100}, ["inp_dim", "16", "100"]),
    ],
)
def test_networks_that_do_not_exist_are_refused(name, options, words):
    with pytest.raises(ValueError) as error:
        create(name, **options)
    assert all(word in str(error.value) for word in words)
