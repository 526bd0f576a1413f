"""Workers that are processes of this machine."""

from __future__ import annotations

import pickle
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from contextlib import suppress

from stages.batch.drive import Progress, Seat
from stages.batch.runner import Job, Outcome
from stages.batch.tasks import Task

# As `python -P` does from 3.11 on: what lies in the current folder is never imported, whatever it is called.
_START = "import sys; sys.path[:] = [p for p in sys.path if p]; from stages.batch.worker import main; main()"
_PATIENCE = 10.0  # seconds that a worker has to put its sequence down at the end
_HERE = "here"


class Processes:
    """Up to `count` processes, started when there is work for them, replaced when they die."""

    def __init__(self, job: Job, count: int) -> None:
        self._job, self.count = job, count
        self._workers: dict[int, _Worker] = {}
        self._events: queue.Queue[tuple[int, _Worker, object]] = queue.Queue()

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers.values():
            worker.dismiss()
        until = time.monotonic() + _PATIENCE
        for worker in self._workers.values():
            worker.end(until - time.monotonic())

    def idle(self) -> list[Seat]:
        busy = {number for number, worker in self._workers.items() if worker.task is not None}
        return [Seat(number, _HERE) for number in range(self.count) if number not in busy]

    def nodes(self) -> set[str]:
        return {_HERE}

    def submit(self, seat: Seat, task: Task) -> None:
        worker = self._workers.get(seat.number)
        if worker is None:
            worker = self._workers[seat.number] = _Worker(self._job, seat.number, self._events)
        worker.task = task
        worker.tell(task)

    def wait(self, seconds: float) -> Iterable[Progress | Outcome]:
        with suppress(queue.Empty):
            found = self._event(*self._events.get(timeout=seconds))
            if found is not None:
                yield found
            while True:
                found = self._event(*self._events.get_nowait())
                if found is not None:
                    yield found

    def _event(self, number: int, worker: _Worker, message: object) -> Progress | Outcome | None:
        if self._workers.get(number) is not worker:
            return None
        if isinstance(message, Progress):
            return message
        task, worker.task = worker.task, None
        if isinstance(message, Outcome):
            return message
        del self._workers[number]  # its output ended: it is dead
        how = worker.death()
        return None if task is None else Outcome(task, fault="died", error=f"its worker process died ({how})")


class _Worker:
    """One process, and the thread that reads what it says."""

    def __init__(self, job: Job, number: int, events: queue.Queue) -> None:
        self.task: Task | None = None
        self._process = subprocess.Popen(
            [sys.executable, "-c", _START], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._events, self._number = events, number
        self._reader = threading.Thread(target=self._read, name=f"worker {number}", daemon=True)
        self._reader.start()
        self.tell((job, number))

    def tell(self, message: object) -> None:
        with suppress(OSError):  # it died: its reader says so
            pickle.dump(message, self._process.stdin)
            self._process.stdin.flush()

    def _read(self) -> None:
        with suppress(EOFError, OSError, pickle.UnpicklingError):
            while True:
                self._events.put((self._number, self, pickle.load(self._process.stdout)))
        self._events.put((self._number, self, None))

    def death(self) -> str:
        """How the process ended, in words."""
        code = self._process.wait()
        self._process.stdin.close()
        if code >= 0:
            return f"exit code {code}"
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        more = ", as when memory runs out" if name == "SIGKILL" else ""
        return f"{name}{more}"

    def dismiss(self) -> None:
        """Asks it to end: after its frames under way, which are kept."""
        with suppress(OSError):
            self._process.stdin.close()

    def end(self, seconds: float) -> None:
        try:
            self._process.wait(max(0.1, seconds))
        except subprocess.TimeoutExpired:
            self._process.kill()  # what it wrote can be taken up again
            self._process.wait()
        self._reader.join(1)
