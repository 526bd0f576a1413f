"""`ptrack doctor`: what it says where all is well, and what to do where it is not."""

from __future__ import annotations

import json
import shutil
import sys
from importlib.metadata import PackageNotFoundError

import av
import pytest
from click.testing import CliRunner

from posetrack_cli import doctor


def examined(monkeypatch, *about: str) -> tuple[int, str]:
    """Exit code and text of some of the checks."""
    monkeypatch.setattr(doctor, "_CHECKS", {name: doctor._CHECKS[name] for name in about})
    ended = CliRunner().invoke(doctor.doctor_command, standalone_mode=False, catch_exceptions=False)
    return ended.return_value, ended.output


def test_all_is_well_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ended = CliRunner().invoke(doctor.doctor_command, ["--json"], standalone_mode=False, catch_exceptions=False)
    content = json.loads(ended.output)
    assert content["failures"] == 0 and ended.return_value == 0, ended.output
    said = {}
    for finding in content["findings"]:
        said[finding["about"]] = said.get(finding["about"], "") + finding["text"] + "\n"
    assert "torch " in said["packages"] and "opencv" in said["packages"] and "ptrack " in said["packages"]
    assert "--threads" in said["threads"] and "libx264" in said["codecs"] and "read back" in said["codecs"]
    assert "compact" in said["weights"] and "checkpoints" in said["weights"] and "TORCH_HOME" in said["weights"]
    assert "MiB free" in said["disk"] and "people found in" in said["self-test"]
    assert not list(tmp_path.iterdir())


def test_a_package_that_is_missing_or_broken(monkeypatch):
    monkeypatch.setitem(sys.modules, "motmetrics", None)
    code, text = examined(monkeypatch, "packages")
    assert code == 1 and "FAIL  packages: motmetrics cannot be imported" in text and "pip install motmetrics" in text
    assert "1 problem, see FAIL above" in text


def test_a_system_library_that_opencv_wants(monkeypatch):
    real = doctor.importlib.import_module

    def without_libgl(name: str):
        if name == "cv2":
            raise ImportError("libGL.so.1: cannot open shared object file: No such file or directory")
        return real(name)

    monkeypatch.setattr(doctor.importlib, "import_module", without_libgl)
    code, text = examined(monkeypatch, "packages")
    assert code == 1 and "libGL.so.1" in text and "pip install opencv-python-headless" in text


def test_two_opencvs_and_missing_extras_are_only_noted(monkeypatch):
    def version(name: str) -> str:
        if name in ("ray", "pyarrow"):
            raise PackageNotFoundError(name)
        return "1.0"

    monkeypatch.setattr(doctor, "version", version)
    code, text = examined(monkeypatch, "packages")
    assert code == 0 and "note  packages: opencv-python and opencv-python-headless" in text
    assert "pip install 'ptrack[cluster]'" in text and "pip install 'ptrack[tables]'" in text


def test_a_codec_that_is_missing(monkeypatch):
    real = av.Codec

    def codec(name: str, mode: str):
        if name == "hevc":
            raise ValueError(name)
        return real(name, mode)

    monkeypatch.setattr(av, "Codec", codec)
    code, text = examined(monkeypatch, "codecs")
    assert code == 1 and "FAIL  codecs: hevc is missing (reading videos of phones); install PyAV's own wheel" in text


@pytest.mark.parametrize(
    "damage, words",
    [
        (lambda path: path.unlink(), "cannot be read (No such file or directory); install ptrack again"),
        (lambda path: path.write_bytes(b"x" + path.read_bytes()[1:]), "is damaged (sha256 "),
    ],
)
def test_weights_that_are_missing_or_damaged(monkeypatch, tmp_path, damage, words):
    from configs import models

    real = models.bundled_weights

    def copied(entry):
        path = tmp_path / real(entry).name
        if not path.exists() and "pose" in path.name:
            shutil.copy(real(entry), path)
            damage(path)
        return path if "pose" in path.name else real(entry)

    monkeypatch.setattr(models, "bundled_weights", copied)
    code, text = examined(monkeypatch, "weights")
    assert code == 1 and text.count("FAIL") == 2 and words in text  # the line, and "see FAIL above"


def test_a_folder_that_cannot_be_written(monkeypatch):
    monkeypatch.chdir("/proc")
    code, text = examined(monkeypatch, "disk")
    assert code == 0 and "note  disk: /proc cannot be written" in text and "--work" in text


def test_whatever_breaks_is_a_line(monkeypatch):
    def broken():
        raise RuntimeError("no kernel image\nis available")

    monkeypatch.setitem(doctor._CHECKS, "device", broken)
    code, text = examined(monkeypatch, "device")
    assert code == 1 and "FAIL  device: RuntimeError: no kernel image is available; mend" in text
