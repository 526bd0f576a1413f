"""Order, cache, resume and wiring of the stages over the sequences of one source.

For each sequence the pipeline asks which records are valid, runs the stages that are not in one pass over the
frames (one decode for all of them), and leaves each record complete or resumable. Decoding runs in a thread ahead of
the networks, writing in a thread behind them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path

from posedata.errors import BadInput, BadRecord
from posedata.people import FramePeople
from posedata.record_header import header_digest
from posedata.records import (
    NO_RECORD,
    Footer,
    Header,
    ModelRef,
    RecordWriter,
    VideoHeader,
    difference,
    iter_frames,
    read_ends,
    read_footer,
    read_header,
)
from posedata.sequences import Sequence
from posedata.video import input_identity, open_sequence
from stages.reading import Reader
from stages.stream import CHUNK, Clock, Item, Stage, as_recorded, look_behind
from stages.work import STAGES, WorkFolder
from stages.writing import WriteBehind


@dataclass(frozen=True)
class Part:
    """One stage as the pipeline needs it: how to make it, and what its record's header says."""

    name: str
    # the header of its record, and of the record it reads -> stage; called when a sequence first needs it
    make: Callable[[Header, Header | None], Stage]
    settings: Mapping[str, object]
    model: ModelRef | None
    skeleton: str | None
    first: bool = False  # it reads no record, whatever its place in the pipeline
    resumes: bool = True  # False: it has a memory that is not in its record, and begins anew
    own: bool = False  # what `make` gives is for one sequence only
    warnings: Callable[[Header | None], list[str]] | None = None  # what its record should say, of the record it reads


@dataclass(frozen=True)
class _Planned:
    """A stage that is to run."""

    part: Part
    header: Header
    before: Header | None  # of the record that it reads


@dataclass
class SequenceReport:
    """What became of one sequence."""

    sequence: str
    frames: int = 0
    people: int = 0
    tracks: int | None = None
    recovered: int | None = None  # people in frames where the detector did not find them: carried by flow, filled in
    dropped: int | None = None  # people in frames who got no identity
    made: dict[str, str] = field(default_factory=dict)  # stage -> why it was run
    kept: list[str] = field(default_factory=list)  # stages whose record was valid
    resumed_at: int = 0  # frame at which an interrupted run was taken up
    seconds: dict[str, float] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    rendered: list[str] = field(default_factory=list)  # files that were drawn
    error: str | None = None


class Pipeline:
    """Runs some of the stages over sequences; stages are made once and shared by all sequences that need the same."""

    def __init__(
        self,
        work: WorkFolder,
        parts: list[Part],  # in the order of the pipeline; a stage before the first must have its record
        *,
        frames: tuple[int, int] | None = None,  # first and last frame
        overwrite: bool = False,
        progress: Callable[[Item], None] | None = None,
    ) -> None:
        self.work, self.parts, self.frames, self.overwrite = work, parts, frames, overwrite
        self.progress = progress
        self._stages: dict[tuple[object, ...], Stage] = {}
        self._version = version("ptrack")

    def run(self, sequence: Sequence) -> SequenceReport:
        """Brings the records of one sequence up to date.

        Raises:
            PtrackError: the sequence failed; what was written can be resumed.
        """
        report = SequenceReport(sequence.id)
        clock = Clock()
        plan = self._plan(sequence, report, self.work.index(sequence.id))
        if plan:
            self._execute(sequence, plan, report, clock)
            _summarise(report, read_footer(self.work.record(sequence.id, self.parts[-1].name)))
        report.seconds = dict(clock.seconds)
        return report

    def outlook(self, sequence: Sequence) -> SequenceReport:
        """What `run` would do, without doing it; for a sequence that is done, the report that `run` would give.

        Raises:
            PtrackError: the sequence cannot be opened, or a record of it is unusable.
        """
        report = SequenceReport(sequence.id)
        index = self.work.index(sequence.id)
        self._plan(sequence, report, index if index.parent.exists() else None)
        return report

    def _plan(self, sequence: Sequence, report: SequenceReport, index: Path | None) -> list[_Planned]:
        """The stages to run with their headers; fills in the report's reasons, and its counts where all is done."""
        identity = input_identity(sequence, index)
        found = {part.name: _found(self.work.record(sequence.id, part.name)) for part in self.parts}
        video = _video(sequence, identity, found)
        before = self._before(sequence, identity)
        plan: list[_Planned] = []
        for part in self.parts:
            skeleton = part.skeleton or (before.skeleton if before is not None else None)
            settings = dict(part.settings)
            if self.frames is not None:
                settings["frames"] = list(self.frames)
            header = Header.create(
                stage=part.name,
                sequence=sequence.id,
                video=video,
                skeleton=skeleton,
                ptrack_version=self._version,
                settings=settings,
                input_identity=identity,
                upstream_digest=None if before is None else header_digest(before),
                model=part.model,
            )
            there = found[part.name]
            if self.overwrite:
                reason = "--overwrite"
            else:
                reason = there if isinstance(there, str) else difference(there[0], header)
                if reason is None and plan:  # its neighbours would otherwise have to leave it out
                    reason = f"{plan[-1].part.name} is redone"
            if reason is None:
                report.kept.append(part.name)
                header, last = there  # another version of ptrack may have written it
            else:
                report.made[part.name] = reason
                plan.append(_Planned(part, header, before))
            before = header
        if not plan:
            _summarise(report, last)
        return plan

    def _before(self, sequence: Sequence, identity: str) -> Header | None:
        """The header of the record that the first stage reads, if it reads one.

        Raises:
            PtrackError: that record is missing, unfinished or of other input.
        """
        number = STAGES.index(self.parts[0].name)
        if number == 0 or self.parts[0].first:
            return None
        path = self.work.record(sequence.id, STAGES[number - 1])
        header = read_header(path)
        read_footer(path)
        if header.input_identity != identity:
            raise BadInput(f"{path}: was made from other frames than {sequence.path} holds now; run its stage again")
        return header

    def _stage(self, planned: _Planned) -> Stage:
        part, header, before = planned.part, planned.header, planned.before
        if part.own:
            return part.make(header, before)
        read = None if before is None else (before.model, before.settings_digest)
        key = (part.name, header.skeleton, header.settings_digest, read)
        if key not in self._stages:
            self._stages[key] = part.make(header, before)
        return self._stages[key]

    def _execute(self, sequence: Sequence, plan: list[_Planned], report: SequenceReport, clock: Clock) -> None:
        stages = [self._stage(planned) for planned in plan]
        with ExitStack() as stack:
            writers = [
                stack.enter_context(
                    RecordWriter(
                        self.work.record(sequence.id, planned.part.name),
                        planned.header,
                        chunk=CHUNK,
                        resume=planned.part.resumes and not self.overwrite,
                    )
                )
                for planned in plan
            ]
            behind = stack.enter_context(WriteBehind(writers, clock))
            upstream = self._upstream(sequence, plan[0].part)
            resumed = [(w.resume_at, look_behind(s)) for w, s in zip(writers, stages) if s.needs_pixels]
            pixels_from = min((max(0, at - behind) for at, behind in resumed), default=None)
            report.resumed_at = min((w.resume_at for w, p in zip(writers, plan) if p.part.resumes), default=0)
            reader = stack.enter_context(Reader(sequence, self.frames, pixels_from, upstream, writers[0], clock))
            stream: Iterator[Item] = iter(reader)
            for number, (planned, stage, writer) in enumerate(zip(plan, stages, writers)):
                last_pixels = not any(s.needs_pixels for s in stages[number + 1 :])
                stream = self._recorded(stream, stage, planned.header, writer, number, behind, clock, last_pixels)
            for item in stream:
                if self.progress is not None:
                    self.progress(item)
            behind.finish([[*reader.warnings, *_warnings(planned)] for planned in plan])

    def _upstream(self, sequence: Sequence, first: Part) -> Iterator[tuple[int, float, FramePeople, str]] | None:
        """The frames of the record that the first stage to run reads; None where it reads pixels alone."""
        number = STAGES.index(first.name)
        if number == 0 or first.first:
            return None
        frames = iter_frames(self.work.record(sequence.id, STAGES[number - 1]))
        return ((f.index, f.time, f.people, f.note) for f in frames)

    def _recorded(
        self,
        stream: Iterator[Item],
        stage: Stage,
        header: Header,
        writer: RecordWriter,
        number: int,
        behind: WriteBehind,
        clock: Clock,
        last_pixels: bool,
    ) -> Iterator[Item]:
        """The stage's output: first what the part file already holds, then what is computed now."""
        stream = iter(stream)
        reach = look_behind(stage)
        before: deque[Item] = deque(maxlen=reach)
        for kept in writer.kept():
            item = next(stream, None)
            if item is None:
                return
            before.append(item)
            yield replace(item, people=kept.people, note=kept.note)
        for item in stage.run(stream, clock, list(before)) if reach else stage.run(stream, clock):
            done = replace(item, people=as_recorded(item, header.joints), image=None if last_pixels else item.image)
            behind.append(number, done)
            yield done


def _warnings(planned: _Planned) -> list[str]:
    return [] if planned.part.warnings is None else planned.part.warnings(planned.before)


def _found(path: Path) -> tuple[Header, Footer] | str:
    """Both ends of a record, or why there is none that could be used."""
    if not path.exists():
        return NO_RECORD
    try:
        return read_ends(path)
    except BadRecord as error:
        return f"the record is unusable: {error}"


def _video(sequence: Sequence, identity: str, found: Mapping[str, tuple[Header, Footer] | str]) -> VideoHeader:
    """What the headers say of the video: from a record of the same input, else by opening it, which is slow."""
    for record in found.values():
        if not isinstance(record, str) and record[0].input_identity == identity:
            return record[0].video
    with open_sequence(sequence) as source:
        info = source.info
    return VideoHeader(info.name, info.fps, info.width, info.height)


def _summarise(report: SequenceReport, footer: Footer) -> None:
    """Counts and warnings from the closing line of the last record."""
    report.frames, report.people = footer.counts["frames"], footer.counts["people"]
    report.tracks, report.dropped = footer.counts.get("tracks"), footer.counts.get("unassigned")
    if report.tracks is not None and "propagated" in footer.counts:
        report.recovered = footer.counts["propagated"] + footer.counts["filled"]
    report.warnings = list(footer.warnings)
