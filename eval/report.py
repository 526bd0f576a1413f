"""Figures as text: readable tables, and the lines that the official tool prints, character for character."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from eval.average_precision import ApTable
from eval.clear_mot import MotTable
from eval.joints import GROUPS, JOINTS
from eval.poseval import PosevalResult

if TYPE_CHECKING:  # what only --strict, --hota and --sweep need is not loaded for the rest
    from eval.hota import HotaTable
    from eval.strict import StrictResult
    from eval.sweep import Sweep
    from eval.trajectories import TrajectoryCounts, TrajectoryTable

_END = " \\\\"
_AP_HEAD = "& Head & Shou & Elb  & Wri  & Hip  & Knee & Ankl & Total\\\\"
_MOT_HEAD = (
    "& MOTA & MOTA & MOTA & MOTA & MOTA & MOTA & MOTA & MOTA & MOTP & Prec & Rec  \\\\",
    "& Head & Shou & Elb  & Wri  & Hip  & Knee & Ankl & Total& Total& Total& Total\\\\",
)


def group_means(
    values: np.ndarray,  # [16] joints and total
) -> np.ndarray:
    """[8] the printed columns: plain means of the groups' joints (nan spreads), then the total."""
    return np.array([values[list(joints)].mean() for _, joints in GROUPS] + [values[-1]])


def latex_ap(table: ApTable) -> list[str]:
    """The official tool's two lines."""
    return [_AP_HEAD, _latex_row(group_means(table.ap))]


def latex_mot(table: MotTable, head: bool = False) -> list[str]:
    """The official tool's three lines; `head` takes the MOTP of motmetrics >= 1.2."""
    motp = table.motp_head if head else table.motp
    totals = [motp[-1], table.precision[-1], table.recall[-1]]
    return [*_MOT_HEAD, _latex_row(np.append(group_means(table.mota), totals))]


def _latex_row(cells: np.ndarray) -> str:
    return "&" + " &".join(f"{f'{value:1.1f}':>5}" for value in cells) + _END


def score_tables(result: PosevalResult | StrictResult, all_joints: bool = False, head: bool = True) -> list[str]:
    """AP and MOT, readable; all fifteen joints instead of seven groups on request; `head` adds the other MOTP."""
    lines: list[str] = []
    if result.ap is not None:
        rows = [("AP", result.ap.ap), ("precision", result.ap.precision), ("recall", result.ap.recall)]
        lines += ["Pose estimation (average precision per joint, PCKh 0.5, percent)", *_table(rows, all_joints)]
    if result.mot is not None:
        mot = result.mot
        rows = [
            ("MOTA", mot.mota),
            ("MOTP", mot.motp),
            *([("MOTP head", mot.motp_head)] if head else []),
            ("precision", mot.precision),
            ("recall", mot.recall),
        ]
        lines += [""] * bool(lines)
        lines += ["Pose tracking (CLEAR MOT per joint, percent)", *_table(rows, all_joints)]
    return lines


def hota_lines(table: HotaTable, tracks: TrajectoryTable, counts: TrajectoryCounts, all_joints: bool) -> list[str]:
    """Keypoint HOTA and the figures about whole trajectories."""
    rows = [
        ("HOTA", table.hota),
        ("DetA", table.det_a),
        ("AssA", table.ass_a),
        ("LocA", table.loc_a),
        ("IDF1", tracks.idf1),
    ]
    numbers = [
        ("switches", counts.switches),
        ("fragments", counts.fragmentations),
        ("trajectories", counts.trajectories),
        ("tracked 80%", counts.mostly_tracked),
        ("lost 80%", counts.mostly_lost),
    ]
    return [
        "Keypoint HOTA and identity (every labelled frame, percent)",
        *_table(rows, all_joints),
        "",
        "Trajectories (one joint of one person; sums)",
        *_table([(name, np.append(values, values.sum())) for name, values in numbers], all_joints, sums=True),
    ]


def sequence_lines(result: PosevalResult) -> list[str]:
    """One line a sequence: frames and totals."""
    if not result.sequences:
        return []
    width = max(len("sequence"), *(len(sequence.name) for sequence in result.sequences))
    lines = [f"{'sequence':<{width}}  frames     AP   MOTA   MOTP   Prec    Rec"]
    for sequence in result.sequences:
        cells = [sequence.ap.ap[-1] if sequence.ap else None]
        mot = sequence.mot
        cells += [mot.mota[-1], mot.motp[-1], mot.precision[-1], mot.recall[-1]] if mot else [None] * 4
        lines.append(f"{sequence.name:<{width}}  {sequence.frames:6d}" + "".join(f" {_cell(c)}" for c in cells))
    return lines


def sweep_lines(sweep: Sweep) -> list[str]:
    """The lowest person threshold's row over the joint thresholds, and the best points."""
    lowest = min(point.person_threshold for point in sweep.points)
    lines = ["Score thresholds (official totals, joints below the threshold left out)"]
    lines.append("  joint >=     AP   MOTA   MOTP   Prec    Rec")
    for point in sweep.points:
        if point.person_threshold == lowest:
            cells = (point.ap, point.mota, point.motp, point.precision, point.recall)
            lines.append(f"  {point.joint_threshold:8.3g}" + "".join(f" {_cell(c)}" for c in cells))
    for name, best, value in (("MOTA", sweep.best_mota, "mota"), ("AP", sweep.best_ap, "ap")):
        lines.append(
            f"best {name} {getattr(best, value):.2f}: joint score >= {best.joint_threshold:.4g}, "
            f"person score >= {best.person_threshold:.4g} (AP {best.ap:.2f}, MOTA {best.mota:.2f})"
        )
    return lines


def _table(rows: list[tuple[str, np.ndarray]], all_joints: bool, sums: bool = False) -> list[str]:
    """Named rows of [16] values as columns of groups, or turned, one line a joint."""
    show = _count if sums else _cell
    if all_joints:
        lines = [f"  {'':<14}" + "".join(f" {name:>12}" for name, _ in rows)]
        for j, joint in enumerate((*JOINTS, "total")):
            lines.append(f"  {joint:<14}" + "".join(f" {show(values[j]):>12}" for _, values in rows))
        return lines
    names = [name for name, _ in GROUPS] + ["Total"]
    lines = [f"  {'':<12}" + "".join(f" {name:>6}" for name in names)]
    for name, values in rows:
        cells = _group_sums(values) if sums else group_means(values)
        lines.append(f"  {name:<12}" + "".join(f" {show(cell)}" for cell in cells))
    return lines


def _group_sums(values: np.ndarray) -> np.ndarray:
    return np.array([values[list(joints)].sum() for _, joints in GROUPS] + [values[-1]])


def _cell(value: float | None) -> str:
    return "     -" if value is None else f"{value:6.1f}"


def _count(value: float) -> str:
    return f"{int(value):6d}"
