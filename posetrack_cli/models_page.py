"""The page `docs/models.md`, made from the table of models, so that the two cannot differ."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from configs.models import ModelEntry
from posedata.skeletons import SKELETONS

_HEAD = """# Models

Made by `ptrack models --page > docs/models.md` from `configs/models.yaml`; a test compares the two.

The networks of published models are ptrack's own code with the published names of weights; the weights are files that
you fetch from their authors. `ptrack models check FILE` says which model a file is, and

```
ptrack pose VIDEO_DIR --model NAME --checkpoint FILE
```

runs it with the colour order, normalisation, input size and skeleton of this table. Files are read without running
anything in them (`torch.load(weights_only=True)` or safetensors); containers (`state_dict`, `weights`, ...) and the
prefixes `module.` and `posenet.` are taken off; counters of batch normalisation may be missing; every other key must
be there in its shape.
"""

_VERIFIED = """
## What was verified, and how

No published checkpoint was at hand. What stands in for them are weights that follow from a written recipe (a function
of each key and shape), with which the published code was run once; its inputs and outputs are the fixtures.

- Keys, shapes and types of the weights are the published ones: 31 lists of keys, compared key for key
  (`tests/pose/test_golden_networks.py`).
- With the same weights the networks give the published code's numbers: 26 forward cases of all families, within 3e-5
  of the largest value (the same file; some values of each stand in `tests/data/networks`).
- So do three steps of training: losses, gradients and running statistics of ResNet-18, HRNet-W32 and PoseWarper (the
  same file).
- Files as their authors saved them load, damaged and dangerous ones do not: each layout is written and read, and
  pickles that would run a program are refused (`tests/pose/test_checkpoints.py`).
- The top-down families and PoseWarper run end to end at their published input sizes, with recipe weights on a real
  clip (`tests/pose/test_published_models.py`); SimplePose on a rendered one, at a smaller size
  (`tests/pose/test_published_runs.py`).

Not verified: the published scores. They are printed below as their authors print them; none was re-run here. The
Caffe style differs from the other in numbers alone, so no check of keys can tell the two apart. MR-Pose's authors
print no scores beside their files. The PaddlePaddle port of Simple Baselines (MPII and COCO, ResNet-50) has another
file format and is not read.
"""


def models_page(table: Sequence[ModelEntry]) -> str:
    """The page in Markdown."""
    detectors = [e for e in table if e.stage == "detect"]
    own = [e for e in table if e.stage == "pose" and e.weights != "file"]
    published = [e for e in table if e.stage == "pose" and e.weights == "file"]
    parts = [_HEAD, _VERIFIED]
    parts.append("\n## Pose networks that come with ptrack or through torchvision\n\n")
    parts.append(_table(own, _POSE | {"score": lambda e: e.score or "", "licence": lambda e: e.licence}))
    parts.append(f"\n## Published pose networks\n\n{len(published)} models.\n\n")
    parts.append(_table(published, _POSE | {"published score": lambda e: e.score or ""}))
    parts.append("\nMirrored joints (numbers from 0), by skeleton:\n\n")
    for name in dict.fromkeys(e.skeleton for e in own + published if e.skeleton):
        pairs = " ".join(f"({a},{b})" for a, b in SKELETONS[name].flip_pairs)
        parts.append(f"- {name}: {pairs}\n")
    parts.append("\n### Where their authors offer them\n\n")
    parts.append(_table(published, _OFFERED))
    parts.append("\n## Detectors\n\n")
    parts.append(_table(detectors, _DETECTOR))
    return "".join(parts)


_POSE: dict[str, Callable[[ModelEntry], str]] = {
    "name": lambda e: f"`{e.name}`",
    "what": lambda e: e.summary,
    "trained on": lambda e: e.dataset or "see its card",
    "skeleton": lambda e: e.skeleton or "",
    "input (height x width)": lambda e: _input(e),
    "colours": lambda e: e.colour,
    "mean / deviation of channels 0, 1, 2": lambda e: _statistics(e),
}
_OFFERED: dict[str, Callable[[ModelEntry], str]] = {
    "name": lambda e: f"`{e.name}`",
    "file": lambda e: f"`{e.authors_file}`" if e.authors_file else "",
    "offered": lambda e: e.offered or "",
    "licence": lambda e: e.licence,
}
_DETECTOR: dict[str, Callable[[ModelEntry], str]] = {
    "name": lambda e: f"`{e.name}`",
    "what": lambda e: e.summary,
    "weights": lambda e: {"bundled": "come with ptrack", "torchvision": "torchvision's"}[e.weights],
    "score": lambda e: e.score or "",
    "licence": lambda e: e.licence,
}


def _input(entry: ModelEntry) -> str:
    if entry.bottom_up:
        return f"the frame, {entry.frame_height} high"
    return f"{entry.input[0]}x{entry.input[1]}" if entry.input else "the frame"


def _statistics(entry: ModelEntry) -> str:
    if entry.mean is None or entry.std is None:
        return "values of 0..1 as they are"
    return f"{' '.join(map(str, entry.mean))} / {' '.join(map(str, entry.std))}"


def _table(entries: Sequence[ModelEntry], columns: dict[str, Callable[[ModelEntry], str]]) -> str:
    lines = [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    lines += [f"| {' | '.join(make(entry) for make in columns.values())} |" for entry in entries]
    return "\n".join(lines) + "\n"
