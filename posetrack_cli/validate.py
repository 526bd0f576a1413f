"""`ptrack validate`: a pose model's figures on annotated images, as the papers print them."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from tqdm import tqdm

from configs.models import find_model
from posedata.atomic import write_atomically
from posedata.errors import UsageError
from posetrack_cli.options import GroupedCommand, hardware_options, option_of, settings_from
from posetrack_cli.places import try_file, try_folder, writing

if TYPE_CHECKING:
    from eval.keypoint_ap import BoxAp, KeypointAp
    from stages.validate.coco import CocoValidation
    from stages.validate.mpii import MpiiValidation
    from stages.validate.posetrack import PoseTrackValidation
    from stages.validate.subject import Subject

_FILES, _WHAT, _OTHER = option_of("Input and output"), option_of("What to do"), option_of("Other")
_FILE, _PATH = click.Path(path_type=Path, dir_okay=False), click.Path(path_type=Path)
_POSES = ("AP", "AP .5", "AP .75", "AP (M)", "AP (L)", "AR", "AR .5", "AR .75", "AR (M)", "AR (L)")
_BOXES = ("AP", "AP .5", "AP .75", "AP (S)", "AP (M)", "AP (L)", "AR 1", "AR 10", "AR 100")


@click.command("validate", cls=GroupedCommand)
@click.argument("model", default="compact")
@_FILES(
    "--dataset",
    type=click.Choice(["coco", "mpii", "posetrack"]),
    default="coco",
    show_default=True,
    help="Form of the annotations.",
)
@_FILES("--annotations", type=_PATH, required=True, help="COCO or MPII JSON, or the folder of a PoseTrack split.")
@_FILES("--images", type=_PATH, required=True, help="Folder of the images; of PoseTrack the root.")
@_FILES("--mat", type=_FILE, help="MPII's ground truth. [default: gt_valid.mat beside the annotations]")
@_FILES("--out", type=_PATH, help="COCO: the results as a file for its server. PoseTrack: predictions, a folder.")
@_WHAT("--gt-boxes", "gt_boxes", is_flag=True, help="Poses on the annotated boxes.")
@_WHAT("--own-boxes", "own_boxes", is_flag=True, help="Poses on the boxes of the detector.")
@_WHAT("--detections", type=_FILE, help="Poses on the boxes of a file.")
@_WHAT("--checkpoint", type=_FILE, help="Weights of a published model.")
@option_of("Settings")(
    "--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Any setting, detect.long_side=640."
)
@_OTHER("--json", "as_json", is_flag=True, help="Print one JSON object.")
@_OTHER("-v", "verbose", count=True, help="-vv shows tracebacks.")
@hardware_options
def validate_command(
    model,
    dataset,
    annotations,
    images,
    mat,
    out,
    gt_boxes,
    own_boxes,
    detections,
    checkpoint,
    assignments,
    as_json,
    verbose,
    **options,
) -> None:
    """MODEL's figures: OKS AP on COCO by pycocotools, PCKh on MPII, AP on PoseTrack by poseval's rules.

    Boxes come from the annotations, the detector, or a file; a bottom-up model takes none. COCO's test images have no
    annotations: --out writes what its server takes."""
    from stages.validate.coco import read_boxes, validate_coco
    from stages.validate.coco_truth import read_truth
    from stages.validate.mpii import validate_mpii
    from stages.validate.posetrack import annotated_sequences, validate_posetrack

    _check_boxes(model, gt_boxes, own_boxes, detections)
    if dataset == "mpii" and not gt_boxes:
        raise UsageError("--dataset mpii: its people's places are given; use --gt-boxes")
    _try_out(dataset, out)
    subject = _subject(model, checkpoint, assignments, own_boxes, options)
    results = None
    with tqdm(disable=as_json or not sys.stderr.isatty(), leave=False) as bar:
        if dataset == "coco":
            truth = read_truth(annotations, images)
            given = None if detections is None else read_boxes(detections, truth)
            if not truth.people and out is None and (given is not None or not gt_boxes):
                raise UsageError(
                    "the images are not annotated: there is nothing to score; write results with --out FILE"
                )
            coco = validate_coco(truth, images, subject, given, bar.update)
            figures, lines = _coco(model, coco)
            results = coco.results
        elif dataset == "mpii":
            mat = mat or annotations.with_name("gt_valid.mat")
            figures, lines = _mpii(model, validate_mpii(annotations, mat, images, subject, bar.update))
        else:
            sequences = annotated_sequences(images, annotations)
            given = None
            if detections is not None:
                from stages.wiring import read_given

                given = read_given(detections, sequences).frames
            done = validate_posetrack(annotations, sequences, subject, given, out, bar.update)
            figures, lines = _posetrack(model, done)
    if as_json:
        known = {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in figures.items()}
        click.echo(json.dumps({**known, "model": model}, allow_nan=False))
    else:
        click.echo("\n".join(lines))
    if out is not None and results is not None:  # after the figures, which are not lost where the disk is full
        with writing(out):
            write_atomically(out, json.dumps(results).encode() + b"\n")
        if not as_json:
            click.echo(f"\nwrote {out}")


def _try_out(dataset: str, out: Path | None) -> None:
    """Whether the results can be written, before the work."""
    if out is None:
        return
    if dataset == "mpii":
        raise UsageError(f"--out {out}: MPII's figures come without a file of results; leave it out")
    (try_file if dataset == "coco" else try_folder)(out)


def _check_boxes(model: str, gt_boxes: bool, own_boxes: bool, detections: Path | None) -> None:
    """Boxes come from one place, or, for a bottom-up model, from none."""
    chosen = gt_boxes + own_boxes + (detections is not None)
    if find_model(model, "pose").bottom_up:
        if chosen:
            raise UsageError(f"{model} finds people by itself; leave --gt-boxes, --own-boxes and --detections out")
    elif chosen != 1:
        raise UsageError("choose one of --gt-boxes, --own-boxes and --detections FILE")


def _subject(
    model: str, checkpoint: Path | None, assignments: tuple[str, ...], own_boxes: bool, options: dict
) -> Subject:
    """The model, and the detector if it is asked for."""
    from stages.detect.detector import make_detector
    from stages.device import runtime
    from stages.pose.making import make_any
    from stages.validate.subject import Subject

    given = [f"pose.model={model}", *assignments]
    if own_boxes:  # AP wants every box that might be right
        given.insert(0, "detect.min_box_score=0.01")
    named = {"pose__checkpoint": None if checkpoint is None else str(checkpoint)}
    settings = settings_from((), None, tuple(given), named)
    run = runtime(options["device"], options["half"], options["batch_size"], options["threads"], options["compile"])
    return Subject(make_any(settings.pose, run), make_detector(settings.detect, run) if own_boxes else None)


def _coco(model: str, done: CocoValidation) -> tuple[dict, list[str]]:
    """Figures for machines, and the lines for people."""
    figures: dict = {"images": done.images, "results": len(done.results)}
    lines = [f"{done.images} images, {len(done.results)} people"]
    if done.poses is not None:
        p: KeypointAp = done.poses
        figures |= {"AP": p.ap, "AP50": p.ap50, "AP75": p.ap75, "AR": p.ar}
        lines += ["", *_table(model, _POSES, [*vars(p).values()], 3)]
    if done.boxes is not None:
        b: BoxAp = done.boxes
        figures |= {"box_AP": b.ap, "box_AP50": b.ap50, "box_AR": b.ar100}
        lines += ["", *_table("its boxes", _BOXES, [*vars(b).values()][: len(_BOXES)], 3)]
    return figures, lines


def _mpii(model: str, done: MpiiValidation) -> tuple[dict, list[str]]:
    pckh = done.pckh
    names = (*(name for name, _ in pckh.columns), "Mean", "Mean@0.1")
    values = [*(value for _, value in pckh.columns), pckh.mean, pckh.mean_01_reference]
    figures = {"PCKh": pckh.mean, "PCKh@0.1": pckh.mean_01_reference, "PCKh@0.1 exactly": pckh.mean_01}
    lines = [f"{done.people} people", "", *_table(model, names, values, 3), ""]
    lines.append(f"Mean@0.1 is at 0.11, as published; at 0.1 exactly it is {pckh.mean_01:.3f}")
    return figures | {"people": done.people}, lines


def _posetrack(model: str, done: PoseTrackValidation) -> tuple[dict, list[str]]:
    from eval.report import GROUPS, group_means

    names = (*(name for name, _ in GROUPS), "Total")
    values = [float(value) for value in group_means(done.ap.ap)]
    figures = {"AP": values[-1], **dict(zip(names[:-1], values))}
    lines = [f"{done.frames} labelled frames of {done.sequences} sequences", "", *_table(model, names, values, 1)]
    return figures | {"frames": done.frames}, lines


def _table(first: str, names: tuple[str, ...], values: list[float], decimals: int) -> list[str]:
    """Two lines, as the papers' tables have them."""
    cells = ["-" if math.isnan(v) else f"{v:.{decimals}f}" for v in values]
    widths = [max(len(n), len(c)) for n, c in zip(names, cells)]
    head = "  ".join(n.rjust(w) for n, w in zip(names, widths))
    return [
        f"{'':{len(first)}}  {head}",
        f"{first}  " + "  ".join(c.rjust(w) for c, w in zip(cells, widths)),
    ]
