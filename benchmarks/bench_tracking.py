"""How good and how quick tracking is; needs PoseTrack18-style sequences with ground truth and given poses.

    python benchmarks/bench_tracking.py association SET    # MOTA of each similarity and preset over SET/oracle
    python benchmarks/bench_tracking.py sensitivity SET    # the presets with each threshold moved by 20 %
    python benchmarks/bench_tracking.py ablation SET [--work WORK]     # the paper's table, with the bundled models
    python benchmarks/bench_tracking.py speed              # rendered 640x360 people, and 20 against 20 people

SET holds images/, annotations/val/ and oracle/ (poses without identities). Scores are poseval's, as `ptrack eval`
gives them. The ablation detects and estimates first; with --work those records are kept for the next time.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from configs.settings import Settings, TrackSettings, resolve
from eval.findings import Findings
from eval.loading import Thresholds, load_all
from eval.poseval import PosevalResult, evaluate, official_sequences
from eval.sources import pair_work
from posedata.formats.poses import read_poses
from posedata.people import FramePeople, Origin
from posedata.records import Header, RecordWriter, VideoHeader, iter_frames, read_header
from posedata.sequences import discover
from posedata.skeletons import COCO_17, SKELETONS, Skeleton
from posedata.synthetic import write_video
from posedata.video import open_sequence
from stages.pipeline import Pipeline
from stages.stream import Clock, Item
from stages.track.flow import DisFlow
from stages.track.given import GivenTrackStage
from stages.track.stage import TrackStage
from stages.track.tracker import Tracker
from stages.wiring import Estimators, Hardware, parts
from stages.work import WorkFolder

SIMILARITIES = ("iou", "oks", "flow", "multi-flow", "mixed")
PRESETS = ("simple-baselines", "online", "offline")
ORACLE_JOINTS, BUNDLED_JOINTS = 0.35, 0.3  # lowest joint score that is scored


@dataclass(frozen=True)
class Scene:
    """One sequence, decoded."""

    name: str
    images: list[np.ndarray]  # [H, W, 3] uint8 RGB
    people: dict[int, FramePeople]  # by frame
    flow: RememberedFlow


class RememberedFlow:
    """DIS, each pair once."""

    def __init__(self) -> None:
        self._flow, self._known = DisFlow(), {}

    def between(self, before, after):
        key = before.index, after.index
        if key not in self._known:
            self._known[key] = self._flow.between(before, after)
        return self._known[key]


def load(root: Path, people: dict[str, dict[int, FramePeople]]) -> list[Scene]:
    scenes = []
    for sequence in discover(root).sequences:
        with open_sequence(sequence) as source:
            images = [frame.image for frame in source]
        scenes.append(Scene(sequence.id, images, people.get(sequence.id, {}), RememberedFlow()))
    return scenes


def tracked(scene: Scene, settings: TrackSettings, skeleton: Skeleton, poses_in=None) -> Iterator[Item]:
    stage = TrackStage(settings, skeleton, lambda: scene.flow, poses_in)
    items = (Item(i, i / 25, image, FramePeople()) for i, image in enumerate(scene.images))
    return GivenTrackStage(stage, scene.people, len(skeleton)).run(items, Clock())


def scored(
    scenes: list[Scene], settings: TrackSettings, skeleton: Skeleton, root: Path, joints: float, poses_in=None
) -> tuple[PosevalResult, int]:
    """The official figures, and how many people were recovered."""
    recovered = 0
    with tempfile.TemporaryDirectory() as folder:
        work = WorkFolder(Path(folder))
        for scene in scenes:
            height, width = scene.images[0].shape[:2]
            header = Header.create(
                stage="track",
                sequence=scene.name,
                video=VideoHeader(scene.name, 25.0, width, height),
                skeleton=skeleton.name,
                ptrack_version="0",
                settings={},
                input_identity="benchmark",
            )
            with RecordWriter(work.record(scene.name, "track"), header, chunk=1) as writer:
                for item in tracked(scene, settings, skeleton, poses_in):
                    writer.append(item.index, item.time, item.people)
                    writer.commit_chunk()
                    recovered += int((item.people.origin == Origin.PROPAGATED).sum())
                writer.finish()
        findings = Findings()
        truths = sorted((root / "annotations" / "val").glob("*.json"))
        loaded = load_all(pair_work(work.root, truths, findings), findings, 1, Thresholds(joints, float("-inf")))
        findings.raise_faults()
        return evaluate(official_sequences(loaded), findings, True, True, True), recovered


def row(name: str, result: PosevalResult) -> str:
    cells = [f"{s.mot.mota[-1]:.1f}" for s in result.sequences]
    return f"| {name} | {' | '.join(cells)} | {result.mot.mota[-1]:.1f} |"


def heading(scenes: list[Scene]) -> str:
    names = " | ".join(s.name.split("_")[0] for s in scenes)
    return f"| | {names} | total |\n|---|{'---|' * (len(scenes) + 1)}"


def preset(name: str) -> TrackSettings:
    return resolve([name]).track


def association(root: Path) -> None:
    given = read_poses(root / "oracle", discover(root).sequences)
    scenes = load(root, given.frames)
    print(f"MOTA, given poses, joints from score {ORACLE_JOINTS}\n{heading(scenes)}")
    rows = {kind: TrackSettings(similarity=kind) for kind in SIMILARITIES}
    rows |= {f"preset {name}": preset(name) for name in PRESETS}
    for name, settings in rows.items():
        print(row(name, scored(scenes, settings, given.skeleton, root, ORACLE_JOINTS)[0]), flush=True)


def sensitivity(root: Path) -> None:
    given = read_poses(root / "oracle", discover(root).sequences)
    scenes = load(root, given.frames)
    online = [
        *("min_similarity", "max_age", "queue", "min_box_score", "high_score", "low_score"),
        *("low_age", "new_track_score", "copy_oks", "min_joint_score"),
    ]
    offline = [*online, "stitch_gap", "stitch_similarity", "stitch_appearance", "fill_gap", "min_track"]
    for name, thresholds in (("online", online), ("offline", offline)):
        own = preset(name)
        base = scored(scenes, own, given.skeleton, root, ORACLE_JOINTS)[0].mot.mota[-1]
        print(f"preset {name}: MOTA {base:.2f}\n| threshold | value | -20 % | +20 % |\n|---|---|---|---|")
        for key in thresholds:
            value = getattr(own, key)
            cells = []
            for factor in (0.8, 1.2):
                moved = value * factor
                moved = max(1, round(moved)) if isinstance(value, int) else min(1.0, moved)
                settings = TrackSettings.model_validate(own.model_dump() | {key: moved})
                found = scored(scenes, settings, given.skeleton, root, ORACLE_JOINTS)[0].mot.mota[-1]
                cells.append(f"{found - base:+.2f}")
            print(f"| {key} | {value:g} | {' | '.join(cells)} |", flush=True)


def ablation(root: Path, work_at: Path | None) -> None:
    with ExitStack() as stack:
        folder = work_at or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        work, found = WorkFolder(folder), discover(root)
        work.claim(root, found.kind)
        settings, hardware = Settings(), Hardware()
        pipeline = Pipeline(work, parts(("detect", "pose"), settings, hardware))
        people = {}
        for sequence in found.sequences:
            pipeline.run(sequence)
            record = work.record(sequence.id, "pose")
            people[sequence.id] = {frame.index: frame.people for frame in iter_frames(record)}
        skeleton = SKELETONS[read_header(record).skeleton]
    estimator = Estimators(hardware).of(settings.pose)

    def poses_in(image, boxes):
        return estimator.joints_of([image], [boxes])

    scenes = load(root, people)
    print(f"Bundled models, joints from score {BUNDLED_JOINTS}; MOTA / mAP, and people recovered by flow boxes")
    print("| similarity | no flow boxes | flow boxes | recovered |\n|---|---|---|---|")
    # the paper's rows: greedy, everybody with a box from 0.5 on begins a track; then our presets
    rows = {kind: preset("simple-baselines").model_copy(update={"similarity": kind}) for kind in SIMILARITIES}
    for name, own in (rows | {f"preset {name}": preset(name) for name in PRESETS[1:]}).items():
        cells = []
        for recover in (False, True):
            chosen = own.model_copy(update={"recover": recover})
            result, recovered = scored(scenes, chosen, skeleton, root, BUNDLED_JOINTS, poses_in)
            cells.append(f"{result.mot.mota[-1]:.1f} / {result.ap.ap[-1]:.1f}")
        print(f"| {name} | {' | '.join(cells)} | {recovered} |", flush=True)


def crowd(count: int, rng: np.random.Generator) -> FramePeople:
    keypoints = rng.uniform(0, 600, (count, 1, 2)) + rng.uniform(0, 120, (count, 17, 2))
    return FramePeople(
        boxes=np.concatenate([keypoints.min(axis=1), keypoints.max(axis=1)], axis=1),
        box_scores=np.full(count, 0.9),
        keypoints=keypoints,
        keypoint_scores=np.full((count, 17), 0.9),
        person_scores=np.full(count, 0.9),
        origin=np.zeros(count),
    )


def speed(runs: int, seconds: int) -> None:
    rng, settings = np.random.default_rng(0), TrackSettings()
    people = crowd(20, rng)
    tracker = Tracker(settings, COCO_17)
    for index in range(10):
        tracker.step(index, people)
    assert [len(t.moved) for t in tracker.tracks] == [8] * 20
    times, busy = [], []
    for index in range(10, 10 + 50 * runs):
        began, used = time.perf_counter(), time.process_time()
        tracker.step(index, people)
        times.append(time.perf_counter() - began)
        busy.append(time.process_time() - used)
    print(
        f"association, 20 people against 20 over 8 past frames: {1e3 * statistics.median(times):.2f} ms a frame "
        f"(CPU {1e3 * statistics.median(busy):.2f} ms)"
    )
    with tempfile.TemporaryDirectory() as folder:
        video = Path(folder) / "walkers.mp4"
        write_video(video, seed=3, frames=25 * seconds, size=(640, 360), people=4, fps=25.0)
        sequence = discover(video).sequences[0]
        with open_sequence(sequence) as source:
            images = [frame.image for frame in source]
        count = len(images)
        given = {i: crowd(4, np.random.default_rng(1)) for i in range(count)}
        walls, clocks, cpu = [], [], []
        for _ in range(runs + 1):
            clock = Clock()
            stage = GivenTrackStage(TrackStage(settings, COCO_17, DisFlow), given, 17)
            before = resource.getrusage(resource.RUSAGE_SELF)
            began = time.perf_counter()
            for _ in stage.run((Item(i, i / 25, im, FramePeople()) for i, im in enumerate(images)), clock):
                pass
            walls.append(time.perf_counter() - began)
            after = resource.getrusage(resource.RUSAGE_SELF)
            cpu.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
            clocks.append(dict(clock.seconds))
        wall = statistics.median(walls[1:])  # the first run warms up
        used = statistics.median(cpu[1:])
        print(
            f"track stage, 640x360, DIS, nobody to recover: {count / wall:.0f} frames a second by the clock, "
            f"{2 * count / used:.0f} by CPU time on two cores ({1e3 * used / count:.2f} ms CPU a frame)"
        )
        for name in ("flow", "track"):
            seconds = statistics.median(c[name] for c in clocks[1:])
            print(
                f"  {name:6} {1e3 * seconds / count:6.2f} ms a frame, {100 * seconds / wall:5.1f} % of the wall time"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("association", "sensitivity", "ablation", "speed"))
    parser.add_argument("set", type=Path, nargs="?", help="folder with images/, annotations/val/ and oracle/")
    parser.add_argument("--work", type=Path, help="where the ablation's poses are kept")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=8, help="length of the rendered video of the speed test")
    arguments = parser.parse_args()
    if arguments.what == "speed":
        speed(arguments.runs, arguments.seconds)
        return
    if arguments.set is None:
        parser.error("name the folder with the sequences")
    if arguments.what == "ablation":
        ablation(arguments.set, arguments.work)
    else:
        {"association": association, "sensitivity": sensitivity}[arguments.what](arguments.set)


if __name__ == "__main__":
    main()
