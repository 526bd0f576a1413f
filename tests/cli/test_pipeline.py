"""`ptrack run` and its stages, as a user runs them, on rendered people with the bundled models."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command import ptrack

from posedata.records import read_footer, read_header
from posedata.synthetic import write_posetrack18, write_video

STAGES = ("detect", "pose", "track")
FRAMES = 40


def records(work: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(work.glob("*/*.json"))}


@pytest.fixture(scope="module")
def video(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("videos") / "walkers.mp4"
    write_video(path, seed=5, frames=FRAMES, size=(320, 240), people=2, fps=25.0)
    return path


@pytest.fixture(scope="module")
def finished(video, tmp_path_factory) -> Path:
    """A work folder after `ptrack run`."""
    folder = tmp_path_factory.mktemp("finished")
    ptrack("run", video, "--work", folder / "work", "-q", cwd=folder)
    return folder / "work"


def test_run_writes_complete_records_and_pictures(finished):
    out = finished / "walkers"
    for stage in STAGES:
        content = json.loads((out / f"{stage}.json").read_bytes())
        assert content["complete"] is True and len(content["frames"]) == FRAMES
    assert read_footer(out / "track.json").counts["frames"] == FRAMES
    assert read_footer(out / "detect.json").counts["people"] > 0
    assert (out / "overlay.mp4").stat().st_size > 1000 and (out / "contact_sheet.png").read_bytes()[:4] == b"\x89PNG"


def test_records_hold_no_absolute_path_time_or_host(finished, video):
    for name, content in records(finished).items():
        for secret in (
            str(video.parent),
            str(finished),
            os.uname().nodename.encode().decode(),
            time.strftime("%Y-%m-%d"),
        ):
            assert secret.encode() not in content, (name, secret)


def test_the_stages_one_by_one_give_the_same_bytes(finished, video, tmp_path):
    for stage in STAGES:
        ptrack(stage, video, "--work", tmp_path / "work", "-q", cwd=tmp_path)
    assert records(tmp_path / "work") == records(finished)


def test_a_second_run_does_nothing_and_says_so(finished, video, tmp_path):
    shutil.copytree(finished, tmp_path / "work")
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "work" / "walkers").iterdir()}
    done = ptrack("run", video, "--work", tmp_path / "work", cwd=tmp_path)
    assert "nothing to do: detect, pose, track complete and valid" in done.stdout
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "work" / "walkers").iterdir()} == before


def test_a_tracking_option_redoes_tracking_alone(finished, video, tmp_path):
    shutil.copytree(finished, tmp_path / "work")
    old = records(tmp_path / "work")
    done = ptrack("run", video, "--work", tmp_path / "work", "--max-age", 7, "--no-render", cwd=tmp_path)
    assert "track was redone: settings changed: max_age 30 -> 7" in done.stdout
    new = records(tmp_path / "work")
    assert new["detect.json"] == old["detect.json"] and new["pose.json"] == old["pose.json"]
    assert new["track.json"] != old["track.json"]


def test_changed_content_redoes_all_and_a_touch_nothing(video, finished, tmp_path):
    moved = tmp_path / "walkers.mp4"
    shutil.copy(video, moved)
    ptrack("run", moved, "--work", tmp_path / "work", "--no-render", "-q", cwd=tmp_path)
    assert records(tmp_path / "work") == records(finished)
    os.utime(moved)
    assert "nothing to do" in ptrack("run", moved, "--work", tmp_path / "work", "--no-render", cwd=tmp_path).stdout
    write_video(moved, seed=6, frames=20, size=(320, 240), people=1, fps=25.0)
    done = ptrack("run", moved, "--work", tmp_path / "work", "--no-render", cwd=tmp_path)
    for stage in STAGES:
        assert f"{stage} was redone: the input changed" in done.stdout
    assert read_footer(tmp_path / "work" / "walkers" / "track.json").counts["frames"] == 20


@pytest.mark.parametrize("lines", [1, 17, 36])
def test_a_killed_run_goes_on_to_the_same_bytes(finished, video, tmp_path, lines):
    """As a kill leaves it: part files with some frames, the last line torn."""
    work = tmp_path / "work" / "walkers"
    work.mkdir(parents=True)
    for number, stage in enumerate(STAGES):
        whole = (finished / "walkers" / f"{stage}.json").read_bytes().splitlines(keepends=True)
        kept = max(1, lines - 8 * number)
        (work / f".{stage}.json.part").write_bytes(b"".join(whole[:kept]) + whole[kept][:25])
    done = ptrack("run", video, "--work", tmp_path / "work", "--no-render", cwd=tmp_path)
    assert records(tmp_path / "work") == records(finished)
    assert ("taken up at frame" in done.stdout) is (lines == 36)


@pytest.mark.parametrize("how, code", [(signal.SIGKILL, -9), (signal.SIGINT, 130)])
def test_a_run_stopped_by_a_signal_goes_on(finished, video, tmp_path, how, code):
    command = [Path(sys.executable).with_name("ptrack"), "run", video, "--work", tmp_path / "work", "--no-render"]
    running = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    part = tmp_path / "work" / "walkers" / ".detect.json.part"
    while running.poll() is None and not (part.exists() and part.stat().st_size > 2000):
        time.sleep(0.01)
    running.send_signal(how)
    _, errors = running.communicate(timeout=60)
    if running.returncode != 0:  # it may have been quicker than the signal
        assert running.returncode == code
        assert not (tmp_path / "work" / "walkers" / "track.json").exists()
        if how is signal.SIGINT:
            assert "goes on where it stopped" in errors and "Traceback" not in errors
    ptrack("run", video, "--work", tmp_path / "work", "--no-render", "-q", cwd=tmp_path)
    assert records(tmp_path / "work") == records(finished)


def test_a_folder_with_a_broken_video_does_the_others_and_ends_with_1(video, tmp_path):
    clips = tmp_path / "clips"
    clips.mkdir()
    shutil.copy(video, clips / "good.mp4")
    (clips / "bad.mp4").write_bytes(b"this is no video" * 100)
    done = ptrack("run", clips, "--work", tmp_path / "work", "--no-render", "--frames", "0-9", cwd=tmp_path, code=1)
    assert "bad.mp4" in done.stderr
    assert read_footer(tmp_path / "work" / "good" / "track.json").counts["frames"] == 10


def test_a_stride_marks_skipped_frames_and_track_fills_them(video, tmp_path):
    ptrack("run", video, "--work", tmp_path / "work", "--no-render", "-q", "--stride", 3, cwd=tmp_path)
    counts = read_footer(tmp_path / "work" / "walkers" / "track.json").counts
    assert counts["skipped"] == FRAMES - 14 and counts["frames"] == FRAMES and counts["filled"] > 0


def test_a_posetrack_root_is_found_and_scored_sequences_keep_their_names(tmp_path):
    write_posetrack18(tmp_path / "data", seed=3, frames=6, size=(320, 240), people=1)
    done = ptrack("run", tmp_path / "data", "--work", tmp_path / "work", "--no-render", cwd=tmp_path)
    assert "900001_mpii_test" in done.stdout
    record = next((tmp_path / "work").rglob("track.json"))
    assert read_header(record).sequence.endswith("900001_mpii_test")


def test_unrelated_images_get_poses_and_no_tracks(tmp_path):
    write_posetrack18(tmp_path / "data", seed=3, frames=3, size=(320, 240), people=1)
    images = next((tmp_path / "data" / "images").glob("*/*"))
    done = ptrack("run", images, "--kind", "images", "--work", tmp_path / "work", cwd=tmp_path)
    assert "neither tracked nor drawn" in done.stdout
    assert {p.name for p in (tmp_path / "work").glob("*/*.json")} == {"detect.json", "pose.json"}
    done = ptrack("track", images, "--kind", "images", "--work", tmp_path / "work", cwd=tmp_path, code=2)
    assert "unrelated images" in done.stderr


def test_foreign_folders_named_like_ours_are_not_imported(video, tmp_path):
    for name in ("configs", "eval", "stages", "posedata", "posetrack_cli"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('imported the wrong package')\n")
    ptrack("run", video, "--work", tmp_path / "work", "--no-render", "--frames", "0-3", "-q", cwd=tmp_path)


@pytest.mark.parametrize(
    "arguments, code, words",
    [
        (["run", "missing.mp4"], 2, ["missing.mp4", "does not exist"]),
        (["run", "{video}", "--set", "track.maxage=3"], 2, ["track.maxage", "did you mean 'track.max_age'"]),
        (["run", "{video}", "--preset", "quick"], 2, ["preset 'quick'"]),
        (["run", "{video}", "--frames", "9-3"], 2, ["9-3"]),
        (["run", "{video}", "--shard", "3/2"], 2, ["3/2"]),
        (["run", "{video}", "--set", "pose.model=compcat"], 2, ["compcat", "did you mean 'compact'"]),
        (["run", "{video}", "--device", "cuda:99"], 2, ["cuda:99"]),
        (["render", "nowhere"], 3, ["nowhere", "not a ptrack work folder"]),
        (["run", "empty"], 3, ["empty"]),
    ],
)
def test_a_wrong_command_is_one_sentence(video, tmp_path, arguments, code, words):
    (tmp_path / "empty").mkdir()
    done = ptrack(*(a.format(video=video) for a in arguments), cwd=tmp_path, code=code)
    said = done.stderr.strip().splitlines()[-1]
    assert all(word in said for word in words), done.stderr


def test_a_work_folder_of_another_source_is_refused(finished, tmp_path):
    other = tmp_path / "other.mp4"
    write_video(other, seed=1, frames=2, size=(160, 120), people=1, fps=25.0)
    done = ptrack("run", other, "--work", finished, cwd=tmp_path, code=2)
    assert "use another --work" in done.stderr


def test_pose_without_detect_says_what_to_run(video, tmp_path):
    done = ptrack("pose", video, "--work", tmp_path / "work", cwd=tmp_path, code=3)
    assert "detect.json" in done.stderr and "run its stage first" in done.stderr


def test_pose_on_more_frames_than_detect_saw_is_refused(video, tmp_path):
    ptrack("detect", video, "--work", tmp_path / "work", "--frames", "0-3", "-q", cwd=tmp_path)
    done = ptrack("pose", video, "--work", tmp_path / "work", cwd=tmp_path, code=3)
    assert "frame 4 is not in the record of the stage before" in done.stderr


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(video, tmp_path):
    done = ptrack("run", video, "--work", tmp_path / "work", "--dry-run", cwd=tmp_path)
    assert done.stdout.count("would run") == 3 and not (tmp_path / "work").exists()


def test_json_output_is_one_object(video, tmp_path):
    done = ptrack("run", video, "--work", tmp_path / "work", "--no-render", "--frames", "0-3", "--json", cwd=tmp_path)
    content = json.loads(done.stdout)
    assert content["sequences"][0]["frames"] == 4 and set(content["sequences"][0]["seconds"]) >= {"decode", "detect"}
