"""Finding the sequences under a path."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from posedata.errors import BadLayout

VIDEO = {".mp4", ".avi", ".mkv", ".mov", ".webm", ".m4v", ".mpg", ".mpeg"}
IMAGE = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"}


@dataclass(frozen=True)
class FrameRef:
    path: Path


@dataclass(frozen=True)
class Sequence:
    id: str
    path: Path
    frames: tuple[FrameRef, ...] | None = None
    annotation: Path | None = None
    fps: float | None = None


@dataclass(frozen=True)
class Discovery:
    kind: str
    sequences: tuple[Sequence, ...]
    description: str
    problems: tuple[str, ...] = ()


def discover(source: Path, kind: str = "auto", split: str | None = None) -> Discovery:
    if source.is_file():
        return Discovery("video", (Sequence(source.stem, source),), f"{source}: one video")
    if (source / "images").is_dir():
        found = []
        for folder in sorted((source / "images").glob("*/*")):
            files = tuple(FrameRef(p) for p in sorted(folder.iterdir()) if p.suffix in IMAGE)
            found.append(Sequence(folder.name, folder, files))
        return Discovery("posetrack18", tuple(found), f"{source}: PoseTrack18, {len(found)} sequences")
    videos = [p for p in sorted(source.iterdir()) if p.suffix.lower() in VIDEO]
    if videos:
        return Discovery("videos", tuple(Sequence(p.stem, p) for p in videos), f"{source}: {len(videos)} videos")
    images = sorted((p for p in source.iterdir() if p.suffix.lower() in IMAGE), key=lambda p: [int(x) if x.isdigit() else x for x in re.split(r"(\d+)", p.name)])
    if not images:
        raise BadLayout(f"{source}: holds neither videos nor images")
    return Discovery("frames", (Sequence(source.name, source, tuple(map(FrameRef, images))),), f"{source}: frames")
