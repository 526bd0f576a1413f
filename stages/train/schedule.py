"""How long a training is, and its learning rate at every point."""

from __future__ import annotations

import math
from dataclasses import dataclass

from configs.training import Phase, Training


@dataclass(frozen=True)
class Stretch:
    """A phase as draws: numbers of samples in the order that they are seen."""

    phase: Phase
    first: int
    last: int  # not included


@dataclass(frozen=True)
class Plan:
    """The whole schedule."""

    stretches: tuple[Stretch, ...]
    epoch: int  # samples of one

    @property
    def total(self) -> int:
        return self.stretches[-1].last


def plan(settings: Training, epoch: int, processes: int = 1) -> Plan:
    """The phases one after the other; on one batch alone the first phase, as long as the steps that are asked for."""
    if settings.overfit and settings.max_steps is not None:
        phase = settings.phases[0]
        step = phase.batch * settings.accumulate * processes
        return Plan((Stretch(phase, 0, settings.max_steps * step),), epoch)
    stretches, first = [], 0
    for phase in settings.phases:
        last = first + (phase.samples if phase.samples is not None else max(1, round(phase.epochs * epoch)))
        stretches.append(Stretch(phase, first, last))
        first = last
    return Plan(tuple(stretches), epoch)


def minutes_at_end(settings: Training, number: int, sizes: list[tuple[int, int]], plan: Plan) -> float:
    """Minutes at which phase `number` must end: the time is shared as the work is (samples times pixels)."""
    work = [(s.last - s.first) * size[0] * size[1] for s, size in zip(plan.stretches, sizes)]
    return settings.minutes * sum(work[: number + 1]) / sum(work)


def last_draw(settings: Training, plan: Plan) -> int:
    """Where a run of one process ends: after `max_steps` or at the end of the plan."""
    left = math.inf if settings.max_steps is None else settings.max_steps
    for stretch in plan.stretches:
        step = stretch.phase.batch * settings.accumulate
        steps = -(-(stretch.last - stretch.first) // step)
        if left <= steps:
            return min(stretch.last, stretch.first + int(left) * step)
        left -= steps
    return plan.total


def turning_points(settings: Training, plan: Plan) -> list[int]:
    """The draws of a run of one process at which its learning rate turns: from the first to the last."""
    end = last_draw(settings, plan)
    epochs: tuple[float, ...] = (warmup_of(settings, plan) / plan.epoch,)
    if settings.schedule == "steps":
        epochs += settings.steps if settings.restart is None else (*settings.steps, settings.restart)
    if settings.schedule == "cyclic":  # the last draw of the first cycle, and the first of the second
        epochs += (settings.cycle_epochs - 1 / plan.epoch, settings.cycle_epochs)
    if settings.overfit:
        epochs = ()
    return sorted({0, end - 1, *(point for e in epochs if (point := math.ceil(e * plan.epoch)) < end)})


def warmup_of(settings: Training, plan: Plan) -> float:
    """Samples until the full rate."""
    return max(settings.warmup_samples, settings.warmup_epochs * plan.epoch)


def share_done(settings: Training, plan: Plan, draws: int, seconds: float) -> float:
    """0..1 of the schedule; with a time limit the greater share of both."""
    by_samples = draws / plan.total
    return by_samples if settings.minutes is None else max(by_samples, seconds / 60 / settings.minutes)


def learning_rate(settings: Training, plan: Plan, draws: int, seconds: float, processes: int = 1) -> float:
    """The rate of the step that begins at `draws`; on one batch alone it is the same throughout."""
    base = settings.learning_rate * (processes if settings.rate_per_process else 1)
    if settings.overfit:
        return base
    warm = min(1.0, (draws + 1) / max(1.0, warmup_of(settings, plan)))
    epoch = draws / plan.epoch
    if settings.schedule == "cosine":
        share = min(1.0, share_done(settings, plan, draws, seconds))
        return base * warm * (0.01 + 0.99 * (1 + math.cos(math.pi * share)) / 2)
    if settings.schedule == "cyclic":
        place = (epoch % settings.cycle_epochs) / settings.cycle_epochs
        return warm * (base + (settings.low_rate - base) * place)
    restarted = settings.restart is not None and epoch >= settings.restart
    passed = sum(1 for step in settings.steps if step <= epoch and not (restarted and step < settings.restart))
    return base * warm * settings.factor**passed
