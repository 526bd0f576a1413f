"""The report as one self-contained HTML page: no script, no other file, every text escaped."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator, Sequence
from html import escape
from pathlib import Path
from urllib.parse import quote

from stages.render.report import Pictures, SettingsGroup, Summary, shown_settings

MAX_PICTURED = 100  # sequences with pictures; all stand in the table
_STAGE_ORDER = ("decode", "detect", "pose", "flow", "track", "write", "render")
_STYLE = """
:root { color-scheme: light dark; --ink: #1c1f24; --soft: #626a75; --ground: #fff; --line: #d9dde3; --mark: #b3261e;
  --band: #f4f6f8 }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --soft: #9aa3ae; --ground: #16181c; --line: #343a42;
  --mark: #ff8a80; --band: #1f2329 } }
body { margin: 0 auto; max-width: 1180px; padding: 24px 20px 60px; color: var(--ink); background: var(--ground);
  font: 15px/1.5 system-ui, sans-serif }
h1 { font-size: 24px; margin: 0 } h2 { font-size: 18px; margin: 36px 0 10px }
h3 { font-size: 16px; margin: 28px 0 8px;
  overflow-wrap: anywhere }
p { margin: 6px 0 } .soft { color: var(--soft) } .bad { color: var(--mark) }
.wide { overflow-x: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums } th, td { padding: 4px 10px; text-align: right;
  border-bottom: 1px solid var(--line); white-space: nowrap } th { color: var(--soft); font-weight: 600 }
th:first-child, td:first-child { text-align: left; padding-left: 0; white-space: normal; overflow-wrap: anywhere }
pre { background: var(--band); padding: 12px; overflow-x: auto; font-size: 13px; line-height: 1.4 }
img { max-width: 100%; height: auto; display: block; margin: 8px 0 }
.bar { display: flex; height: 26px; margin: 8px 0; overflow: hidden; border-radius: 4px }
.bar span { color: #fff; font-size: 12px; line-height: 26px; text-align: center; overflow: hidden;
  white-space: nowrap }
ul { margin: 6px 0; padding-left: 20px } a { color: inherit }
details summary { cursor: pointer; margin: 6px 0 }
"""
_BAR = ("#4c6ef5", "#d6336c", "#0c8599", "#e8590c", "#5f3dc4", "#2b8a3e", "#868e96")


def page(
    title: str,
    summaries: Sequence[Summary],
    groups: Sequence[SettingsGroup],
    scores: Sequence[str],  # lines of tables; empty without ground truth
    pictures: Callable[[Summary], Pictures],
    folder: Path,  # where the page will lie; links are relative to it
) -> Iterator[bytes]:
    """The page in blocks, so that many pictures are never in memory together."""
    head = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)} - ptrack</title><style>{_STYLE}</style></head><body>",
        f"<h1>{escape(title)}</h1>",
        f'<p class="soft">{_counted(len(summaries), "sequence")}{_version(groups)}</p>',
        "<h2>Result</h2>",
        _table(summaries),
        *_times(summaries),
        *_warnings(summaries),
    ]
    if scores:
        head += ["<h2>Scores</h2>", f"<pre>{escape(chr(10).join(scores))}</pre>"]
    yield "\n".join(head).encode()
    yield b"\n<h2>Sequences</h2>\n"
    for place, summary in enumerate(summaries[:MAX_PICTURED]):
        yield "\n".join(_section(place, summary, pictures(summary), folder)).encode()
    if len(summaries) > MAX_PICTURED:
        yield f"<p>The pictures of {len(summaries) - MAX_PICTURED} more sequences are left out.</p>".encode()
    yield "\n".join(["<h2>Settings</h2>", *_settings(groups, len(summaries)), "</body></html>\n"]).encode()


def _table(summaries: Sequence[Summary]) -> str:
    stages = _stages(summaries)
    names = ("frames", "people", "tracks", "recovered", "dropped")
    rows = [_row(["sequence", *names, *(f"{s} s" for s in stages), "warnings"], "th")]
    for place, summary in enumerate(summaries):
        link = escape(summary.sequence)
        if place < MAX_PICTURED:
            link = f'<a href="#s{place}">{link}</a>'
        cells = [_number(value) for value in _counts(summary)]
        cells += [f"{summary.seconds[s]:.2f}" if s in summary.seconds else "-" for s in stages]
        state = '<span class="bad">failed</span>' if summary.error else str(len(_said(summary)))
        rows.append(_row([link, *cells, state], "td"))
    if len(summaries) > 1:
        sums = [sum(value or 0 for value in column) for column in zip(*map(_counts, summaries))]
        times = [f"{sum(s.seconds.get(stage, 0) for s in summaries):.2f}" for stage in stages]
        total = sum(len(_said(s)) for s in summaries)
        rows.append(_row([f"all {len(summaries)}", *map(str, sums), *times, str(total)], "th"))
    return f'<div class="wide"><table>{"".join(rows)}</table></div>'


def _counts(summary: Summary) -> tuple[int | None, ...]:
    return (
        summary.count("frames"),
        summary.count("people"),
        summary.count("tracks"),
        summary.recovered,
        summary.count("unassigned"),
    )


def _times(summaries: Sequence[Summary]) -> list[str]:
    """One bar with each stage's share of the seconds."""
    sums = {stage: sum(s.seconds.get(stage, 0) for s in summaries) for stage in _stages(summaries)}
    total = sum(sums.values())
    if not total:
        return []
    parts = [
        f'<span style="width:{100 * taken / total:.2f}%;background:{colour}" title="{stage} {taken:.2f} s">'
        f"{escape(stage)} {100 * taken / total:.0f} %</span>"
        for (stage, taken), colour in zip(sums.items(), _BAR * 9)
    ]
    words = "Seconds that each stage worked; stages work side by side, so that the sum is more than the wait."
    return ["<h2>Time</h2>", f'<div class="bar">{"".join(parts)}</div>', f'<p class="soft">{words}</p>']


def _stages(summaries: Sequence[Summary]) -> list[str]:
    known = {stage for s in summaries for stage in s.seconds}
    return [s for s in _STAGE_ORDER if s in known] + sorted(known - set(_STAGE_ORDER))


def _warnings(summaries: Sequence[Summary]) -> list[str]:
    lines = [
        f"<li>{'<b>failed</b> ' if text == s.error else ''}{escape(s.sequence)}: {escape(text)}</li>"
        for s in summaries
        for text in [*([s.error] if s.error else []), *_said(s)]
    ]
    return ["<h2>Warnings</h2>", f"<ul>{''.join(lines)}</ul>"] if lines else []


def _section(
    place: int,
    summary: Summary,
    shown: Pictures,
    folder: Path,
) -> list[str]:
    parts = [f'<h3 id="s{place}">{escape(summary.sequence)}</h3>']
    header = next(reversed(summary.headers.values()), None)
    if header is not None:
        video = header.video
        rate = "" if video.fps is None else f", {video.fps:.2f} frames a second"
        words = f"{video.name}: {video.width}x{video.height}{rate}; complete up to {header.stage}"
        link = ""
        if shown.overlay is not None and shown.overlay.is_relative_to(folder):
            link = f' - <a href="{quote(shown.overlay.relative_to(folder).as_posix())}">overlay video</a>'
        parts.append(f'<p class="soft">{escape(words)}{link}</p>')
    if shown.timeline is not None:
        parts.append(_image(shown.timeline, "png", f"identities of {summary.sequence} through time"))
    if shown.sheet is not None:
        parts.append(_image(shown.sheet, "jpeg", f"frames of {summary.sequence}"))
    if shown.note is not None:
        parts.append(f'<p class="soft">{escape(shown.note)}</p>')
    return parts


def _settings(groups: Sequence[SettingsGroup], all_of_them: int) -> list[str]:
    parts = []
    for group in groups:
        model = group.header.model
        words = group.stage
        if model is not None:
            words += f", model {model.name} (sha256 {model.sha256[:12]})"
        if len(group.sequences) < all_of_them:
            words += f", {_counted(len(group.sequences), 'sequence')}"
        parts.append(
            f"<details><summary>{escape(words)}</summary><pre>{escape(shown_settings(group.header))}</pre></details>"
        )
    return parts


def _said(summary: Summary) -> tuple[str, ...]:
    return () if summary.footer is None else summary.footer.warnings


def _version(groups: Sequence[SettingsGroup]) -> str:
    versions = sorted({group.header.ptrack_version for group in groups})
    return f", ptrack {escape(', '.join(versions))}" if versions else ""


def _row(cells: Iterable[str], kind: str) -> str:
    return f"<tr>{''.join(f'<{kind}>{cell}</{kind}>' for cell in cells)}</tr>"


def _number(value: int | None) -> str:
    return "-" if value is None else str(value)


def _image(data: bytes, kind: str, words: str) -> str:
    return f'<img alt="{escape(words)}" src="data:image/{kind};base64,{base64.b64encode(data).decode()}">'


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
