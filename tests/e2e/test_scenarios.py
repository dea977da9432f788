"""The cases of the field, played side by side on whole stacks: first hours slower than written, whole lives at a day a second."""

import json
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.running import RunningStack
from tests.e2e.stories import LIVES, LONG, SCENARIOS, life

FIRST_HOURS = [path for path in SCENARIOS if path not in (*LIVES, *LONG)]
AT_ONCE = 8

Played = dict[str, Future[subprocess.CompletedProcess[str]]]


@pytest.fixture(scope="module")
def first_hours(slow: RunningStack) -> Iterator[Played]:
    """Each of them, being played."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {path.stem: pool.submit(life, slow, path) for path in FIRST_HOURS}


def _check(done: subprocess.CompletedProcess[str]) -> None:
    assert done.stdout, done.stderr
    told = json.loads(done.stdout)
    assert [e for e in told["expectations"] if not e["held"]] == []
    assert told["held"] is True
    assert done.returncode == 0
    assert all(e["record"] and e["line"] for e in told["expectations"])


@pytest.mark.parametrize("name", [path.stem for path in FIRST_HOURS])
def test_every_expectation_holds(first_hours: Played, name: str) -> None:
    _check(first_hours[name].result())


@pytest.mark.parametrize("name", [path.stem for path in LIVES])
def test_a_life_holds_to_its_end(told: Any, name: str) -> None:
    _check(told.life(name))


@pytest.mark.journey
@pytest.mark.parametrize("path", LONG, ids=lambda path: path.stem)
def test_a_long_life_holds_to_its_end(stack: RunningStack, path: Path) -> None:
    _check(life(stack, path))


def test_what_does_not_hold_is_told_and_exits_with_1(slow: RunningStack, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(
        "id: W\ntitle: Wrong\nprovider: {places: {Elm: {beds: 3}}}\npeople: {NW: {role: carer, at: Elm}}\nsteps:\n"
        "  - {do: report, as: NW, id: fall, place: Elm, category: fall, story: Fell.}\n"
        "  - {expect: It is closed at once, look: stage, equals: closed, within: 1s}\n"
    )
    done = slow.plumbline("scenario", "run", str(wrong), "--json")
    assert done.returncode == 1
    [only] = json.loads(done.stdout)["expectations"]
    assert (only["held"], only["seen"], only["line"]) == (False, ["reported"], 7)
