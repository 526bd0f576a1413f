"""Starts ptrack in forked processes: each is the whole command, its entry point included, but the libraries are
imported once. Reads one JSON request a line from stdin, answers with one JSON line.

    {"start": ["run", "VIDEO"], "cwd": DIR, "out": FILE, "err": FILE, ...}   ->   process id
    {"wait": process id, "seconds": N}   ->   exit code (negative: the signal), null where it is still running then
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import struct
import sys
import time


def main() -> None:
    import av  # noqa: F401 - imported so that the children need not
    import cv2  # noqa: F401
    import scipy.optimize  # noqa: F401
    import torch  # noqa: F401
    import torchvision  # noqa: F401

    import posetrack_cli.stages  # noqa: F401
    import stages.render.render  # noqa: F401

    codes: dict[int, int] = {}
    for line in sys.stdin:
        request = json.loads(line)
        answer = _start(request) if "start" in request else _wait(request["wait"], request["seconds"], codes)
        print(json.dumps(answer), flush=True)
    os._exit(0)  # taking torch apart takes seconds


def _start(request: dict) -> int:
    child = os.fork()
    if child:
        return child
    _become_ptrack(**request)
    os._exit(99)  # not reached: the entry point exits


def _become_ptrack(
    start: list[str],
    cwd: str,
    out: str,
    err: str,
    largest_file: int | None = None,  # bytes; writing beyond is an error, as on a full disk
    powerless: bool = False,  # without root's right to write everywhere, where the tests run as root
    environment: dict[str, str] | None = None,
) -> None:
    from posetrack_cli.main import run

    os.setpgid(0, 0)
    os.chdir(cwd)
    for path, number in ((os.devnull, 0), (out, 1), (err, 2)):
        file = os.open(path, os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, number)
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(number, mode) for number, mode in ((0, "r"), (1, "w"), (2, "w")))
    os.environ.update(environment or {})
    if largest_file is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    if powerless:
        _drop_capabilities()
    sys.argv = ["ptrack", *start]
    code = 1
    try:
        run()
    except SystemExit as end:
        code = 0 if end.code is None else end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001 - what the interpreter would do with an error that the entry point lets through
        import traceback

        traceback.print_exc()
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def _drop_capabilities() -> None:
    """All of them; from now on a file's mode counts for root, too (Linux)."""
    libc = ctypes.CDLL(None, use_errno=True)
    header, none = struct.pack("Ii", 0x20080522, 0), bytes(24)
    if os.geteuid() == 0 and libc.capset(header, none):
        raise OSError(ctypes.get_errno(), "capset")


def _wait(child: int, seconds: float, codes: dict[int, int]) -> int | None:
    end = time.monotonic() + seconds
    while child not in codes:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            codes[child] = os.waitstatus_to_exitcode(status)
        elif time.monotonic() > end:
            return None
        else:
            time.sleep(0.005)
    return codes[child]


if __name__ == "__main__":
    main()
