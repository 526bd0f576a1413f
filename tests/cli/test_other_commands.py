"""`ptrack demo | doctor | models | validate` and the entry point, as a user runs them."""

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner
from command import ptrack

from posetrack_cli.main import _COMMANDS, main


def test_help_names_every_command_and_loads_no_network_library(tmp_path):
    script = "import sys, posetrack_cli.main as m; m.main(['--help'], standalone_mode=False); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, check=True)
    loaded = done.stdout.splitlines()[-1].split()
    assert not {"torch", "cv2", "av", "matplotlib", "numpy"} & set(loaded)
    for command in ("run", "detect", "pose", "track", "render", "export", "eval", "models", "doctor", "demo"):
        assert f"  {command} " in done.stdout


@pytest.mark.parametrize("words", [*_COMMANDS, "models export", "models check"])
def test_every_command_takes_the_option_that_an_internal_error_advises(words):
    if words == "models":  # has commands of its own
        return
    done = CliRunner().invoke(main, [*words.split(), "--help"])
    assert done.exit_code == 0 and "-vv shows tracebacks" in " ".join(done.output.split())


def test_the_demo_tracks_the_rendered_people_and_prints_scores(tmp_path):
    done = ptrack("demo", "--frames", 24, "--people", 2, "--seed", 3, cwd=tmp_path)
    assert "decode s" in done.stdout and "MOTA" in done.stdout
    out = tmp_path / "ptrack_demo"
    written = {path.name for path in out.rglob("*") if path.is_file()}
    assert {"detect.json", "pose.json", "track.json", "overlay.mp4", "contact_sheet.png", "timeline.png"} <= written
    assert list((out / "export" / "posetrack18").rglob("*.json")) and list((out / "export" / "csv").rglob("*.csv"))
    again = ptrack("demo", "--frames", 24, "--people", 2, "--seed", 3, cwd=tmp_path)
    assert "nothing to do" in again.stdout


def test_doctor_finds_nothing_wrong_here(tmp_path):
    done = ptrack("doctor", cwd=tmp_path)
    assert "everything works" in done.stdout and "FAIL" not in done.stdout


def test_models_are_listed_with_licence_and_bundled_weights_fit_their_digest(tmp_path):
    table = json.loads(ptrack("models", "--json", cwd=tmp_path).stdout)
    bundled = [entry for entry in table if entry["weights"] == "bundled"]
    assert len(bundled) == 2 and all(entry["sha256"] for entry in bundled)
    text = ptrack("models", cwd=tmp_path).stdout
    assert "WEIGHTS_LICENSE" in text and "MISSING" not in text


@pytest.mark.parametrize("boxes", ["--gt-boxes", "--own-boxes"])
def test_validate_prints_the_figures_of_pycocotools(test_data, tmp_path, boxes):
    source = test_data / "media" / "coco_val2017"
    content = json.loads((source / "person_keypoints.json").read_text())
    content["images"] = content["images"][:6]
    kept = {image["id"] for image in content["images"]}
    content["annotations"] = [a for a in content["annotations"] if a["image_id"] in kept]
    (tmp_path / "few.json").write_text(json.dumps(content))
    arguments = ["--annotations", tmp_path / "few.json", "--images", source / "images", boxes, "--json"]
    figures = json.loads(ptrack("validate", "compact", *arguments, cwd=tmp_path).stdout)
    assert figures["images"] == 6 and 0 <= figures["AP"] <= figures["AP50"] <= 1
    assert ("box_AP50" in figures) is (boxes == "--own-boxes")


def test_a_wrong_command_exits_with_2(tmp_path):
    assert "No such command" in ptrack("rnu", cwd=tmp_path, code=2).stderr
