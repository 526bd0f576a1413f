"""Every training preset: valid, and three steps of its own network's optimiser on small data at reduced input; one of
each family by the command at full size, and validated.

Quick tests train the small presets on rendered people, slow ones every preset on pictures of the development data.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

sys.path.insert(0, str(Path(__file__).parent))
from small_sets import data_of, lay_out, shorten

from configs.errors import SettingsError
from configs.models import find_model
from configs.recipes import BottomUpTraining, HeatmapTraining, WarperTraining
from configs.training import DetectorTraining, OwnTraining
from configs.training_presets import KINDS, training_presets, training_settings
from posedata.errors import BadInput, UsageError
from posedata.synthetic import write_posetrack18
from posedata.synthetic.training_set import write_training_set
from stages.pose.networks import create
from stages.train.datasets.crops import CropRecipe, plain_view, seen_joints
from stages.train.heatmaps import HeatmapTask
from stages.train.init import load_initial
from stages.train.loop import train
from stages.train.start import prepare, rehearse
from stages.train.targets import heatmap_targets

EVERY = [(what, name) for what in KINDS for name in training_presets(what)]
PUBLISHED = [(what, name) for what, name in EVERY if not name.startswith("compact")]
QUICK = {"mrheat2-small", "posewarper-small", "simplepose-small"}
SMALL = (
    "max_steps=3",
    "threads=1",
    "loader_workers=0",
    "validate_limit=1",
    "validate_samples=100",
    "tensorboard=false",
    "precision=fp32",
)


def silent(_: str) -> None:
    pass


@pytest.fixture(scope="module")
def rendered(tmp_path_factory) -> Path:
    """Rendered people in every layout."""
    root = tmp_path_factory.mktemp("sets")
    annotations = write_training_set(root / "rendered", "pose", 10, seed=0)
    return lay_out(root / "laid", annotations, "ptrack-19", 4)


@pytest.fixture(scope="module")
def real(test_data, tmp_path_factory) -> Path:
    """Training pictures: the first few of the sets of the bundled networks, and their people in every layout."""
    root, train = tmp_path_factory.mktemp("real"), test_data / "train"
    shorten(train / "pose", root / "compact-pose", 4)
    shorten(train / "detect", root / "compact-detector", 4)
    return lay_out(root, train / "pose" / "train.json", "ptrack-19", 4)


@pytest.fixture
def run(tmp_path):
    """A run folder, gone afterwards: the checkpoints of a deep network take a gigabyte."""
    yield tmp_path / "run"
    shutil.rmtree(tmp_path / "run", ignore_errors=True)


def reduced(what: str, preset: str, data: Path, *more: str):
    """The preset's settings, but for what it looks at: few and small pictures."""
    settings = training_settings(what, preset, data, (*SMALL, *more))
    square = isinstance(settings, BottomUpTraining | DetectorTraining)
    small = {"size": (128, 128) if square else (96, 64), "batch": 2, "samples": None, "epochs": 5}
    phases = tuple(p.model_copy(update=small) for p in settings.phases)
    made = {"rendered": 4} if isinstance(settings, OwnTraining) else {}
    return settings.model_copy(update={"phases": phases, **made})


def three_steps(what: str, preset: str, data: Path, run: Path) -> None:
    """Trains; losses are numbers, figures are there, what has to learn has changed, and all of it was written."""
    settings = reduced(what, preset, data)
    model, task = prepare(settings, run, silent)
    if isinstance(settings, BottomUpTraining):  # it is validated on whole pictures: small ones too
        task.entry = task.entry.model_copy(update={"frame_height": 128})
    before = {k: v.detach().clone() for k, v in model.named_parameters()}
    progress = train(model, task, settings, run, silent)
    [row] = progress.history
    assert progress.steps == 3 and progress.skipped == 0 and 0 < row["loss"] < 1e4
    assert {"ap", "oks", "poseval_ap", "pckh"} & set(row)
    changed = {k for k, v in model.named_parameters() if not torch.equal(v, before[k])}
    frozen = {k for k, v in model.named_parameters() if not v.requires_grad}
    assert changed and not changed & frozen
    assert bool(frozen) == isinstance(settings, WarperTraining)
    written = load_file(run / "best.safetensors")
    assert set(written) == set(model.state_dict()) and all(v.isfinite().all() for v in written.values())


@pytest.mark.parametrize("what, preset", [p for p in PUBLISHED if p[1] in QUICK])
def test_small_presets_train(what, preset, rendered, tmp_path):
    three_steps(what, preset, data_of(rendered, preset), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("what, preset", EVERY)
def test_every_preset_takes_three_steps(what, preset, real, run):
    three_steps(what, preset, data_of(real, preset), run)


def ptrack(*words: object) -> str:
    """What the command prints, in a process of its own."""
    command = [str(Path(sys.executable).with_name("ptrack")), *map(str, words)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    "what, preset, heads",
    [
        ("pose", "pose-resnet50-coco-256x192", ("AP", "AP .5", "AP (M)", "AR")),
        ("pose", "mrheat1-resnet50-coco-256x192", ("AP", "AP .5", "AP (M)", "AR")),
        ("pose", "hrnet-w32-mpii-256x256", ("Shoulder", "Ankle", "Mean", "Mean@0.1")),
        ("warper", "posewarper-posetrack18", ("Head", "Ankl", "Total")),
        ("bottom-up", "simplepose-384", ("AP", "AP .5", "AP (M)", "AR")),
    ],
)
def test_the_command_at_full_size_and_the_table_of_what_it_trained(what, preset, heads, real, run):
    data = data_of(real, preset)
    settings = training_settings(what, preset, data)
    size = f"size: {list(settings.phases[0].size)}, " if settings.phases[0].size else ""
    changes = (*SMALL, f"phases=[{{{size}epochs: 3, batch: 1}}]")
    assignments = [word for change in changes for word in ("--set", change)]
    if what == "warper":  # on top of what the first stage has learned
        torch.save(create("pose_hrnet", width=48, num_joints=17).state_dict(), run.parent / "first.pth")
        assignments += ["--init", run.parent / "first.pth"]
    said = ptrack("train", what, "--preset", preset, "--data", data, "--run", run, *assignments)
    written = {p.name for p in run.iterdir()}
    assert {"settings.json", "log.csv", "steps.csv", "curves.png", "last.pt", "best.safetensors"} <= written
    assert "samples=3 " in said
    told = ["--checkpoint", run / "best.safetensors", "--no-compile", "--threads", 1]
    told += [] if what == "bottom-up" else ["--gt-boxes"]
    table = ptrack("validate", settings.model, *validated_on(data, run), *told).splitlines()
    row = next(k for k, line in enumerate(table) if line.startswith(f"{settings.model} "))
    names, cells = re.split(r" {2,}", table[row - 1].strip()), table[row].split()[1:]
    assert set(heads) <= set(names) and len(cells) == len(names)
    assert all(cell == "-" or 0 <= float(cell) <= 100 for cell in cells) and set(cells) != {"-"}


def validated_on(data: Path, run: Path) -> list[object]:
    """Arguments of `ptrack validate`: the layout's pictures, or of PoseTrack, which are videos, rendered ones."""
    if data.name == "coco":  # one picture: SimplePose takes half a minute for each
        given = json.loads((data / "annotations" / "person_keypoints_val2017.json").read_text())
        people = [a for a in given["annotations"] if a["image_id"] == given["images"][0]["id"]]
        (run / "val.json").write_text(json.dumps(given | {"images": given["images"][:1], "annotations": people}))
        return ["--annotations", run / "val.json", "--images", data / "images" / "val2017"]
    if data.name == "mpii":
        return ["--dataset", "mpii", "--annotations", data / "annot/valid.json", "--images", data / "images"]
    root = run / "posetrack"
    annotations = write_posetrack18(root, frames=2, size=(320, 240), people=1).parent
    return ["--dataset", "posetrack", "--annotations", annotations, "--images", root]


def test_every_preset_is_valid_cites_its_source_and_names_a_known_model(tmp_path):
    assert len(PUBLISHED) > 40
    for what, name in PUBLISHED:
        settings = training_settings(what, name, tmp_path)
        entry = find_model(settings.model, "pose")
        assert settings.source, name
        if isinstance(settings, HeatmapTraining) and settings.source != "ours":
            height = (settings.phases[0].size or entry.input)[0]
            assert settings.sigma == {256: 2, 384: 3}[height], name
        assert settings.train[0].annotations.is_relative_to(tmp_path)


@pytest.mark.parametrize(
    "what, preset, changes, words",
    [
        ("pose", "hrnet-w32-coco-256x19", (), "did you mean 'hrnet-w32-coco-256x192'"),
        ("warper", "simplepose-384", (), "there are posewarper"),
        ("pose", "mrheat2-small", ("lerning_rate=1",), "did you mean 'learning_rate'"),
        ("pose", "mrheat2-small", ("learning_rate=fast",), "learning_rate"),
        ("pose", "mrheat2-small", ("phases=[{batch: 2}]",), "either samples or epochs"),
        ("pose", "mrheat2-small", ("train=[{annotations: a, format: yaml}]",), "format"),
        ("pose", "mrheat2-small", ("minutes",), "write it as key=value"),
        ("pose", "mrheat2-small", ("steps=[.nan]",), "steps.0: .* finite"),
        ("pose", "mrheat2-small", ("phases=[{epochs: .inf, batch: 2}]",), "phases.0.epochs: .* finite"),
        ("pose", "mrheat2-small", ("sigma=1e300",), "sigma"),
        ("pose", "mrheat2-small", ("options={num_joints: -1}",), "options.num_joints: "),
        ("pose", "compact-pose", ("phases=[{size: [1, 64], epochs: 1, batch: 2}]",), "phases.0.size.0"),
        ("pose", "compact-pose", ("scale=-1",), "scale"),
        ("pose", "compact-pose", ("seed=-1",), "seed"),
        ("pose", "compact-pose", ("seed=99999999999999999999999",), "seed"),
        ("pose", "compact-pose", ("threads=100000000",), "threads"),
        ("pose", "compact-pose", ("composed=3",), "settings: composed needs cutouts"),
        ("pose", "compact-pose", ("train=[{annotations: a, repeat: {rendered: 0}}]",), "train.0.repeat.rendered"),
        ("warper", "posewarper-small", ("reach=1.0e+22",), "reach"),
        ("bottom-up", "simplepose-small", ("shift=1.0e+22",), "shift"),
        ("bottom-up", "simplepose-small", ("scale=[2, 1]",), "scale goes from the smaller"),
        ("bottom-up", "simplepose-small", ("part_sigma=.inf",), "part_sigma"),
    ],
)
def test_wrong_presets_and_settings_are_named(what, preset, changes, words, tmp_path):
    with pytest.raises(SettingsError, match=words) as refused:
        training_settings(what, preset, tmp_path, changes)
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 1000


@pytest.mark.parametrize(
    "what, preset, changes, words",
    [
        ("pose", "mrheat2-small", ("options={num_layers: 49}",), "ResNet-49"),
        ("bottom-up", "simplepose-small", ("model=hrnet-w32-coco-256x192",), "no bottom-up network"),
        ("pose", "mrheat2-small", ("model=simplepose",), "no top-down network"),
        ("warper", "posewarper-small", ("model=hrnet-w16-posetrack-128x96",), "needs a posewarper"),
        ("pose", "mrheat2-small", ("model=posewarper-small",), "pairs of frames, by `ptrack train warper`"),
        ("pose", "mrheat2-small", ("options={num_joints: 3}",), "options: .* 3 maps, .* taught 17"),
        ("pose", "mrheat2-small", ("options={num_joints: 0}",), "options: .* make no network"),
        ("pose", "mrheat2-small", ("options={style: 1}",), "options: "),
        ("pose", "compact-pose", ("skeleton=foo",), "skeleton: 'foo' is not known; there are coco-17"),
        ("pose", "mrheat2-small", ("phases=[{size: [96, 80], epochs: 1, batch: 2}]",), "phases: .* 96 x 80"),
        ("bottom-up", "simplepose-small", ("options={num_layers: 49}",), "options: .* 49 maps"),
    ],
)
def test_settings_that_do_not_fit_a_network_are_named(what, preset, changes, words, rendered, tmp_path):
    with pytest.raises(UsageError, match=words):
        prepare(training_settings(what, preset, data_of(rendered, preset), changes), tmp_path, silent)


def test_initial_weights_are_loaded_where_they_fit_and_the_rest_is_told(rendered, tmp_path):
    from safetensors.torch import save_file

    preset, data = "mrheat2-small", data_of(rendered, "mrheat2-small")
    model, _ = prepare(reduced("pose", preset, data), tmp_path, silent)
    weights = {f"module.{k}": v.clone() for k, v in model.state_dict().items() if not k.startswith("deconv3")}
    weights["module.fc.weight"] = torch.zeros(10, 512)
    weights["module.final_layer.weight"] = torch.zeros(16, 256, 1, 1)  # of another skeleton
    weights["module.conv1.weight"] += 1
    torch.save({"state_dict": weights}, tmp_path / "init.pth")
    said = []
    begun, _ = prepare(reduced("pose", preset, data, f"init={tmp_path / 'init.pth'}"), tmp_path, said.append)
    [report] = [line for line in said if "weights loaded" in line]
    assert "not in the file: deconv3.0, deconv3.1, final_layer" in report and "unused: fc, final_layer" in report
    torch.testing.assert_close(begun.state_dict()["conv1.weight"], weights["module.conv1.weight"])
    torch.testing.assert_close(begun.state_dict()["final_layer.bias"], model.state_dict()["final_layer.bias"])
    save_file({"other": torch.zeros(3)}, tmp_path / "other.safetensors")
    with pytest.raises(BadInput, match="none of its 1 weights fits"):
        prepare(reduced("pose", preset, data, f"init={tmp_path / 'other.safetensors'}"), tmp_path, silent)


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda w: w.to_sparse(), "conv1.weight is sparse"),
        (lambda w: w.to("meta"), "conv1.weight is without content"),
        (lambda w: torch.quantize_per_tensor(w, 0.1, 0, torch.qint8), "conv1.weight is quantised"),
        (lambda w: w.to(torch.complex64), "conv1.weight is complex"),
        (lambda w: w / 0, "conv1.weight holds NaN or infinity"),
        (lambda w: w.double() * 1e300, "conv1.weight holds NaN or infinity"),
        (lambda w: w[:0], "none of its 1 weights fits"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_initial_weights_that_cannot_be_trained_on_are_named(change, words, tmp_path):
    model = torch.nn.Sequential()
    model.add_module("conv1", torch.nn.Conv2d(3, 4, 3, bias=False))
    path = tmp_path / "init.pth"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.save({"conv1.weight": change(model.conv1.weight.detach() + 1)}, path)
    with pytest.raises(BadInput, match=f"{path}: {words}"):
        load_initial(model, path, silent)


def test_a_rehearsal_says_what_would_be_done_and_writes_nothing(rendered, tmp_path):
    said = []
    rehearse(reduced("pose", "mrheat2-small", data_of(rendered, "mrheat2-small")), tmp_path / "run", said.append)
    text = "\n".join(said)
    assert "4 people to train on" in text and "20 samples (5 epochs), 10 steps of 2" in text and "loss" in text
    assert not (tmp_path / "run").exists()


def test_the_command_trains_and_knows_one_batch_by_heart(rendered, tmp_path):
    from click.testing import CliRunner

    from posetrack_cli.main import main

    data = data_of(rendered, "mrheat2-small")
    changes = ("threads=1", "loader_workers=0", "precision=fp32", "phases=[{size: [64, 64], epochs: 9, batch: 2}]")
    changes += ("learning_rate=0.0002", "warmup_samples=0")
    command = ["train", "pose", "--preset", "mrheat2-small", "--data", str(data), "--run", str(tmp_path / "run")]
    command += [part for change in changes for part in ("--set", change)]
    done = CliRunner().invoke(main, [*command, "--overfit", "10"], catch_exceptions=False)
    assert done.exit_code == 0
    rows = (tmp_path / "run" / "steps.csv").read_text().splitlines()[1:]
    losses = [float(row.split(",")[3]) for row in rows]
    assert len(losses) == 10 and losses[-1] < 0.9 * losses[0]
    assert (tmp_path / "run" / "curves.png").stat().st_size > 5000
    assert json.loads((tmp_path / "run" / "settings.json").read_text())["overfit"] is True


class Oracle(torch.nn.Module):
    """Gives the targets of the people that it is asked about, in their order."""

    def __init__(self, task) -> None:
        super().__init__()
        recipe = CropRecipe(task.size(task.settings.phases[0]), rgb=False)
        views = [plain_view(p, recipe) for p in task.validation]
        seen = [seen_joints(p, v, task.skeleton) for p, v in zip(task.validation, views)]
        joints, weights = (torch.from_numpy(np.stack(part)) for part in zip(*seen))
        size = tuple(side // 4 for side in recipe.size)
        self.maps, _ = heatmap_targets(joints, weights, size, (4, 4), task.settings.sigma)
        self.asked = 0

    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        first, self.asked = self.asked, self.asked + len(crops)
        return self.maps[first : self.asked]


@pytest.mark.parametrize(
    "preset, figure",
    [
        ("hrnet-w32-coco-256x192", "ap"),
        ("hrnet-w32-mpii-256x256", "pckh"),
        ("pose-resnet50-posetrack-256x192", "poseval_ap"),
        ("posewarper-baseline-posetrack17", "poseval_ap"),
    ],
)
def test_the_targets_themselves_get_the_data_sets_full_marks(preset, figure, rendered, tmp_path):
    more = ("loader_workers=0", "validate_flip=false")
    task = HeatmapTask(training_settings("pose", preset, data_of(rendered, preset), more), silent)
    found = task.validate(Oracle(task), torch.device("cpu"))
    assert next(iter(found)) == figure and found[figure] > 0.95
    wrong = Oracle(task)
    wrong.maps = wrong.maps.flip(-2)
    assert task.validate(wrong, torch.device("cpu"))[figure] < 0.5
