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


def plan(settings: Training, epoch: int) -> Plan:
    """The phases one after the other."""
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


def share_done(settings: Training, plan: Plan, draws: int, seconds: float) -> float:
    """0..1 of the schedule; with a time limit the greater share of both."""
    by_samples = draws / plan.total
    return by_samples if settings.minutes is None else max(by_samples, seconds / 60 / settings.minutes)


def learning_rate(settings: Training, plan: Plan, draws: int, seconds: float, processes: int = 1) -> float:
    """The rate of the step that begins at `draws`."""
    base = settings.learning_rate * (processes if settings.rate_per_process else 1)
    warmup = max(settings.warmup_samples, settings.warmup_epochs * plan.epoch)
    warm = min(1.0, (draws + 1) / max(1.0, warmup))
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
