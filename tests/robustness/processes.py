"""ptrack as a user runs it, in processes of its own that start quickly and can be stopped at any moment."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

LIMIT = 600.0  # seconds; a command that takes longer hangs
# networks as quick as they get: these tests are about what lies around them
QUICK = ("--threads", 1, "--long-side", 64, "--no-flip", "--max-people", 1, "--min-box-score", 0.05)
STAGES = ("detect", "pose", "track")


@dataclass(frozen=True)
class Ended:
    """What a command left."""

    code: int  # negative: the signal that ended it
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """The last thing it said on stderr."""
        lines = self.err.strip().splitlines()
        return lines[-1] if lines else ""


class Starter:
    """Starts ptrack commands as forks of one process that has imported their libraries."""

    def __enter__(self) -> Starter:
        script = Path(__file__).with_name("forker.py")
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
        self._forker = subprocess.Popen(
            [sys.executable, str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self._folder = tempfile.TemporaryDirectory()
        self._count = 0
        return self

    def __exit__(self, *_: object) -> None:
        self._forker.stdin.close()
        self._forker.wait(timeout=30)
        self._forker.stdout.close()
        self._folder.cleanup()

    def start(self, *arguments: object, cwd: Path, **limits: object) -> Running:
        """Begins a command; `limits` as in `forker._become_ptrack`."""
        self._count += 1
        out, err = (Path(self._folder.name) / f"{self._count}.{name}" for name in ("out", "err"))
        for path in (out, err):
            path.touch()  # a command may be killed before it opens them
        request = {"start": [str(a) for a in arguments], "cwd": str(cwd), "out": str(out), "err": str(err), **limits}
        return Running(self._ask(request), out, err, self._ask)

    def run(self, *arguments: object, cwd: Path, code: int | None = 0, **limits: object) -> Ended:
        """A whole command, which must end with `code` and without a traceback."""
        ended = self.start(*arguments, cwd=cwd, **limits).wait()
        assert "Traceback" not in ended.err, ended.err
        assert code is None or ended.code == code, f"exit code {ended.code}\n{ended.out}\n{ended.err}"
        return ended

    def _ask(self, request: dict) -> int | None:
        self._forker.stdin.write(json.dumps(request) + "\n")
        self._forker.stdin.flush()
        return json.loads(self._forker.stdout.readline())


@dataclass(frozen=True)
class Running:
    """A command that was started."""

    pid: int
    out: Path
    err: Path
    ask: Callable[[dict], int | None]

    def poll(self) -> int | None:
        return self.ask({"wait": self.pid, "seconds": 0})

    def send(self, which: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, which)

    def wait(self, seconds: float = LIMIT) -> Ended:
        code = self.ask({"wait": self.pid, "seconds": seconds})
        if code is None:
            self.send(signal.SIGKILL)
            self.ask({"wait": self.pid, "seconds": 10})
            raise AssertionError(f"still running after {seconds:.0f} s\n{self.err.read_text(errors='replace')}")
        return Ended(code, self.out.read_text(errors="replace"), self.err.read_text(errors="replace"))

    def wait_until(self, condition: Callable[[], bool]) -> bool:
        """Waits for a condition; False where the command ended first."""
        end = time.monotonic() + LIMIT
        while not condition():
            if self.poll() is not None:
                return condition()
            assert time.monotonic() < end, "the moment never came"
            time.sleep(0.002)
        return True


def records(work: Path) -> dict[str, bytes]:
    """The records of a work folder by sequence and stage."""
    return {str(p.relative_to(work)): p.read_bytes() for s in STAGES for p in sorted(work.rglob(f"{s}.json"))}
