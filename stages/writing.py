"""Writing records in a thread behind the networks."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

from posedata.records import RecordWriter
from stages.stream import CHUNK, Clock, Item

_PENDING = 4 * CHUNK  # frames that may wait to be written


class WriteBehind:
    """Takes frames for several records and writes them in order; an error comes up at the next call."""

    def __init__(self, writers: Sequence[RecordWriter], clock: Clock) -> None:
        self.writers, self.clock = writers, clock
        self._executor = ThreadPoolExecutor(1, "writer")
        self._pending: list[Future[None]] = []
        self._written = [0] * len(writers)

    def __enter__(self) -> WriteBehind:
        return self

    def __exit__(self, *_: object) -> None:
        self._executor.shutdown(wait=True)

    def append(self, number: int, item: Item) -> None:
        """One frame for the record of that number."""
        self._pending.append(self._executor.submit(self._write, number, replace(item, image=None)))
        if len(self._pending) >= _PENDING * len(self.writers):
            self._settle(len(self._pending) // 2)

    def finish(
        self,
        warnings: Sequence[Sequence[str]],  # of each record
    ) -> None:
        """Waits for all frames, then closes every record, the first stage's first."""
        self._settle(len(self._pending))
        with self.clock.of("write"):
            for writer, own in zip(self.writers, warnings):
                writer.finish(own)

    def _settle(self, count: int) -> None:
        for future in self._pending[:count]:
            future.result()
        del self._pending[:count]

    def _write(self, number: int, item: Item) -> None:
        with self.clock.of("write"):
            writer = self.writers[number]
            writer.append(item.index, item.time, item.people, item.note)
            self._written[number] += 1
            if self._written[number] % CHUNK == 0:
                writer.commit_chunk()
