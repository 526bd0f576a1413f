"""Writing a stage's record so that a kill at any moment loses one chunk at most and never leaves half a record."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from io import FileIO
from pathlib import Path
from types import TracebackType

from posedata.errors import SequenceFailed
from posedata.locks import is_at, lock_file
from posedata.people import FramePeople, FrameStatus, Origin
from posedata.record_header import Header, encode_header
from posedata.record_lines import FrameRecord, decode_frame, encode_footer, encode_frame

MAX_LINE = 1 << 26  # bytes; a longer line is no frame of ours (64 MiB hold more than 100,000 people)


def part_path(path: Path) -> Path:
    """Where the unfinished record of `path` lies: in the same folder, hidden."""
    return path.with_name(f".{path.name}.part")


class RecordWriter:
    """Writes one record frame by frame; use as a context manager.

    Frames are buffered until `commit_chunk`, which hands whole chunks to the operating system. Only whole chunks of
    `chunk` frames survive an interruption: opening the same record with the same header again keeps them, drops
    what follows, and says in `resume_at` where to go on. The file gets its final name in `finish`; leaving the
    context without it keeps the part file, unless it holds no frame.

    Raises:
        SequenceFailed: another process is writing this record, or the disk refuses (full, read-only, gone).
    """

    def __init__(
        self,
        path: Path,  # WORK/<sequence>/<stage>.json
        header: Header,
        *,
        chunk: int,  # frames in a chunk
        resume: bool = True,
    ) -> None:
        if chunk < 1:
            raise ValueError(f"a chunk must have at least 1 frame, not {chunk}")
        self.path = Path(path)
        self.header = header
        self.chunk = chunk
        self.resume_at = 0  # index from which frames are still to be done
        self._resume = resume
        self._part = part_path(self.path)
        self._pending: list[bytes] = []
        self._tally = _Tally()
        self._frames = 0  # committed and pending
        self._short = False  # a chunk of fewer frames was committed: only finish may follow
        self._digest = hashlib.sha256()
        self._size = 0  # bytes committed
        self._kept_size = 0  # of them, bytes found on opening
        self._file: FileIO | None = None

    def __enter__(self) -> RecordWriter:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._open_locked()
            self._kept_size = self._keep_whole_chunks() if self._resume else 0
            self._file.truncate(self._kept_size)
            if not self._kept_size:
                self._write(encode_header(self.header))
        except OSError as error:
            self._close()
            raise self._failed(error) from error
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is None:
            return
        if self._frames == len(self._pending):  # nothing was committed
            self._part.unlink(missing_ok=True)
        self._close()

    def append(
        self,
        index: int,
        time: float,  # seconds
        people: FramePeople,
        note: str = "",
    ) -> None:
        """Adds one frame to the current chunk.

        Raises:
            ValueError: the frame does not follow the one before, does not fit the header, or the chunk is full.
        """
        if index < self.resume_at:
            raise ValueError(f"frame {index} comes where frame {self.resume_at} or a later one must")
        if self._short or len(self._pending) >= self.chunk:
            raise ValueError(f"frame {index}: commit whole chunks of {self.chunk} frames, and every one of them")
        if people.keypoints is not None and people.keypoints.shape[1] != self.header.joints:
            raise ValueError(
                f"frame {index} has {people.keypoints.shape[1]} joints, skeleton {self.header.skeleton} "
                f"{self.header.joints}"
            )
        line = encode_frame(index, time, people, note)
        self._pending.append((b",%b\n" if self._frames else b"%b\n") % line)
        self._count(people, index)

    def commit_chunk(self) -> None:
        """Hands the chunk's frames to the operating system: from now on a kill does not lose them.

        A shorter chunk may be committed as the last one.
        """
        if not self._pending:
            return
        self._short = len(self._pending) < self.chunk
        try:
            self._write(b"".join(self._pending))
        except OSError as error:
            raise self._failed(error) from error
        self._pending = []

    def finish(
        self,
        warnings: Sequence[str] = (),
        extra_counts: Mapping[str, int] | None = None,
    ) -> str:
        """Closes the record and gives it its final name; returns its `record_digest`.

        `extra_counts` must not depend on whether the run was interrupted: the whole record is the same bytes then.

        Raises:
            ValueError: an extra count has the name of one that the writer counts itself.
        """
        self.commit_chunk()
        counts = self._tally.counts(self._frames)
        clash = counts.keys() & (extra_counts or {}).keys()
        if clash:
            raise ValueError(f"the count {sorted(clash)[0]!r} is the writer's own")
        try:
            self._write(encode_footer({**counts, **(extra_counts or {})}, tuple(warnings)))
            os.fsync(self._file.fileno())
            os.replace(self._part, self.path)  # while the lock is held: nobody may append to what is being renamed
        except OSError as error:
            raise self._failed(error) from error
        _sync_folder(self.path.parent)
        self._close()
        return self._digest.hexdigest()

    def kept(self) -> Iterator[FrameRecord]:
        """The frames kept from an interrupted run: those before the first that this writer's user appends."""
        with open(self._part, "rb") as file:
            position = len(file.readline(MAX_LINE))
            while position < self._kept_size:
                line = file.readline(MAX_LINE + 1)
                position += len(line)
                yield decode_frame(line.removeprefix(b","), self.header.joints)

    def _open_locked(self) -> FileIO:
        while True:
            file = FileIO(self._part, "a+")
            try:
                lock_file(file.fileno())
                if is_at(file.fileno(), self._part):
                    return file
            except BlockingIOError:
                file.close()
                raise SequenceFailed(
                    f"{self.path}: another ptrack process is writing this record; wait for it, or use another --work"
                ) from None
            except BaseException:
                file.close()
                raise
            file.close()

    def _keep_whole_chunks(self) -> int:
        """The number of bytes to keep; counts the frames in them."""
        with open(self._part, "rb") as file:
            head = encode_header(self.header)
            if file.readline(len(head)) != head:
                return 0
            self._digest.update(head)
            self._size = len(head)
            frames: list[FrameRecord] = []
            lines: list[bytes] = []
            last = -1
            while (line := file.readline(MAX_LINE + 1)).endswith(b"\n"):
                first = not (self._frames or lines)
                if first != (not line.startswith(b",")):
                    break
                try:
                    frame = decode_frame(line if first else line[1:], self.header.joints)
                except ValueError:  # a torn or foreign line: what stands before it is whole
                    break
                if frame.index <= last:
                    break
                last = frame.index
                frames.append(frame)
                lines.append(line)
                if len(lines) == self.chunk:
                    for kept in frames:
                        self._count(kept.people, kept.index)
                    self._digest.update(b"".join(lines))
                    self._size += sum(map(len, lines))
                    frames, lines = [], []
        return self._size

    def _count(self, people: FramePeople, index: int) -> None:
        self._frames += 1
        self._tally.add(people)
        self.resume_at = index + 1

    def _write(self, data: bytes) -> None:
        """Writes all of it or, where the disk refuses, takes back what was written."""
        view = memoryview(data)
        try:
            while view:
                view = view[self._file.write(view) :]
        except OSError:
            self._file.truncate(self._size)
            raise
        self._digest.update(data)
        self._size += len(data)

    def _failed(self, error: OSError) -> SequenceFailed:
        return SequenceFailed(
            f"{self.path}: cannot be written ({error.strerror or error}); mend that and run the same command again, "
            "it goes on from the last whole chunk"
        )

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()  # and with it the lock goes
            self._file = None


class _Tally:
    """What a record counts of its own frames; the same whether the frames were made now or before a resume."""

    def __init__(self) -> None:
        self._skipped = 0
        self._undecodable = 0
        self._people = 0
        self._origins: list[int] | None = None  # one count for each Origin
        self._unassigned = 0
        self._tracks: set[int] | None = None

    def add(self, people: FramePeople) -> None:
        self._skipped += people.status is FrameStatus.SKIPPED
        self._undecodable += people.status is FrameStatus.UNDECODABLE
        self._people += len(people)
        if people.origin is not None:
            self._origins = self._origins or [0] * len(Origin)
            for origin in people.origin.tolist():
                self._origins[origin] += 1
        if people.track_ids is not None:
            self._tracks = self._tracks or set()
            ids = people.track_ids.tolist()
            self._tracks.update(i for i in ids if i >= 0)
            self._unassigned += sum(i < 0 for i in ids)

    def counts(self, frames: int) -> dict[str, int]:
        counts = {
            "frames": frames,
            "skipped": self._skipped,
            "undecodable": self._undecodable,
            "people": self._people,
        }
        if self._origins is not None:
            counts |= {origin.name.lower(): self._origins[origin] for origin in Origin}
        if self._tracks is not None:
            counts |= {"tracks": len(self._tracks), "unassigned": self._unassigned}
        return counts


def _sync_folder(folder: Path) -> None:
    """Makes the renaming itself survive a power cut, where the file system can sync a folder."""
    with contextlib.suppress(OSError):
        file = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(file)
        finally:
            os.close(file)
