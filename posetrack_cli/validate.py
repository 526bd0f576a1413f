"""`ptrack validate`: a pose model's figures on annotated images."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
from tqdm import tqdm

from posedata.errors import UsageError
from posetrack_cli.options import GroupedCommand, hardware_options, settings_from


@click.command("validate", cls=GroupedCommand)
@click.argument("model", default="compact")
@click.option(
    "--dataset", type=click.Choice(["coco"]), default="coco", show_default=True, help="Form of the annotations."
)
@click.option(
    "--annotations", type=click.Path(path_type=Path, dir_okay=False), required=True, help="COCO keypoint JSON."
)
@click.option(
    "--images", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder of the images."
)
@click.option("--gt-boxes", "gt_boxes", is_flag=True, help="Poses on the annotated boxes.")
@click.option("--own-boxes", "own_boxes", is_flag=True, help="Poses on the boxes of the detector.")
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Any setting, detect.long_side=640.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@hardware_options
def validate_command(
    model, dataset, annotations, images, gt_boxes, own_boxes, assignments, as_json, **options
) -> None:
    """OKS AP of MODEL's poses on the 17 COCO joints, by pycocotools; with --own-boxes also the detector's AP."""
    from stages.detect.detector import make_detector
    from stages.device import runtime
    from stages.pose.estimator import make_estimator
    from stages.validate.coco import validate_coco

    if gt_boxes == own_boxes:
        raise UsageError("choose one of --gt-boxes and --own-boxes")
    settings = settings_from((), None, (f"pose.model={model}", *assignments), {})
    if own_boxes:  # AP wants every box that might be right
        settings = settings_from((), None, ("detect.min_box_score=0.01", f"pose.model={model}", *assignments), {})
    run = runtime(options["device"], options["half"], options["batch_size"], options["threads"], options["compile"])
    estimator = make_estimator(settings.pose, run)
    detector = make_detector(settings.detect, run) if own_boxes else None
    with tqdm(unit=" images", disable=as_json or not sys.stderr.isatty(), leave=False) as bar:
        result = validate_coco(annotations, images, estimator, detector, bar.update)
    if as_json:
        figures = {"AP": result.poses.ap, "AP50": result.poses.ap50, "AP75": result.poses.ap75, "AR": result.poses.ar}
        if result.boxes:
            figures |= {"box_AP": result.boxes.ap, "box_AP50": result.boxes.ap50, "box_AR": result.boxes.ar100}
        click.echo(json.dumps({**figures, "images": result.images, "model": model}))
        return
    click.echo(f"{result.images} images, model {model}, {'ground-truth' if gt_boxes else 'detected'} boxes")
    p = result.poses
    click.echo(
        f"poses (OKS): AP {p.ap:.3f}  AP50 {p.ap50:.3f}  AP75 {p.ap75:.3f}  "
        f"medium {p.ap_medium:.3f}  large {p.ap_large:.3f}  AR {p.ar:.3f}"
    )
    if result.boxes:
        b = result.boxes
        click.echo(
            f"boxes (IoU): AP {b.ap:.3f}  AP50 {b.ap50:.3f}  AP75 {b.ap75:.3f}  small {b.ap_small:.3f}  "
            f"medium {b.ap_medium:.3f}  large {b.ap_large:.3f}  AR {b.ar100:.3f}"
        )
