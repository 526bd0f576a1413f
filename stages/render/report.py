"""What a work folder says of itself, gathered for one page: counts, times, warnings, settings and pictures.

From saved records and the run log alone; nothing is decoded and no network runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import orjson

from posedata.errors import BadInput
from posedata.jsonio import read_json
from posedata.records import Footer, Header, iter_frames, read_footer, read_header
from stages.render.render import OVERLAY, SHEET
from stages.render.timeline import draw_timeline, read_timeline

_SHEET_WIDTH, _SHEET_QUALITY = 1400, 82  # pixels, JPEG's scale


@dataclass(frozen=True)
class Summary:
    """One sequence: what its last complete record says, and what its runs took."""

    sequence: str
    record: Path | None = None  # of the last stage that is complete; None where there is none
    headers: Mapping[str, Header] = field(default_factory=dict)  # stage -> header
    footer: Footer | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)  # stage -> seconds of the run that made it
    error: str | None = None  # why the last run on it failed

    def count(self, name: str) -> int | None:
        """A count of the closing line; None where the stage does not count that."""
        return None if self.footer is None else self.footer.counts.get(name)

    @property
    def recovered(self) -> int | None:
        """People carried by flow or filled in."""
        carried, filled = self.count("propagated"), self.count("filled")
        return None if carried is None or filled is None or self.count("tracks") is None else carried + filled


@dataclass(frozen=True)
class Pictures:
    """Encoded pictures of one sequence; None where there is nothing to show."""

    timeline: bytes | None  # PNG
    sheet: bytes | None  # JPEG
    overlay: Path | None  # the video, for a link
    note: str | None = None  # why one is missing


@dataclass(frozen=True)
class SettingsGroup:
    """The settings that one stage had for some of the sequences."""

    stage: str
    header: Header
    sequences: tuple[str, ...]


def summarise(
    root: Path,  # the work folder
    stages: tuple[str, ...],  # in the order of the pipeline
    log: Path,  # run_log.json
) -> list[Summary]:
    """All sequences that have a record, or failed in the last run on them; by name.

    Raises:
        BadRecord: a record under its final name is damaged.
    """
    seconds, errors = _from_log(log)
    headers: dict[str, dict[str, Header]] = {}
    last: dict[str, Path] = {}
    for stage in stages:
        for path in sorted(root.rglob(f"{stage}.json")):
            header = read_header(path)
            headers.setdefault(header.sequence, {})[stage] = header
            last[header.sequence] = path
    return [
        Summary(
            name,
            last.get(name),
            headers.get(name, {}),
            read_footer(last[name]) if name in last else None,
            seconds.get(name, {}),
            errors.get(name),
        )
        for name in sorted(headers.keys() | errors.keys())
    ]


def settings_groups(
    summaries: Iterable[Summary],
    stages: tuple[str, ...],
) -> list[SettingsGroup]:
    """Each stage's settings, once where all sequences share them."""
    groups: dict[tuple[str, str, str | None], list[Summary]] = {}
    for summary in summaries:
        for stage, header in summary.headers.items():
            model = None if header.model is None else header.model.sha256
            groups.setdefault((stage, header.settings_digest, model), []).append(summary)
    ordered = sorted(groups.items(), key=lambda group: stages.index(group[0][0]))
    return [
        SettingsGroup(stage, members[0].headers[stage], tuple(m.sequence for m in members))
        for (stage, _, _), members in ordered
    ]


def pictures(summary: Summary) -> Pictures:
    """The timeline, drawn from the record; and the rendered contact sheet and overlay, if they belong to it.

    Raises:
        BadRecord: the record is damaged.
    """
    if summary.record is None:
        return Pictures(None, None, None)
    timeline = None
    if summary.count("tracks") is not None:
        image = draw_timeline(read_timeline(iter_frames(summary.record)))
        timeline = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes()
    sheet, overlay = summary.record.with_name(SHEET), summary.record.with_name(OVERLAY)
    if not sheet.exists() or not overlay.exists():
        return Pictures(timeline, None, None, "not rendered; `ptrack render` draws the overlay and the contact sheet")
    if sheet.stat().st_mtime_ns < summary.record.stat().st_mtime_ns:
        return Pictures(timeline, None, None, "the rendered pictures are older than the record; use `ptrack render`")
    return Pictures(timeline, _smaller(sheet), overlay)


def _smaller(sheet: Path) -> bytes | None:
    """The contact sheet as a JPEG; None where the file is no picture."""
    image = cv2.imread(str(sheet))
    if image is None:
        return None
    scale = _SHEET_WIDTH / image.shape[1]
    if scale < 1:
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _SHEET_QUALITY])[1].tobytes()


def _from_log(path: Path) -> tuple[dict[str, dict[str, float]], dict[str, str]]:
    """From the run log: the seconds of the last run that did something, and the error of the last run, by sequence.

    The log is nobody's result: whatever is wrong in it is left out.
    """
    seconds: dict[str, dict[str, float]] = {}
    errors: dict[str, str] = {}
    try:
        runs = read_json(path) if path.exists() else []
    except BadInput:
        runs = []
    for run in runs if isinstance(runs, list) else []:
        entries = run.get("sequences") if isinstance(run, dict) else None
        for entry in entries if isinstance(entries, list) else []:
            name = entry.get("sequence") if isinstance(entry, dict) else None
            if not isinstance(name, str):
                continue
            taken = entry.get("seconds")
            if isinstance(taken, dict) and entry.get("made"):
                numbers = {s: float(t) for s, t in taken.items() if isinstance(t, (int, float)) and 0 <= t < 1e9}
                seconds.setdefault(name, {}).update(numbers)
            errors.pop(name, None)
            if isinstance(entry.get("error"), str):
                errors[name] = entry["error"]
    return seconds, errors


def shown_settings(header: Header) -> str:
    """The settings as one line a key, for people."""
    return "\n".join(f"{key}: {orjson.dumps(value).decode()}" for key, value in header.settings.items())
