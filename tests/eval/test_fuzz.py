"""Random damage to good files: a score or one clear error, never anything else."""

from __future__ import annotations

import copy
import json
import random
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from poseval_scenes import CONTROL

from eval.poseval import score
from eval.submission import check_submission
from posedata.errors import PtrackError
from posetrack_cli.eval import eval_command

ODD = (
    *(None, True, False, 0, -1, 1.5, 10000, 2**70, -(2**70), 1e308, float("nan"), float("inf"), "", "x", "nan", "7"),
    *([], [[]], [None], [1], [[1, 2, 3]], {}, {"a": 1}, [{}], [0] * 51, ["1"] * 51, "\ud800", "a" * 2000),
)


def places(node: object, path: tuple = ()) -> list[tuple]:
    """The path of every value in the document."""
    found = [path] if path else []
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        found += places(value, (*path, key))
    return found


def damage(document: dict, rng: random.Random, paths: list[tuple]) -> str:
    """The document's text after one to three changes."""
    document = copy.deepcopy(document)
    for _ in range(rng.randint(1, 3)):
        path = rng.choice(paths)
        holder: object = document
        try:
            for step in path[:-1]:
                holder = holder[step]
            kind = rng.random()
            if kind < 0.25:
                del holder[path[-1]]
            elif kind < 0.35 and isinstance(holder, list):
                holder.insert(rng.randrange(len(holder) + 1), copy.deepcopy(rng.choice(holder)))
            elif kind < 0.45 and isinstance(holder, list):
                rng.shuffle(holder)
            else:
                holder[path[-1]] = copy.deepcopy(rng.choice(ODD))
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took the place away
    text = json.dumps(document)
    if rng.random() < 0.1:
        cut = rng.randrange(len(text))
        text = (
            text[:cut]
            + rng.choice(("", "}", "[" * 100_000, "\x00", "NaN", "1" * 5000))
            + text[cut + rng.randint(0, 9) :]
        )
    return text


def with_every_extra(folder: Path) -> None:
    """The command with all that it can compute."""
    extras = ("--strict", "--hota", "--sweep", "--per-sequence", "--json")
    arguments = [str(folder / "pred"), "--gt", str(folder / "gt"), *extras]
    output = CliRunner().invoke(eval_command, arguments, catch_exceptions=False).stdout
    json.loads(output, parse_constant=lambda name: pytest.fail(f"{name} in JSON"))


def attack(truth: Path, found: Path, folder: Path, rounds: int, seed: int) -> int:
    """Score `rounds` damaged versions of two files; how many were refused."""
    rng = random.Random(seed)
    documents = {"gt": json.loads(truth.read_text()), "pred": json.loads(found.read_text())}
    paths = {side: places(document) for side, document in documents.items()}
    # Values deep in keypoint lists are most of a document: look at the rest as often.
    short = {side: [path for path in all_paths if len(path) <= 4] for side, all_paths in paths.items()}
    name = found.name
    refused = 0
    for round_number in range(rounds):
        for side, original in (("gt", truth), ("pred", found)):
            (folder / side).mkdir(exist_ok=True)
            text = original.read_text()
            if rng.random() < 0.7 or side == "pred":
                text = damage(documents[side], rng, rng.choice((paths, short))[side])
            (folder / side / name).write_text(text, encoding="utf-8", errors="surrogatepass")
        start = time.monotonic()
        attempts = [lambda: score(folder / "pred", folder / "gt"), lambda: check_submission(folder / "pred")]
        if round_number % 10 == 0:
            attempts.append(lambda: with_every_extra(folder))
        for attempt in attempts:
            try:
                attempt()
            except PtrackError as error:
                refused += 1
                assert error.exit_code == 3 and len(str(error)) < 20_000
            except Exception as error:
                raise AssertionError(f"round {round_number} of seed {seed} with {name} ended in {error!r}") from error
        assert time.monotonic() - start < 20
    return refused


def test_damaged_2018_files(tmp_path: Path) -> None:
    name = "000342_mpii_test.json"
    refused = attack(CONTROL / "gt" / name, CONTROL / "pred" / name, tmp_path, 300, 1)
    assert 50 < refused < 580  # of some 630 attempts: both outcomes occur


def test_damaged_2017_files(test_data: Path, tmp_path: Path) -> None:
    folder = test_data / "golden" / "poseval" / "malformed" / "e28_score_nan_string"
    name = "000342_mpii_relpath_5sec_testsub.json"
    assert attack(folder / "gt" / name, folder / "pred" / name, tmp_path, 300, 2) > 20


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_damaged_golden_files(seed: int, test_data: Path, tmp_path: Path) -> None:
    cases = sorted((test_data / "golden" / "poseval").glob("[gm]*/**/pred/*.json")) + sorted(
        (test_data / "golden" / "poseval").glob("g*/pred/*.json")
    )
    small = [path for path in cases if 0 < path.stat().st_size < 120_000]
    rng = random.Random(seed)
    for number in range(12):
        found = rng.choice(small)
        truth = found.parents[1] / "gt" / found.name
        if truth.exists():
            work = tmp_path / str(number)
            work.mkdir()
            attack(truth, found, work, 60, seed * 100 + number)
