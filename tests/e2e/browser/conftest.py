"""A real browser before the stack of the first hours: Debian's Chromium, driven by Playwright. Skipped, loudly, where there is none."""

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from deploy.local.people import Person as Caller
from deploy.local.personas import PERSONAS
from deploy.local.state import PROJECT, Home
from tests.e2e.running import SPEED, RunningStack

CHROMIUM = os.environ.get("PLUMBLINE_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
SHOTS = PROJECT / "build" / "screenshots"
WIDTHS = {"phone": {"width": 320, "height": 640}, "desk": {"width": 1280, "height": 900}}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say loudly that nothing was looked at in a browser."""
    if CHROMIUM is None:
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(
                    pytest.mark.skip(reason="NO BROWSER TESTS: install Debian's chromium, or set PLUMBLINE_CHROMIUM")
                )


@pytest.fixture(scope="package")
def console(slow: RunningStack) -> RunningStack:
    """A whole stack, lived in: a case of the demonstration has been played on it."""
    done = slow.plumbline("demo", "--scenario", "near-miss", "--json")
    assert done.returncode == 0, done.stderr
    return slow


@pytest.fixture(scope="package")
def lived_in(run_folder: Path, worker_id: str) -> Iterator[RunningStack]:
    """A stack in the state that `make run` leaves."""
    running = RunningStack(Home(run_folder / f"lived-in-{worker_id}"))
    try:
        play(running, SPEED, "--leave-some")
        running.down()
        play(running, 60, "--scenario", "today")
        yield running
    finally:
        running.down()


def play(stack: RunningStack, speed: int, *what: str) -> None:
    """A part of the demonstration, on a clock of this speed."""
    stack.up(f"--clock-speed={speed}")
    done = stack.plumbline("demo", *what)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One browser for all of this folder, and no longer: while Playwright runs, the thread has an event loop."""
    expect.set_options(timeout=20_000)  # the machine is shared by all tests
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


def signs_in(context: BrowserContext, persona: str) -> Page:
    """A page of somebody who has signed in, in this browser profile."""
    page = context.new_page()
    page.goto("/")
    page.click(f"button[value={persona}]")
    page.wait_for_url("**/")
    return page


@contextlib.contextmanager
def profiles(stack: RunningStack, browser: Browser) -> Iterator[Callable[..., Page]]:
    """Pages of people who have signed in, each in a browser profile of their own; closed at the end."""
    contexts: list[BrowserContext] = []

    def signed_in(persona: str, width: str = "desk", **options: object) -> Page:
        context = browser.new_context(
            viewport=WIDTHS[width], base_url=stack.record.url("console"), locale="en-GB", **options,  # type: ignore[arg-type]
        )  # fmt: skip
        context.set_default_timeout(30_000)
        contexts.append(context)
        return signs_in(context, persona)

    yield signed_in
    for context in contexts:
        context.close()


@pytest.fixture
def person(console: RunningStack, browser: Browser) -> Iterator[Callable[..., Page]]:
    """`person("carer")` is a page of somebody who has signed in, in a browser profile of their own."""
    with profiles(console, browser) as made:
        yield made


@pytest.fixture
def newcomer(lived_in: RunningStack, browser: Browser) -> Iterator[Callable[..., Page]]:
    """The same on the state that `make run` leaves."""
    with profiles(lived_in, browser) as made:
        yield made


@pytest.fixture
def api(console: RunningStack) -> Iterator[Callable[[str], Caller]]:
    """`api("carer")` is somebody who uses the APIs: for what the browser is not asked about here."""
    with httpx.Client(timeout=30) as http:
        yield lambda persona: Caller(console.record, PERSONAS[persona], http)


def violations(page: Page) -> list[str]:
    """What axe finds against WCAG 2.2 AA, and whether the page has to be scrolled sideways."""
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    found = Axe().run(page, options={"runOnly": {"type": "tag", "values": tags}})
    said = [f"{one['id']}: {node['html']}" for one in found.response["violations"] for node in one["nodes"]]
    fits = page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    return said if fits else [*said, "wider than the window"]


@pytest.fixture
def accessible(request: pytest.FixtureRequest) -> Callable[[Page], None]:
    """`accessible(page)`: nothing is found at either width; where no time is for journeys, at the width that the page has."""
    in_haste = request.config.option.markexpr == "not journey"

    def check(page: Page) -> None:
        page.wait_for_load_state()  # a page that is being read has no title yet
        own = page.viewport_size
        for size in [own] if in_haste else WIDTHS.values():
            page.set_viewport_size(size)  # type: ignore[arg-type]
            assert violations(page) == [], (page.url, size)
        page.set_viewport_size(own)  # type: ignore[arg-type]

    return check


@pytest.fixture
def by_keyboard() -> Callable[..., None]:
    """`by_keyboard(page, "button", "Continue", "Enter")` goes there by Tab, and by arrows among radios, and presses or types.

    It is what somebody without a mouse does: nothing is focused or clicked by the test.
    """

    def reach(page: Page, role: str, name: str, what: str) -> None:
        target = page.get_by_role(role, name=name, exact=True)  # type: ignore[arg-type]
        expect(target).to_be_visible()
        on = "element => element === document.activeElement"
        same = "element => element.type === 'radio' && element.name === document.activeElement.name"
        for _ in range(200):
            if target.evaluate(on):
                break
            page.keyboard.press("ArrowDown" if target.evaluate(same) else "Tab")
        assert target.evaluate(on), f"{role} {name} cannot be reached by keyboard on {page.url}"
        if what in ("Enter", "Space"):
            page.keyboard.press(what)
        else:
            page.keyboard.type(what)

    return reach


@pytest.fixture
def shot() -> Callable[[Page, str], None]:
    """`shot(page, "report")` keeps a picture as build output."""

    def take(page: Page, name: str) -> None:
        SHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SHOTS / f"{name}.png", full_page=True)

    return take
