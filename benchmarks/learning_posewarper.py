"""Does PoseWarper learn from sparse labels? Trained on the labels of every 7th frame of rendered sequences, it moves
the labels of every 7th frame of other sequences to the frames between, where all is known but was kept from it.

    python benchmarks/learning_posewarper.py --out DIR

renders sequences in PoseTrack18's form (one setting of the renderer, a seed of its own for each), trains the presets
posewarper-small-baseline and posewarper-small with `ptrack train`, moves the labels of the held-out sequences with
`ptrack propagate`, and prints how right the moved joints are beside two other ways to fill the frames: the nearest
label as it is, and the nearest label moved by optical flow (DIS, frame by frame). Only frames without a label count.

The same command goes on where it was stopped, and prints the table again when all is done. --quick is a run of
seconds, in which nothing is learned, to see that everything works.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from eval.poseval import score
from eval.raw import RawSequence
from eval.sources import load_ground_truth, load_predictions
from posedata.atomic import write_atomically
from posedata.formats.labels import FrameLabels, SequenceLabels, read_labels, write_labels
from posedata.sequences import Sequence, discover
from posedata.synthetic import write_posetrack18
from posedata.video import open_sequence
from stages.track.flow import DisFlow, Flow, motion_between, picture_of
from stages.train.propagation import chosen_labels, kept, sources

EVERY, REACH = 7, 3  # frames between labels, and how far one is moved
SIZE, FPS, PEOPLE = (640, 360), 25.0, 6
MODEL = "posewarper-small"
SPLITS = ("train", "val", "test")  # val: watched in training; test: what the table is about
_FIRST = {"train": 1000, "val": 2000, "test": 3000}  # seeds, and sequences' numbers


@dataclass(frozen=True)
class Scale:
    """How much is rendered, and how long is trained."""

    rendered: Mapping[str, tuple[int, int]]  # of each split: sequences, and frames of each
    settings: tuple[str, ...]  # of both trainings, in place of the presets'


WHOLE = Scale({"train": (24, 42), "val": (4, 14), "test": (10, 42)}, ("validate_samples=2000",))
QUICK = Scale({"train": (1, 14), "val": (1, 14), "test": (1, 14)}, ("max_steps=1", "validate_limit=2"))

WAYS = {"copied": "nearest, copied", "flow": "nearest, moved by optical flow", "posewarper": "nearest, by PoseWarper"}

Moved = dict[int, tuple[int, FrameLabels, np.ndarray]]  # frame -> labelled frame, people, scores [N, 17]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="where everything is written")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of the networks")
    parser.add_argument("--minutes", type=float, help="of the clock, at most, for each of the two trainings")
    parser.add_argument("--half", action="store_true", help="labels are moved in bf16: quicker where the CPU has it")
    parser.add_argument("--quick", action="store_true", help="a run of seconds that learns nothing")
    options = parser.parse_args()
    scale, data = QUICK if options.quick else WHOLE, options.out / "data"
    for split in SPLITS:
        render(data, split, scale)
    settings = (*scale.settings, f"threads={options.threads}", "loader_workers=0")
    if options.minutes:
        settings = (*settings, f"minutes={options.minutes}")
    baseline, warper = options.out / "baseline", options.out / "warper"
    trained("pose", "posewarper-small-baseline", data, baseline, settings)
    init = ("--init", str(baseline / "best.safetensors"))
    # the files are sparse already; the last weights are taken, so that validation need not be long
    trained("warper", MODEL, data, warper, (*settings, "label_every=1", "validate_limit=100"), *init)
    test = ("--split", "test", "--every", EVERY, "--reach", REACH, "--threads", options.threads)
    model = ("--model", MODEL, "--checkpoint", warper / "last.pt")
    half = ("--half",) if options.half else ()
    ptrack("propagate", data, *test, *model, *half, "--out", options.out / "posewarper", "-q")
    fill(data, options.out)
    print("\n".join(table(data / "annotations" / "test", options.out)))


def render(data: Path, split: str, scale: Scale) -> None:
    """The sequences of a split that are not there yet; of `train`, the labels of every 7th frame alone stay."""
    count, frames = scale.rendered[split]
    for number in range(count):
        name = f"{_FIRST[split] + number:06d}_mpii_{split}"
        seed = _FIRST[split] + number
        if (data / "annotations" / split / f"{name}.json").exists():
            continue
        # rendered as `whole`: the file that is read below exists only when it is sparse
        shown = "whole" if split == "train" else split
        began = time.process_time()
        path = write_posetrack18(
            data, sequence=name, split=shown, seed=seed, frames=frames, size=SIZE, people=PEOPLE, fps=FPS
        )
        if split == "train":
            write_atomically(data / "annotations" / split / path.name, json.dumps(sparse(path)).encode())
        print(f"rendered {name} ({time.process_time() - began:.1f} s)", flush=True)


def sparse(path: Path) -> dict:
    """The content of a PoseTrack18 file with the labels of every 7th frame alone."""
    content = json.loads(path.read_bytes())
    labelled = [frame for frame, image in enumerate(content["images"]) if image["is_labeled"]]
    chosen = set(chosen_labels(labelled, EVERY, REACH))
    ids = {image["id"] for frame, image in enumerate(content["images"]) if frame in chosen}
    images = [image | {"is_labeled": image["id"] in ids} for image in content["images"]]
    people = [person for person in content["annotations"] if person["image_id"] in ids]
    return content | {"images": images, "annotations": people}


def trained(what: str, preset: str, data: Path, run: Path, settings: tuple[str, ...], *more: str) -> None:
    """`ptrack train`, which goes on where it was."""
    changes = [word for setting in settings for word in ("--set", setting)]
    ptrack("train", what, "--preset", preset, "--data", data, "--run", run, *changes, *more)


def ptrack(*arguments: object) -> None:
    """The command, in a process of its own; ends this program where it fails."""
    words = [str(a) for a in arguments]
    print("ptrack", *words, flush=True)
    code = "from posetrack_cli.main import main; main()"
    done = subprocess.run([sys.executable, "-c", code, *words], check=False)
    if done.returncode:
        sys.exit(done.returncode)


def fill(data: Path, out: Path) -> None:
    """Writes the held-out labels as they are, and moved by flow, to the frames around, as `ptrack propagate` does."""
    for sequence in discover(data, split="test").sequences:
        labels = read_labels(sequence.annotation, sequence)
        people = kept(labels.people, chosen_labels(labels.people, EVERY, REACH))
        wanted = sources(labels.frames, people, REACH)
        ways = {"copied": copied(people, wanted), "flow": carried(sequence, labels, people, wanted)}
        for way, moved in ways.items():
            rows = [(frame, *rest) for frame, rest in moved.items()]
            write_labels(out / way / f"{sequence.id}.json", labels, people, rows)


def copied(people: Mapping[int, FrameLabels], wanted: Mapping[int, int]) -> Moved:
    """Every frame has the people of its label."""
    return {frame: (at, people[at], sureness(frame, at, people[at])) for frame, at in wanted.items()}


def carried(
    sequence: Sequence, labels: SequenceLabels, people: Mapping[int, FrameLabels], wanted: Mapping[int, int]
) -> Moved:
    """Every joint goes with the flow from frame to frame, forth or back in time."""
    with open_sequence(sequence) as frames:
        pictures = [picture_of(frame.image, frame.index, max(SIZE)) for frame in frames]
    flow: Flow = DisFlow()
    found: Moved = {}
    for at, given in people.items():
        for step in (-1, 1):
            points, here = given.keypoints, at
            while wanted.get(here + step) == at:
                motion = motion_between(flow, pictures[here], pictures[here + step], False)
                points, here = motion.move(points).astype(np.float32), here + step
                width, height = motion.size
                inside = (points >= 0).all(axis=2) & (points <= (width - 1, height - 1)).all(axis=2)
                moved = replace(given, keypoints=points, visible=given.visible & inside)
                found[here] = (at, moved, sureness(here, at, moved))
    return found


def sureness(frame: int, source: int, people: FrameLabels) -> np.ndarray:
    """[N, 17] scores for ways that know none: higher nearer to the label, among equals by lot, so that the AP is what
    chance gives and not what the order of ties happens to give."""
    lots = np.random.default_rng(frame).random(people.visible.shape)
    return people.visible * (1 / (1 + abs(frame - source)) + 0.01 * lots)


def table(annotations: Path, out: Path) -> list[str]:
    """The rows for all frames without a label, and by their distance to it."""
    truth = {sequence.name: sequence for sequence in load_ground_truth(annotations)}
    parts = [None, *range(1, REACH + 1)]
    heads = [
        f"{figure}{' all' if part is None else f' {part}'}" for figure in ("PCKh@0.5", "mean AP") for part in parts
    ]
    rows = [f"| labels, frames away | {' | '.join(heads)} |", f"|{'---|' * (len(heads) + 1)}"]
    for way, name in WAYS.items():
        found = load_predictions(out / way)
        errors, distances = joint_errors(truth, {sequence.name: sequence for sequence in found})
        right = [errors[distances > 0 if part is None else distances == part] <= 0.5 for part in parts]
        held = [tuple(only(sequence, part) for sequence in truth.values()) for part in parts]
        cells = [100 * part.mean() for part in right] + [score(found, part, mot=False).ap.ap[-1] for part in held]
        rows.append(f"| {name} | {' | '.join(f'{cell:.1f}' for cell in cells)} |")
    frames = sum(int(only(sequence, None).labelled.sum()) for sequence in truth.values())
    return [*rows, f"{len(truth)} sequences, {frames} frames without a label of their own, {len(errors)} joints"]


def joint_errors(truth: Mapping[str, RawSequence], found: Mapping[str, RawSequence]) -> tuple[np.ndarray, np.ndarray]:
    """Errors [M] in head sizes (0.6 of the head box's diagonal), infinite where a joint was given up, and frames to
    the label [M], of every joint that is annotated in a frame without a label and, for the same person, in the label.
    """
    errors, distances = [], []
    for name, sequence in truth.items():
        there, guessed = joints_of(sequence), joints_of(found[name])
        heads = {
            (int(frame), int(track)): 0.6 * float(np.hypot(*(box[2:] - box[:2])))
            for frame, track, box in zip(sequence.person_frame, sequence.track, sequence.head)
        }
        for frame, at in label_of(sequence).items():
            for (of, track, joint), point in there.items():
                if of == frame and (at, track, joint) in there:
                    guess = guessed.get((frame, track, joint), (np.inf, np.inf))
                    errors.append(np.linalg.norm(np.subtract(guess, point)) / heads[frame, track])
                    distances.append(abs(frame - at))
    return np.array(errors), np.array(distances)


def joints_of(sequence: RawSequence) -> dict[tuple[int, int, int], np.ndarray]:
    """Pixels [2] of every joint by frame, track and number."""
    frames, tracks = sequence.person_frame[sequence.point_person], sequence.track[sequence.point_person]
    keys = zip(frames.tolist(), tracks.astype(int).tolist(), sequence.point_joint.tolist())
    return dict(zip(keys, sequence.point_xy))


def label_of(truth: RawSequence) -> dict[int, int]:
    """Frame -> the frame whose label it is given."""
    chosen = chosen_labels(np.flatnonzero(truth.flagged).tolist(), EVERY, REACH)
    return sources(range(len(truth.frame_names)), chosen, REACH)


def only(truth: RawSequence, distance: int | None) -> RawSequence:
    """The truth of the frames so far from their label alone; None: of all frames that need one."""
    wanted = np.zeros(len(truth.frame_names), bool)
    for frame, at in label_of(truth).items():
        wanted[frame] = distance in (None, abs(frame - at))
    return replace(truth, labelled=truth.labelled & wanted, flagged=truth.flagged & wanted)


if __name__ == "__main__":
    main()
