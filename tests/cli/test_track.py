"""`ptrack track` as a user runs it: given poses, presets, options, and records that are the same every time."""

import json
from pathlib import Path

import pytest
from command import ptrack

from posedata.records import iter_frames, read_footer, read_header
from posedata.synthetic import write_posetrack18


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Two rendered PoseTrack18 sequences with exact poses."""
    folder = tmp_path_factory.mktemp("rendered")
    for number, seed in enumerate((3, 4)):
        write_posetrack18(folder / str(number), seed=seed, frames=14, size=(320, 240), people=2)
    second = folder / "1"
    for part in ("images", "annotations"):
        for path in (second / part).glob("*/*"):
            name = path.name.replace("900001", "900002")
            path.rename(folder / "0" / part / path.parent.name / name)
    annotation = next((folder / "0" / "annotations").glob("*/900002*.json"))
    content = annotation.read_text().replace("900001", "900002")
    annotation.write_text(content)
    return folder / "0"


def test_given_poses_are_tracked_without_any_network_and_nothing_else_is_written(data, tmp_path):
    poses = next((data / "annotations").iterdir())
    ptrack("track", data, "--poses", poses, "--work", tmp_path / "work", "-q", cwd=tmp_path)
    records = sorted((tmp_path / "work").rglob("track.json"))
    assert len(records) == 2 and not list((tmp_path / "work").rglob("pose.json"))
    for record in records:
        header, truth = read_header(record), json.loads((poses / f"{record.parent.name}.json").read_text())
        assert header.model is None and header.skeleton == "posetrack-17"
        seen: dict[int, set[int]] = {}
        images = [image["id"] for image in truth["images"]]
        people = {(a["image_id"], round(a["bbox"][0], 2)): a["track_id"] for a in truth["annotations"]}
        for frame in iter_frames(record):
            for box, identity in zip(frame.people.boxes.tolist(), frame.people.track_ids.tolist()):
                seen.setdefault(people[images[frame.index], round(box[0], 2)], set()).add(identity)
        found = [ids - {-1} for ids in seen.values()]
        assert all(len(ids) == 1 for ids in found), "each person has one identity"
        assert len(set.union(*found)) == len(found), "and it is nobody else's"


@pytest.mark.parametrize("preset", ["online", "offline"])
def test_the_same_input_gives_the_same_bytes_with_any_number_of_workers(data, tmp_path, preset):
    poses = next((data / "annotations").iterdir())
    contents = []
    for name, more in (("one", []), ("two", []), ("workers", ["--workers", 2])):
        work = tmp_path / name
        ptrack("track", data, "--poses", poses, "--work", work, "--preset", preset, *more, "-q", cwd=tmp_path)
        contents.append({p.parent.name: p.read_bytes() for p in sorted(work.rglob("track.json"))})
    assert contents[0] == contents[1] == contents[2] and len(contents[0]) == 2


def test_saved_flow_gives_the_same_tracks_when_it_is_brought_back(data, tmp_path):
    poses, flows = next((data / "annotations").iterdir()), tmp_path / "flows"
    run = ("track", data, "--poses", poses, "-q")
    ptrack(*run, "--work", tmp_path / "a", "--save-flow", flows, cwd=tmp_path)
    assert len(list(flows.rglob("*.flo"))) == 26
    ptrack(*run, "--work", tmp_path / "b", "--flow-files", flows, cwd=tmp_path)
    for record in (tmp_path / "a").rglob("track.json"):
        other = tmp_path / "b" / record.relative_to(tmp_path / "a")
        assert [f.people.track_ids.tolist() for f in iter_frames(record)] == [
            f.people.track_ids.tolist() for f in iter_frames(other)
        ]
        assert str(tmp_path) not in other.read_text(), "no absolute path in a record"


def test_changed_poses_redo_tracking_and_the_same_do_not(data, tmp_path):
    source = next((data / "annotations").iterdir())
    poses = tmp_path / "poses"
    poses.mkdir()
    for file in source.iterdir():
        (poses / file.name).write_bytes(file.read_bytes())
    run = ("track", data, "--poses", poses, "--work", tmp_path / "work")
    ptrack(*run, cwd=tmp_path)
    assert "nothing to do" in ptrack(*run, cwd=tmp_path).stdout
    file = next(poses.iterdir())
    content = json.loads(file.read_text())
    content["annotations"] = content["annotations"][: len(content["annotations"]) // 2]
    file.write_text(json.dumps(content))
    assert "track was redone: settings changed: poses" in ptrack(*run, cwd=tmp_path).stdout


def test_a_missed_person_is_recovered_by_a_model_that_is_named(data, tmp_path):
    """Every third frame's poses are taken out: with --model people are looked for there."""
    poses = tmp_path / "poses"
    poses.mkdir()
    for file in next((data / "annotations").iterdir()).iterdir():
        content = json.loads(file.read_text())
        kept = {image["id"] for number, image in enumerate(content["images"]) if number % 3 != 2}
        content["annotations"] = [a for a in content["annotations"] if a["image_id"] in kept]
        (poses / file.name).write_text(json.dumps(content))
    run = ("track", data, "--poses", poses, "--recover-score", 0.05, "--recover-oks", 0.05, "-q")
    ptrack(*run, "--work", tmp_path / "alone", cwd=tmp_path)
    ptrack(*run, "--model", "compact", "--work", tmp_path / "model", cwd=tmp_path)

    def propagated(work):
        return sum(read_footer(r).counts["propagated"] for r in work.rglob("track.json"))

    assert propagated(tmp_path / "alone") == 0 and propagated(tmp_path / "model") > 0


@pytest.mark.parametrize(
    "arguments, code, words",
    [
        (["--poses", "nowhere"], 3, ["nowhere"]),
        (["--poses", "empty"], 3, ["empty", "no .json file"]),
        (["--model", "compact"], 2, ["--poses"]),
        (["--poses", "{poses}", "--model", "compcat"], 2, ["compcat", "did you mean 'compact'"]),
        (["--poses", "{poses}", "--flow", "none"], 2, ["multi-flow", "needs optical flow"]),
        (["--poses", "{poses}", "--flow-files", "nowhere"], 2, ["nowhere", "no such folder"]),
        (["--poses", "{poses}", "--flow-files", "empty"], 3, ["empty", "no .flo files"]),
        (["--poses", "{poses}", "--queue", "0"], 2, ["queue"]),
    ],
)
def test_a_wrong_command_is_one_sentence(data, tmp_path, arguments, code, words):
    (tmp_path / "empty").mkdir()
    poses = next((data / "annotations").iterdir())
    done = ptrack("track", data, *(a.format(poses=poses) for a in arguments), "-q", cwd=tmp_path, code=code)
    said = done.stderr.strip().splitlines()[-1]
    assert all(word in said for word in words), done.stderr


def test_without_flow_no_frame_of_a_pose_record_is_decoded(data, tmp_path):
    """IoU alone needs no pixels: the frames may even be gone."""
    one = next((data / "images").glob("*/*"))
    ptrack("run", one, "--work", tmp_path / "work", "--no-render", "-q", cwd=tmp_path)
    done = ptrack(
        *("track", one, "--work", tmp_path / "work", "--similarity", "iou", "--flow", "none", "--json"), cwd=tmp_path
    )
    seconds = json.loads(done.stdout)["sequences"][0]["seconds"]
    assert "decode" not in seconds and "flow" not in seconds
