"""Peak memory of ptrack's commands on a short and on a long video of the same pictures, and on a large one.

    python benchmarks/bench_memory.py [--minutes 2 20] [--fps 25] [--light] [--large CLIP] [--large-frames 48]

The videos are 640x360, made here of two seconds of rendered people over and over. `run` draws the pictures, too;
`export` and `report` read the records. "grows" is the long video's peak less the short one's, to be 100 MB at most.
`--light` makes the networks cheap (small frames, one person, no flip test, no flow): what is kept for each frame
stays the same, and the long video takes minutes instead of an hour.

The kernel's figure for a new process begins at what its parent held, so this one holds little: it makes the videos in
another.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

SIZE = (640, 360)
SECONDS = 2  # of pictures
LIGHT = (
    "--long-side",
    "64",
    "--no-flip",
    "--max-people",
    "1",
    "--min-box-score",
    "0.2",
    "--flow",
    "none",
    "--no-recover",
    "--similarity",
    "oks",
)


def write_loop(path: Path, minutes: float, fps: int) -> int:
    """A video of the same pictures over and over, encoded once; the number of its frames."""
    import av

    from posedata.synthetic import render_sequence

    count = SECONDS * fps
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.options = {"bf": "0", "crf": "20", "preset": "veryfast"}  # no frame waits for a later one
        packets = []
        for number, picture in enumerate(render_sequence(7, count, SIZE, 4, float(fps))):
            frame = av.VideoFrame.from_ndarray(picture.image, "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, fps)
            packets += stream.encode(frame)
        packets += stream.encode()
        pieces = [(bytes(packet), packet.is_keyframe) for packet in packets]
        loops = max(1, round(minutes * 60 / SECONDS))
        for loop in range(loops):
            for number, (data, key) in enumerate(pieces):
                packet = av.Packet(data)
                packet.stream, packet.is_keyframe = stream, key
                packet.time_base = Fraction(1, fps)
                packet.pts = packet.dts = loop * count + number
                container.mux(packet)
    return loops * count


def made_elsewhere(path: Path, minutes: float, fps: int) -> int:
    """`write_loop` in a process of its own."""
    script = (
        f"import bench_memory, sys; print(bench_memory.write_loop(bench_memory.Path(sys.argv[1]), {minutes}, {fps}))"
    )
    place = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    return int(
        subprocess.run([sys.executable, "-c", script, path], env=place, check=True, capture_output=True).stdout
    )


def peak(command: list[str], folder: Path) -> tuple[float, float]:
    """Peak resident memory in MB and processor seconds of `ptrack ...`, its own processes included."""
    executable = Path(sys.executable).with_name("ptrack")
    with open(os.devnull, "wb") as nowhere:  # what it says of errors is seen
        running = subprocess.Popen([executable, *command], cwd=folder, stdout=nowhere)
    _, status, usage = os.wait4(running.pid, 0)
    running.returncode = os.waitstatus_to_exitcode(status)
    if running.returncode:
        raise SystemExit(f"ptrack {' '.join(command)} ended with {running.returncode}")
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB here
    return usage.ru_maxrss * unit / 1e6, usage.ru_utime + usage.ru_stime


def commands(video: Path, work: Path, out: Path, more: tuple[str, ...]) -> dict[str, list[str]]:
    exports = {
        f"export {kind}": ["export", str(work), "--format", kind, "--out", str(out / kind)]
        for kind in ("posetrack18", "coco", "csv", "mot")
    }
    return {
        "run": ["run", str(video), "--work", str(work), "-q", *more],
        "render": ["render", str(work), "-q"],
        **exports,
        "report": ["report", str(work)],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, nargs=2, default=(2.0, 20.0))
    parser.add_argument("--fps", type=int, default=25)
    parser.add_argument("--light", action="store_true", help="cheap networks")
    parser.add_argument("--large", type=Path, help="a large clip, such as one of 3840x2160")
    parser.add_argument("--large-frames", type=int, default=48)
    arguments = parser.parse_args()
    more = LIGHT if arguments.light else ()
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for minutes in arguments.minutes:
            video = folder / f"{minutes:g}min.mp4"
            frames = made_elsewhere(video, minutes, arguments.fps)
            print(f"{minutes:g} min, {frames} frames of {SIZE[0]}x{SIZE[1]}{' (light)' if more else ''}", flush=True)
            for what, command in commands(
                video, folder / f"work{minutes:g}", folder / f"out{minutes:g}", more
            ).items():
                began = time.perf_counter()
                megabytes, seconds = peak(command, folder)
                wall = time.perf_counter() - began
                found.setdefault(what, []).append(megabytes)
                print(f"  {what:18} {megabytes:7.0f} MB peak   {seconds:7.1f} s CPU {wall:7.1f} s", flush=True)
        for what, (short, long) in found.items():
            print(f"{what:20} grows by {long - short:5.0f} MB, at most {max(short, long):.0f} MB")
        if arguments.large is not None:
            few = ("--frames", f"0-{arguments.large_frames - 1}")
            made = commands(arguments.large.resolve(), folder / "large", folder / "out", few)
            for what in ("run", "render"):
                megabytes, _ = peak(made[what], folder)
                print(f"{arguments.large.name}, {arguments.large_frames} frames: {what} {megabytes:.0f} MB peak")


if __name__ == "__main__":
    main()
