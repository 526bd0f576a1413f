"""Training: what the losses look at, which cells answer, and that a stopped run goes on as if it had not stopped."""

import json

import cv2
import numpy as np
import pytest
import torch

from configs.errors import SettingsError
from configs.training import DetectorTraining, Phase, PoseTraining, TrainingSet
from configs.training_presets import training_settings
from posedata.errors import BadInput, PtrackError, UsageError
from posedata.skeletons import PTRACK_19
from stages.train.assign import all_cells, assign
from stages.train.detector import DetectorTask, picture_loss
from stages.train.losses import pairwise_giou, spatial_cross_entropy
from stages.train.pose import PoseTask
from stages.train.run_folder import alone_in
from stages.train.samples import Draws, repeated
from stages.train.start import prepare, start


@pytest.fixture
def pictures(tmp_path):
    """A COCO-form folder of six pictures with one person each; the second person has three labelled joints."""
    rng = np.random.default_rng(0)
    images, annotations = [], []
    for number in range(6):
        picture = rng.integers(0, 255, (96, 80, 3), np.uint8)
        cv2.imwrite(str(tmp_path / f"{number}.png"), picture)
        joints = np.column_stack([rng.uniform(15, 65, 19), rng.uniform(15, 80, 19), np.full(19, 2)])
        if number == 1:
            joints[3:] = 0
        images.append({"id": number, "file_name": f"{number}.png", "width": 80, "height": 96, "source": "made"})
        annotation = {"id": number, "image_id": number, "category_id": 1, "bbox": [10, 10, 60, 75], "iscrowd": 0}
        annotations.append({**annotation, "keypoints": joints.reshape(-1).tolist()})
    # an ignore box, which is no person
    annotations.append(
        {"id": 9, "image_id": 0, "category_id": 1, "bbox": [0, 0, 20, 20], "iscrowd": 1, "keypoints": [0] * 57}
    )
    content = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 1, "name": "person", "keypoints": list(PTRACK_19.joints)}],
    }
    (tmp_path / "train.json").write_text(json.dumps(content))
    return TrainingSet(annotations=tmp_path / "train.json")


def pose_settings(source: TrainingSet, samples: int = 24, **more) -> PoseTraining:
    phases = (Phase(size=(64, 48), samples=samples, batch=6),)
    fixed = {"threads": 1, "loader_workers": 0, "precision": "fp32", "validate_samples": 6, "warmup_samples": 6}
    return PoseTraining(train=(source,), val=source, phases=phases, **{**fixed, **more})


SHARED = {"train", "val", "threads", "loader_workers", "precision", "validate_samples", "warmup_samples"}


def silent(_: str) -> None:
    pass


def test_a_joint_without_a_label_changes_neither_loss_nor_gradient():
    logits = torch.randn(2, 3, 16, 12, requires_grad=True)
    joints = torch.full((2, 3, 2), 5.0)
    weights = torch.tensor([[1.0, 0.0, 1.0], [1.0, 1.0, 1.0]])
    loss = spatial_cross_entropy(logits, joints, weights, 1.0)
    moved = joints.clone()
    moved[0, 1] = 11.0
    assert spatial_cross_entropy(logits, moved, weights, 1.0).item() == pytest.approx(loss.item())
    loss.backward()
    assert not logits.grad[0, 1].any() and logits.grad[0, 0].any()


def test_the_target_itself_costs_nothing_and_anything_else_more():
    x, y = torch.arange(12.0), torch.arange(16.0)
    log_target = -((x[None] - 5) ** 2 + (y[:, None] - 7) ** 2) / (2 * 1.5**2)
    joints, weights = torch.tensor([[[5.0, 7.0]]]), torch.ones(1, 1)
    assert spatial_cross_entropy(log_target[None, None], joints, weights, 1.5).item() == pytest.approx(0, abs=1e-5)
    assert spatial_cross_entropy(torch.zeros(1, 1, 16, 12), joints, weights, 1.5).item() > 1


def test_giou_of_known_boxes():
    a = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 10], [0, 0, 10, 10]])
    b = torch.tensor([[0.0, 0, 10, 10], [5, 0, 15, 10], [20, 0, 30, 10]])
    iou, giou = pairwise_giou(a, b)
    assert iou.tolist() == pytest.approx([1, 1 / 3, 0])
    assert giou.tolist() == pytest.approx([1, 1 / 3, -1 / 3])


def test_each_person_gets_cells_near_its_centre_and_no_cell_serves_two():
    cells = all_cells(128, 128, torch.device("cpu"))
    people = torch.tensor([[10.0, 10, 50, 90], [60, 20, 110, 120]])
    predicted = torch.cat([cells.centres - 20, cells.centres + 20], dim=1)
    owner = assign(cells, torch.zeros(len(cells.centres)), predicted, people)
    assert set(owner.tolist()) == {-1, 0, 1}
    for row in range(2):
        chosen = cells.centres[owner == row]
        assert (chosen >= people[row, :2]).all() and (chosen <= people[row, 2:]).all()
    assert (assign(cells, torch.zeros(len(cells.centres)), predicted, people[:0]) == -1).all()


def test_cells_in_an_ignore_box_are_not_taught_that_nobody_is_there():
    cells = all_cells(64, 64, torch.device("cpu"))
    logits = torch.zeros(len(cells.centres), requires_grad=True)
    predicted = torch.cat([cells.centres - 8, cells.centres + 8], dim=1)
    boxes, ignore = torch.tensor([[0.0, 0, 31, 63]]), torch.tensor([True])
    score, box, _ = picture_loss(cells, logits, predicted, boxes, ignore)
    score.backward()
    inside = cells.centres[:, 0] <= 31
    assert not logits.grad[inside].any() and logits.grad[~inside].all() and not box.item()


def test_a_draw_is_the_same_whenever_it_is_asked_for():
    epoch = repeated(["a", "b", "b"], {"a": 4})
    assert sorted(epoch.tolist()) == [0, 0, 0, 0, 1, 2]
    forward, backward = Draws(epoch, 5), Draws(epoch, 5)
    assert [forward.sample(k) for k in range(20)] == [backward.sample(k) for k in reversed(range(20))][::-1]
    assert forward.generator(7).random() == backward.generator(7).random() != forward.generator(8).random()


def test_labels_reach_the_crop_and_unlabelled_joints_weigh_nothing(pictures):
    settings = pose_settings(pictures, half_body=0, scale=0, rotation=0)
    samples = PoseTask(settings, silent).samples(settings.phases[0])
    assert len(samples.people) == 6
    weights = {samples.draws.sample(k): samples[k][2].numpy() for k in range(6)}
    assert weights[1][3:].max() == 0 and weights[0].sum() > 10
    crop, joints, _, _ = samples[0]
    assert crop.shape == (3, 64, 48) and crop.dtype == torch.uint8 and joints.shape == (19, 2)


def test_detection_pictures_keep_their_boxes_inside_and_mark_ignore_boxes(pictures):
    settings = DetectorTraining(train=(pictures,), val=pictures, phases=(Phase(size=(64, 64), samples=8, batch=2),))
    samples = DetectorTask(settings, silent).samples(settings.phases[0])
    ignored = 0
    for k in range(30):
        image, boxes, ignore, _ = samples[k]
        assert image.shape == (3, 64, 64)
        assert (boxes >= 0).all() and (boxes <= 63).all() and (boxes[:, 2:] > boxes[:, :2]).all()
        ignored += int(ignore.sum())
    assert ignored


@pytest.mark.parametrize("what", ["pose", "detector"])
def test_missing_and_broken_pictures_are_named_and_left_out(pictures, tmp_path, what):
    (tmp_path / "2.png").unlink()
    (tmp_path / "4.png").write_bytes((tmp_path / "4.png").read_bytes()[:100])
    settings = pose_settings(pictures)
    if what == "detector":
        phases = (Phase(size=(64, 64), samples=24, batch=6),)
        settings = DetectorTraining(**settings.model_dump(include=SHARED), phases=phases)
    said = []
    progress = start(settings, tmp_path / "run", said.append)
    assert progress.seen == 24 and progress.faulty == [str(tmp_path / "4.png")]
    told = "\n".join(said)
    assert "one picture is missing and left out" in told and "2.png" in told
    assert "4.png: cannot be read as a picture; left out of the validation" in told
    assert "4.png: cannot be read as a picture; left out (1 so far)" in told


def test_a_stopped_training_goes_on_to_the_same_weights(pictures, tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    start(pose_settings(pictures), whole, lambda _: None)
    torch.manual_seed(99)

    def stop_after_two(line: str) -> None:
        if "samples=12 " in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        start(pose_settings(pictures), parts, stop_after_two)
    start(pose_settings(pictures), parts, lambda _: None)
    a, b = (torch.load(run / "last.pt", weights_only=True) for run in (whole, parts))
    assert a["progress"]["draws"] == b["progress"]["draws"] == 24
    for name, value in a["model"].items():
        assert torch.equal(value, b["model"][name]), name
    assert (parts / "log.csv").read_text().count("\n") == 5  # header and four validations


def test_frozen_batch_normalisation_keeps_its_statistics_and_learns_on(pictures, tmp_path):
    for frozen in (False, True):
        settings = pose_settings(pictures, freeze_bn=frozen)
        start(settings, tmp_path / str(frozen), silent)
        weights = torch.load(tmp_path / str(frozen) / "last.pt", weights_only=True)["model"]
        torch.manual_seed(settings.seed)
        begun = prepare(settings, tmp_path / "new", silent)[0].state_dict()
        means = [torch.equal(weights[k], begun[k]) for k in begun if k.endswith("running_mean")]
        assert all(means) if frozen else not any(means)
        assert not torch.equal(weights["trunk.stem.0.weight"], begun["trunk.stem.0.weight"])


def test_what_the_published_recipe_begins_with_is_said_where_nothing_is_given(pictures, tmp_path):
    said = []
    prepare(pose_settings(pictures, begins_with="the first stage's weights"), tmp_path, said.append)
    assert any("random weights" in line and "the first stage's weights" in line for line in said)


@pytest.mark.parametrize("rate, steps", [(1e30, 4), (1e30, 60)])
def test_a_training_that_diverges_says_so_and_saves_nothing_of_it(pictures, tmp_path, rate, steps):
    run = tmp_path / "run"
    start(pose_settings(pictures, samples=6), run, silent)
    before = {p.name: p.read_bytes() for p in run.iterdir() if p.suffix in (".pt", ".safetensors")}
    wild = pose_settings(
        pictures, samples=6 + 6 * steps, learning_rate=rate, warmup_samples=0, validate_samples=10**6
    )
    with pytest.raises(
        PtrackError, match=r"the training diverged: .* last\.pt is kept as it was; lower learning_rate"
    ):
        start(wild, run, silent)
    assert before == {p.name: p.read_bytes() for p in run.iterdir() if p.suffix in (".pt", ".safetensors")}


def test_a_figure_that_is_nan_is_worse_than_any_other(pictures, tmp_path, monkeypatch):
    figures = iter([float("nan"), 0.25, float("nan"), 0.2])
    monkeypatch.setattr(PoseTask, "validate", lambda *_: {"oks": next(figures)})
    assert start(pose_settings(pictures), tmp_path / "run", silent).best == 0.25


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content["progress"].update(draws="x"),
        lambda content: content["progress"].update(draws=-5),
        lambda content: content["progress"].update(seconds=None),
        lambda content: content["progress"].update(history=None),
        lambda content: content.update(settings="[1]"),
        lambda content: content.update(optimizer=None),
        lambda content: content.update(progress=[]),
    ],
)
def test_a_damaged_checkpoint_is_named(pictures, tmp_path, damage):
    run = tmp_path / "run"
    start(pose_settings(pictures, samples=6), run, silent)
    content = torch.load(run / "last.pt", weights_only=True)
    damage(content)
    torch.save(content, run / "last.pt")
    with pytest.raises(BadInput, match=r"last\.pt: .*use another --run$"):
        start(pose_settings(pictures, samples=12), run, silent)
    for bad in (b"", b"no checkpoint"):
        (run / "last.pt").write_bytes(bad)
        with pytest.raises(BadInput, match=r"last\.pt: .*use another --run$"):
            start(pose_settings(pictures, samples=12), run, silent)


def test_two_trainings_in_one_run_folder(tmp_path):
    run, second = tmp_path / "run", pytest.raises(UsageError, match="another training is at work in it")
    with alone_in(run), second, alone_in(run, 0.1):
        pass
    with alone_in(run, 0.1):
        pass


def test_a_run_folder_that_cannot_be_is_named_before_anything_is_read(pictures, tmp_path):
    (tmp_path / "file").write_text("")
    settings = pose_settings(TrainingSet(annotations=tmp_path / "nothing.json"))
    with pytest.raises(UsageError, match=r"file/run: cannot be written \(Not a directory\); give another --run"):
        start(settings, tmp_path / "file" / "run", silent)


def test_training_lowers_the_loss(pictures, tmp_path):
    progress = start(pose_settings(pictures, samples=180, validate_samples=90), tmp_path / "run", lambda _: None)
    assert progress.history[-1]["loss"] < progress.history[0]["loss"]


def test_a_checkpoint_that_runs_code_is_refused(pictures, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    marker = tmp_path / "was_here"
    torch.save({"model": _Hostile(str(marker))}, run / "last.pt")
    with pytest.raises(BadInput, match=r"last\.pt"):
        start(pose_settings(pictures), run, lambda _: None)
    assert not marker.exists()


class _Hostile:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self):
        import os

        return os.mkdir, (self.path,)


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda c: c["images"][0].update(file_name="../../etc/passwd"), "leaves"),
        (lambda c: c["annotations"][0].update(keypoints=[1, 2]), "annotation 0"),
        (lambda c: c.pop("annotations"), "COCO form"),
        (lambda c: c["categories"][0].update(keypoints=["tail"] * 19), "names no joint"),
    ],
)
def test_wrong_annotations_are_named(pictures, change, words):
    content = json.loads(pictures.annotations.read_text())
    change(content)
    pictures.annotations.write_text(json.dumps(content))
    with pytest.raises(BadInput, match=words) as error:
        PoseTask(pose_settings(pictures), silent)
    assert str(pictures.annotations) in str(error.value)


@pytest.mark.parametrize("kind, preset", [("pose", "compact-pose"), ("detector", "compact-detector")])
def test_the_training_presets_are_valid(kind, preset, tmp_path):
    settings = training_settings(kind, preset, tmp_path, ("minutes=3",))
    assert settings.minutes == 3 and settings.val.annotations == tmp_path / "val.json"
    with pytest.raises(SettingsError, match="did you mean 'minutes'"):
        training_settings(kind, preset, tmp_path, ("minute=3",))
