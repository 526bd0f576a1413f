"""Training sets of every published form: who is read, where their joints end up in the crop, what is left out."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from configs.recipes import PoseSource
from eval.keypoint_ap import evaluate_keypoints
from posedata.errors import BadInput
from posedata.skeletons import COCO_17, MPII_16, POSETRACK_15, POSETRACK_17
from stages.train.datasets.crops import CropRecipe, CropSamples, plain_view, read_crop
from stages.train.datasets.crowds import Outline, SceneRecipe, SceneSamples, people_masks, read_scenes, read_truth
from stages.train.datasets.lsp import JOINTS as LSP_14
from stages.train.datasets.mpii import mpii_person
from stages.train.datasets.outlines import polygons, run_lengths
from stages.train.datasets.pairs import PairSamples, neighbour, sparse
from stages.train.datasets.people import Images, read_people
from stages.train.samples import Draws, repeated

DATA = Path(__file__).parents[1] / "data"


def silent(_: str) -> None:
    pass


def spotted(path: Path, points: np.ndarray, size: tuple[int, int] = (240, 320)) -> None:
    """A dark picture with a bright spot at every point."""
    image = np.full((*size, 3), 10, np.uint8)
    for x, y in points:
        cv2.circle(image, (round(x), round(y)), 3, (255, 255, 255), -1)
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), image, [cv2.IMWRITE_JPEG_QUALITY, 100])


def coco_file(folder: Path, names, count: int = 3, frames: str = "{}.jpg", **more) -> Path:
    """`count` pictures of one person each, a spot at every joint."""
    rng = np.random.default_rng(3)
    images, annotations = [], []
    for number in range(count):
        points = np.column_stack([rng.uniform(60, 260, len(names)), rng.uniform(40, 200, len(names))])
        spotted(folder / frames.format(number), points)
        images.append({"id": number, "file_name": frames.format(number), "width": 320, "height": 240})
        keypoints = np.column_stack([points, np.full(len(names), 2)]).ravel().tolist()
        box = [50, 30, 220, 180]
        person = {"id": number, "image_id": number, "category_id": 1, "bbox": box, "area": 20000, "iscrowd": 0}
        annotations.append({**person, "keypoints": keypoints, "num_keypoints": len(names), **more})
    content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "keypoints": list(names)}]}
    (folder / "set.json").write_text(json.dumps(content))
    return folder / "set.json"


def brightness_at(crop: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """The brightest of the pixels around each joint that lies in the crop."""
    height, width = crop.shape[:2]
    found = []
    for x, y in np.round(joints).astype(int):
        if 3 <= x < width - 3 and 3 <= y < height - 3:
            found.append(crop[y - 1 : y + 2, x - 1 : x + 2].max())
    return np.array(found)


@pytest.mark.parametrize("reduced", [True, False])
def test_joints_land_on_the_same_spots_of_the_crop_whatever_is_done_to_it(tmp_path, reduced):
    source = PoseSource(annotations=coco_file(tmp_path, COCO_17.joints))
    people = read_people(source, COCO_17, 48 / 64, silent)
    recipe = CropRecipe((128, 96), True, 0.3, 40.0, flip=True, half_body=0.5, reduced=reduced)
    samples = CropSamples(people, COCO_17, recipe, Draws(np.arange(3), 0))
    values = []
    for draw in range(30):
        crop, joints, weights, _ = samples[draw]
        values.append(brightness_at(crop.permute(1, 2, 0).numpy(), joints.numpy()[weights.numpy() > 0]))
    values = np.concatenate(values)
    assert len(values) > 250
    assert np.median(values) > 100 and (values > 60).mean() > 0.95


def test_a_mirrored_crop_swaps_left_and_right(tmp_path):
    [person, *_] = read_people(PoseSource(annotations=coco_file(tmp_path, COCO_17.joints)), COCO_17, 0.75, silent)
    recipe = CropRecipe((256, 192), False, flip=True)
    samples = CropSamples([person], COCO_17, recipe, Draws(np.arange(1), 0))
    found = np.unique(np.stack([samples[draw][1].numpy() for draw in range(20)]), axis=0)
    plain, mirrored = found if found[0, 0, 0] != samples[0][1][0, 0] else found[::-1]
    # published crops are W wide but centred on W / 2, and the picture is mirrored about (W - 1) / 2
    np.testing.assert_allclose(mirrored[COCO_17.flip_order][:, 0], 192 - plain[:, 0], atol=1e-3)
    np.testing.assert_allclose(mirrored[COCO_17.flip_order][:, 1], plain[:, 1], atol=1e-3)


def test_a_picture_decoded_at_half_size_gives_the_same_crop(tmp_path):
    rng = np.random.default_rng(0)
    smooth = cv2.GaussianBlur(rng.integers(0, 255, (480, 640, 3), np.uint8), (0, 0), 6)
    smooth = cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX)
    cv2.imwrite(str(tmp_path / "a.jpg"), smooth, [cv2.IMWRITE_JPEG_QUALITY, 100])
    matrix = np.array([[0.2, 0.05, 5], [-0.05, 0.2, 12]])
    whole = read_crop(tmp_path / "a.jpg", matrix, CropRecipe((96, 128), False, reduced=False))
    half = read_crop(tmp_path / "a.jpg", matrix, CropRecipe((96, 128), False, reduced=True))
    inner = (slice(30, 80), slice(40, 100))
    difference = np.abs(whole[inner].astype(int) - half[inner])
    assert difference.mean() < 3  # a shift by half a pixel of the picture alone would give more
    moved = read_crop(tmp_path / "a.jpg", matrix + [[0, 0, 0.5], [0, 0, 0]], CropRecipe((96, 128), False))
    assert difference.mean() < np.abs(whole[inner].astype(int) - moved[inner]).mean() / 2


def test_mpii_records_are_the_published_ones():
    folder = DATA / "pose_functions"
    records = json.loads((folder / "mpii_db.json").read_text())["annotations"]
    with np.load(folder / "mpii_db.npz") as stored:
        for row, record in enumerate(records):
            centre, scale, joints, visible = mpii_person(record)
            np.testing.assert_allclose(centre, stored["center"][row], atol=1e-6)
            np.testing.assert_allclose([scale, scale], stored["scale"][row], atol=1e-6)
            np.testing.assert_allclose(joints * (visible > 0)[:, None], stored["joints"][row][:, :2]
                                       * (visible > 0)[:, None], atol=1e-6)  # fmt: skip
            assert visible.tolist() == stored["vis"][row][:, 0].tolist()


def test_mpii_people_in_their_own_and_in_cocos_skeleton(tmp_path):
    joints = np.column_stack([np.linspace(80, 200, 16), np.linspace(60, 180, 16)]) + 1
    record = {"image": "a.jpg", "center": [140, 120], "scale": 0.8, "joints": joints.tolist(), "joints_vis": [1] * 16}
    unknown = {**record, "center": [-1, -1]}
    (tmp_path / "train.json").write_text(json.dumps([record, unknown]))
    spotted(tmp_path / "a.jpg", joints - 1)
    source = PoseSource(format="mpii", annotations=tmp_path / "train.json")
    [person] = read_people(source, MPII_16, 1.0, silent)
    assert person.weights.all() and person.scale.tolist() == pytest.approx([1.0, 1.0])
    view = plain_view(person, CropRecipe((256, 256), False))
    crop = read_crop(person.image, view.matrix, CropRecipe((256, 256), False))
    assert crop.shape == (256, 256, 3)
    [mixed] = read_people(source, COCO_17, 0.75, silent)
    assert [COCO_17.joints[k] for k in np.flatnonzero(mixed.weights == 0)] == list(COCO_17.joints[:5])
    assert mixed.scale[1] == pytest.approx(mixed.scale[0] / 0.75)


def test_posetrack18_and_17_give_the_same_people(tmp_path, test_data):
    root = test_data / "media" / "posetrack18_mmpose"
    source = PoseSource(format="posetrack", annotations=root / "annotations" / "val", images=root)
    people = read_people(source, POSETRACK_17, 0.75, silent)
    assert len(people) >= 10 and all(p.weights[3:5].sum() == 0 for p in people)  # ears are never labelled
    rects = []
    chosen = [p for p in people if p.image == people[0].image]
    order = [POSETRACK_17.joints.index(j) for j in POSETRACK_15.joints]
    for person in chosen:
        point = [
            {"id": [k], "x": [person.joints[j, 0]], "y": [person.joints[j, 1]], "is_visible": [1]}
            for k, j in enumerate(order)
            if person.weights[j] > 0
        ]
        rects.append({"x1": [10], "y1": [10], "x2": [40], "y2": [50], "annopoints": [{"point": point}]})
    name = str(chosen[0].image.relative_to(root))
    (tmp_path / "17.json").write_text(json.dumps({"annolist": [{"image": [{"name": name}], "annorect": rects}]}))
    other = PoseSource(format="annolist", annotations=tmp_path / "17.json", images=root)
    again = read_people(other, POSETRACK_17, 0.75, silent)
    assert len(again) == len(chosen)
    for a, b in zip(chosen, again):
        np.testing.assert_allclose(a.joints, b.joints)
        assert a.weights.tolist() == b.weights.tolist() and b.head == pytest.approx(0.6 * 50)


def test_lsp_and_its_extension(tmp_path):
    from scipy.io import savemat

    points = np.random.default_rng(0).uniform(20, 100, (2, 14, 2))
    for digits, folder in ((4, "lsp"), (5, "ext")):
        for number in (1, 2):
            spotted(tmp_path / folder / "images" / f"im{number:0{digits}d}.jpg", points[number - 1], (120, 120))
    hidden = np.concatenate([points, np.ones((2, 14, 1))], axis=2)
    savemat(tmp_path / "lsp" / "joints.mat", {"joints": hidden.transpose(2, 1, 0)})
    labelled = hidden.copy()
    labelled[0, 3] = 0
    savemat(tmp_path / "ext" / "joints.mat", {"joints": labelled.transpose(1, 2, 0)})
    lsp, ext = (
        read_people(PoseSource(format="lsp", annotations=tmp_path / f / "joints.mat"), MPII_16, 1.0, silent)
        for f in ("lsp", "ext")
    )
    assert [int(p.weights.sum()) for p in lsp] == [14, 14] and [int(p.weights.sum()) for p in ext] == [13, 14]
    left_hip = MPII_16.joints.index("left_hip")
    np.testing.assert_allclose(lsp[0].joints[left_hip], points[0, LSP_14.index("left_hip")])
    assert ext[0].weights[left_hip] == 0


def test_missing_pictures_are_named_and_counted_and_corrupt_ones_weigh_nothing(tmp_path):
    path = coco_file(tmp_path, COCO_17.joints, 4)
    (tmp_path / "1.jpg").unlink()
    (tmp_path / "2.jpg").write_bytes(b"no picture")
    notes = []
    people = read_people(PoseSource(annotations=path), COCO_17, 0.75, notes.append)
    assert len(people) == 3 and notes == [f"{path}: one picture is missing and left out: {tmp_path / '1.jpg'}"]
    samples = CropSamples(people, COCO_17, CropRecipe((64, 48), False), None)
    assert [samples[k][3] for k in range(3)] == [0, -2, 2]
    assert not samples[1][2].any() and not samples[1][0].any()
    for name in ("0.jpg", "3.jpg", "2.jpg"):
        (tmp_path / name).unlink()
    with pytest.raises(BadInput, match="all 4 pictures are missing"):
        read_people(PoseSource(annotations=path), COCO_17, 0.75, silent)


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda c: c["images"][0].update(file_name="../../etc/passwd"), "leaves"),
        (lambda c: c["images"][0].pop("file_name"), "no id or file_name"),
        (lambda c: c["annotations"][1].update(keypoints=[1, 2, 2]), "annotation 1"),
        (lambda c: c["annotations"][1].update(bbox=["a"]), "annotation 1"),
        (lambda c: c["annotations"][1].update(image_id=77), "annotation 1"),
        (lambda c: c.update(annotations={}), "no list 'annotations'"),
        (lambda c: c["categories"][0].update(keypoints=["tail"] * 17), "names no joint"),
    ],
)
def test_wrong_files_are_named(tmp_path, change, words):
    path = coco_file(tmp_path, COCO_17.joints)
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(BadInput, match=words) as error:
        read_people(PoseSource(annotations=path), COCO_17, 0.75, silent)
    assert str(path) in str(error.value)


def test_pairs_are_two_frames_of_one_sequence_cropped_alike(tmp_path):
    path = coco_file(tmp_path, POSETRACK_17.joints, 9, frames="video/{:06d}.jpg")
    people = read_people(PoseSource(annotations=path), POSETRACK_17, 0.75, silent)
    frames = Images()
    assert neighbour(people[4].image, 2, frames).name == "000006.jpg"
    assert neighbour(people[8].image, 2, frames).name == "000008.jpg"  # the last
    assert neighbour(people[0].image, -3, frames).name == "000000.jpg"
    assert [p.image.stem[-1] for p in sparse(people, 7)] == ["3", "8"]
    assert [p.image.stem[-1] for p in sparse(people, 3, first=0)] == ["0", "3", "6", "8"]
    samples = PairSamples(people, POSETRACK_17, CropRecipe((64, 48), True), Draws(np.arange(9), 0), reach=2)
    crops = [samples[k] for k in range(12)]
    assert {c[0].shape for c in crops} == {(6, 64, 48)}
    same = [bool((c[0][:3] == c[0][3:]).all()) for c in crops]
    assert any(same) and not all(same)
    assert (samples[5][0] == samples[5][0]).all()


def outline(shape, labelled: bool, crowd: bool = False) -> Outline:
    made = run_lengths(shape, None, "") if isinstance(shape, dict) else polygons(shape, "")
    return Outline(made, np.zeros(4), labelled, crowd)


def test_people_without_joints_and_crowds_are_masked_out():
    square = [[10, 10, 30, 10, 30, 30, 10, 30]]
    other = [[40, 10, 60, 10, 60, 30, 40, 30]]
    runs = np.zeros((50, 80), np.uint8)
    runs[20:45, 5:70] = 1
    flat = runs.T.ravel()
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flat]))).tolist()
    counts = np.diff([0, *edges, flat.size]).tolist()
    crowd = {"size": [50, 80], "counts": counts}
    people, labelled = people_masks(
        (outline(square, True), outline(other, False), outline(crowd, False, True)), (50, 80)
    )
    assert people[15, 20] and people[15, 50] and people[40, 20] and not people[5, 5]
    assert labelled[15, 20] and labelled[25, 20]  # a labelled person stays so inside the crowd
    assert not labelled[15, 50] and not labelled[40, 20] and labelled[5, 5]


def test_simplepose_scenes(tmp_path):
    path = coco_file(tmp_path, COCO_17.joints, 2, segmentation=[[50, 30, 270, 30, 270, 210, 50, 210]])
    content = json.loads(path.read_text())
    stranger = {"id": 9, "image_id": 0, "category_id": 1, "bbox": [0, 0, 40, 40], "keypoints": [0] * 51, "iscrowd": 0}
    content["annotations"].append(stranger)
    path.write_text(json.dumps(content))
    scenes = read_scenes(PoseSource(annotations=path), silent)
    assert len(scenes) == 2 and scenes[0].joints.shape == (1, 18, 3)
    samples = SceneSamples(scenes, SceneRecipe(128, augmented=False), Draws(np.arange(2), 0))
    seen = {}
    for draw in range(2):
        picture, targets, mask, number = samples[draw]
        assert picture.shape == (3, 128, 128) and targets.shape == (50, 32, 32) and mask.shape == (1, 32, 32)
        seen[number] = mask
        parts = targets[30:48].flatten(1).max(dim=1).values
        assert (parts > 0.6).all() and targets[48].max() == 1
    assert seen[0].min() < 0.1 and seen[1].min() == 1  # the stranger of the first picture
    turned = SceneSamples(scenes, SceneRecipe(128), Draws(np.arange(2), 0))
    assert all((turned[3][k] == turned[3][k]).all() for k in range(3))


def test_whoever_is_found_where_nobody_is_labelled_costs_a_simplepose_nothing(tmp_path):
    path = coco_file(tmp_path, COCO_17.joints, 2)
    content = json.loads(path.read_text())
    unlabelled = {"id": 9, "image_id": 0, "category_id": 1, "bbox": [0, 0, 40, 40], "keypoints": [0] * 51}
    crowd = {**unlabelled, "id": 10, "image_id": 1, "iscrowd": 1}
    content["annotations"] += [unlabelled, crowd]
    content["images"].append({"id": 77, "file_name": "gone.jpg"})
    path.write_text(json.dumps(content))
    notes = []
    truth, pictures = read_truth(PoseSource(annotations=path), None, notes.append)
    assert len(pictures) == len(truth["images"]) == 2 and "gone.jpg" in notes[0]
    found = [
        {"image_id": p["image_id"], "category_id": 1, "keypoints": p["keypoints"], "score": 0.5}
        for p in truth["annotations"]
        if p["num_keypoints"]
    ]
    in_the_box = np.tile([20.0, 20.0, 1.0], 17).tolist()
    strangers = [{"image_id": k, "category_id": 1, "keypoints": in_the_box, "score": 0.9} for k in pictures]
    assert evaluate_keypoints(truth, found + strangers).ap == pytest.approx(1)
    far = [{**s, "keypoints": np.tile([300.0, 200.0, 1.0], 17).tolist()} for s in strangers]
    assert evaluate_keypoints(truth, found + far).ap < 0.8  # somebody where nobody is


def test_what_is_repeated_is_seen_so_often():
    draws = Draws(repeated(["a", "b"], {"b": 3}), 0)
    assert len(draws) == 4 and sorted(draws.sample(k) for k in range(4)) == [0, 1, 1, 1]
