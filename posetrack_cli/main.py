"""The `ptrack` command: its sub-commands, and how errors become one sentence and an exit code."""

from __future__ import annotations

import os
import signal
import sys
import traceback

import click

from configs.errors import SettingsError
from posedata.errors import PtrackError

BUG = "this is a mistake in ptrack"
_COMMANDS = {  # name -> (module, function); imported when called, so that `ptrack --help` starts in a blink
    "run": ("posetrack_cli.stages", "run_command"),
    "detect": ("posetrack_cli.stages", "detect_command"),
    "pose": ("posetrack_cli.stages", "pose_command"),
    "track": ("posetrack_cli.stages", "track_command"),
    "status": ("posetrack_cli.status", "status_command"),
    "render": ("posetrack_cli.render", "render_command"),
    "report": ("posetrack_cli.report", "report_command"),
    "export": ("posetrack_cli.export", "export_command"),
    "eval": ("posetrack_cli.eval", "eval_command"),
    "check": ("posetrack_cli.check", "check_command"),
    "validate": ("posetrack_cli.validate", "validate_command"),
    "train": ("posetrack_cli.train", "train_command"),
    "propagate": ("posetrack_cli.propagate", "propagate_command"),
    "models": ("posetrack_cli.models", "models_command"),
    "doctor": ("posetrack_cli.doctor", "doctor_command"),
    "demo": ("posetrack_cli.demo", "demo_command"),
}
_HELP = {
    "run": "Detect, estimate, track and render in one go.",
    "detect": "Find people.",
    "pose": "Estimate the poses of found people.",
    "track": "Give each person one identity through time.",
    "status": "How far the work in a folder is: done, running, failed, missing, time left.",
    "render": "Overlay videos and contact sheets from saved records.",
    "report": "One HTML page about a work folder: table, times, timelines, pictures, scores.",
    "export": "PoseTrack17/18, COCO, CSV, Parquet and MOT files from saved records.",
    "eval": "Score predictions exactly as PoseTrack's poseval does.",
    "check": "Check a submission before it is uploaded.",
    "validate": "A pose model's figures on COCO, MPII or PoseTrack, as the papers print them.",
    "train": "Train the bundled and the published networks, by presets.",
    "propagate": "Move poses labelled in some frames to the frames around them.",
    "models": "List the known models.",
    "doctor": "Look whether everything works on this machine.",
    "demo": "Render a small scene, run everything on it, print times and scores.",
}


class Commands(click.Group):
    """Sub-commands that are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        from importlib import import_module

        module, function = _COMMANDS[name]
        return getattr(import_module(module), function)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_HELP.items()))


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="ptrack", prog_name="ptrack")
def main() -> None:
    """Video pose tracking: finds people in video, estimates their poses, gives each person one identity through
    time, and scores the result as PoseTrack does.

    \b
    ptrack run VIDEO        tracked poses, an overlay video and tables
    ptrack demo             see it work on a rendered scene
    """


def run() -> None:
    """The installed entry point.

    Exit codes: 0 all done, 1 some sequences failed, 2 usage, 3 bad input, 130 interrupted.
    """
    verbose = "-vv" in sys.argv
    # threads that wait must not spin: on a machine with other work, spinning made two threads slower than one;
    # OpenMP reads this when torch is imported
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # a picture that cannot be read is told once, by ptrack; OpenCV reads this when it is imported
    os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")
    try:
        code = main(standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not break the ending of the first
        click.echo("interrupted; the same command goes on where it stopped", err=True)
        sys.exit(130)
    except (PtrackError, SettingsError) as error:
        if verbose:
            traceback.print_exc()
        click.echo(f"ptrack: {error}", err=True)
        sys.exit(error.exit_code if isinstance(error, PtrackError) else 2)
    except BrokenPipeError:  # the reader of our output went away
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is still buffered goes nowhere
        sys.exit(1)
    except (OSError, MemoryError) as error:  # what no stage could name better
        if verbose:
            traceback.print_exc()
        click.echo(f"ptrack: {_said(error)}; mend that and run the same command again", err=True)
        sys.exit(1)
    except Exception as error:  # noqa: BLE001 - a mistake of ours ends in a sentence, too
        if verbose:
            traceback.print_exc()
        what = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        click.echo(f"ptrack: {BUG} ({what}); run the command with -vv and report what it prints", err=True)
        sys.exit(1)


def _said(error: OSError | MemoryError) -> str:
    if isinstance(error, MemoryError):
        return "there is not enough memory"
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}"
