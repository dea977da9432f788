"""Triage in a real browser, and pages that it opens: what must be told, candour, the first hours; ending and linking."""

from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from deploy.local.personas import LOCATION_NORTH_1
from tests.e2e.browser.pressing import As, Check, Person, Shot, press
from tests.e2e.running import eventually

pytestmark = pytest.mark.journey


def report(api: As, category: str, **more: Any) -> str:
    body = {
        "location_id": str(LOCATION_NORTH_1), "occurred_at": datetime(2026, 6, 4, 12, tzinfo=UTC).isoformat(),
        "kind": "incident", "category": category, "immediate_danger": False, "narrative": "Found on the floor, in pain.",
        **more,
    }  # fmt: skip
    incident: str = api("carer").post("intake", "/incidents", body)["incident_id"]
    return incident


def insist(page: Page, name: str) -> None:
    """Press a button, and again where a clock of the system rang while the page was filled in: that changes records too."""
    for _ in range(5):
        with page.expect_event("load"):
            press(page, name)
        if not page.get_by_role("alert").filter(has_text="Somebody changed this").is_visible():
            return


def choose(page: Page, form: str, *values: str) -> None:
    """Tick the answers of a form by their fields: `actual_harm=severe`."""
    for value in values:
        name, _, chosen = value.partition("=")
        page.locator(f"[name={form}_{name}][value='{chosen}']").check()


def refused(page: Page, says: str, accessible: Check) -> None:
    expect(page.get_by_role("alert")).to_contain_text(says)
    accessible(page)


def test_a_fall_is_triaged_and_what_it_asks_for_is_answered(
    person: Person, api: As, accessible: Check, shot: Shot
) -> None:
    report(api, "fall")  # what came before
    fall = report(api, "fall")
    manager = person("registered_manager", "phone")
    triaged(manager, api, fall, accessible, shot)
    told(manager, fall, accessible, shot)
    candour(manager, fall, accessible, shot)
    first_hours(person("shift_lead", "phone"), fall, accessible, shot)
    manager.goto(f"/incidents/{fall}")
    for path in ("candour", "checks", "triage", "telling", "change"):
        expect(manager.locator(f"main a[href='/incidents/{fall}/{path}']").first).to_be_visible()
    accessible(manager)
    shot(manager, "incident-triaged")


def triaged(page: Page, api: As, fall: str, accessible: Check, shot: Shot) -> None:
    """What is missing is named, a lower score wants a reason, and somebody else's triage is not written over unseen."""

    def waits() -> bool:
        page.goto("/")
        return page.locator(f"a[href='/incidents/{fall}/triage']").first.is_visible()

    eventually(waits, "the triage to stand on My work")
    page.locator(f"a[href='/incidents/{fall}/triage']").first.click()
    accessible(page)
    shot(page, "triage")
    press(page, "Keep the triage")
    refused(page, "Choose the harm to the body", accessible)
    choose(page, "triage", "actual_harm=low", "psychological_harm=none", "consequence=2", "likelihood=1")
    press(page, "Keep the triage")
    refused(page, "Say why it is less serious than the rule suggests", accessible)
    expect(page.locator("[name=triage_consequence][value='2']")).to_be_checked()
    page.get_by_label("Why").fill("A soft carpet.")
    press(page, "Keep the triage")
    expect(page.get_by_role("alert")).to_contain_text("Look at what came before")
    page.get_by_label("I have looked at what came before").check()
    press(page, "Keep the triage")
    expect(page.get_by_text("Your triage is kept.")).to_be_visible()
    page.goto(f"/incidents/{fall}/triage")
    choose(page, "triage", "actual_harm=severe", "consequence=4", "likelihood=4")
    page.get_by_label("I have looked at what came before").check()
    page.get_by_label("Why").fill("The hospital says that the hip is broken.")
    moderate = {"actual_harm": "moderate", "consequence": 3, "likelihood": 3, "reason": "It hurts."}
    api("quality_lead").triage(fall, moderate)
    press(page, "Keep the triage")
    refused(page, "Somebody changed this", accessible)
    expect(page.get_by_label("Why")).to_have_value("The hospital says that the hip is broken.")
    expect(page.locator("[name=triage_actual_harm][value=severe]")).to_be_checked()
    insist(page, "Keep the triage")
    expect(page.get_by_text("Your triage is kept.")).to_be_visible()
    found = api("quality_lead").get("intake", f"/incidents/{fall}")["triage"][-1]
    assert (found["actual_harm"], found["consequence"], found["likelihood"]) == ("severe", 4, 4)
    assert found["reason"] == "The hospital says that the hip is broken."


def told(page: Page, fall: str, accessible: Check, shot: Shot) -> None:
    """The questions that decide come first; a duty is decided, sent and confirmed; another is not needed, with a reason."""
    accessible(page)
    shot(page, "telling")
    choose(page, "facts", "serious_injury_test=yes")
    page.get_by_text("All other questions").click()
    page.locator("[name=facts_serious_injury_kinds][value=change_to_structure_of_body]").check()
    page.locator("[name=facts_professional_role]").fill("Doctor in the hospital")
    page.locator("[name=facts_professional_opinion_at]").fill("2026-06-04T14:00")
    press(page, "Keep the answers")
    expect(page.get_by_text("Your answers are kept")).to_be_visible()
    page.get_by_role("link", name="Care Quality Commission: Serious injury").click()
    accessible(page)
    press(page, "Decide")
    refused(page, "Choose whether to tell them", accessible)
    choose(page, "decide", "decision=not_notify")
    insist(page, "Decide")
    refused(page, "is needed to decide not to notify", accessible)
    choose(page, "decide", "decision=notify")
    insist(page, "Decide")
    expect(page.get_by_text("Your decision is kept.")).to_be_visible()
    shot(page, "obligation")
    page.get_by_label("The reference that you got").fill("CQC-1")
    page.get_by_label("When it was sent").fill("2031-01-01T10:00")
    insist(page, "It was sent")
    refused(page, "future", accessible)
    expect(page.get_by_label("The reference that you got")).to_have_value("CQC-1")
    page.get_by_label("When it was sent").fill("2026-06-04T18:30")
    insist(page, "It was sent")
    expect(page.get_by_text("It is recorded as sent.")).to_be_visible()
    accessible(page)
    with page.expect_download() as got:
        page.get_by_text("The notice, as a draft").click()
        page.get_by_role("link", name="Download it").click()
    assert "Serious" in got.value.path().read_text() or "serious" in got.value.path().read_text()
    insist(page, "They confirmed it")
    expect(page.get_by_text("It is recorded as confirmed.")).to_be_visible()


def candour(page: Page, fall: str, accessible: Check, shot: Shot) -> None:
    """The harm grade decides nothing: a professional's opinion does. Then each part, and a letter with its text."""
    page.goto(f"/incidents/{fall}/candour")
    accessible(page)
    choose(page, "decide", "unintended_or_unexpected=yes", "during_regulated_activity=yes", "harm_test=met")
    page.get_by_label("Why, on which facts").fill("A fall from the bed, without the sensor.")
    insist(page, "Decide")
    refused(page, "health care professional", accessible)
    expect(page.get_by_label("Why, on which facts")).to_have_value("A fall from the bed, without the sensor.")
    page.locator("[name=decide_limbs][value=change_to_structure_of_body]").check()
    page.get_by_label("Who gave the opinion").fill("Surgeon")
    page.get_by_label("The opinion, in their words").fill("The hip is broken.")
    page.get_by_label("When they gave it").fill("2026-06-04T14:00")
    choose(page, "decide", "relevant_person=service_user")
    insist(page, "Decide")
    expect(page.get_by_role("heading", name="It applies")).to_be_visible()
    accessible(page)
    shot(page, "candour")
    choose(page, "part", "steps=in_person_notification", "steps=true_account", "steps=apology")
    insist(page, "Record it")
    expect(page.get_by_text("Done").first).to_be_visible()
    press(page, "Keep the letter")
    refused(page, "Choose what it is for", accessible)


def first_hours(page: Page, fall: str, accessible: Check, shot: Shot) -> None:
    """What carers and shift leads see to is recorded, or set aside with a reason."""
    page.goto(f"/incidents/{fall}/checks")
    accessible(page)
    card = page.locator("#care-plan-check")
    card.get_by_text("Record it").first.click()
    card.get_by_role("button", name="Record it as done").click()
    expect(page.get_by_role("alert")).to_be_visible()
    accessible(page)
    card.locator("[type=radio][value=yes]").first.check()
    card.get_by_role("button", name="Record it as done").click()
    expect(page.get_by_text("It is kept.")).to_be_visible()
    shot(page, "checks")


def test_what_was_reported_twice_is_linked_ended_and_withdrawn(person: Person, api: As, accessible: Check) -> None:
    first, again = report(api, "environment"), report(api, "environment")
    page = person("quality_lead")
    page.goto(f"/incidents/{again}/change")
    accessible(page)
    press(page, "Link the two")
    refused(page, "Choose the other incident", accessible)
    page.locator("[name=link_other_id]").select_option(first)
    page.get_by_label("How do they belong together?").select_option("same_event")
    page.get_by_label("Why you link them").fill("Both say the same door.")
    insist(page, "Link the two")
    expect(page.locator(f"main a[href='/incidents/{first}']").first).to_be_visible()
    page.goto(f"/incidents/{again}/change")
    page.locator("[name=duplicate_duplicate_of]").select_option(first)
    insist(page, "End it as a duplicate")
    expect(page.get_by_role("link", name="The same event is looked at here")).to_be_visible()
    accessible(page)
    page.goto(f"/incidents/{first}/change")
    page.get_by_label("Why it is withdrawn").fill("The door was open for a delivery.")
    api("quality_lead").triage(first, {"actual_harm": "none", "consequence": 2, "likelihood": 2, "reason": "Seen."})
    press(page, "Withdraw it")
    refused(page, "Somebody changed this", accessible)
    expect(page.get_by_label("Why it is withdrawn")).to_have_value("The door was open for a delivery.")
    insist(page, "Withdraw it")
    expect(page.get_by_text("It is withdrawn.")).to_be_visible()
