"""The benchmark that asks whether PoseWarper learns: what counts in its table, and that a tiny run completes it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import learning_posewarper as learning

from eval.raw import RawSequence
from eval.sources import load_ground_truth, load_predictions
from posedata.formats.labels import read_labels, write_labels
from posedata.sequences import discover
from posedata.synthetic import write_posetrack18
from stages.train.propagation import kept

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "learning_posewarper.py"


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("posetrack")
    write_posetrack18(folder, split="test", seed=3, frames=9, size=(320, 240), people=2)
    return folder


@pytest.fixture(scope="module")
def truth(root) -> RawSequence:
    [sequence] = load_ground_truth(root / "annotations" / "test")
    return sequence


def test_only_the_labels_of_every_seventh_frame_are_trained_on(root):
    path = next((root / "annotations" / "test").glob("*.json"))
    whole, sparse = json.loads(path.read_text()), learning.sparse(path)
    assert [image["is_labeled"] for image in sparse["images"]] == [frame in (3, 8) for frame in range(9)]
    assert [image["id"] for image in sparse["images"]] == [image["id"] for image in whole["images"]]
    ids = {sparse["images"][frame]["id"] for frame in (3, 8)}
    assert sparse["annotations"] == [a for a in whole["annotations"] if a["image_id"] in ids]


def test_frames_with_a_label_do_not_count(truth):
    assert learning.label_of(truth) == {0: 3, 1: 3, 2: 3, 4: 3, 5: 3, 6: 8, 7: 8}
    for distance, frames in {None: [0, 1, 2, 4, 5, 6, 7], 1: [2, 4, 7], 2: [1, 5, 6], 3: [0]}.items():
        assert np.flatnonzero(learning.only(truth, distance).labelled).tolist() == frames


def test_errors_are_in_heads_and_a_joint_that_was_given_up_is_wrong(root, truth, tmp_path):
    [sequence] = discover(root, split="test").sequences
    labels = read_labels(sequence.annotation, sequence)
    people = kept(labels.people, [3, 8])
    wanted = {frame: at for frame, at in learning.label_of(truth).items() if frame != 7}  # nobody is in frame 7
    moved = [(frame, *rest) for frame, rest in learning.copied(people, wanted).items()]
    write_labels(tmp_path / f"{sequence.id}.json", labels, people, moved)
    [found] = load_predictions(tmp_path)
    errors, distances = learning.joint_errors({truth.name: truth}, {truth.name: found})
    there, expected = learning.joints_of(truth), []
    for frame, at in learning.label_of(truth).items():
        for (of, track, joint), point in there.items():
            if of == frame and (at, track, joint) in there:
                row = (truth.person_frame == frame) & (truth.track == track)
                head = 0.6 * np.linalg.norm(truth.head[row][0, 2:] - truth.head[row][0, :2])
                away = np.linalg.norm(there[at, track, joint] - point) / head
                expected.append((away if frame in wanted else np.inf, abs(frame - at)))
    np.testing.assert_allclose(sorted(zip(errors, distances)), sorted(expected), rtol=1e-2, atol=1e-3)
    assert np.isinf(errors).any() and (errors[np.isfinite(errors)] > 0.5).any()


def test_flow_moves_labels_with_the_people(root, truth):
    [sequence] = discover(root, split="test").sequences
    labels = read_labels(sequence.annotation, sequence)
    people = kept(labels.people, [3, 8])
    wanted = learning.label_of(truth)
    moved = learning.carried(sequence, labels, people, wanted)
    assert {frame: at for frame, (at, _, _) in moved.items()} == wanted
    errors = {"copied": [], "flow": []}
    for frame, (at, flowed, _) in moved.items():
        for name, found in (("copied", people[at]), ("flow", flowed)):
            there = labels.people[frame]
            both = [(i, j) for i, a in enumerate(found.track_ids) for j, b in enumerate(there.track_ids) if a == b]
            for i, j in both:
                seen = found.visible[i] & there.visible[j]
                errors[name] += np.linalg.norm(found.keypoints[i] - there.keypoints[j], axis=1)[seen].tolist()
    assert np.median(errors["flow"]) < np.median(errors["copied"]) / 2


@pytest.mark.slow
def test_a_tiny_run_fills_the_table_and_is_not_done_again(tmp_path):
    command = [sys.executable, str(SCRIPT), "--out", "out", "--quick"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    tables = []
    for _ in range(2):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == 0, done.stderr
        tables.append([line for line in done.stdout.splitlines() if line.startswith("|")])
    assert "goes on from" in done.stdout and "rendered" not in done.stdout
    assert tables[0] == tables[1]
    heads, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in tables[0])
    assert [row[0] for row in rows] == list(learning.WAYS.values())
    assert all(len(row) == len(heads) == 9 and all(0 <= float(cell) <= 100 for cell in row[1:]) for row in rows)
    assert all((tmp_path / "out" / stage / "curves.png").exists() for stage in ("baseline", "warper"))
