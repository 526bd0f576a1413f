"""Targets, losses, selection and augmentation are the published code's, number for number.

`tests/data/training` holds a subset of the stored cases; with development data all of them are compared.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from posedata.skeletons import COCO_17, MPII_16, POSETRACK_17
from stages.pose.crop import published_matrices, transform_points
from stages.train.bottom_up_targets import augmentation_matrix, bottom_up_targets
from stages.train.datasets.crops import CropRecipe, drawn_view, seen_joints
from stages.train.datasets.people import Person
from stages.train.losses import focal_l2, joints_mse, joints_ohkm
from stages.train.targets import half_body, heatmap_targets, jitter, joint_weights, upper_body, well_placed

DATA = Path(__file__).parents[1] / "data" / "training"
TARGETS = ("target_192x256_17", "target_256x256_16", "target_288x384_17", "target_384x384_16")
MIRRORS = {"fliplr_coco": COCO_17, "fliplr_mpii": MPII_16, "fliplr_posetrack": POSETRACK_17}
SLIM = (
    "target_192x256_17",
    "target_256x256_16",
    "half_body",
    "select_data",
    "losses",
    "imhn_augment_affine",
    *MIRRORS,
)


def stored(name: str, test_data: Path | None) -> tuple[dict, dict[str, np.ndarray]]:
    folder = DATA if test_data is None else test_data / "golden" / "networks" / "funcs"
    with np.load(folder / f"{name}.npz") as arrays:
        return json.loads((folder / f"{name}.json").read_text()), {k: arrays[k] for k in arrays}


@pytest.fixture(params=["slim", "all"])
def source(request):
    """None for the cases in the repository, else the folder of development data."""
    return None if request.param == "slim" else request.getfixturevalue("test_data")


def names(every: tuple[str, ...], source: Path | None) -> list[str]:
    return [name for name in every if source is not None or name in SLIM]


def test_heatmap_targets(source):
    for name in names(TARGETS, source):
        case, arrays = stored(name, source)
        size, cells = case["image_size"], case["heatmap_size"]
        maps, weights = heatmap_targets(
            torch.from_numpy(arrays["joints"][None, :, :2]),
            torch.from_numpy(arrays["vis"][None, :, 0].astype(np.float32)),
            (cells[1], cells[0]),
            (size[0] / cells[0], size[1] / cells[1]),
            case["sigma"],
        )
        np.testing.assert_allclose(maps[0].numpy(), arrays["target"], atol=1e-6)
        assert weights[0].tolist() == arrays["target_weight"][:, 0].tolist()
        if "target_weight_different" in arrays:
            weighed = weights[0].numpy() * joint_weights(COCO_17)
            np.testing.assert_allclose(weighed, arrays["target_weight_different"][:, 0], rtol=1e-6)


def test_losses_and_their_gradients(source):
    case, arrays = stored("losses", source)
    losses = {"mse": joints_mse, "ohkm": joints_ohkm, "ohkm5": lambda o, t, w: joints_ohkm(o, t, w, 5)}
    for name, value in case["values"].items():
        kind, batch = name.split("_")[0], name.rsplit("_", 1)[1]
        if f"o_{batch}" not in arrays:
            continue
        out = torch.from_numpy(arrays[f"o_{batch}"]).requires_grad_()
        weights = torch.from_numpy(arrays[f"w_{batch}"][..., 0])
        if "_w_" not in name:
            weights = torch.ones_like(weights)
        loss = losses[kind](out, torch.from_numpy(arrays[f"t_{batch}"]), weights)
        loss.backward()
        assert loss.item() == pytest.approx(value, rel=1e-5), name
        np.testing.assert_allclose(out.grad.numpy(), arrays[f"grad_{name}"], rtol=1e-4, atol=1e-8)


def test_half_bodies(source):
    case, arrays = stored("half_body", source)
    skeletons = {"coco": COCO_17, "mpii": MPII_16}
    for number, row in enumerate(case["cases"]):
        joints, visible = arrays[f"j{number}"][:, :2], arrays[f"v{number}"][:, 0] > 0
        upper = upper_body(skeletons[row["set"]])
        assert np.flatnonzero(upper).tolist() == case["upper"][row["set"]]
        found = half_body(joints, visible, upper, case["aspect"][row["set"]], row["randn"])
        if row["none"]:
            assert found is None
        else:
            np.testing.assert_allclose(found[0], arrays[f"c{number}"], atol=1e-4)
            np.testing.assert_allclose(found[1], arrays[f"s{number}"], atol=1e-5)


def test_selection_of_people(source):
    case, arrays = stored("select_data", source)
    kept = [
        k
        for k in range(len(arrays["center"]))
        if well_placed(
            arrays["joints"][k, :, :2], arrays["vis"][k, :, 0] > 0, arrays["center"][k], arrays["scale"][k]
        )
    ]
    assert kept == case["selected"]


def test_mirrored_people(source):
    """The published code mirrors the picture, then crops it; a mirrored crop must have its joints where that has."""
    for name, skeleton in MIRRORS.items():
        case, arrays = stored(name, source)
        assert {frozenset(pair) for pair in skeleton.flip_pairs} == {frozenset(pair) for pair in case["pairs"]}, name
        centre, scale, visible = np.array([130.0, 90]), np.array([0.9, 1.2]), arrays["vis"][:, 0] > 0
        joints, weights = arrays["joints"][:, :2], visible.astype(np.float32)
        person = Person(Path("a.jpg"), centre, scale, joints, weights, np.array([0.0, 0, 320, 240]), 1.0)
        recipe = CropRecipe((256, 192), rgb=False, flip=True)
        drawn = (drawn_view(person, recipe, upper_body(skeleton), np.random.default_rng(k)) for k in range(20))
        got, weighed = seen_joints(person, next(view for view in drawn if view.mirrored), skeleton)
        there = arrays["out_vis"][:, 0] > 0
        mirrored = np.array([case["width"] - centre[0] - 1, centre[1]])
        matrix = published_matrices(mirrored[None], scale[None], (192, 256))
        want = transform_points(arrays["out_joints"][None, :, :2], matrix)[0]
        np.testing.assert_allclose(got[there], want[there], atol=1e-3)
        assert (weighed > 0).tolist() == there.tolist() and not arrays["out_joints"][~there].any()


def test_bottom_up_augmentation(source):
    case, arrays = stored("imhn_augment_affine", source)
    for row, want in zip(case["cases"], arrays["M"]):
        got = augmentation_matrix(
            np.array(row["center"]),
            row["scale_provided"],
            512,
            row["scale"],
            row["degree"],
            np.array(row["crop"]),
            row["flip"],
        )
        np.testing.assert_allclose(got, want, atol=1e-4)


def test_bottom_up_targets(test_data):
    _, arrays = stored("imhn_targets", test_data)
    limbs = np.array(stored_json(test_data, "imhn_skeleton")["limbs"])
    got = bottom_up_targets(arrays["joints"], limbs, arrays["mask_all"])
    np.testing.assert_allclose(got, arrays["target"], atol=1e-5)


def test_focal_l2(test_data):
    case, arrays = stored("imhn_loss", test_data)
    maps = [
        [torch.from_numpy(arrays["pred_3_0" if k == 0 else f"pred_{s}_{k}"].copy()) for k in range(5)]
        for s in range(4)
    ]
    for stack in maps:
        for part in stack:
            part.requires_grad_()
    loss = focal_l2(maps, torch.from_numpy(arrays["target"]), torch.from_numpy(arrays["mask"]))
    loss.backward()
    assert loss.item() == pytest.approx(case["total"], rel=1e-5)
    np.testing.assert_allclose(maps[0][1].grad.numpy(), arrays["grad_0_1"], rtol=1e-3, atol=1e-6)


def stored_json(test_data: Path, name: str) -> dict:
    return json.loads((test_data / "golden" / "networks" / "funcs" / f"{name}.json").read_text())


def test_two_people_on_one_limb_share_it_and_an_absent_joint_draws_nothing():
    joints = np.zeros((2, 18, 3), np.float32)
    joints[..., 2] = 2
    joints[0, :2] = (20, 20, 1), (60, 20, 1)
    joints[1, 0] = (100, 100, 1)
    limbs = np.array([(0, 1)] * 30)
    maps = bottom_up_targets(joints, limbs, np.zeros((32, 32), np.float32))
    assert maps[0].max() > 0.9 and maps[30].max() > 0.9 and not maps[32:48].any()
    joints[1, 1] = (140, 100, 2)  # absent: the second person has no limb
    assert np.array_equal(bottom_up_targets(joints, limbs, np.zeros((32, 32), np.float32))[0], maps[0])


def test_narrower_targets_where_people_are_small():
    joints = np.zeros((1, 18, 3), np.float32)
    joints[..., 2] = 2
    joints[0, :2] = (41.5, 61.5, 1), (81.5, 61.5, 1)  # on cells' middles
    limbs = np.array([(0, 1)] * 30)
    maps = bottom_up_targets(joints, limbs, np.zeros((32, 32), np.float32), part_sigma=4.0, limb_sigma=2.0)
    part, limb = maps[30], maps[0]  # a cell is 4 pixels: one sigma of the part, two of the limb
    assert part[15, 10] == pytest.approx(1) and part[15, 11] == pytest.approx(np.exp(-0.5), abs=1e-6)
    assert limb[15, 15] == pytest.approx(1) and limb[16, 15] == pytest.approx(np.exp(-2), abs=1e-5)


def test_jitter_stays_in_its_bounds():
    rng = np.random.default_rng(0)
    draws = [jitter(rng, 0.3, 40.0) for _ in range(2000)]
    factors, angles, flips = (np.array(column) for column in zip(*draws))
    assert factors.min() == pytest.approx(0.7) and factors.max() == pytest.approx(1.3)
    assert np.abs(angles).max() <= 80 and 0.35 < (angles == 0).mean() < 0.45 and 0.45 < flips.mean() < 0.55
