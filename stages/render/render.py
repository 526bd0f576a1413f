"""The render stage: a sequence's record drawn over its frames, as an overlay video and a contact sheet, and the
timeline of its identities.

It reads saved records and decodes once; it never runs a network.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from configs.settings import RenderSettings
from posedata.atomic import write_atomically
from posedata.errors import SequenceFailed
from posedata.people import FramePeople, FrameStatus
from posedata.records import FrameRecord, Header, iter_frames, read_footer, read_header, record_digest
from posedata.sequences import Sequence
from posedata.skeletons import SKELETONS, Skeleton
from posedata.video import Frame, open_sequence
from stages.render.contact_sheet import contact_sheet, make_tile, sheet_places, tile_size
from stages.render.draw import Style, draw_people, draw_text, text_height
from stages.render.overlay import overlay_writer, read_comment
from stages.render.picture import dimmed, fit, picture_size
from stages.render.timeline import CornerTimeline, Timeline, draw_timeline, read_timeline

OVERLAY, SHEET, TIMELINE = "overlay.mp4", "contact_sheet.png", "timeline.png"
SHEET_ROWS, SHEET_COLUMNS = 3, 4
_LAYOUT = 2  # goes up when the same record and settings give another picture than before
_WHITE = (255, 255, 255)


@dataclass(frozen=True)
class RenderReport:
    """What was rendered."""

    files: tuple[Path, ...]
    frames: int
    warnings: tuple[str, ...]


def is_rendered(
    record_path: Path,
    out_dir: Path,
    settings: RenderSettings,
) -> bool:
    """Whether the files are there and were made from this record with these settings.

    Raises:
        BadRecord: there is no such record.
    """
    if not all((out_dir / name).exists() for name in (SHEET, TIMELINE)):
        return False
    return read_comment(out_dir / OVERLAY) == _identity(record_path, settings)


def render_sequence(
    sequence: Sequence,
    record_path: Path,
    out_dir: Path,
    settings: RenderSettings,
    progress: Callable[[int], None] | None = None,  # called with the number of frames done
) -> RenderReport:
    """Writes `overlay.mp4`, `contact_sheet.png` and `timeline.png`; one picture for each frame of the record.

    A frame that cannot be decoded is shown as the last picture in grey, with a note, so that the overlay is as long
    as the record.

    Raises:
        BadRecord: the record is damaged or incomplete.
        SequenceFailed: the overlay cannot be written.
    """
    header, footer = read_header(record_path), read_footer(record_path)
    frames = footer.counts["frames"]
    if not frames:
        return RenderReport((), 0, (f"{sequence.id}: the record holds no frames, there is nothing to render",))
    timeline = read_timeline(iter_frames(record_path))
    painter = _Painter(header, settings, timeline)
    places = sheet_places(frames, SHEET_ROWS * SHEET_COLUMNS)
    size = tile_size(header.video.width, header.video.height)
    tiles: list[np.ndarray] = []
    missing = 0
    writer = overlay_writer(
        out_dir / OVERLAY,
        *painter.size,
        fps=header.video.fps,
        crf=settings.crf,
        comment=_identity(record_path, settings),
    )
    with writer as overlay:
        for place, (record, frame) in enumerate(_paired(iter_frames(record_path), sequence)):
            undecodable = frame is None or record.people.status is FrameStatus.UNDECODABLE
            image = None if undecodable else frame.image
            missing += image is None
            if place in places:
                label = f"frame {record.index}   {record.time:.2f} s"
                tiles.append(make_tile(image, record.people, painter.skeleton, painter.style, label, size))
            overlay.write(painter.paint(image, record), record.time)
            if progress is not None:
                progress(place + 1)
        title = _ascii(f"{sequence.id}   {header.stage}   {frames} frames")
        # before the overlay gets its name: that one says that all are there
        _write_png(out_dir / SHEET, contact_sheet(tiles, SHEET_COLUMNS, title))
        _write_png(out_dir / TIMELINE, draw_timeline(timeline, title=title))
    warnings = []
    if missing:
        warnings.append(
            f"{missing} of {frames} frames could not be decoded; the overlay holds the picture before them"
        )
    if overlay.retimed:
        warnings.append(
            f"the times of {overlay.retimed} frames do not rise; each is shown one regular step after the last"
        )
    return RenderReport(tuple(out_dir / name for name in (OVERLAY, SHEET, TIMELINE)), frames, tuple(warnings))


class _Painter:
    """Makes the overlay's pictures one after the other; remembers the last one for frames that are missing."""

    def __init__(self, header: Header, settings: RenderSettings, timeline: Timeline) -> None:
        self.skeleton: Skeleton | None = None if header.skeleton is None else SKELETONS[header.skeleton]
        self.style = Style(
            min_keypoint_score=settings.min_keypoint_score,
            min_person_score=settings.min_person_score,
            show_boxes=settings.show_boxes,
            show_ids=settings.show_ids,
            show_unassigned=settings.show_unassigned,
        )
        self.size = picture_size(header.video.width, header.video.height, settings.max_side)
        self._corner = CornerTimeline(timeline, self.size) if settings.show_timeline else None
        self._last = np.zeros((self.size[1], self.size[0]), np.uint8)  # the last picture in grey, without people

    def paint(
        self,
        image: np.ndarray | None,  # [h, w, 3] uint8 RGB, may be drawn into; None for a missing frame
        record: FrameRecord,
    ) -> np.ndarray:
        """[H, W, 3] uint8 RGB."""
        words = [f"frame {record.index}", f"{record.time:.2f} s", _number(record.people)]
        if image is None:
            picture, people = dimmed(self._last), record.people
            words.append(record.note or "could not be decoded")
        else:
            picture, people = fit(image, record.people, *self.size)
            self._last = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
            if people.status is FrameStatus.SKIPPED:
                words.append("skipped")
            if record.note:
                words.append(record.note)
        draw_people(picture, people, self.skeleton, self.style)
        draw_text(picture, _ascii("   ".join(words)), 0, 0, 0.9 * text_height(picture), _WHITE)
        if self._corner is not None:
            self._corner.draw(picture, record.index)
        return picture


def _paired(
    records: Iterable[FrameRecord],
    sequence: Sequence,
) -> Iterator[tuple[FrameRecord, Frame | None]]:
    """Each frame of the record with its pixels; None where the sequence does not give it (any more)."""
    records = iter(records)
    first = next(records, None)
    if first is None:
        return
    with open_sequence(sequence, first.index) as source:
        frames = iter(source)
        frame = next(frames, None)
        record: FrameRecord | None = first
        while record is not None:
            while frame is not None and frame.index < record.index:
                frame = next(frames, None)
            yield record, frame if frame is not None and frame.index == record.index else None
            record = next(records, None)


def _identity(record_path: Path, settings: RenderSettings) -> str:
    text = f"{_LAYOUT} {record_digest(record_path)} {settings.model_dump_json()}"
    return f"ptrack {hashlib.sha256(text.encode()).hexdigest()}"


def _write_png(path: Path, image: np.ndarray) -> None:
    data = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes()
    try:
        write_atomically(path, data)
    except OSError as error:
        raise SequenceFailed(
            f"{path}: cannot be written ({error.strerror or error}); mend that and render again"
        ) from error


def _number(people: FramePeople) -> str:
    return "1 person" if len(people) == 1 else f"{len(people)} people"


def _ascii(text: str) -> str:
    """OpenCV's letters are ASCII."""
    return text.encode("ascii", "replace").decode()
