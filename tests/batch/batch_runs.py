"""Running the command as a user does, and reading what it wrote."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

SEQUENCES = 12
# small pictures and the cheapest networks: what is tested is who does what, not how well
CHEAP = ("--no-render", "--no-flip", "--set", "detect.long_side=128", "--threads", "1")


def records(work: Path) -> dict[str, bytes]:
    return {str(path.relative_to(work)): path.read_bytes() for path in sorted(work.glob("*/*.json"))}


def wait_for(what: Callable[[], bool], process: subprocess.Popen, seconds: float = 240) -> None:
    """Until it is so, or the process ended: then the moment was missed, which is no failure."""
    until = time.monotonic() + seconds
    while not what() and process.poll() is None:
        assert time.monotonic() < until, "it never came to that"
        time.sleep(0.02)
