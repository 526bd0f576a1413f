"""Time and memory of finding 100,000 sequences and seeing that all are done; the tree and its records are made up.

    python benchmarks/bench_resume.py [--sequences 100000] [--keep DIR]

Timed is `ptrack run SPLIT --no-render` on a work folder that is complete: discovery, and for each sequence the
size and time of its file and the first and last lines of its three records. CPU seconds are given beside the wall's,
which other work on the machine lengthens.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import orjson

from configs.settings import Settings
from posedata.record_header import encode_header
from posedata.record_lines import encode_footer
from posedata.records import Header, VideoHeader
from posedata.sequences import discover
from posedata.video import input_identity
from stages.pipeline import Part
from stages.wiring import Hardware, Recipe
from stages.work import STAGES, WorkFolder

_FOLDER = 1000  # clips in a folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sequences", type=int, default=100_000)
    parser.add_argument("--keep", type=Path, help="make the tree here, or use the one that is here")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = arguments.keep or Path(temporary)
        if not (root / "done").exists():
            make(root, arguments.sequences)
        measure(root, arguments.sequences)


def make(root: Path, count: int) -> None:
    """`root/clips` with made-up videos and `root/work` with the records of a finished run over them."""
    from importlib.metadata import version

    os.fsync = lambda handle: None  # the tree need not survive a power cut
    clips, work = root / "clips", WorkFolder(root / "work")
    for number in range(count):
        path = clips / f"{number // _FOLDER:04d}" / f"clip{number:06d}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"clip %d" % number)
    found = discover(clips)
    work.claim(clips, found.kind)
    recipe = Recipe(STAGES, Settings())
    parts: list[Part] = recipe.parts(Hardware())
    footer = encode_footer({"frames": 0, "skipped": 0, "undecodable": 0, "people": 0}, ())
    for sequence in found.sequences:
        identity = input_identity(sequence, work.index(sequence.id))
        upstream, skeleton = None, None
        for part in parts:
            skeleton = part.skeleton or skeleton
            header = Header.create(
                stage=part.name,
                sequence=sequence.id,
                video=VideoHeader(sequence.path.name, 25.0, 1280, 720),
                skeleton=skeleton,
                ptrack_version=version("ptrack"),
                settings=part.settings,
                input_identity=identity,
                upstream_digest=upstream,
                model=part.model,
            )
            work.record(sequence.id, part.name).write_bytes(encode_header(header) + footer)
            upstream = _digest(header)
    (root / "done").touch()


def _digest(header: Header) -> str:
    from posedata.record_header import header_digest

    return header_digest(header)


def measure(root: Path, count: int) -> None:
    ptrack = Path(sys.executable).with_name("ptrack")
    command = [ptrack, "run", root / "clips", "--work", root / "work", "--no-render", "--json"]
    began = time.perf_counter()
    done = subprocess.run(list(map(str, command)), capture_output=True, check=True)
    wall = time.perf_counter() - began
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    reports = orjson.loads(done.stdout)["sequences"]
    redone = sum(bool(r["made"]) for r in reports)
    assert len(reports) == count and not redone, f"{redone} of {len(reports)} were redone"
    result = {
        "sequences": count,
        "wall s": round(wall, 1),
        "cpu s": round(used.ru_utime + used.ru_stime, 1),
        "ms a sequence (cpu)": round(1000 * (used.ru_utime + used.ru_stime) / count, 3),
        "peak MB": round(used.ru_maxrss / 1024 if sys.platform != "darwin" else used.ru_maxrss / 2**20),
        "load": os.getloadavg()[0],
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
