"""Workers that are actors of a Ray cluster: one keeps its networks on its GPU and does one sequence after the other.

Only tasks, settings and reports travel through Ray; pixels and records stay on the file system that all nodes see.
An actor's death, or its node's, is a failure of the task it had. Nodes that join get actors, too.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from posedata.errors import UsageError
from stages.batch.drive import Progress, Seat
from stages.batch.ray_actor import SequenceActor
from stages.batch.runner import Job, Outcome
from stages.batch.tasks import Task

_LOOK_AGAIN = 10.0  # seconds between two looks at the cluster, which may have grown
_SAY_WAITING = 30.0  # seconds without any worker before the user is told what is waited for
_KNOCKING = 10.0  # seconds
_MOST_STILLBORN = 5  # actors that cannot start, before it is taken for a fault of the cluster
_PORT = 6379  # where Ray's head node listens by default


@dataclass
class _Actor:
    """An actor as the driver sees it."""

    number: int
    handle: object  # ray.actor.ActorHandle
    greeting: object  # ray.ObjectRef of its node; the actor works when it is there
    node: str = ""  # "" = not yet started
    task: Task | None = None
    answer: object = None  # ray.ObjectRef of the task's outcome
    meter: object = None  # ray.ObjectRef of its next word on progress


class RayWorkers:
    """As many actors as are asked for, or as fit on the cluster; dead ones are replaced."""

    def __init__(
        self,
        job: Job,
        address: str | None,  # None = a cluster of this machine alone, for this run
        *,
        count: int | None = None,  # None = as many as fit
        cpus: float | None = None,  # of each actor; None = the threads of its networks
        gpus: float | None = None,  # of each actor, fractions allowed; None = 1 where the cluster has GPUs
        note: Callable[[str], None] = lambda sentence: None,
    ) -> None:
        try:
            import ray
        except ImportError:
            raise UsageError("--executor ray needs Ray; install it with: pip install 'ptrack[cluster]'") from None
        self._ray = ray
        self._address, self._wanted, self._note = address, count, note
        self._cpus = job.hardware.threads if cpus is None else cpus
        self._gpus = gpus
        self._job = job
        self._actors: dict[int, _Actor] = {}
        self._next = 0
        self._looked = self._seated = time.monotonic()
        self._job_ref: object = None
        self._stillborn = 0  # actors in a row that died before they could do anything
        self.count = 0

    def __enter__(self) -> RayWorkers:
        ray = self._ray
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            _knock(self._address)
            with _nowhere():
                ray.init(
                    address=_address(self._address),
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                    include_dashboard=False if self._address is None else None,
                )
        except Exception as error:  # noqa: BLE001 - Ray raises bare ones
            if self._address is None:
                raise UsageError(f"Ray cannot be started on this machine ({_first_line(error)}); try again") from None
            raise UsageError(
                f"--ray-address {self._address}: no Ray cluster answers there ({_first_line(error)}); start one with "
                "`ray start --head`, or leave the address out"
            ) from None
        try:
            self._settle_resources()
            self._job_ref = ray.put(self._job)
            self._grow()
        except BaseException:
            ray.shutdown()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._ray.shutdown()  # and with the driver its actors end; what they wrote can be taken up again

    def idle(self) -> list[Seat]:
        return [Seat(a.number, a.node) for a in self._actors.values() if a.node and a.task is None]

    def nodes(self) -> set[str]:
        return {a.node for a in self._actors.values() if a.node}

    def submit(self, seat: Seat, task: Task) -> None:
        actor = self._actors[seat.number]
        actor.task = task
        actor.answer = actor.handle.run.remote(task)
        if actor.meter is None:  # never two at once: the actor has two threads, and one is for the work
            actor.meter = actor.handle.progress.remote()

    def wait(self, seconds: float) -> Iterable[Progress | Outcome]:
        ray = self._ray
        if time.monotonic() - self._looked > _LOOK_AGAIN:
            self._grow()
        watched: dict[object, tuple[_Actor, str]] = {}
        for actor in self._actors.values():
            for kind in ("greeting", "answer", "meter"):
                if getattr(actor, kind) is not None:
                    watched[getattr(actor, kind)] = (actor, kind)
        if not watched:
            time.sleep(seconds)
            return
        ready, _ = ray.wait(list(watched), num_returns=1, timeout=seconds)
        more, _ = ray.wait(list(watched), num_returns=len(watched), timeout=0)
        for ref in {*ready, *more}:
            actor, kind = watched[ref]
            if actor.number in self._actors:  # else its death was told just now
                yield from self._told(actor, kind, ref)
        self._say_waiting()

    def _told(self, actor: _Actor, kind: str, ref: object) -> Iterator[Progress | Outcome]:
        """What a finished call of an actor means."""
        try:
            value = self._ray.get(ref)
        except self._ray.exceptions.RayError as error:
            yield from self._died(actor, error)
            return
        setattr(actor, kind, None)
        if kind == "greeting":
            actor.node, self._stillborn = value, 0
            self._seated = time.monotonic()
        elif kind == "meter":
            if value.frames:
                yield value
            if actor.task is not None:
                actor.meter = actor.handle.progress.remote()
        else:
            task, actor.task = actor.task, None
            yield replace(value, task=task)

    def _died(self, actor: _Actor, error: Exception) -> Iterator[Outcome]:
        del self._actors[actor.number]
        with contextlib.suppress(Exception):  # Ray raises many things for what is dead already
            self._ray.kill(actor.handle)
        if actor.task is not None:
            words = f"its worker on node {actor.node[:8]} died ({_first_line(error)})"
            yield Outcome(actor.task, fault="died", error=words)
        elif not actor.node:
            self._stillborn += 1
            if self._stillborn >= _MOST_STILLBORN:
                raise UsageError(f"no worker can start on the Ray cluster ({error}); install ptrack on all its nodes")
        self._grow()

    def _settle_resources(self) -> None:
        """Whether workers get a GPU; refuses what no node can ever give.

        Raises:
            UsageError: no node of the cluster is large enough for one worker.
        """
        nodes = self._node_resources()
        if self._gpus is None:
            wants_cuda = self._job.hardware.device not in ("cpu", "mps")
            self._gpus = 1.0 if wants_cuda and any(node.get("GPU", 0) >= 1 for node in nodes) else 0.0
        if not self._gpus and self._job.hardware.device == "auto":
            hardware = replace(self._job.hardware, device="cpu")  # no GPU was given to it: it must not take one
            self._job = replace(self._job, hardware=hardware)
        if nodes and not any(self._fit(node) for node in nodes):
            raise UsageError(
                f"no node of the Ray cluster has the {self._cpus:g} CPUs and {self._gpus:g} GPUs that a worker asks "
                "for; lower --threads, --cpus-per-worker or --gpus-per-worker"
            )

    def _node_resources(self) -> list[dict[str, float]]:
        return [node["Resources"] for node in self._ray.nodes() if node["Alive"]]

    def _fit(self, resources: dict[str, float]) -> int:
        """How many workers a node has room for."""
        rooms = [
            resources.get(name, 0) / share for name, share in (("CPU", self._cpus), ("GPU", self._gpus)) if share > 0
        ]
        return int(min(rooms, default=1) + 1e-6)

    def _grow(self) -> None:
        """Starts actors up to the wanted number, or as many as fit."""
        self._looked = time.monotonic()
        wanted = self._wanted
        if wanted is None:
            wanted = max(1, sum(self._fit(node) for node in self._node_resources()))
        make = self._ray.remote(SequenceActor).options(
            num_cpus=self._cpus,
            num_gpus=self._gpus,
            max_concurrency=2,  # its work, and telling of it
            max_restarts=0,  # a new one may start on another node
            scheduling_strategy="SPREAD",
        )
        while len(self._actors) < wanted:
            handle = make.remote(self._job_ref)
            self._actors[self._next] = _Actor(self._next, handle, handle.node.remote())
            self._next += 1
        self.count = max(self.count, len(self._actors))

    def _say_waiting(self) -> None:
        if any(actor.node for actor in self._actors.values()):
            self._seated = time.monotonic()
        elif time.monotonic() - self._seated > _SAY_WAITING:
            self._note(f"waiting for the cluster to give {self._cpus:g} CPUs and {self._gpus:g} GPUs to a worker")
            self._seated = time.monotonic()


def _address(given: str | None) -> str:
    """As `ray.init` wants it."""
    if given is None:
        return "local"
    if given == "auto" or "://" in given or given.rpartition(":")[2].isdecimal():
        return given
    return f"{given}:{_PORT}"


def _knock(given: str | None) -> None:
    """Whether anybody listens at an address: Ray itself would try for minutes.

    Raises:
        OSError: nobody does.
    """
    host, _, port = _address(given).rpartition("//")[2].rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=_KNOCKING).close()


@contextmanager
def _nowhere() -> Iterator[None]:
    """In an empty folder: Ray lets all workers import what lies in the folder where the driver connects."""
    before = os.getcwd()
    with tempfile.TemporaryDirectory() as empty:
        os.chdir(empty)
        try:
            yield
        finally:
            os.chdir(before)


def _first_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return (text[0] if text else type(error).__name__).rstrip(".")
