"""COCO keypoint and box AP against pycocotools run by hand; MPII PCKh against the reference's values."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path

import numpy as np
import pytest

from eval.findings import ScoringInputError
from eval.keypoint_ap import evaluate_boxes, evaluate_keypoints, keypoint_results
from eval.pckh import MpiiTruth, evaluate_pckh, load_gt_valid, truth_of_arrays
from posedata.errors import BadInput


def small_set(seed: int = 0, images: int = 12) -> tuple[dict, list[dict]]:
    """COCO ground truth of random people, and noisy results."""
    rng = np.random.default_rng(seed)
    annotations, results = [], []
    for image in range(1, images + 1):
        for _ in range(int(rng.integers(1, 4))):
            x, y, w, h = rng.uniform(0, 200), rng.uniform(0, 200), rng.uniform(30, 150), rng.uniform(60, 200)
            points = rng.uniform((x, y), (x + w, y + h), (17, 2))
            visible = (rng.random(17) > 0.2) * 2
            triples = np.concatenate([points * (visible > 0)[:, None], visible[:, None]], axis=1)
            annotations.append(
                {"id": len(annotations) + 1, "image_id": image, "category_id": 1, "bbox": [x, y, w, h], "iscrowd": 0}
                | {
                    "area": w * h * 0.5,
                    "num_keypoints": int((visible > 0).sum()),
                    "keypoints": triples.ravel().tolist(),
                }
            )
            noisy = np.concatenate([points + rng.normal(0, rng.choice([2, 12]), (17, 2)), np.ones((17, 1))], axis=1)
            box = [x + rng.normal(0, 6), y + rng.normal(0, 6), w, h]
            results.append(
                {
                    "image_id": image,
                    "category_id": 1,
                    "keypoints": noisy.ravel().tolist(),
                    "score": float(rng.random()),
                }
                | {"bbox": box}
            )
    truth = {"images": [{"id": i} for i in range(1, images + 1)], "annotations": annotations}
    return truth | {"categories": [{"id": 1, "name": "person"}]}, results


def by_hand(truth: dict, results: list[dict], kind: str) -> np.ndarray:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = json.loads(json.dumps(truth)) | {"info": {}}
        coco.createIndex()
        run = COCOeval(coco, coco.loadRes(json.loads(json.dumps(results))), kind)
        run.evaluate()
        run.accumulate()
        run.summarize()
    return run.stats


def test_same_as_pycocotools(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    truth, results = small_set()
    before = json.dumps([truth, results])
    for kind, evaluate in (("keypoints", evaluate_keypoints), ("bbox", evaluate_boxes)):
        figures = np.array(list(vars(evaluate(truth, results)).values()))
        expected = by_hand(truth, results, kind)
        np.testing.assert_array_equal(np.where(np.isnan(figures), -1, figures), expected)
        assert 0.05 < figures[0] < 0.95
    (tmp_path / "gt.json").write_text(json.dumps(truth))
    (tmp_path / "results.json").write_text(json.dumps(results))
    assert evaluate_keypoints(tmp_path / "gt.json", tmp_path / "results.json") == evaluate_keypoints(truth, results)
    assert json.dumps([truth, results]) == before  # the caller's data is left alone
    assert capsys.readouterr().out == ""  # and stdout belongs to the command


def test_nothing_found_is_zero_and_nobody_annotated_is_nan() -> None:
    truth, results = small_set()
    assert evaluate_keypoints(truth, []).ap == 0 and evaluate_boxes(truth, []).ar100 == 0
    assert np.isnan(evaluate_keypoints({**truth, "annotations": []}, results).ap)


def test_an_annotation_numbered_0_counts() -> None:
    truth, results = small_set()
    shifted = {**truth, "annotations": [{**a, "id": a["id"] - 1} for a in truth["annotations"]]}
    assert evaluate_keypoints(shifted, results) == evaluate_keypoints(truth, results)


def test_other_skeletons_and_arrays() -> None:
    truth, _ = small_set()
    for annotation in truth["annotations"]:
        annotation["keypoints"] = annotation["keypoints"][:45]
    points = np.array([a["keypoints"] for a in truth["annotations"]]).reshape(-1, 15, 3)
    images = [a["image_id"] for a in truth["annotations"]]
    results = keypoint_results(images, points[..., :2], points[..., 2], np.arange(len(points), 0, -1.0))
    assert evaluate_keypoints(truth, results, np.full(15, 0.07)).ap == pytest.approx(1.0)
    assert evaluate_keypoints(truth, results, np.full(15, 0.07), image_ids=[1, 2]).ap == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"image_id": 999}, "[0].image_id: image_id is 999"),
        ({"score": float("nan")}, "[0].score: score is nan"),
        ({"keypoints": [1, 2, 3]}, "[0].keypoints"),
        ({"category_id": None}, "[0].category_id"),
    ],
)
def test_wrong_results_are_named(change: dict, words: str) -> None:
    truth, results = small_set()
    with pytest.raises(ScoringInputError) as caught:
        evaluate_keypoints(truth, [{**results[0], **change}, *results[1:]])
    assert words in str(caught.value)


def test_wrong_files_are_named(tmp_path: Path) -> None:
    truth, _ = small_set()
    path = tmp_path / "results.json"
    path.write_text('{"a": 1}')
    with pytest.raises(ScoringInputError, match=r"results\.json: is not a list"):
        evaluate_keypoints(truth, path)
    with pytest.raises(ScoringInputError, match=r"nowhere\.json: the file does not exist"):
        evaluate_keypoints(tmp_path / "nowhere.json", [])
    with pytest.raises(ScoringInputError, match="'annotations'"):
        evaluate_boxes({"images": [], "categories": []}, [])


def test_pckh_reference(test_data: Path) -> None:
    folder = test_data / "golden" / "networks" / "funcs"
    arrays = np.load(folder / "mpii_pckh.npz")
    expected = json.loads((folder / "mpii_pckh.json").read_text())["result"]
    truth = truth_of_arrays(arrays["pos_gt_src"], arrays["jnt_missing"], arrays["headboxes_src"])
    result = evaluate_pckh(arrays["preds"], truth)
    for name, value in result.columns:
        assert value == pytest.approx(expected[name], abs=1e-6)
    assert result.mean == pytest.approx(expected["Mean"], abs=1e-6)
    assert result.mean_01_reference == pytest.approx(expected["Mean@0.1"], abs=1e-6)
    assert result.mean_01 <= result.mean_01_reference


def test_pckh_from_a_mat_file(tmp_path: Path) -> None:
    from scipy.io import savemat

    rng = np.random.default_rng(0)
    position = rng.uniform(1, 300, (16, 2, 5))
    boxes = np.stack([np.zeros((2, 5)), np.full((2, 5), 100.0)])
    missing = np.zeros((16, 5))
    missing[2, :] = 1
    savemat(tmp_path / "gt_valid.mat", {"pos_gt_src": position, "jnt_missing": missing, "headboxes_src": boxes})
    truth = load_gt_valid(tmp_path / "gt_valid.mat")
    perfect = position.transpose(2, 0, 1) - 1
    result = evaluate_pckh(perfect, truth)
    assert result.mean == 100 and result.mean_01 == 100 and np.isnan(result.joints[2])
    away = perfect.copy()
    away[0, 9] += 0.51 * 0.6 * 100 * np.sqrt(2)  # one of five heads just beyond the limit
    assert evaluate_pckh(away, truth).joints[9] == 80
    with pytest.raises(BadInput, match="every person"):
        evaluate_pckh(perfect[:3], truth)


def test_a_damaged_mat_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "gt_valid.mat"
    path.write_bytes(b"not a MATLAB file at all")
    with pytest.raises(BadInput, match=r"gt_valid\.mat"):
        load_gt_valid(path)
    with pytest.raises(ValueError, match="positions must have shape"):
        MpiiTruth(np.zeros((2, 15, 2)), np.zeros((2, 16), bool), np.zeros((2, 2, 2)))
