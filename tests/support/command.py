"""The `ptrack` command as a user runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def command(*arguments: object) -> list[str]:
    return [str(Path(sys.executable).with_name("ptrack")), *map(str, arguments)]


def ptrack(
    *arguments: object, cwd: Path | None = None, code: int = 0, **environment: str
) -> subprocess.CompletedProcess:
    """What the command wrote, having ended with that exit code and without a traceback."""
    done = subprocess.run(
        command(*arguments), cwd=cwd, capture_output=True, text=True, env={**os.environ, **environment}
    )
    assert done.returncode == code, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done
