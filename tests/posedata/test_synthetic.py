"""Rendered people: the ground truth must agree with the pixels, and the same seed must give the same bytes."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import orjson
import pytest

from posedata.errors import UsageError
from posedata.sequences import discover
from posedata.skeletons import POSETRACK_17, PTRACK_19
from posedata.synthetic import (
    SyntheticFrame,
    random_crowd,
    random_person,
    render_sequence,
    write_posetrack18,
    write_video,
)
from posedata.synthetic.backgrounds import random_background

JOINT = {name: i for i, name in enumerate(PTRACK_19.joints)}


def same(a: SyntheticFrame, b: SyntheticFrame) -> bool:
    pairs = [(getattr(a, name), getattr(b, name)) for name in vars(a) if name != "ignore_regions"]
    pairs += list(zip(a.ignore_regions, b.ignore_regions))
    return len(a.ignore_regions) == len(b.ignore_regions) and all(x.tobytes() == y.tobytes() for x, y in pairs)


@pytest.fixture(scope="module")
def sequence() -> list[SyntheticFrame]:
    """Four seconds of four people, small."""
    return list(render_sequence(7, frames=48, size=(192, 108), people=4, fps=12.0))


# the same seed, the same bytes


@pytest.mark.parametrize("render", [random_person, random_crowd], ids=["person", "crowd"])
def test_stills_depend_on_the_generator_alone(render):
    first, again, other = (render(np.random.default_rng(s), size=(96, 80)) for s in (3, 3, 4))
    assert same(first, again)
    assert first.image.shape == (80, 96, 3)
    assert first.image.tobytes() != other.image.tobytes()


def test_a_sequence_depends_on_its_arguments_alone(sequence):
    again = render_sequence(7, frames=48, size=(192, 108), people=4, fps=12.0)
    assert all(same(next(again), frame) for frame in sequence[:5])
    other = next(render_sequence(8, frames=48, size=(192, 108), people=4, fps=12.0))
    assert other.image.tobytes() != sequence[0].image.tobytes()


# stills


@pytest.mark.parametrize("seed", range(6))
def test_crowds_are_consistent(seed):
    frame = random_crowd(np.random.default_rng((seed, 5)), size=(160, 120), people=(1, 6))
    assert len(frame) <= 6
    check(frame)


def test_an_empty_crowd_is_legal():
    frame = random_crowd(np.random.default_rng(0), size=(64, 48), people=(0, 0))
    assert len(frame) == 0
    assert frame.keypoints.shape == (0, 19, 2)
    assert frame.boxes.shape == frame.head_boxes.shape == (0, 4)


def test_one_person_is_large_and_comes_first():
    shares = []
    for seed in range(12):
        frame = random_person(np.random.default_rng((seed, 9)), size=(96, 96))
        check(frame)
        sides = frame.boxes[0, 2:] - frame.boxes[0, :2]
        shares.append(max(sides) / 96)
    assert np.median(shares) > 0.6


def test_a_crowd_of_given_heights():
    """Heights are those of people standing: who sits or is cut off is lower, nobody much taller."""
    tall = []
    for seed in range(12):
        rng = np.random.default_rng((seed, 3))
        frame = random_crowd(rng, size=(160, 160), people=(2, 4), heights=(0.4, 0.6))
        check(frame)
        tall += (frame.boxes[:, 3] - frame.boxes[:, 1]).tolist()
    assert max(tall) < 160 * 0.6 * 1.3 * 1.3  # a group's members differ, and raised arms reach higher
    assert np.median(tall) > 160 * 0.25


@pytest.mark.parametrize("seed", [3, 25, 142])
def test_a_room_with_a_low_wall(seed):
    """Where the horizon lies high, furniture that hangs on the wall can be taller than the wall is."""
    picture = random_background(np.random.default_rng(seed), (48, 48), 0.0)
    assert picture.shape == (48, 48, 3) and picture.min() >= 0 and picture.max() <= 1


@pytest.mark.parametrize("render", [random_person, random_crowd], ids=["person", "crowd"])
def test_a_given_background_is_used_and_left_as_it_was(render):
    green = np.zeros((90, 130, 3), np.uint8)
    green[..., 1] = 200
    kept = green.copy()
    means = [
        render(np.random.default_rng(s), size=(96, 64), background=green).image.reshape(-1, 3).mean(axis=0)
        for s in range(8)
    ]
    assert (green == kept).all()
    assert np.median(np.array(means)[:, 1] - np.array(means)[:, [0, 2]].max(axis=1)) > 30
    with pytest.raises(ValueError, match="background"):
        render(np.random.default_rng(0), background=green[..., 0])


def check(frame: SyntheticFrame) -> None:
    """What holds in every picture."""
    height, width = frame.image.shape[:2]
    assert len(set(frame.track_ids.tolist())) == len(frame)
    assert ((frame.visible_fraction >= 0) & (frame.visible_fraction <= 1)).all()
    assert (frame.boxes[:, 2:] >= frame.boxes[:, :2]).all()
    assert (frame.boxes >= 0).all()
    assert (frame.boxes <= (width - 1, height - 1, width - 1, height - 1)).all()
    inside_frame = (np.round(frame.keypoints) >= 0).all(axis=2)
    inside_frame &= (np.round(frame.keypoints) <= (width - 1, height - 1)).all(axis=2)
    assert ((frame.visibility > 0) == inside_frame).all()
    assert (frame.visibility[frame.covered] == 1).all()
    seen = frame.visibility == 2
    low, high = frame.boxes[:, None, :2] - 1.5, frame.boxes[:, None, 2:] + 1.5
    assert (((frame.keypoints >= low) & (frame.keypoints <= high)).all(axis=2) | ~seen).all()


# sequences


def test_every_frame_of_a_sequence_is_consistent(sequence):
    for frame in sequence:
        check(frame)
        assert set(frame.track_ids.tolist()) <= {0, 1, 2, 3}


def test_people_leave_and_return_with_their_identity(sequence):
    here = np.array([[i in frame.track_ids for i in range(4)] for frame in sequence])
    returned = [
        i for i in range(4) if any(~here[t, i] and here[:t, i].any() and here[t:, i].any() for t in range(len(here)))
    ]
    assert returned
    assert here.any(axis=0).all()


def test_people_cross_and_hide_each_other(sequence):
    covered = [frame.covered[i].sum() for frame in sequence for i in range(len(frame))]
    assert max(covered) >= 8
    pairs = set()
    for before, after in zip(sequence, sequence[6:]):
        left = {int(i): x for i, x in zip(before.track_ids, before.boxes[:, ::2].mean(axis=1))}
        right = {int(i): x for i, x in zip(after.track_ids, after.boxes[:, ::2].mean(axis=1))}
        both = sorted(left.keys() & right.keys())
        pairs |= {(a, b) for a in both for b in both if left[a] < left[b] and right[a] > right[b]}
    assert pairs


def test_people_move_smoothly(sequence):
    steps = []
    hips = [JOINT["left_hip"], JOINT["right_hip"]]
    for before, after in pairwise(sequence):
        for row, person in enumerate(before.track_ids):
            other = np.flatnonzero(after.track_ids == person)
            if len(other):
                steps.append(np.abs(after.keypoints[other[0], hips] - before.keypoints[row, hips]).max())
    assert np.median(steps) > 0.3
    assert max(steps) < 0.08 * 192  # at 12 frames a second that is a fast run


def test_ignore_regions_lie_in_every_frame(sequence):
    for frame in sequence:
        assert 1 <= len(frame.ignore_regions) <= 2
        for polygon in frame.ignore_regions:
            assert polygon.shape[0] >= 3
            assert (polygon >= 0).all()
            assert (polygon <= (191, 107)).all()
            assert np.ptp(polygon, axis=0).min() > 2


def test_the_background_moves(sequence):
    corners = [frame.image[:20, :].astype(int) for frame in (sequence[0], sequence[-1])]
    assert np.abs(corners[0] - corners[1]).mean() > 4


@pytest.mark.parametrize("people", [0, 1, 9])
def test_any_number_of_people(people):
    frames = list(render_sequence(2, frames=2, size=(96, 64), people=people))
    assert len(frames) == 2
    assert max(len(f) for f in frames) <= people


@pytest.mark.parametrize(
    "wrong",
    [
        {"frames": 0},
        {"people": -1},
        {"fps": 0.0},
        {"fps": math.nan},
        {"seed": -1},
        {"size": (640, 8)},
        {"size": (9999, 64)},
    ],
    ids=str,
)
def test_what_cannot_be_rendered_is_refused_at_once(wrong):
    with pytest.raises(UsageError, match="cannot render"):
        render_sequence(**{"seed": 0, **wrong})


# files


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("posetrack18")
    path = write_posetrack18(root, sequence="900123_mpii_test", seed=7, frames=12, size=(192, 108), fps=3.0)
    assert path == root / "annotations" / "val" / "900123_mpii_test.json"
    return root


def test_posetrack18_files_are_complete(dataset):
    content = orjson.loads((dataset / "annotations/val/900123_mpii_test.json").read_bytes())
    assert set(content) == {"images", "annotations", "categories"}
    (category,) = content["categories"]
    assert category["name"] == "person"
    assert tuple(category["keypoints"]) == POSETRACK_17.joints
    for number, image in enumerate(content["images"]):
        assert image["file_name"] == f"images/val/900123_mpii_test/{number:06d}.jpg"
        assert image["id"] == image["frame_id"] == 19001230000 + number
        assert (image["vid_id"], image["nframes"], image["is_labeled"]) == ("900123", 12, True)
        assert len(image["ignore_regions_x"]) == len(image["ignore_regions_y"]) >= 1
        assert [len(x) for x in image["ignore_regions_x"]] == [len(y) for y in image["ignore_regions_y"]]
        assert cv2.imread(str(dataset / image["file_name"])).shape == (108, 192, 3)
    assert len(content["images"]) == len(list(dataset.rglob("*.jpg"))) == 12
    ids = [a["id"] for a in content["annotations"]]
    assert len(set(ids)) == len(ids) > 12


def test_posetrack18_annotations_are_the_rendered_truth(dataset):
    content = orjson.loads((dataset / "annotations/val/900123_mpii_test.json").read_bytes())
    columns = [PTRACK_19.joints.index(j) for j in POSETRACK_17.joints]
    unlabelled = 0
    for number, frame in enumerate(render_sequence(7, 12, (192, 108), 4, 3.0)):
        found = {a["track_id"]: a for a in content["annotations"] if a["image_id"] == 19001230000 + number}
        for row, person in enumerate(frame.track_ids.tolist()):
            wanted = (frame.visibility[row] > 0) & ~frame.covered[row]
            wanted = wanted[columns] & ["_ear" not in j for j in POSETRACK_17.joints]
            annotation = found.pop(person, None)
            if annotation is None:
                assert not wanted.any()
                continue
            triplets = np.array(annotation["keypoints"]).reshape(17, 3)
            assert (triplets[:, 2] == wanted).all()
            assert (triplets[~wanted] == 0).all()
            np.testing.assert_allclose(triplets[wanted, :2], frame.keypoints[row, columns][wanted], atol=0.006)
            x, y, width, height = annotation["bbox"]
            np.testing.assert_allclose([x, y, x + width, y + height], frame.boxes[row], atol=0.02)
            assert min(annotation["bbox_head"][2:]) > 2
            assert annotation["num_keypoints"] == wanted.sum()
            assert (annotation["category_id"], annotation["person_id"], annotation["scores"]) == (1, person, [])
            unlabelled += int((~wanted).sum()) - 2
        assert not found
        picture = cv2.imread(str(dataset / f"images/val/900123_mpii_test/{number:06d}.jpg"))[..., ::-1]
        assert np.abs(picture.astype(int) - frame.image).mean() < 6
    assert unlabelled > 0


@pytest.mark.parametrize("people", [0, 2], ids=["nobody", "two"])
def test_posetrack18_images_say_whether_somebody_is_annotated(tmp_path, people):
    content = orjson.loads(write_posetrack18(tmp_path, frames=3, size=(192, 108), people=people).read_bytes())
    annotated = {a["image_id"] for a in content["annotations"]}
    assert [image["has_labeled_person"] for image in content["images"]] == [
        image["id"] in annotated for image in content["images"]
    ]
    assert bool(annotated) == bool(people)


def test_posetrack18_folder_is_found_as_one(dataset):
    (found,) = discover(dataset).sequences
    assert found.id.endswith("900123_mpii_test")
    assert len(found.frames) == 12


@pytest.mark.parametrize(
    "wrong",
    [
        {"sequence": "demo"},
        {"sequence": "../900001_mpii_test"},
        {"sequence": "900001_mpii_test/x"},
        {"sequence": "٩٠٠٠٠١_mpii_test"},
        {"split": "../val"},
        {"split": ""},
        {"frames": 10_001},
        {"people": 101},
    ],
    ids=str,
)
def test_names_that_no_evaluator_can_parse_are_refused(tmp_path, wrong):
    with pytest.raises(UsageError):
        write_posetrack18(tmp_path, **{"frames": 1, "size": (96, 64), **wrong})
    assert not list(tmp_path.iterdir())


def test_video_has_the_frames(tmp_path):
    import av

    path = write_video(tmp_path / "demo.mp4", seed=7, frames=9, size=(192, 108), fps=12.0)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, float(stream.average_rate)) == ("h264", 12.0)
        decoded = [f.to_ndarray(format="rgb24") for f in container.decode(stream)]
    assert len(decoded) == 9
    for picture, frame in zip(decoded, render_sequence(7, 9, (192, 108), 4, 12.0)):
        assert np.abs(picture.astype(int) - frame.image).mean() < 9
    assert [p.name for p in tmp_path.iterdir()] == ["demo.mp4"]


def test_video_of_odd_size_is_refused(tmp_path):
    with pytest.raises(UsageError, match="even"):
        write_video(tmp_path / "demo.mp4", frames=1, size=(97, 64))
    assert not list(tmp_path.iterdir())
