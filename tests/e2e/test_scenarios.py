"""The cases of the field, played side by side on a whole stack at the speed that they are written for."""

import json
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from deploy.local.state import PROJECT, Home
from tests.e2e import running
from tests.e2e.running import RunningStack

SCENARIOS = sorted((PROJECT / "scenarios").glob("*.yaml"))
SPEED = 3600
AT_ONCE = len(SCENARIOS)


@pytest.fixture(scope="module")
def hourly(run_folder: Path, worker_id: str) -> Iterator[RunningStack]:
    """A stack on which an hour passes in a second."""
    stack = RunningStack(Home(run_folder / f"scenarios-{worker_id}"))
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(running, "SPEED", SPEED)
            stack.up()
        yield stack
    finally:
        stack.down()


@pytest.fixture(scope="module")
def played(hourly: RunningStack) -> Iterator[dict[str, Future[subprocess.CompletedProcess[str]]]]:
    """Each of them, being played."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {p.stem: pool.submit(hourly.plumbline, "scenario", "run", str(p), "--json") for p in SCENARIOS}


@pytest.mark.parametrize("name", [path.stem for path in SCENARIOS])
def test_every_expectation_holds(played: Any, name: str) -> None:
    done = played[name].result()
    assert done.stdout, done.stderr
    told = json.loads(done.stdout)
    assert [e for e in told["expectations"] if not e["held"]] == []
    assert told["held"] is True
    assert done.returncode == 0
    assert all(e["record"] and e["line"] for e in told["expectations"])


def test_what_does_not_hold_is_told_and_exits_with_1(hourly: RunningStack, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(
        "id: W\ntitle: Wrong\nprovider: {places: {Elm: {beds: 3}}}\npeople: {NW: {role: carer, at: Elm}}\nsteps:\n"
        "  - {do: report, as: NW, id: fall, place: Elm, category: fall, story: Fell.}\n"
        "  - {expect: It is closed at once, look: stage, equals: closed, within: 1s}\n"
    )
    done = hourly.plumbline("scenario", "run", str(wrong), "--json")
    assert done.returncode == 1
    [only] = json.loads(done.stdout)["expectations"]
    assert (only["held"], only["seen"], only["line"]) == (False, ["reported"], 7)
