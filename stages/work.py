"""The work folder: which source it belongs to, where its records lie, and the log of its runs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import orjson

from posedata.atomic import write_atomically
from posedata.errors import BadInput, UsageError
from posedata.jsonio import read_json
from posedata.records import read_header

STAGES = ("detect", "pose", "track")
_KEPT_RUNS = 50


class WorkFolder:
    """`WORK/<sequence>/<stage>.json`, with `work.json` and `run_log.json` beside.

    Raises:
        UsageError: the folder belongs to another source, or cannot be made.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def claim(self, source: Path, kind: str) -> None:
        """Makes the folder and writes whose it is; an existing one must belong to the same source."""
        content = {"schema": "ptrack/1", "source": str(source.resolve()), "kind": kind}
        name = self.root / "work.json"
        if name.exists():
            before = read_json(name)
            known = before.get("source") if isinstance(before, dict) else None
            if known != content["source"]:
                raise UsageError(f"{self.root}: holds the work of {known}, not of {source}; use another --work")
            return
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            write_atomically(name, orjson.dumps(content, option=orjson.OPT_INDENT_2) + b"\n")
        except OSError as error:
            raise UsageError(f"{self.root}: cannot be written ({error.strerror}); use another --work") from None

    @property
    def index(self) -> Path:
        """Where the sizes and times of inputs are remembered, so that unchanged ones are not read again."""
        return self.root / "inputs.json"

    def record(self, sequence: str, stage: str) -> Path:
        return self.root / sequence / f"{stage}.json"

    def source(self) -> Path:
        """The source that the folder was made from.

        Raises:
            BadInput: this is no work folder.
        """
        name = self.root / "work.json"
        if not name.exists():
            raise BadInput(
                f"{self.root}: is not a ptrack work folder (it holds no work.json); run `ptrack run` first"
            )
        content = read_json(name)
        source = content.get("source") if isinstance(content, dict) else None
        if not isinstance(source, str) or not source:
            raise BadInput(f"{name}: field source: must be a path, not {type(source).__name__}")
        return Path(source)

    def finished(self, stage: str) -> Iterator[tuple[str, Path]]:
        """(sequence id, record) of every sequence that has a complete record of the stage, by name."""
        for path in sorted(self.root.rglob(f"{stage}.json")):
            yield read_header(path).sequence, path

    def log_run(self, entry: dict[str, object]) -> None:
        """Adds one run to `run_log.json`; times live here, never in records."""
        path = self.root / "run_log.json"
        runs: list[object] = []
        if path.exists():
            try:
                before = read_json(path)
            except BadInput:
                before = None  # a damaged log is begun anew: it is nobody's result
            if isinstance(before, list):
                runs = before[-_KEPT_RUNS + 1 :]
        runs.append({"finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"), **entry})
        write_atomically(path, orjson.dumps(runs, option=orjson.OPT_INDENT_2) + b"\n")
