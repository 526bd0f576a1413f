"""`ptrack propagate`: poses labelled in some frames, moved to the frames around them."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import click
from tqdm import tqdm

from configs.models import find_model
from posedata.errors import BadInput, PtrackError, SequenceFailed, UsageError
from posedata.formats.labels import SequenceLabels, read_labels, write_labels
from posedata.sequences import KINDS, Sequence, discover
from posedata.video import open_sequence
from posetrack_cli.options import GroupedCommand, hardware_options, option_of
from posetrack_cli.places import try_folder

_FILES, _WHAT = option_of("Input and output"), option_of("What to do")
_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command("propagate", cls=GroupedCommand)
@click.argument("video_dir", type=click.Path(path_type=Path))
@_FILES("--annotations", type=_FILE, help="Labels of a video or folder of frames. [default: those of PoseTrack]")
@_FILES("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Where the files go.")
@_FILES("--kind", type=click.Choice(KINDS), default="auto", show_default=True, help="What VIDEO_DIR is.")
@_FILES("--split", help="Of a PoseTrack root: train, val or test.")
@_WHAT("--model", default="posewarper-w48", show_default=True, help="A PoseWarper, see `ptrack models`.")
@_WHAT("--checkpoint", type=_FILE, required=True, help="Its weights.")
@_WHAT(
    "--mode",
    type=click.Choice(("nearest", "augment")),
    default="nearest",
    show_default=True,
    help="A frame takes its nearest label, or every label goes to all frames within reach.",
)
@_WHAT("--reach", type=click.IntRange(1, 30), default=3, show_default=True, help="Frames each way.")
@_WHAT("--every", type=click.IntRange(1), help="Keep only every N-th label, to try out how well it works.")
@option_of("Other")("--json", "as_json", is_flag=True, help="Print one JSON object.")
@option_of("Other")("-q", "quiet", is_flag=True, help="No progress, no table.")
@option_of("Other")("-v", "verbose", count=True, help="-vv shows tracebacks.")
@hardware_options
def propagate_command(
    video_dir,
    annotations,
    out,
    kind,
    split,
    model,
    checkpoint,
    mode,
    reach,
    every,
    as_json,
    quiet,
    verbose,
    **options,
) -> int:
    """Moves the labels of sparsely labelled sequences to the frames around them (PoseWarper, arXiv 1906.04016) and
    writes DIR/SEQUENCE.json in PoseTrack18's form, which is COCO's: the labels, and the people added, who say in
    `propagated_from` which image they come from. --mode augment makes a set to train on, in which a frame may have
    people from several labels.

    VIDEO_DIR is a PoseTrack root, whose own annotations are the labels, or anything else together with
    --annotations. DIR lies beside the annotations, not among them: VIDEO_DIR/propagated is where presets look."""
    from stages.device import runtime
    from stages.pose.checkpoints import network_of
    from stages.train.propagation import Propagator

    entry = find_model(model, "pose")
    if entry.architecture != "posewarper_pair":
        raise UsageError(f"--model {model}: only a PoseWarper moves poses through time; see `ptrack models`")
    _refuse_split(out)
    found = discover(video_dir, kind, split)
    if annotations is not None and len(found.sequences) != 1:
        raise UsageError(
            f"--annotations {annotations}: is for one sequence, {video_dir} holds {len(found.sequences)}"
        )
    _refuse_labels(out, found.sequences, annotations)
    try_folder(out)
    run = runtime(options["device"], options["half"], options["batch_size"], options["threads"])
    propagator = Propagator(network_of(entry, checkpoint), entry, run)
    rows, failed = [], []
    with tqdm(unit=" frames", disable=quiet or as_json or not sys.stderr.isatty(), leave=False) as bar:
        for sequence in found.sequences:
            bar.set_description(sequence.id)
            try:
                rows.append(_sequence(sequence, annotations, out, propagator, mode, reach, every, bar.update))
            except (BadInput, SequenceFailed) as error:
                failed.append(error)
                click.echo(f"ptrack: {sequence.id}: {error}", err=True)
    if as_json:
        click.echo(json.dumps({"sequences": rows}))
    elif not quiet:
        for row in rows:
            click.echo(
                f"{row['sequence']}: {row['labelled']} labelled frames, {row['propagated']} frames propagated, "
                f"{row['unreached']} beyond reach, {row['people']} people -> {row['file']}"
            )
    return _code(failed, len(found.sequences))


def _sequence(
    sequence: Sequence, annotations, out: Path, propagator, mode: str, reach: int, every: int | None, progress
) -> dict:
    """One sequence, from its labels to the written file; what the table says of it.

    Raises:
        BadInput: the labels or the frames cannot be used.
    """
    from stages.train.propagation import chosen_labels, kept, propagate, sources, spread

    path = annotations or sequence.annotation
    if sequence.fault:
        raise BadInput(sequence.fault)
    if path is None:
        raise BadInput(f"{sequence.path}: has no annotation; name one with --annotations")
    labels: SequenceLabels = read_labels(path, sequence)
    if not labels.people:
        raise BadInput(f"{path}: no image is labelled; there is nothing to propagate")
    people = labels.people if every is None else kept(labels.people, chosen_labels(labels.people, every, reach))
    if mode == "augment":
        wanted = spread(labels.frames, people, reach)
    else:
        wanted = list(sources(labels.frames, people, reach).items())
    lost = dict.fromkeys(labels.frames, "the video ends before it")  # frame without a picture -> why
    with open_sequence(sequence) as frames:

        def counted():
            for frame in frames:
                if frame.image is not None:
                    lost.pop(frame.index, None)
                elif frame.index in lost:
                    lost[frame.index] = frame.note or "it cannot be decoded"
                yield frame
                progress()

        moved = list(propagate(counted(), people, wanted, propagator, reach))
    reached = {frame for frame, *_ in moved} - set(people)
    file = out / f"{sequence.id}.json"
    try:
        count = write_labels(file, labels, people, moved)
    except OSError as error:
        raise SequenceFailed(
            f"{file}: cannot be written ({error.strerror or error}); mend that and run again"
        ) from None
    _tell_lost(sequence.id, {f: why for f, why in lost.items() if f in people}, "is labelled", "nobody is moved from")
    _tell_lost(sequence.id, {f: why for f, why in lost.items() if f not in people}, "is listed", "nobody is moved to")
    return {
        "sequence": sequence.id,
        "labelled": len(people),
        "propagated": len(reached),
        "unreached": len(labels.frames) - len(people) - len(reached),
        "without_picture": sorted(lost),
        "people": count,
        "file": str(file),
    }


def _tell_lost(sequence: str, lost: dict[int, str], is_what: str, so: str) -> None:
    """One sentence on frames without pictures."""
    if lost:
        frame, why = next(iter(lost.items()))
        more = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
        click.echo(f"ptrack: {sequence}: frame {frame} {is_what} but has no picture ({why}){more}; {so} it", err=True)


def _refuse_labels(out: Path, sequences: tuple[Sequence, ...], annotations: Path | None) -> None:
    """
    Raises:
        UsageError: what is written would take the labels' place.
    """
    labels = {s.annotation.resolve(): s.annotation for s in sequences if s.annotation is not None}
    if annotations is not None:
        labels[annotations.resolve()] = annotations
    for sequence in sequences:
        file = labels.get((out / f"{sequence.id}.json").resolve())
        if file is not None:
            raise UsageError(f"--out {out}: {file} are the labels themselves, which stay; name another folder")


def _refuse_split(out: Path) -> None:
    """
    Raises:
        UsageError: what is written would be a split of a PoseTrack root from then on, or take its annotations' place.
    """
    whole = Path(os.path.abspath(out))
    for folder in (whole, *whole.parents):
        if folder.name in ("annotations", "posetrack_data") and (folder.parent / "images").is_dir():
            raise UsageError(
                f"--out {out}: lies among the annotations of {folder.parent}, of which it would become a split; name "
                f"a folder beside them, such as {folder.parent / 'propagated'}"
            )


def _code(failed: list[PtrackError], count: int) -> int:
    codes = {error.exit_code for error in failed}
    return codes.pop() if len(failed) == count and len(codes) == 1 else int(bool(failed))
