"""From settings to a network, its task and a run of it; or to a rehearsal that writes nothing."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import torch
from torch import nn

from configs.recipes import BottomUpTraining, HeatmapTraining, WarperTraining
from configs.training import DetectorTraining, PoseTraining, Training
from stages.device import pick_device
from stages.pose.networks import create
from stages.train.checkpoint import Progress
from stages.train.distributed import joined
from stages.train.init import load_initial
from stages.train.loop import Task, Watch, train
from stages.train.optimizer import training_mode
from stages.train.precision import autocast, other_precision, precision_name
from stages.train.rendered import only_made
from stages.train.run_folder import alone_in
from stages.train.schedule import last_draw, learning_rate, plan, turning_points
from stages.train.warper import check_beginning, freeze


def prepare(settings: Training, run_dir: Path, say: Callable[[str], None]) -> tuple[nn.Module, Task]:
    """The network, with initial weights where they are given, and what it is taught.

    Raises:
        BadInput: data or weights cannot be used.
        UsageError: the settings do not fit the network.
    """
    torch.manual_seed(settings.seed)
    if isinstance(settings, PoseTraining):
        from stages.train.pose import compact_pose

        model, task = compact_pose(settings, run_dir, say)
    elif isinstance(settings, DetectorTraining):
        from stages.train.detector import compact_detector

        model, task = compact_detector(settings, run_dir, say)
    else:
        model, task = _published(settings, say)
    if settings.init is not None:
        load_initial(model, settings.init, say, getattr(settings, "init_layers", ()))
    elif settings.begins_with and not (run_dir / "last.pt").exists():
        say(f"begins with random weights; the published recipe begins with {settings.begins_with}: give --init FILE")
    return model, task


def _published(settings: Training, say: Callable[[str], None]) -> tuple[nn.Module, Task]:
    from stages.train.crowd_task import MAPS, CrowdTask
    from stages.train.fitting import check_network
    from stages.train.heatmaps import HeatmapTask
    from stages.train.warper import WarperTask

    kinds = {WarperTraining: WarperTask, HeatmapTraining: HeatmapTask, BottomUpTraining: CrowdTask}
    task = kinds[type(settings)](settings, say)
    options = {**task.entry.options, **settings.options}
    maps = len(task.skeleton) if isinstance(task, HeatmapTask) else MAPS
    for size in dict.fromkeys(task.size(phase) for phase in settings.phases):
        check_network(task.entry, options, size, maps, isinstance(task, WarperTask))
    model = create(task.entry.architecture, **options)
    if isinstance(settings, WarperTraining) and settings.freeze:
        freeze(model)
    return model, task


def start(settings: Training, run_dir: Path, say: Callable[[str], None], watch: Watch | None = None) -> Progress:
    """Trains, alone in the run folder; see `loop.train`.

    Raises:
        UsageError: the run folder cannot be written, or another training is at work in it.
    """
    check_beginning(settings)
    # from here on: one of the processes may have to make pictures first
    with (
        _ended_by_sigterm(),
        joined(settings.device) as (ranks, _),
        alone_in(run_dir) if ranks.first else nullcontext(),
    ):
        model, task = prepare(settings, run_dir, say if ranks.first else _silent)
        return train(model, task, settings, run_dir, say, watch or Watch())


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """SIGTERM is answered as Ctrl-C is; while the data is read, that is, since the loop has its own answer."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def rehearse(settings: Training, run_dir: Path, say: Callable[[str], None]) -> None:
    """Reads the data, runs one batch forward and back on the device, and says what a run would be."""
    check_beginning(settings)
    torch.set_num_threads(settings.threads)
    settings = only_made(settings, run_dir, say)
    model, task = prepare(settings, run_dir, say)
    device = pick_device(settings.device)
    other = other_precision(settings, device)
    if other is not None:
        say(other)
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    say(f"{trained / 1e6:.2f} M weights to train of {sum(p.numel() for p in model.parameters()) / 1e6:.2f} M")
    whole = plan(settings, task.epoch())
    for stretch in whole.stretches:
        batch, samples = stretch.phase.batch * settings.accumulate, stretch.last - stretch.first
        height, width = task.size(stretch.phase)
        epochs = samples / whole.epoch
        say(f"{height}x{width}: {samples} samples ({epochs:g} epochs), {-(-samples // batch)} steps of {batch}")
    if last_draw(settings, whole) < whole.total:
        say(f"ends after {settings.max_steps} steps")
    if settings.minutes is not None:
        say(f"ends after {settings.minutes:g} minutes")
    points = turning_points(settings, whole)
    rates = [f"{learning_rate(settings, whole, d, 0.0):.3g} at epoch {d / whole.epoch:g}" for d in points]
    say(f"learning rate: {', '.join(rates)}")
    phase = settings.phases[0]
    data, began = task.samples(phase), time.perf_counter()
    batch = task.collate([data[k] for k in range(phase.batch)])
    loaded = time.perf_counter() - began
    for name in task.faulty(batch):
        say(f"{name}: cannot be read as a picture")
    training_mode(model.to(device), settings)
    began = time.perf_counter()
    with autocast(settings, device):
        loss = task.loss(model, batch, device)
    loss.backward()
    value = loss.item()  # waits for the device
    spent = time.perf_counter() - began
    say(
        f"one batch of {phase.batch} in {precision_name(settings, device)}: loss {value:.5f}; "
        f"{phase.batch / loaded:.1f} samples a second from one loader, {phase.batch / spent:.1f} through the network "
        "(first batch, so slower than later ones)"
    )


def _silent(_: str) -> None:
    """What processes but the first say."""
