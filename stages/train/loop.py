"""The training loop that every network shares: phases, schedules, several processes, checkpoints, exact resume.

A run folder holds `settings.json`, `log.csv` (one line a validation), `steps.csv`, `last.pt` (all that a resume
needs) and `best.safetensors` (the weights with the best validation figure). Which samples a step sees, and how they
are augmented, depends on its number and the seed alone: not on what came before, nor on the number of processes.
"""

from __future__ import annotations

import copy
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import nn
from torch.utils.data import Dataset

from configs.training import Phase, Training
from posedata.atomic import write_atomically
from posedata.errors import BadInput, PtrackError
from stages.train.checkpoint import (
    Progress,
    State,
    changed_settings,
    check_kind_of_run,
    load_checkpoint,
    not_finite,
    save_checkpoint,
    save_weights,
)
from stages.train.distributed import Ranks, joined, replicated
from stages.train.loading import Share, batches
from stages.train.logs import RunLog
from stages.train.optimizer import make_optimizer, training_mode
from stages.train.precision import autocast, other_precision
from stages.train.schedule import Plan, Stretch, learning_rate, minutes_at_end, plan, share_done

_MOST_SKIPPED = 50  # steps on end that are left out because their loss is not finite


class Task(Protocol):
    """What is trained: how its samples, loss and validation figure come about."""

    half_weights: bool  # whether the kept weights are fp16

    def size(self, phase: Phase) -> tuple[int, int]:
        """Height and width of the network's input."""
        ...

    def epoch(self) -> int:
        """Samples of one epoch."""
        ...

    def samples(self, phase: Phase) -> Dataset:
        """Draw number -> sample."""
        ...

    def collate(self, rows: list) -> object: ...

    def loss(self, model: nn.Module, batch: object, device: torch.device) -> torch.Tensor: ...

    def faulty(self, batch: object) -> list[str]:
        """The pictures of a batch that could not be read."""
        ...

    def validate(self, model: nn.Module, device: torch.device) -> dict[str, float]:
        """Figures by name; the first is the one to maximise."""
        ...


@dataclass(frozen=True)
class Watch:
    """What else the first process does while it trains."""

    validated: Callable[[], None] | None = None  # after each validation, when all is written
    progress_line: bool = True  # on a terminal


class _Objective(nn.Module):
    """A network with its loss: what is run on every process and differentiated."""

    def __init__(self, model: nn.Module, task: Task, device: torch.device, compiled: bool) -> None:
        super().__init__()
        self.model = model
        self._task, self._device = task, device
        self._run = torch.compile(model) if compiled else model

    def forward(self, batch: object) -> torch.Tensor:
        return self._task.loss(self._run, batch, self._device)


@dataclass
class _Run:
    """What the steps of a run share."""

    settings: Training
    task: Task
    run_dir: Path
    say: Callable[[str], None]
    watch: Watch
    ranks: Ranks
    device: torch.device
    state: State
    objective: nn.Module
    plan: Plan
    progress: Progress
    log: RunLog | None  # of the first process
    began: float  # when it would have begun without interruption
    saved: float  # when the last checkpoint was written
    skipped_on_end: int = 0  # steps left out since the last one that was taken


def train(
    model: nn.Module,
    task: Task,
    settings: Training,
    run_dir: Path,
    say: Callable[[str], None],
    watch: Watch = Watch(),
) -> Progress:
    """Trains until the phases (or the minutes, or steps) are used up, going on from `run_dir/last.pt` where there is
    one; on one batch alone (`overfit`) it begins anew. Under `torchrun` every process calls it; the first one
    validates and writes.

    Raises:
        BadInput: the checkpoint does not fit the model, or the processes see different ones.
        UsageError: it is on one batch alone and the run in the folder is not, or the other way round.
        PtrackError: it diverged; what the folder held before is kept.
        KeyboardInterrupt: it was asked to end; the checkpoint is written.
    """
    with joined(settings.device) as (ranks, device), _asked_to_stop() as stop:
        if not ranks.first:
            say = _silent
        run = _prepared(model, task, settings, run_dir, say, watch, ranks, device)
        try:
            for number, stretch in enumerate(run.plan.stretches):
                _train_stretch(run, number, stretch, stop)
        finally:
            if run.log is not None:
                run.log.close()
        return run.progress


def _prepared(
    model: nn.Module,
    task: Task,
    settings: Training,
    run_dir: Path,
    say: Callable[[str], None],
    watch: Watch,
    ranks: Ranks,
    device: torch.device,
) -> _Run:
    torch.set_num_threads(settings.threads)
    other = other_precision(settings, device)
    if other is not None:
        say(other)
    check_kind_of_run(run_dir, settings)
    if settings.sync_bn and ranks.world > 1 and device.type == "cuda":
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    model.to(device, memory_format=torch.channels_last if settings.channels_last else torch.preserve_format)
    average = copy.deepcopy(model).eval() if settings.ema or settings.swa else model
    scaler = torch.amp.GradScaler(device.type, enabled=settings.precision == "fp16" and device.type == "cuda")
    state = State(model, average, make_optimizer(model, settings), scaler)
    objective: nn.Module = _Objective(model, task, device, settings.compile)
    progress = Progress()
    if (run_dir / "last.pt").exists() and not settings.overfit:
        progress, old = load_checkpoint(run_dir / "last.pt", state)
        say(f"goes on from {run_dir / 'last.pt'}: {progress.seen} samples seen")
        for change in changed_settings(old, settings):
            say(f"a setting differs from the run's: {change}")
    if ranks.differ(progress.steps, device):
        raise BadInput(
            f"{run_dir}: the run folder is not shared: the processes go on from different checkpoints (process "
            f"{ranks.rank} from {progress.steps} steps); give --run a folder that all machines see"
        )
    if ranks.world > 1:
        objective = replicated(objective)
    whole = plan(settings, task.epoch(), ranks.world)
    log = None
    if ranks.first:
        run_dir.mkdir(parents=True, exist_ok=True)
        write_atomically(run_dir / "settings.json", settings.model_dump_json(indent=1).encode())
        log = RunLog(run_dir, progress.steps, settings.tensorboard, watch.progress_line)
    now = time.monotonic()
    began = now - progress.seconds
    return _Run(
        settings, task, run_dir, say, watch, ranks, device, state, objective, whole, progress, log, began, now
    )


def _train_stretch(run: _Run, number: int, stretch: Stretch, stop: Callable[[], bool]) -> None:
    settings, progress, ranks = run.settings, run.progress, run.ranks
    start = max(stretch.first, progress.draws)
    if start >= stretch.last or _over(run) or share_done(settings, run.plan, progress.draws, progress.seconds) >= 1:
        return
    batch = stretch.phase.batch
    group = ranks.world * settings.accumulate
    height, width = run.task.size(stretch.phase)
    run.say(
        f"phase {height}x{width}: samples {start} to {stretch.last}, batches of {batch}"
        + (f" x {settings.accumulate} accumulated" if settings.accumulate > 1 else "")
        + (f" x {ranks.world} processes" if ranks.world > 1 else "")
    )
    share = Share(start, stretch.last, batch, group, ranks, settings.overfit)
    samples = run.task.samples(stretch.phase)
    ends = None
    if settings.minutes is not None:
        sizes = [run.task.size(s.phase) for s in run.plan.stretches]
        ends = minutes_at_end(settings, number, sizes, run.plan) * 60
    training_mode(run.state.model, run.settings)
    with batches(samples, run.task.collate, share, settings.loader_workers, run.device) as source:
        _steps(run, stretch, source, ends, stop)


def _steps(
    run: _Run,
    stretch: Stretch,
    source: Iterator[object],
    ends: float | None,  # seconds of the run
    stop: Callable[[], bool],
) -> None:
    settings, progress, ranks = run.settings, run.progress, run.ranks
    seen_by_all = stretch.phase.batch * ranks.world * settings.accumulate
    height, _ = run.task.size(stretch.phase)
    while progress.draws < stretch.last:
        seen = min(seen_by_all, stretch.last - progress.draws)
        cycle = _cycle(run)
        rate, loss = _step(run, source)
        progress.draws = min(progress.draws + seen_by_all, stretch.last)
        progress.seen += seen
        progress.steps += 1
        progress.seconds = time.monotonic() - run.began
        _average(run, cycle)
        epoch = progress.draws / run.plan.epoch
        if run.log is not None:
            run.log.progress(seen, epoch, loss, *_left(run, seen_by_all))
            if progress.steps % settings.log_steps == 0 or progress.steps == 1:
                run.log.step(progress.steps, progress.seen, epoch, loss, rate)
        timed_out = ends is not None and ranks.any(progress.seconds >= ends, run.device)
        validated = timed_out or progress.draws >= stretch.last or _over(run) or _due(run, seen_by_all)
        if validated:
            if timed_out:
                progress.draws = stretch.last
            _validate(run, height, rate)
        # clocks differ, and a signal may reach one process alone: what one of them is to do, all do
        stopped, save = ranks.each_any((stop(), not validated and _time_to_save(run)), run.device)
        if stopped or save:
            _save(run)
        if stopped:
            raise KeyboardInterrupt
        if timed_out or _over(run):
            return


def _step(run: _Run, source: Iterator[object]) -> tuple[float, float]:
    """One step of the optimiser over `accumulate` batches of every process: learning rate and mean loss."""
    settings, state, progress = run.settings, run.state, run.progress
    rate = learning_rate(settings, run.plan, progress.draws, progress.seconds, run.ranks.world)
    for group in state.optimizer.param_groups:
        group["lr"] = rate
    state.optimizer.zero_grad(set_to_none=True)
    total = 0.0
    for part in range(settings.accumulate):
        batch = next(source)
        _note_faulty(run, run.task.faulty(batch))
        last = part == settings.accumulate - 1
        apart = run.ranks.world > 1 and not last
        with run.objective.no_sync() if apart else nullcontext():
            with autocast(settings, run.device):
                loss = run.objective(batch)
            state.scaler.scale(loss / settings.accumulate).backward()
        total += loss.item() / settings.accumulate
    total = run.ranks.mean(total, run.device)
    state.scaler.unscale_(state.optimizer)
    norm = nn.utils.clip_grad_norm_(state.model.parameters(), settings.clip_norm or math.inf)
    too_high = settings.skip_loss is not None and total > settings.skip_loss
    if too_high or not torch.isfinite(norm):  # such a step would destroy the weights; it is left out
        progress.skipped += 1
        run.skipped_on_end += 1
        if run.skipped_on_end >= _MOST_SKIPPED and not math.isfinite(total):
            raise _diverged(run, f"the loss of {_MOST_SKIPPED} batches on end was {total}")
    else:
        state.scaler.step(state.optimizer)
        run.skipped_on_end = 0
    state.scaler.update()
    progress.loss_sum += total
    progress.loss_count += 1
    return rate, total


def _note_faulty(run: _Run, names: list[str]) -> None:
    for name in names:
        if name not in run.progress.faulty:
            run.progress.faulty.append(name)
            run.say(f"{name}: cannot be read as a picture; left out ({len(run.progress.faulty)} so far)")


def _over(run: _Run) -> bool:
    return run.settings.max_steps is not None and run.progress.steps >= run.settings.max_steps


def _left(run: _Run, step: int) -> tuple[int, float]:
    """How many samples, and seconds, the run goes on at most."""
    settings, progress = run.settings, run.progress
    samples, seconds = run.plan.total - progress.draws, math.inf
    if settings.max_steps is not None:
        samples = min(samples, (settings.max_steps - progress.steps) * step)
    if settings.minutes is not None:
        seconds = settings.minutes * 60 - progress.seconds
    return samples, max(0.0, seconds)


def _due(run: _Run, step: int) -> bool:
    """Whether a validation fell into the step that has just been taken."""
    every = run.settings.validate_samples or run.plan.epoch
    if run.settings.overfit:  # which has nothing to validate
        every = max(1, run.plan.total // 10)
    return run.progress.draws // every > (run.progress.draws - step) // every


def _time_to_save(run: _Run) -> bool:
    if run.settings.save_steps is not None:
        return run.progress.steps % run.settings.save_steps == 0
    return time.monotonic() - run.saved >= run.settings.save_minutes * 60


def _diverged(run: _Run, why: str) -> PtrackError:
    kept = "last.pt is kept as it was" if (run.run_dir / "last.pt").exists() else "nothing was saved"
    return PtrackError(
        f"{run.run_dir}: the training diverged: {why} after {run.progress.steps} steps; {kept}; lower learning_rate, "
        "or look for wrong labels"
    )


def _check_finite(run: _Run) -> None:
    """Nothing that is not finite is judged or saved: it would take the place of what is sound."""
    broken = not_finite(run.state)
    if run.ranks.any(broken is not None, run.device):
        raise _diverged(run, f"{broken or 'a weight'} is no finite number any more")


def _save(run: _Run) -> None:
    _check_finite(run)
    run.saved = time.monotonic()
    _note_faulty(run, run.ranks.union(run.progress.faulty))
    if run.ranks.first:
        save_checkpoint(run.run_dir / "last.pt", run.state, run.progress, run.settings)


def _validate(run: _Run, height: int, rate: float) -> None:
    """Figures, logs, weights and checkpoint, by the first process while the others wait."""
    _check_finite(run)
    if run.ranks.first:
        run.log.clear_line()
        progress = run.progress
        # the mean over cycles is nothing before the first has ended
        judged = run.state.model if run.settings.swa and not progress.cycles else run.state.average
        judged.eval()
        with torch.no_grad():
            figures = {} if run.settings.overfit else run.task.validate(judged, run.device)
        progress.seconds = time.monotonic() - run.began
        row = {
            "samples": progress.seen,
            "minutes": round(progress.seconds / 60, 2),
            "height": height,
            "loss": round(progress.loss_sum / max(1, progress.loss_count), 7),
            "lr": round(rate, 9),
            **{k: round(v, 5) for k, v in figures.items()},
        }
        progress.history.append(row)
        progress.loss_sum, progress.loss_count = 0.0, 0
        run.say(" ".join(f"{k}={v}" for k, v in row.items()))
        run.log.validation(progress.history, progress.steps)
        score = next(iter(figures.values()), -row["loss"])
        score = -math.inf if math.isnan(score) else score
        if score > progress.best or not math.isfinite(progress.best):
            progress.best = score
            save_weights(judged, run.run_dir / "best.safetensors", run.settings, run.task.half_weights)
        _keep_copy(run)
    _save(run)
    if run.ranks.first and run.watch.validated is not None:
        run.watch.validated()
    run.progress.loss_sum, run.progress.loss_count = 0.0, 0
    run.ranks.wait()
    training_mode(run.state.model, run.settings)


def _keep_copy(run: _Run) -> None:
    epoch = run.progress.draws // run.plan.epoch
    if run.settings.keep_epochs and not run.settings.overfit and epoch and epoch % run.settings.keep_epochs == 0:
        path = run.run_dir / f"epoch-{epoch}.safetensors"
        save_weights(run.state.average, path, run.settings, run.task.half_weights)


def _cycle(run: _Run) -> int:
    return int(run.progress.draws / run.plan.epoch / run.settings.cycle_epochs)


@torch.no_grad()
def _average(run: _Run, cycle: int) -> None:
    """Moves the averaged weights: a little every step, or at the end of every cycle."""
    settings, state = run.settings, run.state
    if settings.swa:
        if _cycle(run) == cycle:
            return
        run.progress.cycles += 1
        share = 1 / run.progress.cycles
    elif settings.ema:
        # early on the average follows quickly
        share = 1 - min(settings.ema, (1 + run.progress.steps) / (10 + run.progress.steps))
    else:
        return
    for target, value in zip(state.average.state_dict().values(), state.model.state_dict().values()):
        if target.dtype.is_floating_point:
            target.lerp_(value, share)
        else:
            target.copy_(value)


@contextmanager
def _asked_to_stop() -> Iterator[Callable[[], bool]]:
    """Ctrl-C and SIGTERM are answered after the step under way, so that the checkpoint is whole."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return
    before = {s: signal.signal(s, lambda *_: asked.set()) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _silent(_: str) -> None:
    """What processes but the first say."""
