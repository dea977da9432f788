"""Photographs and marks on the body, added to a report: by keyboard, without a script, too large, with the session over."""

import io
from collections.abc import Callable

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.e2e.browser.pressing import Check, Person, Shot
from tests.e2e.browser.test_report import to_the_end


def received(page: Page) -> str:
    """A report that was just sent; answers its incident's id."""
    to_the_end(page)
    page.get_by_role("button", name="Send the report").click()
    expect(page.get_by_role("heading", name="Your report is in")).to_be_visible()
    return page.url.split("/report/")[1].split("/")[0]


@pytest.mark.parametrize("script", [True, False], ids=["with a script", "without"])
def test_places_on_the_body_are_marked_and_shown(
    person: Person, accessible: Check, shot: Shot, by_keyboard: Callable[..., None], script: bool
) -> None:
    page = person("carer", "phone", java_script_enabled=script)
    incident = received(page)
    page.get_by_role("link", name="Mark where on the body").click()
    if script:
        accessible(page)
        by_keyboard(page, "checkbox", "Front: left knee", "Space")
        by_keyboard(page, "checkbox", "Back: sacrum", "Space")
        by_keyboard(page, "button", "Keep what I marked", "Enter")
    else:
        page.get_by_role("checkbox", name="Front: left knee").check()
        page.get_by_role("checkbox", name="Back: sacrum").check()
        page.get_by_role("button", name="Keep what I marked").click()
    expect(page.get_by_text("What you marked is kept.")).to_be_visible()
    page.goto(f"/incidents/{incident}")
    expect(page.get_by_role("img", name="Front: Front: left knee")).to_be_visible()
    expect(page.get_by_role("listitem").filter(has_text="Back: sacrum")).to_be_visible()
    if script:
        accessible(page)
        shot(page, "incident-body")


def test_a_file_is_refused_in_words_and_waits_for_a_session(person: Person, accessible: Check) -> None:
    """Said before it is sent where there is a script, by the console otherwise; the file that was chosen is not lost."""
    page = person("carer", "phone")
    received(page)
    large = {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": b"\xff\xd8\xff" + b"\0" * 10_000_001}
    page.set_input_files("input[name=file]", large)
    expect(page.get_by_role("alert")).to_contain_text("larger than 10 MB")
    accessible(page)
    page.get_by_role("button", name="Add it").click()
    expect(page.get_by_role("alert")).to_contain_text("larger than 10 MB")
    plain = {"name": "a.png", "mimeType": "image/png", "buffer": b"no picture"}
    page.set_input_files("input[name=file]", plain)
    page.get_by_role("button", name="Add it").click()
    expect(page.get_by_role("alert")).to_contain_text("Your report is safe.")
    accessible(page)

    made = io.BytesIO()
    Image.new("RGB", (64, 48), "red").save(made, "PNG")
    page.set_input_files("input[name=file]", {"name": "a.png", "mimeType": "image/png", "buffer": made.getvalue()})
    page.context.clear_cookies()
    page.get_by_role("button", name="Add it").click()
    expect(page.get_by_text("Your session has ended.")).to_be_visible()
    accessible(page)
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Sign in again, in a new tab").click()
    opened.value.click("button[value=carer]")
    expect(opened.value.get_by_role("heading", name="You are signed in again")).to_be_visible()
    page.get_by_role("button", name="Add it").click()
    expect(page.get_by_text("1 file is kept with it.")).to_be_visible()


def test_a_warning_comes_before_the_session_ends_and_one_click_goes_on(person: Person, accessible: Check) -> None:
    """The page asks the console how long is left, so the console's clock must have moved too: it answers five minutes here."""
    page = person("carer", "phone")
    page.clock.install()
    page.goto("/report")
    expect(page.locator("#report[data-ready=yes]")).to_be_attached()
    minutes = {"left": 240}
    token = page.locator("input[name=form_token]").first.input_value()
    page.route("**/session/left", lambda route: route.fulfill(json={**minutes, "token": token}))
    page.clock.fast_forward("29:00")
    expect(page.get_by_role("alert")).to_contain_text("Your session ends in 4 minutes")
    accessible(page)
    page.unroute("**/session/left")
    with page.expect_response("**/session/stay") as stayed:
        page.get_by_role("button", name="Stay signed in").click()
    assert stayed.value.ok
    expect(page.locator("#session")).to_be_hidden()
