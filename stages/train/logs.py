"""What a run tells: `log.csv` (a line a validation), `steps.csv` (a line every so many steps), TensorBoard, a
progress line."""

from __future__ import annotations

import csv
import io
import sys
import time
from pathlib import Path

from posedata.atomic import write_atomically

_STEP_FIELDS = ("step", "samples", "epoch", "loss", "lr")


class RunLog:
    """The logs of one run folder; lines after the step that a run goes on from are taken back."""

    def __init__(self, run_dir: Path, step: int, tensorboard: bool, progress_line: bool) -> None:
        self.run_dir, self._shows = run_dir, progress_line and sys.stderr.isatty()
        path = run_dir / "steps.csv"
        kept = _rows_until(path, step) if step and path.exists() else []
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, fieldnames=_STEP_FIELDS)
        writer.writeheader()
        writer.writerows(kept)
        write_atomically(path, text.getvalue().encode())  # a kill from now on takes no line that was there
        self._steps = path.open("a", newline="")
        self._writer = csv.DictWriter(self._steps, fieldnames=_STEP_FIELDS)
        self._board = _board(run_dir / "tensorboard", step) if tensorboard else None
        self._began, self._seen, self._shown = time.monotonic(), 0, 0.0

    def step(self, step: int, samples: int, epoch: float, loss: float, rate: float) -> None:
        row = {"step": step, "samples": samples, "epoch": f"{epoch:.4f}", "loss": repr(loss), "lr": f"{rate:.4g}"}
        self._writer.writerow(row)
        self._steps.flush()
        if self._board is not None:
            self._board.add_scalar("loss", loss, step)
            self._board.add_scalar("learning rate", rate, step)

    def progress(
        self,
        samples: int,
        epoch: float,
        loss: float,
        samples_left: int,
        seconds_left: float,  # whichever is over first
    ) -> None:
        """One line on a terminal, at most twice a second: samples a second and time left."""
        self._seen += samples
        now = time.monotonic()
        if not self._shows or now - self._shown < 0.5:
            return
        self._shown = now
        speed = self._seen / max(now - self._began, 1e-6)
        left = min(samples_left / speed, seconds_left)
        clock = f"{int(left // 3600)}:{int(left % 3600 // 60):02d}:{int(left % 60):02d}"
        sys.stderr.write(f"\r\x1b[Kepoch {epoch:.2f}  loss {loss:.5f}  {speed:.1f} samples/s  {clock} left")
        sys.stderr.flush()

    def clear_line(self) -> None:
        if self._shows:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def validation(self, history: list[dict[str, float]], step: int) -> None:
        """All validations so far into `log.csv`; the last of them to TensorBoard."""
        fields = list(dict.fromkeys(k for row in history for k in row))
        lines = [",".join(fields)] + [",".join(str(row.get(k, "")) for k in fields) for row in history]
        write_atomically(self.run_dir / "log.csv", ("\n".join(lines) + "\n").encode())
        if self._board is not None:
            for name, value in history[-1].items():
                self._board.add_scalar(f"validation/{name}", value, step)

    def close(self) -> None:
        self._steps.close()
        if self._board is not None:
            self._board.close()


def _rows_until(path: Path, step: int) -> list[dict[str, str]]:
    """The rows of an older steps.csv up to a step. One that is not as we write them is left out: a damaged log is no
    reason not to go on."""
    found: list[dict[str, str]] = []
    last = 0
    for line in path.read_bytes().decode(errors="replace").splitlines():
        cells = line.split(",")
        try:
            number = [float(cell) for cell in cells]
        except ValueError:
            continue
        if len(cells) == len(_STEP_FIELDS) and cells[0].isdecimal() and last < number[0] <= step:
            found.append(dict(zip(_STEP_FIELDS, cells)))
            last = number[0]
    return found


def _board(folder: Path, step: int):
    """A writer of event files, or None where tensorboard is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder), purge_step=step + 1 if step else 0)
