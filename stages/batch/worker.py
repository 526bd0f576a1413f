"""A worker process: reads tasks from its standard input, writes what becomes of them to its standard output.

Started by `stages.batch.processes`. Messages are pickles between two processes of the same program and user.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import signal
import sys
import threading
import time
from dataclasses import replace
from typing import BinaryIO

from stages.batch.drive import Progress
from stages.batch.runner import Job, Runner, Stopped
from stages.batch.tasks import Task
from stages.stream import Item

_GPU_MARKS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg", "C:\\Windows")  # NVIDIA, AMD, WSL; Windows has no such sign
_SAY_EVERY = 0.2  # seconds between two words on progress


class Meter:
    """Counts frames, and says so now and then."""

    def __init__(self, say) -> None:  # Callable[[Progress], None]
        self._say = say
        self._frames = self._people = 0
        self._said = time.monotonic()

    def add(self, item: Item) -> None:
        self._frames += 1
        self._people += len(item.people)
        if time.monotonic() - self._said > _SAY_EVERY:
            self.flush()

    def flush(self) -> None:
        if self._frames:
            self._say(Progress(self._frames, self._people))
        self._frames = self._people = 0
        self._said = time.monotonic()


def main() -> None:
    """Works until standard input ends, which is how the run that started it says so, or dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all of a terminal's processes; the run decides
    messages = os.fdopen(os.dup(sys.stdin.fileno()), "rb")
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever a library prints is no answer
    tasks: queue.Queue[Task | None] = queue.Queue()
    stop = threading.Event()
    job, number = pickle.load(messages)
    threading.Thread(target=_read, args=(messages, tasks, stop), name="messages", daemon=True).start()
    with contextlib.suppress(BrokenPipeError, Stopped):
        _work(job, number, tasks, stop, answers)


def _read(messages: BinaryIO, tasks: queue.Queue[Task | None], stop: threading.Event) -> None:
    with contextlib.suppress(EOFError, OSError, pickle.UnpicklingError):
        while True:
            tasks.put(pickle.load(messages))
    stop.set()
    tasks.put(None)


def _work(job: Job, number: int, tasks: queue.Queue[Task | None], stop: threading.Event, answers: BinaryIO) -> None:
    def say(message: object) -> None:
        pickle.dump(message, answers)
        answers.flush()

    meter = Meter(say)

    def progress(item: Item) -> None:
        if stop.is_set():
            raise Stopped
        meter.add(item)

    runner = Runner(replace(job, hardware=replace(job.hardware, device=_device(job, number))), progress)
    while (task := tasks.get()) is not None:
        outcome = runner.run(task)
        meter.flush()
        say(outcome)


def _device(job: Job, number: int) -> str:
    """The GPU of this worker; where the system has none, torch is not imported to be told so."""
    if not any(os.path.exists(path) for path in _GPU_MARKS):
        return job.hardware.device
    from stages.device import own_device

    return own_device(job.hardware.device, number)
