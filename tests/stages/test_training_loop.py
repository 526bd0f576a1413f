"""The loop: a stopped or killed run goes on as if nothing had been, several processes are one, settings are kept."""

from __future__ import annotations

import csv
import io
import json
import multiprocessing
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

sys.path.insert(0, str(Path(__file__).parent))
from tiny_training import PEOPLE, TinyTask, first_gradients, network, settings

from posedata.errors import BadInput, PtrackError, UsageError
from stages.train.distributed import joined
from stages.train.loop import train
from stages.train.schedule import learning_rate, plan, turning_points

SCRIPT = Path(__file__).with_name("tiny_training.py")


def silent(_: str) -> None:
    pass


def curve(run: Path) -> list[tuple[str, str]]:
    with (run / "steps.csv").open(newline="") as handle:
        return [(row["step"], row["loss"]) for row in csv.DictReader(handle)]


def weights(run: Path) -> dict[str, torch.Tensor]:
    return torch.load(run / "last.pt", weights_only=True)["model"]


def started(out: Path, *changes: str, new_session: bool = False, **environment: str) -> subprocess.Popen:
    out.mkdir(exist_ok=True)
    variables = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    command = [sys.executable, str(SCRIPT), str(out), *changes]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT} if "RANK" in environment else {}
    return subprocess.Popen(command, env=variables, start_new_session=new_session, text=True, **pipes)


def together(*outs: Path, changes: tuple[str, ...] = ()) -> list[tuple[int, str]]:
    """Processes of one training, a folder each: exit codes and what they wrote."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    group = {"WORLD_SIZE": str(len(outs)), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    every = [started(out, *changes, RANK=str(r), LOCAL_RANK=str(r), **group) for r, out in enumerate(outs)]
    said = [process.communicate(timeout=300)[0] for process in every]
    return [(process.returncode, text) for process, text in zip(every, said)]


def finished(process: subprocess.Popen) -> None:
    assert process.wait(timeout=300) == 0


def test_two_processes_train_as_one_that_accumulates(tmp_path):
    """Losses, gradients and weights to 1e-5; each process's running statistics are those of its own batches. The
    unreadable pictures of both are named and counted."""
    both = together(tmp_path / "two", tmp_path / "two")
    model, task = network(), TinyTask()
    with first_gradients() as gradients:
        train(model, task, settings(accumulate=2), tmp_path / "one", silent)
    assert [code for code, _ in both] == [0, 0], both
    assert not any("Warning" in text for _, text in both), both
    named = [line for line in both[0][1].splitlines() if "cannot be read" in line]
    assert [line.split(":")[0] for line in named] == ["picture-of-0.jpg", "picture-of-1.jpg"]
    assert named[1].endswith("left out (2 so far)") and not both[1][1]
    progress = torch.load(tmp_path / "two" / "run" / "last.pt", weights_only=True)["progress"]
    assert progress["faulty"] == ["picture-of-0.jpg", "picture-of-1.jpg"]
    ranks = [torch.load(tmp_path / "two" / f"rank{r}.pt", weights_only=True) for r in range(2)]
    losses = [[float(loss) for _, loss in curve(run)] for run in (tmp_path / "one", tmp_path / "two" / "run")]
    assert len(losses[0]) == 2 * PEOPLE // 8 and losses[0] == pytest.approx(losses[1], abs=1e-5)
    for key, value in model.state_dict().items():
        if "running" not in key and "tracked" not in key:
            for rank in ranks:
                torch.testing.assert_close(rank["weights"][key], value, atol=1e-5, rtol=1e-5)
    assert len(gradients) == len(list(model.parameters()))
    for number, rank in enumerate(ranks):
        torch.testing.assert_close(rank["gradients"], gradients, atol=1e-5, rtol=1e-5)
        for key, own, seen in (
            ("running_mean", torch.zeros(4), task.batch_means),
            ("running_var", torch.ones(4), task.batch_vars),
        ):
            for batch, running in zip(seen[number::2], rank[key], strict=True):
                own = 0.9 * own + 0.1 * batch
                torch.testing.assert_close(running, own, atol=1e-5, rtol=1e-5)


def test_processes_that_see_different_run_folders_do_not_go_on(tmp_path):
    train(network(), TinyTask(), settings(max_steps=3), tmp_path / "a" / "run", silent)
    both = together(tmp_path / "a", tmp_path / "b")
    assert [code for code, _ in both] == [BadInput.exit_code] * 2, both
    for (_, text), steps in zip(both, (3, 0)):
        assert "run: the run folder is not shared" in text and f"from {steps} steps" in text
    assert not (tmp_path / "b" / "run").exists()


@pytest.mark.parametrize("extra", [{}, {"ema": 0.9, "optimizer": "adam"}], ids=["plain", "averaged"])
def test_a_run_killed_in_mid_epoch_goes_on_to_the_same_curve(tmp_path, extra):
    long = {"phases": ({"epochs": 3, "batch": 2},), "save_steps": 3, **extra}
    train(network(), TinyTask(), settings(**long), tmp_path / "whole", silent)

    class Killed(TinyTask):
        def loss(self, model, batch, device):
            if len(self.batch_means) == 17:  # in the second epoch, two steps after a checkpoint
                raise SystemExit
            return super().loss(model, batch, device)

    with pytest.raises(SystemExit):
        train(network(), Killed(), settings(**long), tmp_path / "parts", silent)
    assert torch.load(tmp_path / "parts" / "last.pt", weights_only=True)["progress"]["steps"] == 15
    train(network(), TinyTask(), settings(**long), tmp_path / "parts", silent)
    assert curve(tmp_path / "parts") == curve(tmp_path / "whole")
    assert len(curve(tmp_path / "whole")) == 36
    for key, value in weights(tmp_path / "whole").items():
        assert torch.equal(value, weights(tmp_path / "parts")[key]), key
    logs = [(tmp_path / run / "log.csv").read_text().splitlines() for run in ("whole", "parts")]
    assert [line.split(",")[3] for line in logs[0]] == [line.split(",")[3] for line in logs[1]]


def test_a_kill_soon_after_a_resume_takes_no_lines_of_the_steps(tmp_path):
    log, rows = tmp_path / "steps.csv", []

    class Killed(TinyTask):
        """Seven steps after a checkpoint; a kill leaves what the disk holds in that moment."""

        def loss(self, model, batch, device):
            if len(self.batch_means) == (7 if rows else 47):
                rows.append(log.read_bytes())
                raise SystemExit
            return super().loss(model, batch, device)

    used = settings(phases=({"epochs": 50, "batch": 2},), save_steps=40, log_steps=20)
    for _ in range(3):
        with pytest.raises(SystemExit):
            train(network(), Killed(), used, tmp_path, silent)
        log.write_bytes(rows[-1])
    lines = [[int(line.split(b",")[0]) for line in text.splitlines()[1:]] for text in rows]
    assert lines == [[1, 20, 40]] * 3


@pytest.mark.slow
@pytest.mark.parametrize(
    "damage",
    [
        b"\xff\xfe\x00\x01",
        b"1,16,0.2,0.5,0.012,32,0.4,0.4,0.01",
        b"foreign\n",
        b"two,16,0.2,0.5,0.01\n",
        b"9" * 200_000,
        b'"',
        b"2.5,,,\n",
    ],
    ids=["binary", "joined", "line", "text", "long", "quote", "empty"],
)
def test_a_damaged_log_does_not_stop_a_resume(damage, tmp_path):
    train(network(), TinyTask(), settings(max_steps=3), tmp_path, silent)
    written = (tmp_path / "steps.csv").read_bytes()
    kept = curve(tmp_path)
    (tmp_path / "steps.csv").write_bytes(written + damage + b"\nnan,,\n")
    assert train(network(), TinyTask(), settings(max_steps=4), tmp_path, silent).steps == 4
    assert curve(tmp_path)[: len(kept)] == kept and len(curve(tmp_path)) == len(kept) + 1
    (tmp_path / "steps.csv").write_bytes(damage)
    assert train(network(), TinyTask(), settings(max_steps=5), tmp_path, silent).steps == 5
    assert [step for step, _ in curve(tmp_path)] == ["5"]


@pytest.mark.parametrize(
    "variables, words",
    [
        ({"WORLD_SIZE": "abc"}, "WORLD_SIZE=abc: must be a whole number"),
        ({"RANK": "x"}, "RANK=x: must be a whole number"),
        ({"WORLD_SIZE": "2"}, "WORLD_SIZE=2: RANK, MASTER_ADDR, MASTER_PORT must be set"),
        ({"WORLD_SIZE": "2", "RANK": "0", "MASTER_ADDR": "127.0.0.1"}, "WORLD_SIZE=2: MASTER_PORT must be set"),
        ({"WORLD_SIZE": "2", "RANK": "2"}, "RANK=2: must be less than WORLD_SIZE, which is 2"),
        (
            {"WORLD_SIZE": "2", "RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "x"},
            "MASTER_ADDR, MASTER_PORT: .* do not find each other at 127.0.0.1:x",
        ),
    ],
)
def test_wrong_variables_of_several_processes_are_named(variables, words, monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match=words), joined("cpu"):
        pass


@pytest.mark.parametrize("name", ["meta", "xpu", "cuda:-1", "tpu"])
def test_devices_that_networks_do_not_run_on_are_refused(name):
    with pytest.raises(UsageError, match=f"--device {name}: .* use auto, cpu"), joined(name):
        pass


def test_a_process_killed_from_outside_leaves_a_checkpoint_that_goes_on(tmp_path):
    changes = ("phases=[{epochs: 200, batch: 2}]", "save_steps=3")
    train(network(), TinyTask(), settings(phases=({"epochs": 200, "batch": 2},)), tmp_path / "whole", silent)
    for wait in (0.0, 0.7):
        process = started(tmp_path / "parts", *changes)
        while not (tmp_path / "parts" / "run" / "last.pt").exists():
            time.sleep(0.05)
        time.sleep(wait)
        process.send_signal(signal.SIGKILL)
        process.wait()
    finished(started(tmp_path / "parts", *changes))
    assert curve(tmp_path / "parts" / "run") == curve(tmp_path / "whole")


def test_an_interruption_ends_after_the_step_with_a_checkpoint(tmp_path):
    class Interrupted(TinyTask):
        def loss(self, model, batch, device):
            if len(self.batch_means) == 4:
                os.kill(os.getpid(), signal.SIGINT)
            return super().loss(model, batch, device)

    train(network(), TinyTask(), settings(), tmp_path / "whole", silent)
    with pytest.raises(KeyboardInterrupt):
        train(network(), Interrupted(), settings(), tmp_path / "parts", silent)
    assert torch.load(tmp_path / "parts" / "last.pt", weights_only=True)["progress"]["steps"] == 5
    train(network(), TinyTask(), settings(), tmp_path / "parts", silent)
    assert curve(tmp_path / "parts") == curve(tmp_path / "whole")


def test_sigterm_to_every_process_of_a_run_ends_it_after_the_step_with_a_checkpoint(tmp_path):
    """Schedulers send it to all processes of a job, those that read pictures among them."""
    changes = ("phases=[{epochs: 100000, batch: 4}]", "loader_workers=2")
    process = started(tmp_path, *changes, new_session=True)
    while not (tmp_path / "run" / "steps.csv").exists() or len(curve(tmp_path / "run")) < 3:
        assert process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGTERM)
    assert process.wait(timeout=120) != 0
    steps = torch.load(tmp_path / "run" / "last.pt", weights_only=True)["progress"]["steps"]
    assert steps == len(curve(tmp_path / "run")) >= 3


def test_the_end_of_a_process_that_reads_pictures_is_one_sentence(tmp_path):
    class Losing(TinyTask):
        def loss(self, model, batch, device):
            for child in multiprocessing.active_children():
                child.kill()
            return super().loss(model, batch, device)

    with pytest.raises(PtrackError, match=r"reads training pictures was ended from outside .* same command goes on"):
        train(network(), Losing(), settings(phases=({"epochs": 50, "batch": 4},), loader_workers=1), tmp_path, silent)


def test_a_picture_that_ends_the_training_is_named_without_the_traceback_of_the_worker(tmp_path):
    class Unreadable(TinyTask):
        def samples(self, phase):
            return Refusing()

    with pytest.raises(BadInput, match=r"^7\.jpg: cannot be read as a picture$"):
        train(network(), Unreadable(), settings(loader_workers=1), tmp_path, silent)
    assert not multiprocessing.active_children()


class Refusing(torch.utils.data.Dataset):
    def __getitem__(self, draw: int):
        raise BadInput("7.jpg: cannot be read as a picture")


def test_checkpoint_and_weights_hold_the_settings_and_changes_are_told(tmp_path):
    train(network(), TinyTask(), settings(max_steps=3), tmp_path, silent)
    with safe_open(tmp_path / "best.safetensors", "pt") as file:
        assert json.loads(file.metadata()["settings"])["learning_rate"] == 0.05
    assert json.loads(torch.load(tmp_path / "last.pt", weights_only=True)["settings"])["max_steps"] == 3
    said = []
    train(network(), TinyTask(), settings(max_steps=5, learning_rate=0.01, threads=2), tmp_path, said.append)
    changes = [line for line in said if "differs" in line]
    assert len(changes) == 2 and any("learning_rate: 0.05 -> 0.01" in line for line in changes)


def test_a_validation_each_epoch_and_copies_of_some(tmp_path):
    task = TinyTask()
    long = settings(phases=({"epochs": 4, "batch": 5},), keep_epochs=2)  # batches cross the epochs' ends
    progress = train(network(), task, long, tmp_path, silent)
    assert task.validated == 4 and [row["samples"] for row in progress.history] == [25, 50, 75, 96]
    assert sorted(p.name for p in tmp_path.glob("epoch-*")) == ["epoch-2.safetensors", "epoch-4.safetensors"]
    assert {"loss", "lr", "right"} <= set((tmp_path / "log.csv").read_text().splitlines()[0].split(","))


def test_one_batch_can_be_learnt_by_heart(tmp_path):
    """By as many steps as are asked for, at one rate, whatever the schedule; each time from the beginning."""
    schedule = {"schedule": "steps", "steps": (1, 2), "warmup_epochs": 3, "phases": ({"epochs": 1, "batch": 4},)}
    long = settings(overfit=True, max_steps=60, learning_rate=0.3, **schedule)
    train(network(), TinyTask(), long, tmp_path, silent)
    losses = [float(loss) for _, loss in curve(tmp_path)]
    assert len(losses) == 60 and losses[-1] < 0.02 < 0.3 < losses[0]
    with (tmp_path / "steps.csv").open(newline="") as handle:
        assert {row["lr"] for row in csv.DictReader(handle)} == {"0.3"}
    first = curve(tmp_path)
    train(network(), TinyTask(), long, tmp_path, silent)
    assert curve(tmp_path) == first


@pytest.mark.parametrize("before, after", [(False, True), (True, False)])
def test_a_run_on_one_batch_and_a_training_leave_each_other_alone(tmp_path, before, after):
    train(network(), TinyTask(), settings(overfit=before, max_steps=2), tmp_path, silent)
    kept = (tmp_path / "last.pt").read_bytes()
    with pytest.raises(UsageError, match="give another --run"):
        train(network(), TinyTask(), settings(overfit=after, max_steps=4), tmp_path, silent)
    assert (tmp_path / "last.pt").read_bytes() == kept


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("limit, most", [({"minutes": 0.02}, 1), ({"max_steps": 4}, 60)])
def test_the_time_left_is_that_of_the_limit_that_comes_first(tmp_path, monkeypatch, limit, most):
    monkeypatch.setattr(sys, "stderr", Terminal())
    train(network(), TinyTask(), settings(phases=({"epochs": 1e6, "batch": 4},), **limit), tmp_path, silent)
    left = re.findall(r"(\d+):(\d+):(\d+) left", sys.stderr.getvalue())
    assert left and all(3600 * int(h) + 60 * int(m) + int(s) <= most for h, m, s in left)


def test_training_in_bf16_follows_that_in_fp32_and_keeps_its_weights_in_fp32(tmp_path):
    kinds = set()

    class Watched(TinyTask):
        def loss(self, model, batch, device):
            kinds.add(model[0](batch[0]).dtype)
            return super().loss(model, batch, device)

    train(network(), Watched(), settings(precision="bf16"), tmp_path / "bf16", silent)
    train(network(), TinyTask(), settings(), tmp_path / "fp32", silent)
    kept = {value.dtype for value in weights(tmp_path / "bf16").values()}
    assert kinds == {torch.bfloat16} and kept == {torch.float32, torch.int64}
    lower, full = ([float(loss) for _, loss in curve(tmp_path / run)] for run in ("bf16", "fp32"))
    assert lower != full and lower == pytest.approx(full, abs=0.03)


def test_a_precision_that_the_device_does_not_train_in_is_said(tmp_path):
    said = []
    train(network(), TinyTask(), settings(precision="fp16", max_steps=1), tmp_path, said.append)
    assert "precision: fp16 is not trained in on cpu; bf16 is used" in said


def test_batches_of_a_wild_loss_are_left_out(tmp_path):
    before = {k: v.clone() for k, v in network().state_dict().items()}
    model = network()
    progress = train(model, TinyTask(), settings(skip_loss=1e-6, max_steps=3), tmp_path, silent)
    assert progress.skipped == 3
    assert torch.equal(model[0].weight, before["0.weight"])


@pytest.mark.parametrize(
    "changes, rates",
    [
        ({"steps": (1, 3), "factor": 0.1}, {0: 1, 0.9: 1, 1: 0.1, 2.5: 0.1, 3: 0.01}),
        ({"steps": (1, 2, 4), "restart": 3, "factor": 0.2}, {1: 0.2, 2: 0.04, 3: 1, 4: 0.2}),
        ({"schedule": "cyclic", "cycle_epochs": 2, "low_rate": 0.5}, {0: 1, 1: 0.75, 2: 1, 3: 0.75}),
        ({"schedule": "cosine"}, {0: 1, 2.5: 0.505}),
        ({"warmup_epochs": 2}, {0: 0.0005, 1: 0.5, 3: 1}),
    ],
)
def test_schedules(changes, rates):
    used = settings(phases=({"epochs": 5, "batch": 4},), learning_rate=1.0, **changes)
    whole = plan(used, 1000)
    for epoch, rate in rates.items():
        assert learning_rate(used, whole, round(epoch * 1000), 0.0) == pytest.approx(rate, rel=2e-3), epoch


@pytest.mark.parametrize(
    "changes, epochs",
    [
        ({"schedule": "cosine", "steps": (3, 120)}, [0, 4.999]),
        ({"steps": (3, 120), "warmup_epochs": 0.5}, [0, 0.5, 3, 4.999]),
        ({"steps": (1, 4), "restart": 2}, [0, 1, 2, 4, 4.999]),
        ({"steps": (1, 4), "max_steps": 500}, [0, 1, 1.999]),
        ({"schedule": "cyclic", "cycle_epochs": 2}, [0, 1.999, 2, 4.999]),
    ],
)
def test_a_rehearsal_tells_the_rates_at_points_that_the_run_has(changes, epochs):
    used = settings(phases=({"epochs": 5, "batch": 4},), **changes)
    assert [draw / 1000 for draw in turning_points(used, plan(used, 1000))] == epochs


def test_the_mean_over_cycles_is_the_mean_of_their_last_weights(tmp_path):
    ends = []

    class Watched(TinyTask):
        def loss(self, model, batch, device):
            if len(self.batch_means) in (6, 12, 18):
                ends.append(model[0].weight.detach().clone())
            return super().loss(model, batch, device)

    used = settings(phases=({"epochs": 3.2, "batch": 4},), schedule="cyclic", cycle_epochs=1, swa=True, low_rate=0.01)
    train(network(), Watched(), used, tmp_path, silent)
    mean = torch.load(tmp_path / "last.pt", weights_only=True)["average"]["0.weight"]
    torch.testing.assert_close(mean, torch.stack(ends).mean(dim=0))
