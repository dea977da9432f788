"""Reporting in a real browser: by mouse on a desk, by keyboard on a phone's width, without a script, sent twice."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from tests.e2e.browser.pressing import Check, Person, Shot
from tests.e2e.running import eventually


def answer(page: Page, choose: str) -> None:
    page.get_by_label(choose, exact=True).check()
    page.get_by_role("button", name="Continue").click()


def to_the_end(
    page: Page,
    check: Check | None = None,
    *,
    story: str = "The resident slid from the chair. No pain, up again at once.",
    category: str = "Fall",
    opened: bool = False,
    before: Callable[[int], None] = lambda number: None,
) -> None:
    """Answer every question of a first report up to the page that shows it whole; `before` each of them by its number."""
    if not opened:
        page.goto("/report")
    go_on = page.get_by_role("button", name="Continue")
    steps: list[Callable[[], None]] = [
        lambda: answer(page, "Incident"),
        lambda: answer(page, "No, everybody is safe now"),
        lambda: go_on.click(),
        lambda: answer(page, "Just now"),
        lambda: answer(page, category),
        lambda: (page.get_by_label("What happened?").fill(story), go_on.click())[1],
        lambda: (page.get_by_label("Whom did it happen to?").fill("R-17"), go_on.click())[1],
    ]
    for number, step in enumerate(steps):
        expect(page.locator(".pl-step")).to_have_text(f"Question {number + 1} of {len(steps)}")
        if check:
            check(page)
        before(number)
        step()
    expect(page.get_by_role("heading", name="Check and send")).to_be_visible()


@pytest.mark.parametrize("script", [True, False], ids=["with a script", "without"])
def test_a_first_report_in_eight_questions_at_most(person: Person, accessible: Check, shot: Shot, script: bool) -> None:
    page = person("carer", "phone", java_script_enabled=script)
    to_the_end(page, accessible if script else None)
    if script:
        accessible(page)
        shot(page, "report-check")
    page.get_by_role("button", name="Send the report").click()
    expect(page.get_by_role("heading", name="Your report is in")).to_be_visible()
    if script:
        accessible(page)
        shot(page, "report-received")


def test_what_is_missing_is_named_and_linked_and_nothing_typed_is_lost(person: Person, accessible: Check) -> None:
    page = person("carer", "phone")
    page.goto("/report")
    page.get_by_role("button", name="Continue").click()
    summary = page.get_by_role("alert")
    expect(summary).to_contain_text("Choose what you want to report")
    accessible(page)
    summary.get_by_role("link").click()
    expect(page.locator("#kind")).to_be_focused()
    to_the_end(page)
    page.get_by_role("button", name="Change What happened").click()
    expect(page.get_by_label("What happened?")).to_have_value(
        "The resident slid from the chair. No pain, up again at once."
    )


def test_a_problem_that_was_named_before_the_page_was_ready_stays(person: Person) -> None:
    """Somebody is quicker than a slow phone, which looks meanwhile for what it keeps."""
    page, held = person("carer", "phone"), list[Route]()
    slow = True
    page.route("**/report/state", lambda route: held.append(route) if slow else route.continue_())
    page.goto("/report")
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("alert")).to_contain_text("Choose what you want to report")
    assert held, "it has not asked yet: what holds it is something else now"
    slow = False
    for route in held:
        route.continue_()
    expect(page.locator("[data-ready=yes]")).to_be_attached()
    page.get_by_role("alert").get_by_role("link").click()
    expect(page.locator("#kind")).to_be_focused()


def test_sent_twice_it_counts_once(person: Person) -> None:
    page = person("carer")
    to_the_end(page)
    fields = page.evaluate("Object.fromEntries(new FormData(document.querySelector('form[data-report]')))")
    sent = [page.request.post("/report", form={**fields, "go": "send"}).url for _ in range(2)]
    assert sent[0] == sent[1]
    assert sent[0].endswith("/received")


def test_an_ended_session_holds_what_was_typed(person: Person, accessible: Check) -> None:
    """Without a script; with one the report waits on the device, `test_kept.py`."""
    page = person("carer", java_script_enabled=False)
    to_the_end(page)
    page.context.clear_cookies()
    page.get_by_role("button", name="Send the report").click()
    expect(page.get_by_role("heading", name="Your session has ended")).to_be_visible()
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Sign in again").click()
    opened.value.click("button[value=carer]")
    expect(opened.value.get_by_role("heading", name="You are signed in again")).to_be_visible()
    page.get_by_role("button", name="Send what I typed").click()
    page.get_by_role("button", name="Send it now").click()
    expect(page.get_by_role("heading", name="Your report is in")).to_be_visible()

    scripted = person("carer", "phone")  # axe is a script itself
    scripted.goto("/report")
    scripted.context.clear_cookies()
    scripted.evaluate("document.querySelector('form[data-report]').submit()")
    expect(scripted.get_by_role("heading", name="Your session has ended")).to_be_visible()
    accessible(scripted)


def test_the_whole_report_by_keyboard_alone(person: Person, by_keyboard: Callable[..., None]) -> None:
    page = person("carer", "phone")
    page.goto("/")
    by_keyboard(page, "link", "Report something", "Enter")
    for choice in ("Incident", "No, everybody is safe now", "Alder House", "Just now", "Fall"):
        by_keyboard(page, "radio", choice, "Space")
        by_keyboard(page, "button", "Continue", "Enter")
    for question, text in (("What happened?", "Written by keyboard."), ("Whom did it happen to?", "R-17")):
        by_keyboard(page, "textbox", question, text)
        by_keyboard(page, "button", "Continue", "Enter")
    by_keyboard(page, "button", "Send the report", "Enter")
    expect(page.get_by_role("heading", name="Your report is in")).to_be_visible()


def test_the_manager_sees_it_and_the_story_is_whole(person: Person, accessible: Check, shot: Shot) -> None:
    page = person("carer")
    to_the_end(page)
    page.get_by_role("button", name="Send the report").click()
    expect(page.get_by_role("heading", name="Your report is in")).to_be_visible()
    incident = page.url.split("/report/")[1].split("/")[0]
    manager = person("registered_manager")
    eventually(lambda: manager.goto(f"/incidents/{incident}").ok, "the manager to see it")  # type: ignore[union-attr]
    expect(manager.get_by_role("heading", name="What was reported")).to_be_visible()
    accessible(manager)
    shot(manager, "incident")
    for path in ("/", "/incidents", "/overview", "/accessibility"):
        manager.goto(path)
        accessible(manager)
        shot(manager, f"manager{path.replace('/', '-').rstrip('-')}")
