"""Synthetic scenes for the scoring tests: random people as arrays, and as PoseTrack18 files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from eval.joints import JOINTS_2018
from eval.loading import Matched
from eval.matching import assign, pair_people
from eval.scene import People, Scene

CONTROL = Path(__file__).parents[1] / "data" / "poseval" / "control"


def people(
    frame: list[int],
    track: list[float],
    xy: np.ndarray,  # [N, 15, 2]
    has: np.ndarray | None = None,  # [N, 15]
    score: np.ndarray | None = None,  # [N, 15]
    head: float = 10.0,  # reference length, pixels
) -> People:
    """People from their essentials."""
    n = len(frame)
    has = np.ones((n, 15), bool) if has is None else has
    return People(
        frame=np.array(frame, np.int64),
        track=np.array(track, np.float64),
        xy=np.where(has[..., None], np.asarray(xy, np.float64).reshape(n, 15, 2), 0.0),
        has=has,
        score=np.ones((n, 15)) if score is None else score,
        person_score=np.full(n, np.nan),
        head=np.full(n, head),
    )


def matched(truth: People, found: People, frames: int, name: str = "s") -> Matched:
    """A matched sequence."""
    scene = Scene(name, tuple(f"{i:06d}.jpg" for i in range(frames)), truth, found)
    pairs = pair_people(scene)
    return Matched(scene, pairs, assign(scene, pairs))


def random_matched(
    seed: int,
    frames: int = 8,
    persons: int = 4,
    grid: float | None = None,  # coordinates on a grid of this many pixels: many ties
    apart: bool = False,  # people far from each other, so that nobody can be taken for somebody else
    name: str = "s",
) -> Matched:
    """A noisy tracker: identity changes, misses, false positives, absent joints."""
    rng = np.random.default_rng(seed)
    base = rng.uniform(0, 25, (persons, 1, 2)) + rng.uniform(0, 6, (persons, 15, 2))
    base += 500.0 * np.arange(1, persons + 1)[:, None, None] * apart
    sides: list[tuple[list[int], list[float], list[np.ndarray]]] = [([], [], []), ([], [], [])]
    for f in range(frames):
        ids = rng.permutation(persons + 2)
        for p in range(persons):
            if rng.random() < 0.85:
                sides[0][0].append(f)
                sides[0][1].append(p)
                sides[0][2].append(base[p])
            if rng.random() < 0.8:
                sides[1][0].append(f)
                sides[1][1].append(p if rng.random() < 0.8 else 10 + int(ids[p]))
                sides[1][2].append(base[p] + rng.normal(0, 2.5, (15, 2)))
        if rng.random() < 0.3:
            sides[1][0].append(f)
            sides[1][1].append(50)
            sides[1][2].append(rng.uniform(0, 30, (15, 2)))
    built = []
    for frame, track, poses in sides:
        xy = np.array(poses).reshape(-1, 15, 2)
        xy = np.round(xy / grid) * grid if grid else xy
        has = rng.random((len(frame), 15)) > 0.15
        built.append(people(frame, track, xy, has, np.round(rng.random((len(frame), 15)), 1 if grid else 6)))
    # an id stands once in a frame
    for side, table in enumerate(built):
        _, first = np.unique(np.stack([table.frame, table.track]), axis=1, return_index=True)
        built[side] = table.take(np.sort(first))
    return matched(built[0], built[1], frames, name)


def person_2018(
    image: int,
    track: float | None,
    xy: np.ndarray,  # [15, 2]
    has: np.ndarray,  # [15] bool
    score: np.ndarray | None = None,  # [15]
    head: tuple[float, float, float, float] | None = None,  # x, y, width, height
) -> dict[str, object]:
    """One annotation of the 2018 form with the fifteen joints in the 2017 order."""
    xyv = np.concatenate([np.where(has[:, None], xy, 0), has[:, None]], axis=1)
    entry: dict[str, object] = {"image_id": image, "keypoints": xyv.reshape(-1).tolist(), "category_id": 1}
    if track is not None:
        entry["track_id"] = int(track)
    if score is not None:
        entry["scores"] = score.tolist()
    if head is not None:
        entry["bbox_head"] = list(head)
    return entry


def write_2018(path: Path, frames: int, annotations: list[dict[str, object]], name: str = "000342_mpii_test") -> None:
    """A PoseTrack18 file; images have the ids 0, 1, ..."""
    images = [{"id": i, "file_name": f"images/val/{name}/{i:06d}.jpg", "is_labeled": True} for i in range(frames)]
    category = {"id": 1, "name": "person", "keypoints": list(JOINTS_2018)}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": [category]}))


def write_scene(folder: Path, m: Matched, name: str = "000342_mpii_test") -> tuple[Path, Path]:
    """A scene as prediction and ground-truth files; the two folders."""
    size = 10.0 / 0.6 / np.sqrt(2)  # the head box whose reference length is 10
    truth, found = m.scene.truth, m.scene.found
    gt = [
        person_2018(int(truth.frame[i]), truth.track[i], truth.xy[i], truth.has[i], head=(0, 0, size, size))
        for i in range(len(truth))
    ]
    pred = [
        person_2018(int(found.frame[i]), found.track[i], found.xy[i], found.has[i], found.score[i])
        for i in range(len(found))
    ]
    write_2018(folder / "gt" / f"{name}.json", len(m.scene.frame_names), gt, name)
    write_2018(folder / "pred" / f"{name}.json", len(m.scene.frame_names), pred, name)
    return folder / "pred", folder / "gt"
