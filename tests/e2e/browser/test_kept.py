"""A report that outlives a lost signal, an ended session, the back button, a second window: kept on the device, sent once."""

import uuid
from typing import Any

import httpx
from playwright.sync_api import Page, expect

from deploy.local.people import Person as Caller
from deploy.local.personas import PERSONAS
from tests.e2e.browser.pressing import Check, Person, Shot
from tests.e2e.browser.test_report import answer, to_the_end
from tests.e2e.running import RunningStack

STORED = """async () => {
  const open = (name, store) => new Promise((done) => {
    const opening = indexedDB.open(name);
    opening.onsuccess = () => {
      const reading = opening.result.transaction(store).objectStore(store).getAll();
      reading.onsuccess = () => { opening.result.close(); done(reading.result); };
    };
  });
  const text = (bytes) => bytes ? new TextDecoder().decode(bytes) : '';
  const reports = (await open('plumbline-reports', 'reports')).map((one) => ({...one, iv: '', sealed: text(one.sealed)}));
  return {reports, seals: (await open('plumbline-seals', 'seals')).length, caches: await caches.keys()};
}"""
"""What lies on the device, as anybody with its tools could read it."""


def ready(page: Page) -> None:
    """The page's script is at work, and the device has the form for when the signal is lost."""
    page.goto("/report")
    expect(page.locator("#report[data-ready=yes]")).to_be_attached()
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")


def send(page: Page) -> None:
    page.get_by_role("button", name="Send the report").click()


def reports(console: RunningStack, story: str) -> list[Any]:
    """The incidents that were reported with these words."""
    with httpx.Client(timeout=30) as http:
        carer = Caller(console.record, PERSONAS["carer"], http)
        found = carer.get("intake", "/incidents", limit=100)["items"]
        whole = [carer.get("intake", f"/incidents/{one['incident_id']}") for one in found[:30]]
    return [one for one in whole if one["narrative"] == story]


def test_without_signal_from_the_first_question_it_is_sent_once_when_it_returns(
    console: RunningStack, person: Person, accessible: Check, shot: Shot
) -> None:
    page = person("carer", "phone")
    ready(page)
    page.context.set_offline(True)
    page.goto("/report")
    expect(page.get_by_role("status")).to_contain_text("There is no signal")
    expect(page.get_by_text("Sign out")).to_have_count(0)
    story = f"Without signal the resident was found beside the bed. {uuid.uuid4()}"
    to_the_end(page, story=story, opened=True)
    accessible(page)
    for _ in range(2):
        send(page)
        expect(page.get_by_role("status")).to_contain_text("Waiting for signal")
    accessible(page)
    shot(page, "report-waiting")
    stored = page.evaluate(STORED)
    assert [one["state"] for one in stored["reports"]] == ["waiting"]
    assert "resident" not in str(stored), "what was typed is sealed"
    page.reload()
    expect(page.get_by_role("status")).to_contain_text("Waiting for signal")
    page.context.set_offline(False)
    expect(page.get_by_role("heading", name="Your report is in")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("status")).to_contain_text("Sent. Your report is in.")
    assert len(reports(console, story)) == 1
    assert [(one["state"], one["sealed"]) for one in page.evaluate(STORED)["reports"]] == [("sent", "")]


def test_signal_lost_at_every_step_loses_nothing(person: Person) -> None:
    """At each question the signal goes and the page is opened anew: it is the same question, with all that was answered."""
    page = person("carer", "phone")
    ready(page)
    story = f"Signal was lost at every step. {uuid.uuid4()}"

    def lose(number: int) -> None:
        heading = page.get_by_role("heading", level=1)
        asked = heading.inner_text()
        page.context.set_offline(True)
        page.reload()
        expect(page.locator("#report[data-ready=yes]")).to_be_attached()
        expect(heading).to_have_text(asked)
        page.context.set_offline(False)

    to_the_end(page, story=story, opened=True, before=lose)
    page.reload()
    expect(page.get_by_text(story)).to_be_visible()
    send(page)
    expect(page.get_by_role("heading", name="Your report is in")).to_be_visible()


def test_the_answer_lost_on_its_way_back_counts_once(console: RunningStack, person: Person) -> None:
    """The report arrived, its receipt did not: sent again under the same key it is the same report."""
    page = person("carer")
    ready(page)
    story = f"The receipt was lost on its way. {uuid.uuid4()}"
    to_the_end(page, story=story, opened=True)

    def lose(route: Any) -> None:
        route.fetch()
        route.abort()

    page.context.route("**/report", lambda route: lose(route) if route.request.method == "POST" else route.fallback())
    send(page)
    expect(page.get_by_role("status")).to_contain_text("Waiting for signal")
    assert len(reports(console, story)) == 1
    page.context.unroute_all()
    expect(page.get_by_role("heading", name="Your report is in")).to_be_visible()
    assert len(reports(console, story)) == 1


def test_the_session_ended_meanwhile(console: RunningStack, person: Person, accessible: Check) -> None:
    page = person("carer")
    ready(page)
    story = f"The session ended before it was sent. {uuid.uuid4()}"
    to_the_end(page, story=story, opened=True)
    page.context.clear_cookies()
    send(page)
    expect(page.get_by_role("status")).to_contain_text("Waiting for you to sign in")
    accessible(page)
    page.get_by_role("link", name="Sign in, then it is sent").click()
    page.click("button[value=carer]")
    expect(page.get_by_role("heading", name="Your report is in")).to_be_visible()
    assert len(reports(console, story)) == 1


def test_the_back_button_goes_from_question_to_question(person: Person) -> None:
    page = person("carer", "phone")
    ready(page)
    answer(page, "Incident")
    expect(page.get_by_role("heading", name="Is anybody in danger now?")).to_be_visible()
    answer(page, "No, everybody is safe now")
    expect(page.get_by_role("heading", name="Where did it happen?")).to_be_visible()
    page.go_back()
    expect(page.get_by_label("No, everybody is safe now")).to_be_checked()
    page.go_back()
    expect(page.get_by_label("Incident", exact=True)).to_be_checked()
    page.go_forward()
    expect(page.get_by_role("heading", name="Is anybody in danger now?")).to_be_visible()


def test_two_windows_send_it_once(console: RunningStack, person: Person) -> None:
    page = person("carer")
    ready(page)
    story = f"Two windows knew this report. {uuid.uuid4()}"
    to_the_end(page, story=story, opened=True)
    expect(page.get_by_role("status")).to_contain_text("Kept on this phone")
    other = page.context.new_page()
    other.goto(page.url)
    expect(other.get_by_role("heading", name="Check and send")).to_be_visible()
    page.context.set_offline(True)
    for one in (page, other):
        send(one)
        expect(one.get_by_role("status")).to_contain_text("Waiting for signal")
    page.context.set_offline(False)
    for one in (page, other):
        expect(one.get_by_text("Your report is in").first).to_be_visible()
    assert len(reports(console, story)) == 1


def test_a_shared_phone_shows_nobody_what_others_typed(person: Person) -> None:
    """Kept for the one who wrote it: not shown to the next, there again for the first, gone when they sign out."""
    page = person("carer", "phone")
    ready(page)
    to_the_end(page, story="Only for whoever wrote it.", opened=True)
    expect(page.get_by_role("status")).to_contain_text("Kept on this phone")
    mine = page.url
    page.context.clear_cookies()
    page.goto("/")
    page.click("button[value=shift_lead]")
    page.goto(mine)
    expect(page.locator("#report[data-ready=yes]")).to_be_attached()
    expect(page.get_by_role("heading", name="What do you want to report?")).to_be_visible()
    expect(page.locator("#kept")).to_be_hidden()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="You are signed out")).to_be_visible()
    page.goto("/report")
    page.click("button[value=carer]")
    expect(page.locator("#kept")).to_contain_text("Only for whoever wrote it.")
    page.get_by_role("link", name="Go on with it").click()
    expect(page.locator("#report[data-ready=yes]")).to_be_attached()
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="You are signed out")).to_be_visible()
    stored = page.evaluate(STORED)
    assert (stored["reports"], stored["seals"]) == ([], 0)
    assert not [name for name in stored["caches"] if "form" in name]


def test_what_the_console_refuses_is_mended_where_it_was_typed(person: Person) -> None:
    """Without signal the device's own clock decides what has not come yet; the console looks again."""
    page = person("carer")
    ready(page)
    to_the_end(page, story="x" * 10_001, opened=True)
    send(page)
    expect(page.get_by_role("alert")).to_contain_text("Shorten it to 10,000 characters")
    page.get_by_label("What happened?").fill("Short enough.")
    page.get_by_role("button", name="Continue").click()
    send(page)
    expect(page.get_by_role("heading", name="Your report is in")).to_be_visible()
