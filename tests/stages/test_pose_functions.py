"""Crops, decoding, selection and SimplePose's assembly against numbers that the published code gave.

`tests/data/pose_functions` holds a slim part of them; all of them are used where PTRACK_TEST_DATA is set.
"""

from __future__ import annotations

import json
import os
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from posedata.boxes import nms, xywh_to_xyxy
from posedata.oks import oks_matrix, oks_nms, soft_oks_nms
from posedata.skeletons import COCO_17, MPII_16, POSETRACK_17
from stages.pose.bottom_up.body import FLIP_LIMBS, FLIP_PARTS, LIMBS, PART_OF_COCO, parts_of_coco
from stages.pose.bottom_up.limbs import Connections, find_limbs
from stages.pose.bottom_up.maps import frame_maps, padded
from stages.pose.bottom_up.peaks import Peaks, find_peaks, refined
from stages.pose.bottom_up.people import People, assemble
from stages.pose.crop import published_matrices, published_rectangles, transform_points
from stages.pose.decode import decode_quarter, peaks
from stages.pose.flip import flip_merged, mirrored_back
from stages.pose.select import rescored
from stages.tensors import normalise

SLIM = Path(__file__).parents[1] / "data" / "pose_functions"
FULL = Path(os.environ.get("PTRACK_TEST_DATA", "/nowhere")) / "golden" / "networks" / "funcs"
SIGMAS = COCO_17.sigma_array


def cases(pattern: str) -> list:
    """The slim and, where there are, the full files whose names fit."""
    found = [p for folder in (SLIM, FULL) for p in sorted(folder.glob(f"{pattern}.json"))]
    assert found, pattern
    return [pytest.param(p, id=f"{'slim' if p.parent == SLIM else 'full'}-{p.stem}") for p in found]


def load(path: Path) -> tuple[dict, dict[str, np.ndarray]]:
    arrays = path.with_suffix(".npz")
    return json.loads(path.read_text()), dict(np.load(arrays)) if arrays.exists() else {}


def recipe_image(salt: str, name: str, height: int, width: int, fine: float = 0.25) -> np.ndarray:
    """[H, W, 3] uint8: the coarse field with fine noise that the numbers were made from."""

    def uniform(key: str, n: int) -> np.ndarray:
        return np.random.Generator(np.random.PCG64(zlib.crc32(f"{salt}/input/{name}/{key}".encode()))).random(n)

    ch, cw = -(-height // 8), -(-width // 8)
    coarse = (255 * uniform("coarse", 3 * ch * cw)).reshape(3, ch, cw)
    coarse = np.repeat(np.repeat(coarse, 8, axis=1), 8, axis=2)[:, :height, :width]
    noise = (uniform("fine", 3 * height * width).reshape(3, height, width) * 2 - 1) * fine * 255 / 2
    return np.clip(coarse + noise, 0, 255).astype(np.float32).transpose(1, 2, 0).astype(np.uint8)


@pytest.mark.parametrize("path", cases("box2cs"))
def test_boxes_to_centre_and_scale(path):
    _, a = load(path)
    boxes = xywh_to_xyxy(a["boxes"])
    for size in ("192x256", "288x384", "256x256"):
        width, height = map(int, size.split("x"))
        centre, scale = published_rectangles(boxes, width / height)
        np.testing.assert_array_equal(centre, a[f"center_{size}"])
        np.testing.assert_allclose(scale, a[f"scale_{size}"], rtol=1e-6)
    assert centre.dtype == scale.dtype == np.float32


@pytest.mark.parametrize("path", cases("affine"))
def test_matrices_and_points(path):
    content, a = load(path)
    for row, case in enumerate(content["cases"]):
        centre, scale, shift = (np.array([case[k]], np.float32) for k in ("center", "scale", "shift"))
        for name, inverse in (("fwd", False), ("inv", True)):
            matrix = published_matrices(
                centre, scale, tuple(case["output_size"]), np.array([case["rot"]]), shift.astype(np.float64), inverse
            )
            moved = transform_points(a["pts"][None], matrix)[0]
            np.testing.assert_allclose(moved, a[f"pts_{name}"][row], atol=1e-4)


@pytest.mark.parametrize("path", cases("crop"))
def test_crops(path):
    content, a = load(path)
    image = recipe_image("f11", "cropimg", 240, 320)
    if "image" in a:
        np.testing.assert_array_equal(image, a["image"])
    for row, case in enumerate(content["cases"]):
        width, height = case["output_size"]
        centre, scale = (np.array([case[k]], np.float32) for k in ("center", "scale"))
        matrix = published_matrices(centre, scale, (width, height), np.array([case["rot"]]))[0]
        source = np.ascontiguousarray(image[:, ::-1]) if case["flip_image_first"] else image
        crop = cv2.warpAffine(source, matrix, (width, height), flags=cv2.INTER_LINEAR)
        view = content.get("view", 1)  # the slim case keeps every view-th pixel
        wrong = np.abs(crop[::view, ::view].astype(int) - a[f"crop{row}"]) > 1
        assert wrong.mean() <= 1e-3


@pytest.mark.parametrize("path", cases("normalise"))
def test_normalisation_is_in_the_order_of_the_channels(path):
    _, a = load(path)
    for name, image in (("bgr_path", a["image_bgr"]), ("rgb_path", a["image_bgr"][..., ::-1])):
        ready = normalise(torch.from_numpy(image.copy()).permute(2, 0, 1)[None])[0]
        np.testing.assert_allclose(ready.numpy(), a[name], atol=1e-5)


@pytest.mark.parametrize("path", cases("flip_*"))
def test_flip_test(path):
    content, a = load(path)
    skeleton = {"flip_coco": COCO_17, "flip_mpii": MPII_16, "flip_posetrack": POSETRACK_17}[path.stem]
    pairs = {tuple(sorted(pair)) for pair in skeleton.flip_pairs}
    assert {tuple(pair) for pair in content["pairs"]} == pairs
    order = torch.from_numpy(skeleton.flip_order)
    own, other = torch.from_numpy(a["heatmap"]), torch.from_numpy(a["heatmap_of_flipped_image"])
    np.testing.assert_array_equal(mirrored_back(other, order, shift=False), a["flip_back"])
    np.testing.assert_array_equal(mirrored_back(other, order, shift=True), a["shifted"])
    np.testing.assert_array_equal(flip_merged(own, other, order, shift=True), a["merged"])


@pytest.mark.parametrize("path", cases("decode_*"))
def test_decoding(path):
    _, a = load(path)
    height, width = a["heatmaps"].shape[2:]
    cell, score = peaks(a["heatmaps"])
    np.testing.assert_array_equal(np.where(score[..., None] > 0, cell, 0), a["argmax"])
    np.testing.assert_array_equal(score, a["maxvals"][..., 0])
    found, _ = decode_quarter(a["heatmaps"])
    np.testing.assert_allclose(found, a["refined_heatmap_coords"], atol=1e-6)
    back = published_matrices(a["center"], a["scale"], (width, height), inverse=True)
    np.testing.assert_allclose(transform_points(found, back), a["final"], atol=1e-4)
    plain = np.where(score[..., None] > 0, cell, 0).astype(np.float64)
    np.testing.assert_allclose(transform_points(plain, back), a["final_no_postprocess"], atol=1e-4)


@pytest.mark.parametrize("path", cases("oks_nms"))
def test_oks_and_suppression(path):
    _, a = load(path)
    points, areas, scores = a["kpts"][..., :2], a["areas"], a["scores"]
    visible = a["kpts"][..., 2]

    def first_row(sigmas, valid=None):
        others = None if valid is None else valid[1:]
        return oks_matrix(points[:1], points[1:], areas[:1], areas[1:], sigmas, None, others)[0]

    np.testing.assert_allclose(first_row(SIGMAS), a["oks_row0"], atol=1e-9)
    np.testing.assert_allclose(first_row(a["sigmas"]), a["oks_row0_sigmas"], atol=1e-9)
    np.testing.assert_allclose(first_row(SIGMAS, visible > 0.4), a["oks_row0_thr0.4"], atol=1e-9)
    for threshold in (0.3, 0.5, 0.9):
        np.testing.assert_array_equal(oks_nms(points, scores, areas, SIGMAS, threshold), a[f"oks_nms_{threshold}"])
        kept, _ = soft_oks_nms(points, scores, areas, SIGMAS, threshold)
        np.testing.assert_array_equal(kept, a[f"soft_oks_nms_{threshold}"])
    kept = oks_nms(points, scores, areas, SIGMAS, 0.5, visible > 0.4, compat=True)
    np.testing.assert_array_equal(kept, a["oks_nms_0.5_vis0.4"])
    many = a["kpts40"][..., :2], a["scores40"], a["areas40"], SIGMAS, 0.9
    np.testing.assert_array_equal(soft_oks_nms(*many)[0], a["soft_oks_nms40_0.9"])
    np.testing.assert_array_equal(oks_nms(*many), a["oks_nms40_0.9"])
    for name in (n for n in a if n.startswith("box_nms_")):
        kept = nms(a["boxes"][:, :4], a["boxes"][:, 4], float(name.rpartition("_")[2]), inclusive=True)
        np.testing.assert_array_equal(kept, a[name])


def test_soft_suppression_lowers_the_score_of_a_copy():
    points = np.random.default_rng(0).uniform(0, 100, (1, 17, 2)).repeat(2, axis=0)
    kept, scores = soft_oks_nms(points, np.array([0.5, 0.9]), np.full(2, 1e4), SIGMAS, 0.9)
    assert kept.tolist() == [1, 0]
    np.testing.assert_allclose(scores, [0.9, 0.5 * np.exp(-1 / 0.9)])
    assert len(soft_oks_nms(points[:0], np.zeros(0), np.zeros(0), SIGMAS)[0]) == 0


@pytest.mark.parametrize("path", cases("rescore_flow"))
def test_rescoring_of_an_image(path):
    content, a = load(path)
    for entry in content["result"]:
        rows = np.flatnonzero(a["image_ids"] == entry["image"])
        k = a["kpts"][rows]
        scores = rescored(k[..., 2], a["box_scores"][rows], 0.2)
        np.testing.assert_allclose(scores, entry["rescored"], atol=1e-9)
        found = k[..., :2], scores, a["areas"][rows], SIGMAS, 0.9
        assert rows[oks_nms(*found)].tolist() == entry["keep_oks_nms"]
        assert rows[soft_oks_nms(*found)[0]].tolist() == entry["keep_soft"]


@pytest.mark.parametrize("path", cases("imhn_skeleton"))
def test_body_of_simplepose(path):
    content, _ = load(path)
    np.testing.assert_array_equal(LIMBS, content["limbs"])
    np.testing.assert_array_equal(FLIP_PARTS, content["flip_heat_ord"][:18])
    np.testing.assert_array_equal(FLIP_LIMBS, content["flip_paf_ord"])
    for part, joint in content["part_to_coco"].items():
        assert joint is None or PART_OF_COCO[joint] == int(part)


@pytest.mark.parametrize("path", cases("imhn_convert"))
def test_parts_of_coco(path):
    _, a = load(path)
    np.testing.assert_allclose(parts_of_coco(a["coco"]), a["parts"], atol=1e-9)


@pytest.mark.parametrize("path", cases("imhn_pad"))
def test_padding(path):
    content, a = load(path)
    np.testing.assert_array_equal(padded(a["image"], content["stride"]), a["padded"])


@pytest.mark.parametrize("path", cases("imhn_peaks"))
def test_peaks(path):
    content, a = load(path)
    maps = a["heat"]
    found = find_peaks(maps, compat=True)
    columns, rows = np.array(content["anchors"]).T
    xy, score = refined(maps, columns, rows, np.zeros(len(rows), np.int64), compat=True)
    np.testing.assert_allclose(np.c_[xy, score], content["refined"], atol=1e-6)
    plain, _ = refined(maps, columns, rows, np.zeros(len(rows), np.int64))
    offset, swapped = plain - np.c_[columns, rows], xy - np.c_[columns, rows]
    np.testing.assert_allclose(offset, swapped[:, ::-1], atol=1e-12)
    raw = np.argwhere(a["nms"] > 0)
    assert len(found.part) == len(raw) and (found.part == raw[:, 0]).all()


def rows_of(found: People, xy: list, number: list) -> np.ndarray:
    """[N, 20, 2] the people in the layout of the numbers."""
    table = np.full((len(found.count), 20, 2), -1.0)
    number = np.array([*number, -1])
    table[:, :18, 0] = number[found.peak]
    table[:, :18, 1] = found.limb
    table[:, 18, 0], table[:, 19, 0], table[:, 19, 1] = found.total, found.count, found.longest
    return table


@pytest.mark.parametrize("path", cases("imhn_assembly_*"))
def test_assembly_of_people(path):
    content, a = load(path)
    heat = a["heat_u16"].astype(np.float32) / np.float32(65535)
    paf = a["paf_u8"].astype(np.float32) / np.float32(255)
    found = find_peaks(heat.transpose(2, 0, 1), 0.1, compat=True)
    np.testing.assert_array_equal(np.bincount(found.part, minlength=18), a["peaks_per_part"])
    np.testing.assert_allclose(np.c_[found.xy, found.score], a["candidate"][:, :3].reshape(-1, 3), atol=1e-4)
    limbs = find_limbs(np.ascontiguousarray(paf.transpose(2, 0, 1)), found, compat=True)
    for kind in range(len(LIMBS)):
        rows = limbs.limb == kind
        expected = a.get(f"conn{kind}", np.zeros((0, 6)))
        np.testing.assert_array_equal(limbs.ends[rows], expected[:, :2].astype(int))
        np.testing.assert_allclose(limbs.score[rows], expected[:, 2], atol=1e-5)
        np.testing.assert_allclose(limbs.length[rows], expected[:, 5], atol=1e-4)
    people = assemble(limbs, found, content["params"]["remove_recon"] > 0)
    assert len(people.count) == content["n_people"]
    table = rows_of(people, found.xy, list(range(len(found.part))))
    np.testing.assert_allclose(table[:, :18], a["subset"][:, :18], atol=1e-4)
    np.testing.assert_allclose(table[:, 18, 0], a["subset"][:, 18, 0], atol=1e-4)
    np.testing.assert_allclose(table[:, 19], a["subset"][:, 19], atol=1e-4)
    for row, person in enumerate(content["people_coco"]):
        assert people.score[row] == pytest.approx(person["score"], abs=1e-5)


@pytest.mark.parametrize("path", cases("imhn_find_people"))
def test_every_branch_of_the_assembly(path):
    content, _ = load(path)
    for case in content["cases"]:
        part = [k for k, rows in enumerate(case["peaks"]) for _ in rows]
        rows = np.array([r for rows in case["peaks"] for r in rows], np.float64).reshape(-1, 4)
        number = [int(n) for n in rows[:, 3]]
        place = {n: i for i, n in enumerate(number)}
        found = Peaks(np.array(part, np.int64), rows[:, :2], rows[:, 2])
        flat = [(kind, c) for kind, rows in enumerate(case["connections"]) for c in rows]
        table = [(kind, place[int(c[0])], place[int(c[1])], c[2], c[5]) for kind, c in flat]
        table = np.array(table, np.float64).reshape(-1, 5)
        limbs = Connections(table[:, 0].astype(int), table[:, 1:3].astype(int), table[:, 3], table[:, 4])
        people = assemble(limbs, found, case["remove_recon"] > 0)
        expected = np.array(case["subset"], np.float64).reshape(-1, 20, 2)
        mine = rows_of(people, found.xy, number)
        assert mine.shape == expected.shape
        np.testing.assert_allclose(mine[:, :18], expected[:, :18], atol=1e-9)
        np.testing.assert_allclose(mine[:, 18, 0], expected[:, 18, 0], atol=1e-9)
        np.testing.assert_allclose(mine[:, 19], expected[:, 19], atol=1e-9)


@pytest.mark.parametrize("path", cases("imhn_predict_*"))
def test_maps_of_a_frame(path):
    content, a = load(path)
    name, height, width = {"a": ("imga", 90, 120), "b": ("imgb", 130, 77)}[path.stem[-1]]
    image = recipe_image("ib41", name, height, width, fine=0.05)

    def network(frames: np.ndarray) -> np.ndarray:
        y = torch.nn.functional.avg_pool2d(torch.from_numpy(np.ascontiguousarray(frames.transpose(0, 3, 1, 2))), 4)
        y = y + 0.1 * torch.roll(y, 1, dims=3)
        out = torch.einsum("oc,nchw->nohw", torch.from_numpy(a["M"]), y)
        return (out + torch.from_numpy(a["b"]).view(1, -1, 1, 1)).numpy()

    step = content.get("step", 3)  # the slim case keeps fewer pixels
    maps = frame_maps(image, network)[:, ::step, ::step].transpose(1, 2, 0)
    np.testing.assert_allclose(maps[..., :30], a["paf"], atol=5e-3)
    np.testing.assert_allclose(maps[..., 30:], a["heat"][..., :18], atol=5e-3)
