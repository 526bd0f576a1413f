"""The picture of a threshold sweep."""

from __future__ import annotations

from pathlib import Path

from eval.sweep import Sweep
from posedata.errors import PtrackError


def plot_sweep(sweep: Sweep, path: Path) -> None:
    """AP and MOTA over the joint threshold, a line for each person threshold; PNG.

    Raises:
        PtrackError: the file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, name in zip(figure.subplots(1, 2), ("mota", "ap")):
        for person in sorted({point.person_threshold for point in sweep.points}):
            line = [point for point in sweep.points if point.person_threshold == person]
            axes.plot(
                [point.joint_threshold for point in line],
                [getattr(point, name) for point in line],
                marker=".",
                label=f"person score >= {person:.3g}",
            )
        best = sweep.best_mota if name == "mota" else sweep.best_ap
        axes.annotate(
            f"{getattr(best, name):.1f}", (best.joint_threshold, getattr(best, name)), textcoords="offset points",
            xytext=(0, 6), ha="center",
        )  # fmt: skip
        axes.set(xlabel="joint score threshold", ylabel=f"{name.upper()} (percent)", title=name.upper())
        axes.grid(alpha=0.3)
        axes.margins(y=0.1)
    axes.legend(fontsize="small")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=120)
    except OSError as error:
        raise PtrackError(f"{path}: cannot be written ({error.strerror}); choose another --out") from error
