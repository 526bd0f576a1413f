"""The work folder: which source it belongs to, where its records lie, and the log of its runs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import orjson

from posedata.atomic import write_atomically
from posedata.errors import BadInput, BadRecord, UsageError
from posedata.jsonio import read_json
from posedata.locks import folder_locked
from posedata.records import read_header
from posedata.sequences import Sequence, discover

STAGES = ("detect", "pose", "track")
_KEPT_RUNS = 50
_NAME = "work.json"


class WorkFolder:
    """`WORK/<sequence>/<stage>.json`, with `work.json` and `run_log.json` beside.

    Raises:
        UsageError: the folder belongs to another source, or cannot be made.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def claim(self, source: Path, kind: str, split: str | None = None) -> None:
        """Makes the folder and writes whose it is; an existing one must belong to the same source."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            with folder_locked(self.root):  # two runs that begin together must not both find it unclaimed
                self._claim(str(source.resolve()), [kind, split])
        except OSError as error:
            raise UsageError(f"{self.root}: cannot be written ({error.strerror}); use another --work") from None

    def _claim(self, source: str, view: list[str | None]) -> None:
        views: list[list[str | None]] = []
        if (self.root / _NAME).exists():
            before = self._content()
            if before["source"] != source:
                raise UsageError(
                    f"{self.root}: holds the work of {before['source']}, not of {source}; use another --work"
                )
            views = before["views"]
        if view not in views:
            content = {"schema": "ptrack/1", "source": source, "views": [*views, view]}
            write_atomically(self.root / _NAME, orjson.dumps(content, option=orjson.OPT_INDENT_2) + b"\n")

    def index(self, sequence: str) -> Path:
        """Where the sizes and times of a sequence's files are remembered, so that unchanged ones are not read again.

        One for each sequence: one for all would be read and written anew for every one of a million.
        """
        return self.root / sequence / "input.stamp"

    def failure(self, sequence: str) -> Path:
        """Where it is kept why a sequence was given up; it goes when the sequence succeeds."""
        return self.root / sequence / "failure.note"

    @property
    def run_log(self) -> Path:
        return self.root / "run_log.json"

    def record(self, sequence: str, stage: str) -> Path:
        return self.root / sequence / f"{stage}.json"

    def sequences(self) -> list[Sequence]:
        """The sequences of the folder's source, as the commands that filled it saw them.

        Raises:
            BadInput: this is no work folder, or its source is gone.
        """
        source = self.source
        if not source.exists():
            raise BadInput(f"{self.root}: its source {source} is gone; put it back")
        views = self._content()["views"]
        return list({s.id: s for kind, split in views for s in discover(source, kind, split).sequences}.values())

    @property
    def is_tracked(self) -> bool:
        """Whether people are tracked here; unrelated images get poses alone.

        Raises:
            BadInput: this is no work folder.
        """
        return any(kind != "images" for kind, _ in self._content()["views"])

    @property
    def source(self) -> Path:
        """What the work is about, which may be gone.

        Raises:
            BadInput: this is no work folder.
        """
        if not (self.root / _NAME).exists():
            raise BadInput(f"{self.root}: is not a ptrack work folder (it holds no {_NAME}); run `ptrack run` first")
        return Path(self._content()["source"])

    def _content(self) -> dict:
        """`work.json`, checked: source is a path, views are pairs of kind and split."""
        path = self.root / _NAME
        content = read_json(path)
        good = isinstance(content, dict) and isinstance(content.get("source"), str)
        views = content.get("views") if good else None
        pairs = isinstance(views, list) and all(
            isinstance(v, list) and len(v) == 2 and isinstance(v[0], str) and isinstance(v[1], str | None)
            for v in views
        )
        if not pairs:
            raise BadInput(
                f"{path}: fields source and views are missing or wrong; delete the file, or use another --work"
            )
        return content

    def finished(self, stage: str) -> Iterator[tuple[str, Path]]:
        """(sequence id, record) of every sequence that has a complete record of the stage, by name.

        Raises:
            BadRecord: a record is damaged, or says that it is of another sequence than its folder.
        """
        for path in sorted(self.root.rglob(f"{stage}.json")):
            sequence = read_header(path).sequence
            if self.record(sequence, stage) != path:
                raise BadRecord(
                    f"{path}: field sequence is {sequence[:80]!r}, which is not the folder it lies in; delete it "
                    "and run its stage again"
                )
            yield sequence, path

    def log_run(self, entry: dict[str, object]) -> None:
        """Adds one run to `run_log.json`; times live here, never in records. Where the disk refuses, the log is done
        without: the records are what counts."""
        path = self.run_log
        with suppress(OSError), folder_locked(self.root):  # another run may end in this moment
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
