"""Leases beside the records: two runs on one work folder never do the same sequence at the same time.

A lease is a file `WORK/<sequence>/.lease-N` that is created exclusively, which is one step on every file system, NFS
(version 3 and later) included; no lock server is asked. Its holder touches it again and again; one that was not
touched for `seconds` is expired, whoever holds it. To take over an expired lease one creates `.lease-N+1`: of those
who try, one succeeds. Whether a lease is expired is told by the file system's own clock, so the machines' clocks need
not agree. A lease whose process is dead on this very machine is expired at once.

A lease saves work, it does not guard data: should a holder be suspended for longer than its lease and wake up again,
it notices and stops, records are renamed into place whole, and the same input gives the same bytes.
"""

from __future__ import annotations

import os
import random
import socket
import threading
import time
import uuid
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType

import orjson

from posedata.errors import SequenceFailed

LEASE_SECONDS = 120.0
_PREFIX = ".lease-"
_RENEWALS = 4  # a lease is touched this many times before it would expire
_TRIES = 8


@dataclass(frozen=True)
class Holder:
    """Whose a lease is."""

    host: str  # and what tells apart two systems of the same name
    pid: int
    born: int  # when the process started, in the kernel's count; 0 = unknown
    run: str  # one `ptrack` command has one
    began: float  # of that command, seconds since 1970
    seconds: float  # how long the lease lasts without being touched


@dataclass(frozen=True)
class SeenLease:
    """A lease as others see it."""

    path: Path
    number: int
    holder: Holder | None  # None = it is being written in this moment
    age: float  # seconds since it was touched, by the file system's clock

    @property
    def expired(self) -> bool:
        """Whether its holder is dead, or silent for too long."""
        if self.holder is None:
            return self.age > LEASE_SECONDS
        return self.age > self.holder.seconds or _is_dead(self.holder)


class Lease:
    """A lease that this process holds; a context manager that gives it back."""

    def __init__(self, path: Path, content: bytes, seconds: float) -> None:
        self.path = path
        self._content, self._seconds = content, seconds
        self._touched = time.monotonic()
        self._lost = False
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)
        self._thread.start()

    def __enter__(self) -> Lease:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._end.set()
        self._thread.join()
        with suppress(OSError):  # then it expires
            if not self._lost and self.path.read_bytes() == self._content:
                self.path.unlink()

    def check(self) -> None:
        """Must be called now and then by who works under the lease.

        A process that was stopped for long and goes on (Ctrl-Z and `fg`) keeps a lease that nobody took meanwhile.

        Raises:
            SequenceFailed: it is lost to another process.
        """
        if time.monotonic() - self._touched > self._seconds:
            self._touch()
        if self._lost:
            raise SequenceFailed(
                f"{self.path.parent}: another ptrack process took this sequence over, because this one was silent "
                f"for more than {self._seconds:g} s; run the same command again"
            )

    def _renew(self) -> None:
        while not self._lost and not self._end.wait(self._seconds / _RENEWALS):
            self._touch()

    def _touch(self) -> None:
        """Renews the lease if its file is still ours; notes where it is not."""
        with self._lock:
            try:
                ours = self.path.read_bytes() == self._content  # its name may be another's by now
                if ours:
                    os.utime(self.path)
            except FileNotFoundError:
                ours = False
            except OSError:
                return  # the file system may come back in time
            self._lost = self._lost or not ours
            self._touched = time.monotonic()


class Leases:
    """What one process takes leases with."""

    def __init__(self, run: str, began: float, seconds: float = LEASE_SECONDS) -> None:
        self._holder = Holder(_host(), os.getpid(), _born(os.getpid()), run, began, seconds)

    def take(self, folder: Path) -> Lease | None:
        """The lease of a sequence's folder, which is made where it is missing; None where another one holds it.

        Raises:
            SequenceFailed: the folder cannot be written to.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for _ in range(_TRIES):
                lease = self._try(folder)
                if lease is not None:
                    return lease
                if any(not seen.expired for seen in leases_of(folder)):
                    return None
                time.sleep(random.uniform(0, 0.05))  # others took part in the same moment
            return None
        except OSError as error:
            raise SequenceFailed(
                f"{folder}: cannot be written ({error.strerror or error}); mend that and run the same command again"
            ) from None

    def _try(self, folder: Path) -> Lease | None:
        before = leases_of(folder)
        if any(not lease.expired for lease in before):
            return None
        path = folder / f"{_PREFIX}{max((lease.number for lease in before), default=0) + 1}"
        try:
            handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        except FileExistsError:
            return None
        content = orjson.dumps({**asdict(self._holder), "key": uuid.uuid4().hex})  # no two leases are the same
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            others = [lease for lease in leases_of(folder) if lease.path != path]
            # somebody may have released number N, and a third begun anew from 1, since `before` was listed
            if any(not lease.expired for lease in others):
                path.unlink(missing_ok=True)
                return None
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        for lease in others:
            lease.path.unlink(missing_ok=True)
        return Lease(path, content, self._holder.seconds)


def leases_of(folder: Path) -> list[SeenLease]:
    """All leases beside a sequence's records, expired ones too; none where there is no such folder."""
    try:
        names = [name for name in os.listdir(folder) if name.startswith(_PREFIX)]
    except OSError:
        return []
    found = []
    now: float | None = None
    for name in names:
        number = name.removeprefix(_PREFIX)
        if not number.isdecimal() or len(number) > 12:
            continue
        path = folder / name
        try:
            with path.open("rb") as file:  # opening, not stat: on NFS that asks the server
                touched, content = os.fstat(file.fileno()).st_mtime, file.read(4096)
        except OSError:
            continue  # released in this moment
        now = _clock(folder) if now is None else now
        found.append(SeenLease(path, int(number), _holder(content), now - touched))
    return sorted(found, key=lambda lease: lease.number)


def _holder(content: bytes) -> Holder | None:
    try:
        value = orjson.loads(content)
        return Holder(
            str(value["host"]),
            int(value["pid"]),
            int(value["born"]),
            str(value["run"]),
            float(value["began"]),
            float(value["seconds"]),
        )
    except (orjson.JSONDecodeError, TypeError, KeyError, ValueError):
        return None


def _clock(folder: Path) -> float:
    """What time it is for the folder's file system; this machine's time where nothing can be written there."""
    probe = folder / f".clock-{uuid.uuid4().hex[:12]}"
    try:
        with probe.open("wb") as file:
            return os.fstat(file.fileno()).st_mtime
    except OSError:
        return time.time()
    finally:
        with suppress(OSError):
            probe.unlink()


def _host() -> str:
    """The machine's name with what tells apart restarts and containers, whose process numbers mean nothing to us."""
    marks = [socket.gethostname()]
    with suppress(OSError):
        marks.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        marks.append(os.readlink("/proc/self/ns/pid"))
    return " ".join(marks)


def _born(pid: int) -> int:
    """When a process of this machine started, in the kernel's ticks; 0 where that cannot be known."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    fields = text.rpartition(")")[2].split()  # the name before it may hold spaces
    return 0 if fields[0] in "ZX" else int(fields[19])


def _is_dead(holder: Holder) -> bool:
    """Whether the holder was a process of this machine that is no more."""
    return holder.born > 0 and holder.host == _host() and _born(holder.pid) != holder.born
