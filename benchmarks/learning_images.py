"""Do the small networks learn? MR-Pose on crops of people (three quarters of an hour on a CPU core) and SimplePose on
rendered groups (two hours): their figures on pictures that they have not seen, before and after.

    python benchmarks/learning_images.py --out DIR --data CROPS              # both
    python benchmarks/learning_images.py --out DIR --only simplepose         # everything is rendered
    python benchmarks/learning_images.py --out DIR --only mrpose --data CROPS

CROPS holds train.json, val.json (COCO keypoint form, images beside them). Whatever DIR already holds is kept: the
same command goes on with an interrupted run. Curves: DIR/NETWORK/run/curves.png.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import orjson
import torch

from configs.models import find_model
from configs.settings import PoseSettings
from configs.training import Training
from configs.training_presets import training_settings
from eval.keypoint_ap import KeypointAp, evaluate_keypoints
from posedata.atomic import write_atomically
from posedata.jsonio import read_json
from posedata.skeletons import COCO_17
from posedata.synthetic import write_training_set
from stages.device import runtime
from stages.pose.making import make_any
from stages.pose.networks import create
from stages.train.checkpoint import save_weights
from stages.train.curves import plot_curves
from stages.train.start import start
from stages.validate.coco import validate_coco
from stages.validate.coco_truth import read_truth
from stages.validate.subject import Subject

TRAINED_ON, HELD_OUT = 2500, 100  # rendered pictures
ENOUGH = 100  # held-out people of one source that tell something
# while a run goes on: how many people or pictures it is validated on, and after how many samples each time
WATCHED = {"mrpose": (800, 7500), "simplepose": (60, 8000)}


@dataclass(frozen=True)
class Lesson:
    """What one network is trained and examined on."""

    what: str  # of `ptrack train`
    preset: str
    settings: tuple[str, ...]  # of the training
    held_out: Path  # COCO-form annotations
    images: Path  # what they name
    parts: tuple[str, ...] = ()  # sources of held-out people that get a row of their own


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", choices=tuple(WATCHED))
    parser.add_argument("--data", type=Path, help="the crops that MR-Pose is trained on")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="any training setting")
    args = parser.parse_args()
    names = [args.only] if args.only else list(WATCHED)
    if "mrpose" in names and args.data is None:
        parser.error("--data: name the folder of crops (train.json, val.json), or choose --only simplepose")
    torch.set_num_threads(1)
    lines = ["| network | held-out pictures | | AP | AP50 | AR |", "|---|---|---|---|---|---|"]
    for name in names:
        root = args.out / name
        root.mkdir(parents=True, exist_ok=True)
        lesson = crops(root, args.data) if name == "mrpose" else groups(root)
        limit, every = WATCHED[name]
        watched = (f"validate_limit={limit}", f"validate_samples={every}", "threads=1")
        try:
            lines += taught(root, lesson, (*watched, *args.set))
        except KeyboardInterrupt:
            raise SystemExit("interrupted; the same command goes on where it stopped") from None
    print("\n".join(lines))


def crops(root: Path, data: Path) -> Lesson:
    """People of COCO-form files, on COCO's joints; examined on all held-out ones, and by source."""
    written = {}
    for split in ("train", "val"):
        content = on_coco_joints(read_json(data / f"{split}.json"))
        written[split] = _write(root / f"{split}.json", content)
    people = Counter(person.get("source", "") for person in content["annotations"])
    parts = tuple(source for source, count in people.most_common() if count >= ENOUGH) if len(people) > 1 else ()
    settings = ("phases=[{samples: 80000, batch: 16}]", *_sources(written["train"], written["val"], data, data))
    return Lesson("pose", "mrheat2-small", settings, written["val"], data, parts)


def groups(root: Path) -> Lesson:
    """Rendered pictures of several people, the held-out ones of other seeds."""
    files = {}
    for seed, (split, count) in enumerate((("train", TRAINED_ON), ("val", HELD_OUT))):
        folder = root / split
        rendered = folder / "train.json"
        if not rendered.exists():
            print(f"{folder}: rendering {count} pictures", flush=True)
            write_training_set(folder, "group", count, seed)
        files[split] = _write(root / f"{split}.json", on_coco_joints(read_json(rendered)))
    sources = _sources(files["train"], files["val"], root / "train", root / "val")
    phases = "[{size: [128, 128], samples: 60000, batch: 8}, {size: [192, 192], samples: 40000, batch: 8}]"
    settings = (f"phases={phases}", *sources)
    return Lesson("bottom-up", "simplepose-small", settings, files["val"], root / "val")


def on_coco_joints(content: dict) -> dict:
    """The same people with COCO's seventeen joints alone; who has none of them is nobody to be found."""
    names = content["categories"][0]["keypoints"]
    columns = [names.index(joint) for joint in COCO_17.joints]
    people = []
    for person in content["annotations"]:
        flat = person["keypoints"]
        triplets = [flat[3 * c : 3 * c + 3] for c in columns]
        count = sum(v > 0 for _, _, v in triplets)
        people.append({**person, "keypoints": [x for t in triplets for x in t], "num_keypoints": count})
    category = {"id": 1, "name": "person", "keypoints": list(COCO_17.joints)}
    return {"images": content["images"], "annotations": people, "categories": [category]}


def taught(root: Path, lesson: Lesson, more: Iterable[str]) -> list[str]:
    """Rows of the table: the network as it begins, and after its training."""
    settings = training_settings(lesson.what, lesson.preset, root, (*lesson.settings, *more))
    untrained = root / "untrained.safetensors"
    torch.manual_seed(settings.seed)  # as a training begins
    entry = find_model(settings.model, "pose")
    save_weights(create(entry.architecture, **entry.options), untrained, settings, half=False)
    run, began = root / "run", time.process_time()
    progress = start(settings, run, lambda line: print(line, flush=True))
    print(f"{time.process_time() - began:.0f} CPU seconds of this process, {progress.seen} samples", flush=True)
    plot_curves([run / "log.csv"], run / "curves.png", lesson.preset)
    rows = []
    for state, weights in (("untrained", untrained), ("trained", run / "best.safetensors")):
        for part, p in examined(settings, weights, lesson).items():
            rows.append(f"| `{lesson.preset}` | {part} | {state} | {p.ap:.3f} | {p.ap50:.3f} | {p.ar:.3f} |")
            print(rows[-1], flush=True)
    return rows


def examined(settings: Training, weights: Path, lesson: Lesson) -> dict[str, KeypointAp]:
    """As `ptrack validate` does it, on annotated boxes or, bottom-up, on whole pictures: everybody, and the parts."""
    pose = PoseSettings(model=settings.model, checkpoint=str(weights))
    subject = Subject(make_any(pose, runtime("cpu", None, 16, 1)))
    done = validate_coco(read_truth(lesson.held_out, lesson.images), lesson.images, subject, None, lambda: None)
    figures = {"all": done.poses}
    truth = read_json(lesson.held_out)
    for source in lesson.parts:
        people = [person for person in truth["annotations"] if person.get("source") == source]
        ids = {person["image_id"] for person in people}
        images = [image for image in truth["images"] if image["id"] in ids]
        found = [result for result in done.results if result["image_id"] in ids]
        figures[source] = evaluate_keypoints({**truth, "images": images, "annotations": people}, found)
    return figures


def _sources(train: Path, val: Path, train_images: Path, val_images: Path) -> tuple[str, str]:
    """As settings of a training."""
    train, val, train_images, val_images = (p.resolve() for p in (train, val, train_images, val_images))
    return (
        f"train=[{{annotations: {train}, images: {train_images}}}]",
        f"val={{annotations: {val}, images: {val_images}}}",
    )


def _write(path: Path, content: dict) -> Path:
    write_atomically(path, orjson.dumps(content))
    return path


if __name__ == "__main__":
    main()
