"""Figures as files and for machines: the official tool's JSON files, one JSON object, CSV."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from eval.average_precision import ApTable
from eval.clear_mot import MotCounts, MotTable
from eval.joints import JOINTS
from eval.json_file import Json
from eval.poseval import PosevalResult
from posedata.errors import PtrackError

if TYPE_CHECKING:  # what only --strict, --hota and --sweep need is not loaded for the rest
    from eval.hota import HotaTable
    from eval.strict import StrictResult
    from eval.sweep import Sweep
    from eval.trajectories import TrajectoryCounts, TrajectoryTable

# The order in which the official tool's dictionary of names was filled.
_NAME_ORDER = (0, 1, 2, 8, 7, 6, 5, 4, 3, 9, 10, 11, 12, 13, 14)
_SHORT = {"precision": "pre", "recall": "rec"}


def write_official(result: PosevalResult, folder: Path, head: bool = False) -> list[Path]:
    """Write the official tool's files, with bare NaN as there; `head` fills motp as motmetrics >= 1.2 makes it.

    Raises:
        PtrackError: the folder cannot be written.
    """
    names = {str(i): JOINTS[i] for i in _NAME_ORDER} | {"15": "total"}
    contents: dict[str, dict[str, Json]] = {}
    for prefix, ap, mot in (
        ("total", result.ap, result.mot),
        *((sequence.name, sequence.ap, sequence.mot) for sequence in result.sequences),
    ):
        if ap is not None:
            contents[f"{prefix}_AP_metrics.json"] = {**_ap(ap), "names": names}
        if mot is not None:
            table = _mot(mot)
            classic, at_head = table.pop("motp"), table.pop("motp_head")
            filled = {"mota": table["mota"], "motp": at_head if head else classic, **table, "names": names}
            contents[f"{prefix}_MOT_metrics.json"] = filled
    return [write_text(folder / name, json.dumps(content)) for name, content in contents.items()]


def write_text(path: Path, text: str) -> Path:
    """Write a file, making its folder.

    Raises:
        PtrackError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise PtrackError(f"{path}: cannot be written ({error.strerror}); choose another --out") from error
    return path


def as_json(
    result: PosevalResult,
    strict: StrictResult | None = None,
    hota: tuple[HotaTable, TrajectoryTable, TrajectoryCounts] | None = None,
    sweep: Sweep | None = None,
) -> dict[str, Json]:
    """Everything as one object of standard JSON: nan is null. Lists have 15 joints and their total."""
    content: dict[str, Json] = {"joints": [*JOINTS, "total"], "frames": result.frames}
    content |= _figures(result.ap, result.mot, result.counts)
    if result.ap_range is not None and result.ap_range.mixed:
        ties = result.ap_range
        content["ap_tie_bounds"] = {"worst": _list(ties.worst.ap), "best": _list(ties.best.ap), "groups": ties.mixed}
    if result.sequences:
        content["per_sequence"] = {
            s.name: {"frames": s.frames, **_figures(s.ap, s.mot, s.counts)} for s in result.sequences
        }
    if strict is not None:
        figures = _figures(strict.ap, strict.mot, strict.counts)
        content["strict"] = {"frames": strict.frames, **figures, "corrections": list(strict.corrections)}
    if hota is not None:
        content["hota"] = {f.name: _list(getattr(hota[0], f.name)) for f in fields(hota[0])}
        content["identity"] = {f.name: _list(getattr(hota[1], f.name)) for f in fields(hota[1])}
        content["trajectories"] = {f.name: _list(getattr(hota[2], f.name)) for f in fields(hota[2])}
    if sweep is not None:
        content["sweep"] = {
            "best_mota": _point(sweep.best_mota),
            "best_ap": _point(sweep.best_ap),
            "points": [_point(point) for point in sweep.points],
        }
    content["warnings"] = [
        {"kind": w.kind, "file": w.file, "frame": w.frame, "count": w.count, "text": w.sentence()}
        for w in result.warnings
    ]
    return content


def as_csv(result: PosevalResult) -> str:
    """One line a joint and sequence (`total` for all): AP, MOT and counts."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    ap_names, mot_names = [f.name for f in fields(ApTable)], [f.name for f in fields(MotTable)]
    count_names = [f.name for f in fields(MotCounts)]
    header = ["ap", "ap_precision", "ap_recall"] if result.ap is not None else []
    if result.mot is not None:
        header += ["mota", "motp", "motp_head", "mot_precision", "mot_recall", *count_names]
    writer.writerow(["sequence", "joint", *header])
    rows = [("total", result.ap, result.mot, result.counts)]
    rows += [(s.name, s.ap, s.mot, s.counts) for s in result.sequences]
    for name, ap, mot, counts in rows:
        for j, joint in enumerate((*JOINTS, "total")):
            cells = [getattr(ap, field)[j] for field in ap_names] if ap is not None else []
            if mot is not None and counts is not None:
                cells += [getattr(mot, field)[j] for field in mot_names]
                for field in count_names:
                    values = getattr(counts, field)
                    cells.append(values[j] if j < len(JOINTS) else values.sum())
            writer.writerow([name, joint, *(_plain(cell) for cell in cells)])
    return out.getvalue()


def sweep_csv(sweep: Sweep) -> str:
    """One line a combination of thresholds."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    names = [f.name for f in fields(sweep.points[0])]
    writer.writerow(names)
    for point in sweep.points:
        writer.writerow([_plain(getattr(point, name)) for name in names])
    return out.getvalue()


def _plain(value: float) -> float | int | str:
    if value != value:
        return "nan"
    return int(value) if isinstance(value, (int, np.integer)) else float(value)


def _figures(ap: ApTable | None, mot: MotTable | None, counts: MotCounts | None) -> dict[str, Json]:
    content: dict[str, Json] = {}
    if ap is not None:
        content["ap"] = {name: [_null(v) for v in values] for name, values in _ap(ap).items()}
    if mot is not None:
        content["mot"] = {name: [_null(v) for v in values] for name, values in _mot(mot).items()}
    if counts is not None:
        content["counts"] = {f.name: _list(getattr(counts, f.name)) for f in fields(counts)}
    return content


def _ap(table: ApTable) -> dict[str, list[float]]:
    return {_SHORT.get(f.name, f.name): getattr(table, f.name).tolist() for f in fields(table)}


def _mot(table: MotTable) -> dict[str, list[float]]:
    return {_SHORT.get(f.name, f.name): getattr(table, f.name).tolist() for f in fields(table)}


def _point(point: object) -> dict[str, Json]:
    return {f.name: _null(getattr(point, f.name)) for f in fields(point)}


def _list(values: np.ndarray) -> list[Json]:
    return [_null(value) for value in values.tolist()]


def _null(value: float) -> float | None:
    return value if math.isfinite(value) else None
