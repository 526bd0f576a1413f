"""Running the command as a user does, and reading what it wrote."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

SEQUENCES = 12
# small pictures and the cheapest networks: what is tested is who does what, not how well
CHEAP = ("--no-render", "--no-flip", "--set", "detect.long_side=128", "--threads", "1")


def command(*arguments: object) -> list[str]:
    return [str(Path(sys.executable).with_name("ptrack")), *map(str, arguments)]


def run(*arguments: object, cwd: Path, code: int = 0, **environment: str) -> subprocess.CompletedProcess:
    done = subprocess.run(
        command(*arguments), cwd=cwd, capture_output=True, text=True, env={**os.environ, **environment}
    )
    assert done.returncode == code, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done


def records(work: Path) -> dict[str, bytes]:
    return {str(path.relative_to(work)): path.read_bytes() for path in sorted(work.glob("*/*.json"))}


def wait_for(what: Callable[[], bool], process: subprocess.Popen, seconds: float = 240) -> None:
    """Until it is so, or the process ended: then the moment was missed, which is no failure."""
    until = time.monotonic() + seconds
    while not what() and process.poll() is None:
        assert time.monotonic() < until, "it never came to that"
        time.sleep(0.02)
