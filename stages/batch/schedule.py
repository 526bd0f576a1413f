"""Which task a free worker gets, and what becomes of one that failed. Knows nothing of processes or machines."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field

from stages.batch.runner import Outcome
from stages.batch.tasks import Task
from stages.pipeline import SequenceReport

TRIES = 3  # of a sequence whose worker dies or fails, before it is given up
_BUSY_WAIT = 1.0  # seconds before a sequence that another run has is asked for again


@dataclass
class _Open:
    """A task that was tried and is not settled."""

    task: Task
    node: str = ""  # where it runs
    not_before: float = 0.0
    failures: list[str] = field(default_factory=list)
    nodes: set[str] = field(default_factory=set)  # where it failed


@dataclass(frozen=True)
class GivenUp:
    """A sequence that will not be tried again in this run."""

    error: str
    tries: int
    bad_input: bool


class Schedule:
    """Tasks in their order; failed ones again, on another node if there is one, up to `tries` times."""

    def __init__(self, tasks: Iterator[Task], tries: int = TRIES, now: Callable[[], float] = time.monotonic) -> None:
        self._new, self._tries, self._now = tasks, tries, now
        self._again: list[_Open] = []
        self._running: dict[str, _Open] = {}
        self._none_left = False

    @property
    def running(self) -> int:
        """How many tasks workers have now."""
        return len(self._running)

    @property
    def waiting(self) -> tuple[str, ...]:
        """The sequences that will be tried again."""
        return tuple(sorted(opened.task.sequence.id for opened in self._again))

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to do or to wait for; known once `take` found nothing new."""
        return self._none_left and not self._again and not self._running

    def take(
        self,
        node: str,  # of the free worker
        nodes: Collection[str],  # of all workers
    ) -> Task | None:
        """The next task for a worker of that node; None where there is none for it now."""
        now = self._now()
        elsewhere = set(nodes) - {node}
        for opened in self._again:
            # where it failed it is tried again only if there is no node on which it has not failed
            if opened.not_before <= now and not (node in opened.nodes and elsewhere - opened.nodes):
                self._again.remove(opened)
                return self._begin(opened, node)
        if not self._none_left:
            task = next(self._new, None)
            if task is not None:
                return self._begin(_Open(task), node)
            self._none_left = True
        return None

    def _begin(self, opened: _Open, node: str) -> Task:
        opened.node = node
        self._running[opened.task.sequence.id] = opened
        return opened.task

    def settle(self, outcome: Outcome, nodes: Collection[str]) -> SequenceReport | GivenUp | None:
        """What became of a task: its report, why it is given up, or None where it will be tried again.

        A broken input is broken everywhere, but a node may lack the disk it lies on: it is tried once on each node.
        """
        opened = self._running.pop(outcome.task.sequence.id)
        if outcome.report is not None:
            return outcome.report
        if outcome.fault == "busy":
            opened.not_before = self._now() + _BUSY_WAIT
            self._again.append(opened)
            return None
        opened.failures.append(outcome.error)
        opened.nodes.add(opened.node)
        tries = len(opened.failures)
        bad = outcome.fault == "input"
        if tries < self._tries and (outcome.fault == "died" or set(nodes) - opened.nodes):
            self._again.append(opened)
            return None
        return GivenUp(outcome.error, tries, bad)
