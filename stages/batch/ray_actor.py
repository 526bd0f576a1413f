"""What runs on the nodes of a Ray cluster; how it is placed there is the driver's affair."""

from __future__ import annotations

import os
import threading

from stages.batch.drive import Progress
from stages.batch.runner import Job, Outcome, Runner
from stages.batch.tasks import Task
from stages.stream import Item

_SAY_EVERY = 1.0  # seconds between two words on progress


class SequenceActor:
    """Does sequences one after the other with networks that stay loaded; a second thread tells how far it is."""

    def __init__(self, job: Job) -> None:
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read when torch is imported, which comes later
        try:
            os.chdir(job.work)  # Ray's own folder may go before we do
        except OSError as error:
            raise RuntimeError(f"the work folder {job.work} is not there on this node ({error.strerror})") from None
        self._runner = Runner(job, self._count)
        self._lock = threading.Lock()
        self._frames = self._people = 0
        self._finished = threading.Event()

    def node(self) -> str:
        """The node it is on."""
        import ray

        return ray.get_runtime_context().get_node_id()

    def run(self, task: Task) -> Outcome:
        self._finished.clear()
        try:
            return self._runner.run(task)
        finally:
            self._finished.set()

    def progress(self) -> Progress:
        """What was done since the last answer; waits a little, so that it is not asked all the time."""
        self._finished.wait(_SAY_EVERY)
        with self._lock:
            said = Progress(self._frames, self._people)
            self._frames = self._people = 0
        return said

    def _count(self, item: Item) -> None:
        with self._lock:
            self._frames += 1
            self._people += len(item.people)
