"""Scoring starts in a blink: what it does not need is not loaded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from poseval_scenes import CONTROL

HEAVY = ("torch", "torchvision", "cv2", "av", "matplotlib", "pandas", "motmetrics", "scipy", "pycocotools", "stages")


def test_a_plain_evaluation_loads_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from posetrack_cli.eval import eval_command\n"
        "eval_command(sys.argv[1:], standalone_mode=False)\n"
        f"print([name for name in {HEAVY} if name in sys.modules])\n"
    )
    arguments = [str(CONTROL / "pred"), "--gt", str(CONTROL / "gt"), "-q"]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


def test_nothing_in_eval_imports_torch(tmp_path: Path) -> None:
    code = (
        "import sys, pkgutil, importlib, eval\n"
        "for module in pkgutil.iter_modules(eval.__path__): importlib.import_module('eval.' + module.name)\n"
        "print('torch' in sys.modules, len([name for name in sys.modules if name.startswith('eval.')]) > 20)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout.split() == ["False", "True"], done.stderr


def test_the_installed_command_where_other_folders_have_our_names(tmp_path: Path) -> None:
    for name in ("eval", "configs", "posedata"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('the wrong package')\n")
    command = [
        str(Path(sys.executable).with_name("ptrack")),
        "eval",
        str(CONTROL / "pred"),
        "--gt",
        str(CONTROL / "gt"),
    ]
    done = subprocess.run([*command, "--latex"], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0 and done.stdout.startswith("& Head & Shou"), done.stderr
    done = subprocess.run([*command[:2], "nowhere", *command[3:]], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 3 and "nowhere" in done.stderr and "Traceback" not in done.stderr
