"""File names in annotations: they stay in their folder, but links that the user made there lead on."""

from pathlib import Path

import pytest

from posedata.errors import BadInput
from posedata.paths import inside


@pytest.mark.parametrize("name", ["../a.jpg", "val/../../a.jpg", "/etc/passwd", "val/../../root2/a.jpg", ".."])
def test_names_that_climb_out_are_refused_with_who_named_them(tmp_path, name):
    with pytest.raises(BadInput, match=r"^b\.json: image 3: the name '.*' leaves "):
        inside(tmp_path / "root", name, "b.json: image 3")


def test_a_relative_folder_is_no_way_out(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert inside(Path("."), "a.jpg", "x") == tmp_path / "here" / "a.jpg"
    with pytest.raises(BadInput):
        inside(Path("."), "../a.jpg", "x")


def test_links_in_the_folder_are_followed(tmp_path):
    (tmp_path / "disk" / "val2017").mkdir(parents=True)
    (tmp_path / "disk" / "val2017" / "1.jpg").write_bytes(b"picture")
    (tmp_path / "coco").mkdir()
    (tmp_path / "coco" / "val2017").symlink_to(tmp_path / "disk" / "val2017")
    assert inside(tmp_path / "coco", "val2017/1.jpg", "x").read_bytes() == b"picture"
