"""Whole stacks for the tests of this folder: a day a second for whole lives, slower for first hours and for the browser."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from deploy.local.state import Home
from tests.e2e import stories
from tests.e2e.journey import Care, at_work
from tests.e2e.running import PATIENCE, RunningStack, at_a_day_a_second, slower

AT_ONCE = 5
SLOWER = 720
"""A fifth of what first hours are written for: all of `make test` shares the machine, and their limits are on the clock."""
START = "2026-06-04T18:00:00"
"""A Thursday: by the time the stack is ready a working day is near, the weekend that SC-06 needs is not far."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One worker takes all that shares a stack, so that it is started once. First: xdist must see the mark."""
    for item in items:
        if Path(__file__).parent in item.path.parents and isinstance(item, pytest.Function):
            item.add_marker(pytest.mark.xdist_group(_group(item)))
    # First what is judged by the clock; what breaks things and Apache Kafka's own nodes when the machine has more to spare.
    items.sort(key=_turn)
    # Pages take one worker as long as all that comes after them takes the others.
    pages = [item for item in items if _turn(item) == 2]
    others = [item for item in items if _turn(item) != 2]
    items[:] = [*others[: len(others) // 10], *pages, *others[len(others) // 10 :]]


_STACK: list[RunningStack] = []
"""The fast stack of this worker, once it was started."""


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Stop the fast stack after its last test: what the stories left open goes on, a day a second, beside other tests."""
    if _STACK and _is_fast(item) and not (nextitem is not None and _is_fast(nextitem)):
        _STACK[0].down()


def _turn(item: pytest.Item) -> int:
    if item.path.parent.name == "apache":
        return 4
    if Path(__file__).parent not in item.path.parents:
        return 1
    return {"pages": 2, "browser": 2, "faults": 3}.get(_group(item), 0)


def _group(item: pytest.Item) -> str:
    if item.path.parent.name == "browser":
        # What is timed has a stack of its own.
        return "pages" if isinstance(item, pytest.Function) and "lived_in" in item.fixturenames else "browser"
    if isinstance(item, pytest.Function) and "slow" in item.fixturenames:
        return "slow"
    # What the stories leave open goes on reminding people each second: what is broken has a stack of its own.
    return "faults" if item.path.name == "test_faults.py" else "fast"


def _is_fast(item: pytest.Item) -> bool:
    return Path(__file__).parent in item.path.parents and _group(item) == "fast"


@pytest.fixture(scope="package")
def stack(run_folder: Path, worker_id: str) -> Iterator[RunningStack]:
    """The whole stack, running at a day a second; stopped at the end, whatever happened to it."""
    with at_a_day_a_second(Home(run_folder / f"stack-{worker_id}")) as running:
        _STACK.append(running)
        yield running
        _STACK.clear()


@pytest.fixture(scope="package")
def slow(run_folder: Path, worker_id: str) -> Iterator[RunningStack]:
    """A stack on which twelve minutes pass in a second."""
    running = RunningStack(Home(run_folder / f"slow-{worker_id}"))
    try:
        running.up(f"--clock-speed={SLOWER / slower():.0f}", f"--clock-start={START}")
        yield running
    finally:
        running.down()


@pytest.fixture(scope="package")
def care(stack: RunningStack) -> Iterator[Care]:
    """A provider of its own, with people at work."""
    with at_work(stack) as made:
        yield made


class Told:
    """Plays the stories when the first is asked for; most of each is waiting for a checkpoint thirty days later."""

    def __init__(self, stack: RunningStack, care: Care) -> None:
        self._stack, self._care = stack, care
        # So many cases beside the stories at once; the next begin when one has ended.
        self._pool = ThreadPoolExecutor(len(stories.STORIES) + 1 + AT_ONCE)
        self._playing: dict[str, Future[Any]] = {}

    def __call__(self, story: Callable[..., Any]) -> Any:
        """What came of a story, as soon as it has ended."""
        return self._result(story.__name__)

    def life(self, name: str) -> Any:
        """What came of a case that is played to its end."""
        return self._result(name)

    def _result(self, name: str) -> Any:
        if not self._playing:
            self._playing = {each.__name__: self._pool.submit(each, self._care) for each in stories.STORIES}
            # As `make run` plays it.
            self._playing["demonstration"] = self._pool.submit(stories.demonstration, self._stack, "--leave-some")
            # Theirs are months of waiting, which cost nothing while the others are played.
            self._playing |= {path.stem: self._pool.submit(stories.life, self._stack, path) for path in stories.LIVES}
        return self._playing[name].result(timeout=10 * PATIENCE)

    def finish(self) -> None:
        """Play nothing more."""
        self._pool.shutdown()


@pytest.fixture(scope="package")
def told(stack: RunningStack, care: Care) -> Iterator[Told]:
    """`told(stories.low_harm)` answers what came of the story."""
    made = Told(stack, care)
    yield made
    made.finish()
