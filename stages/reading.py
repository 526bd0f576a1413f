"""Frames for the first stage: decoded in a thread ahead of the networks, or taken from a record."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from types import TracebackType

from posedata.errors import BadInput
from posedata.people import FramePeople
from posedata.records import RecordWriter
from posedata.sequences import Sequence
from posedata.video import Frame, open_sequence
from stages.stream import CHUNK, Clock, Item

_AHEAD_BYTES = 128 << 20  # of decoded frames that may wait
_END = object()


class Reader:
    """The items of one sequence in order, as a context manager that ends its thread.

    Frames before `pixels_from` carry no image: every stage has them in its part file already. Without any stage that
    needs pixels nothing is decoded, and the upstream record alone says which frames there are.
    """

    def __init__(
        self,
        sequence: Sequence,
        frames: tuple[int, int] | None,  # first and last
        pixels_from: int | None,  # None = no pixels are needed
        upstream: Iterator[tuple[int, float, FramePeople, str]] | None,
        first_writer: RecordWriter,
        clock: Clock,
    ) -> None:
        self.warnings: list[str] = []
        self._sequence, self._pixels_from, self._upstream = sequence, pixels_from, upstream
        self._first, self._last = frames if frames is not None else (0, None)
        self._first_writer, self._clock = first_writer, clock
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._queue: queue.Queue[object] = queue.Queue()
        self._failure: BaseException | None = None

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._end_thread()

    def __iter__(self) -> Iterator[Item]:
        if self._pixels_from is None:
            for index, seconds, people, note in self._upstream or ():
                yield Item(index, seconds, None, people, note)
            return
        start = max(self._first, self._pixels_from)
        # frames that every stage has already: their places come from the first stage's part file
        for kept in self._first_writer.kept():
            if kept.index >= start:
                break
            yield Item(kept.index, kept.time, None, self._given(kept.index, kept.people), kept.note)
        for frame in self._decoded(start):
            people = self._given(frame.index, FramePeople(status=frame.status))
            yield Item(frame.index, frame.time, frame.image, people, frame.note)

    def _given(self, index: int, otherwise: FramePeople) -> FramePeople:
        """The upstream record's people of a frame, where there is an upstream.

        Raises:
            BadInput: the upstream record was made of other frames.
        """
        if self._upstream is None:
            return otherwise
        for found, _, people, _ in self._upstream:
            if found == index:
                return people
        raise BadInput(
            f"{self._sequence.id}: frame {index} is not in the record of the stage before; "
            "run that stage again with the same --frames"
        )

    def _decoded(self, start: int) -> Iterator[Frame]:
        with open_sequence(self._sequence, start, self._last) as source:
            size = max(1, source.info.width * source.info.height * 3)
            self._queue = queue.Queue(max(2, min(2 * CHUNK, _AHEAD_BYTES // size)))
            self._thread = threading.Thread(target=self._read, args=(source,), name="decoder", daemon=True)
            self._thread.start()
            try:
                while (frame := self._queue.get()) is not _END:
                    yield frame
            finally:
                source.stop()  # it may be far from the first frame that was asked for
                self._end_thread()  # before the file is closed under it
            if self._failure is not None:
                raise self._failure
            self.warnings += source.warnings

    def _read(self, source: Iterator[Frame]) -> None:
        try:
            began = time.perf_counter()
            for frame in source:
                self._clock.seconds["decode"] += time.perf_counter() - began
                if not self._put(frame):
                    return
                began = time.perf_counter()
        except BaseException as failure:  # noqa: BLE001 - handed to the reading thread, which raises it
            self._failure = failure
        self._put(_END)

    def _end_thread(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _put(self, value: object) -> bool:
        """Waits for room; False where nobody reads any more."""
        while not self._stop.is_set():
            try:
                self._queue.put(value, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False
