"""The curves of a training as a picture."""

from __future__ import annotations

import csv
from pathlib import Path

from posedata.atomic import replacing


def plot_curves(
    logs: list[Path],  # `log.csv` of the runs that followed each other
    out: Path,  # PNG
    title: str,
) -> None:
    """Loss and validation figures over the samples seen; one run after the other."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    rows: list[dict[str, float]] = []
    for log in logs:
        start = rows[-1]["samples"] if rows else 0.0
        with log.open(newline="") as handle:
            for row in csv.DictReader(handle):
                values = {k: float(v) for k, v in row.items() if v}
                rows.append({**values, "samples": values["samples"] + start})
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6))
    seen = [r["samples"] / 1000 for r in rows]
    left.plot(seen, [r["loss"] for r in rows], color="tab:red")
    left.set(xlabel="thousand samples", ylabel="training loss", title=title)
    known = {"samples", "minutes", "height", "loss", "lr"}
    for name in [k for k in rows[0] if k not in known]:
        right.plot(seen, [r.get(name, float("nan")) for r in rows], label=name)
    right.set(xlabel="thousand samples", ylabel="validation", ylim=(0, 1))
    if right.lines:
        right.legend(fontsize=8)
    for axes in (left, right):
        axes.grid(alpha=0.3)
    figure.tight_layout()
    with replacing(out) as part:
        figure.savefig(part, dpi=110, format="png")
    plt.close(figure)
