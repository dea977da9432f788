"""Agreeing what changes, handing it over, asking for more time or to cancel, and the library of what was learned, in a browser."""

import pytest
from playwright.sync_api import Page, expect

from deploy.local.personas import PERSONAS
from tests.e2e.browser.pressing import As, Check, Person, Shot, press
from tests.e2e.browser.test_chain import reviewed
from tests.e2e.browser.test_triage import refused

pytestmark = pytest.mark.journey


def test_an_action_is_agreed_arranged_and_cancelled(person: Person, api: As, accessible: Check, shot: Shot) -> None:
    review = reviewed(api)
    incident = api("registered_manager").get("review", f"/reviews/{review}")["incident_id"]
    page = person("registered_manager", "phone")
    page.goto(f"/incidents/{incident}/agree")
    measured(page, api, incident, accessible)
    agree(page, accessible, shot)
    agreed = api("registered_manager").get("actions", "/actions", incident_id=incident)["items"]
    [action] = [f"/actions/{one['action_id']}" for one in agreed]
    found = api("registered_manager").get("actions", action)
    assert found["owner_role"] == "registered_manager"
    assert found["counts_as"] == "weaker"  # "remind" in the title, and no reason for more
    assert [one["description"] for one in found["proof"]] == ["Doors tried on two shifts"]
    assert len(found["sites"]) == 1
    page.goto(action)
    accessible(page)
    shot(page, "action-arranged")
    at_the_place(page, accessible)
    handed_over(page, accessible)
    all_of_it(page, api, action, accessible)
    cancelled(page, person("quality_lead"), api, action, accessible)


def measured(page: Page, api: As, incident: str, accessible: Check) -> None:
    """By what the effect is measured is chosen before; somebody else's choice is not written over unseen."""
    accessible(page)
    page.get_by_text("Choose the measure").click()
    page.get_by_label("What exactly, in words").fill("Doors found open at night.")
    path = f"/incidents/{incident}/measures"
    quality = api("quality_lead")
    quality.post("actions", path, {"definition": "Doors."}, version=quality.version("actions", path))
    press(page, "Measure it by this")
    refused(page, "Somebody changed this", accessible)
    expect(page.get_by_label("What exactly, in words")).to_have_value("Doors found open at night.")
    press(page, "Measure it by this")
    expect(page.get_by_text("The measure is chosen.")).to_be_visible()


def agree(page: Page, accessible: Check, shot: Shot) -> None:
    """What is missing is named; how strong it is is explained while one types."""
    press(page, "Agree it")
    refused(page, "Choose the one person who answers for it", accessible)
    page.get_by_label("What will change, in one line").fill("Remind everybody to shut the garden door")
    expect(page.locator("#wording")).to_contain_text("Depends on people remembering")
    page.locator("[name=agree_strength][value=stronger]").check()
    page.get_by_label("How one will see that it worked").fill("No garden door is found open.")
    page.get_by_label("What a verifier must find in practice").fill("All doors tried by somebody else.")
    page.get_by_label("Proof, item 1").fill("Doors tried on two shifts")
    page.get_by_label("Who answers for it").select_option(label="Ruth Okafor, registered manager")
    page.get_by_label("In how many working days").fill("900")
    page.get_by_label("What protects people until it is done").fill("Tried at each handover.")
    page.get_by_label("Alder House").check()
    accessible(page)
    shot(page, "agree")
    press(page, "Agree it")
    expect(page.get_by_role("alert")).to_contain_text("260")
    expect(page.get_by_label("What will change, in one line")).to_have_value("Remind everybody to shut the garden door")
    page.get_by_label("In how many working days").fill("5")
    press(page, "Agree it")
    expect(page.get_by_text("The action is agreed.")).to_be_visible()


def at_the_place(page: Page, accessible: Check) -> None:
    page.get_by_text("How far it is at Alder House").click()
    page.get_by_label("How far is it?").select_option("not_applicable")
    press(page, "Keep it")
    refused(page, "say why", accessible)
    page.get_by_label("What was done, or why it does not apply").fill("There is no garden here.")
    press(page, "Keep it")
    expect(page.get_by_text("There is no garden here.")).to_be_visible()


def handed_over(page: Page, accessible: Check) -> None:
    page.get_by_text("Hand it over").first.click()
    press(page, "Hand it over")
    refused(page, "Choose who takes it over", accessible)
    page.get_by_label("Who takes it over").select_option(label="Ines Duarte, shift lead")
    page.get_by_label("Why it is handed over").fill("She leads the shifts at night.")
    press(page, "Hand it over")
    expect(page.get_by_text("It is handed over.")).to_be_visible()


def all_of_it(page: Page, api: As, action: str, accessible: Check) -> None:
    """In one go: all that the shift lead owns goes back to the manager."""
    page.goto("/handover")
    accessible(page)
    press(page, "Hand all of it over")
    refused(page, "Choose whose actions they are", accessible)
    page.get_by_label("Whose actions are they now?").select_option(label="Ines Duarte")
    page.get_by_label("Who takes them over?").select_option(label="Ines Duarte, shift lead")
    page.get_by_label("Why").fill("She goes on leave.")
    press(page, "Hand all of it over")
    refused(page, "is who owns them now", accessible)
    expect(page.get_by_label("Why")).to_have_value("She goes on leave.")
    page.get_by_label("Who takes them over?").select_option(label="Ruth Okafor, registered manager")
    press(page, "Hand all of it over")
    expect(page.get_by_text("All of it is handed over.")).to_be_visible()
    assert api("registered_manager").get("actions", action)["owner_id"] == str(PERSONAS["registered_manager"].sub)


def cancelled(page: Page, quality: Page, api: As, action: str, accessible: Check) -> None:
    """Its owner asks; it stands on the work of those who decide; a decision on a page that is out of date is not taken."""
    lead = api("registered_manager")
    lead.change("actions", action, "cancellation-requests", {"reason": "The new doors come with a closer."})
    quality.goto("/")
    quality.locator(f"a[href='{action}']").first.click()
    accessible(quality)
    quality.get_by_label("No, it goes on").check()
    press(quality, "Decide on cancelling")
    expect(quality.get_by_role("alert")).to_be_visible()
    quality.get_by_label("Yes", exact=True).check()
    lead.change("actions", action, "understanding", {})
    press(quality, "Decide on cancelling")
    refused(quality, "Somebody changed this", accessible)
    expect(quality.get_by_label("Yes", exact=True)).to_be_checked()
    press(quality, "Decide on cancelling")
    page.goto(action)
    expect(page.get_by_role("heading", name="Cancelled")).to_be_visible()


def test_the_library_is_searched_and_a_month_is_read(person: Person, accessible: Check, shot: Shot) -> None:
    for width in ("phone", "desk"):
        page = person("carer", width)
        page.goto("/")
        page.get_by_role("link", name="What was learned").click()
        accessible(page)
        page.get_by_label("Words").fill("a")
        press(page, "Search")
        refused(page, "Use between 2 and 200 characters", accessible)
        page.get_by_label("Words").fill("nothing holds these letters zzzz")
        press(page, "Search")
        expect(page.get_by_text("Nothing fits yet.")).to_be_visible()
        page.goto("/library")
        page.get_by_role("link", name="What changed this month").click()
        accessible(page)
        page.get_by_role("link", name="The month before").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("What changed in")
    shot(page, "library-month")
