"""What few see to, in a real browser: protections, what is kept apart, a statement, a concern, an indicator, a known cause."""

import re
from datetime import datetime, timedelta

import httpx
import pytest
from playwright.sync_api import Page, expect

from deploy.local.people import Person as Caller
from deploy.local.personas import LOCATION_NORTH_1, PERSONAS
from tests.e2e.browser.pressing import Check, Person, Shot, press
from tests.e2e.browser.test_chain import reviewed
from tests.e2e.running import RunningStack

pytestmark = pytest.mark.journey


def case_of(page: Page, category: str) -> str:
    """The newest incident of a type, by the list."""
    page.goto(f"/incidents?category={category}")
    return str(page.locator("main a[href^='/incidents/0']").first.get_attribute("href")).split("?")[0]


def later(page: Page, label: str, days: int) -> str:
    """So many days after the time that stands in a field."""
    at = datetime.fromisoformat(page.get_by_label(label).input_value())
    return (at + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M")


def test_what_protects_people_is_looked_at_and_ended(newcomer: Person, accessible: Check, shot: Shot) -> None:
    page = newcomer("registered_manager", "phone")
    case = case_of(page, "behaviour_distress")
    page.goto(case)
    page.get_by_role("link", name="What protects people after it").click()
    expect(page.get_by_role("heading", name="Restriction, P1: stands")).to_be_visible()
    accessible(page)
    press(page, "Record it")
    expect(page.get_by_role("alert")).to_contain_text("Choose what it is")
    accessible(page)
    page.get_by_label("Between people who live there").check()
    page.get_by_label("Whom does it concern?").fill("P1 and P2")
    page.get_by_label("What is done").fill("Each eats at a table of their own.")
    page.get_by_label("Why", exact=True).fill("P2 was pushed at lunch.")
    page.get_by_label("What has to be so for it to end").fill("Both want to sit together again.")
    page.locator("#protect_look_again_at").fill(later(page, "Since when", 30))
    page.context.set_offline(True)
    press(page, "Record it")
    expect(page.get_by_role("alert").filter(has_text="There is no signal")).to_be_visible()
    accessible(page)
    expect(page.get_by_label("What is done")).to_have_value("Each eats at a table of their own.")
    page.context.set_offline(False)
    page.get_by_role("button", name="Record it", exact=True).dblclick()  # counts once
    expect(page.get_by_role("heading", name="P1 and P2: stands")).to_have_count(1)
    page.go_back()
    page.go_forward()
    expect(page.get_by_role("heading", name="P1 and P2: stands")).to_have_count(1)
    page.get_by_text("I looked, and it goes on (P1)").click()
    page.get_by_label("What you found").first.fill("She sleeps through.")
    press(page, "Keep the look")
    expect(page.get_by_role("alert")).to_contain_text("Say when somebody looks again")
    accessible(page)
    expect(page.get_by_label("What you found").first).to_have_value("She sleeps through.")
    page.get_by_text("It ends (P1)").click()
    page.get_by_label("Lifted").first.check()
    page.get_by_label("What is so now").first.fill("Three quiet weeks.")
    press(page, "End it")
    expect(page.get_by_role("heading", name="Restriction, P1: lifted")).to_be_visible()
    accessible(page)
    shot(page, "protections")


def test_what_is_kept_apart_is_for_few(newcomer: Person, accessible: Check, shot: Shot) -> None:
    page = newcomer("nominated_individual")
    case = case_of(page, "fall")
    page.goto(case)
    page.get_by_role("link", name="Kept apart from the learning").click()
    press(page, "Record it")
    expect(page.get_by_role("alert")).to_contain_text("Say what is not given to it")
    accessible(page)
    page.get_by_label("Inquest").check()
    page.get_by_label("What it is about").fill("How it came to the fall.")
    page.get_by_label("What is given to it").fill("The chart and the report.")
    page.get_by_label("What is not given to it").fill("What anybody said in the review.")
    press(page, "Record it")
    expect(page.get_by_role("heading", name="Inquest: goes on")).to_be_visible()
    page.get_by_text("Something happened in it (inquest)").click()
    press(page, "Keep it")
    expect(page.get_by_role("alert")).to_contain_text("Say what happened")
    accessible(page)
    page.get_by_label("What happened").fill("A date was set.")
    press(page, "Keep it")
    expect(page.get_by_text("A date was set.")).to_be_visible()
    page.get_by_text("It ended (inquest)").click()
    page.get_by_label("How it ended").fill("It was an accident.")
    press(page, "It ended")
    expect(page.get_by_role("heading", name="Inquest: ended")).to_be_visible()
    accessible(page)
    shot(page, "proceedings")
    manager = newcomer("registered_manager")
    manager.goto(case)
    expect(manager.get_by_role("heading", name="What was reported")).to_be_visible()
    expect(manager.get_by_role("link", name="Kept apart from the learning")).to_have_count(0)


def test_a_carer_is_asked_and_says_it_in_their_own_words(newcomer: Person, accessible: Check, shot: Shot) -> None:
    page = newcomer("carer", "phone")
    page.get_by_role("link", name="You are asked for a review: How is the mattress set").click()
    accessible(page)
    shot(page, "contribution")
    press(page, "Keep what I said")
    expect(page.get_by_role("alert")).to_contain_text("Write what you know")
    accessible(page)
    page.get_by_label("In your own words").fill("By weight, from a card that hangs in the office.")
    press(page, "Keep what I said")
    expect(page.get_by_text("is kept, in your words")).to_be_visible()
    accessible(page)
    page.goto("/")
    expect(page.get_by_role("link", name="You are asked for a review")).to_have_count(0)
    manager = newcomer("registered_manager")
    manager.get_by_role("link", name=re.compile("^Review to write: .*pressure damage")).first.click()
    expect(manager.get_by_text("a card that hangs in the office").first).to_be_visible()
    accessible(manager)


def test_a_concern_has_a_reviewer_and_becomes_an_incident(newcomer: Person, accessible: Check, shot: Shot) -> None:
    page = newcomer("safeguarding_lead")
    page.get_by_role("link", name=re.compile("^Concern to answer")).first.click()
    accessible(page)
    page.get_by_text("Who reviews it, and how").click()
    press(page, "Keep it")
    expect(page.get_by_role("alert")).to_contain_text("Choose who reviews it")
    accessible(page)
    page.get_by_label("Who reviews it", exact=True).select_option(str(PERSONAS["quality_lead"].sub))
    page.get_by_label("How whoever raised it is protected").last.fill("Nobody asks who it was.")
    page.get_by_label("Why it is arranged like this").fill("She knows no one there.")
    press(page, "Keep it")
    expect(page.get_by_text("Nobody asks who it was.").first).to_be_visible()
    page.get_by_text("Report the incident that it tells of").click()
    press(page, "Report the incident")
    expect(page.get_by_role("alert")).to_contain_text("Choose where it happened")
    accessible(page)
    page.get_by_label("Where it happened").select_option(str(LOCATION_NORTH_1))
    page.get_by_label("Type", exact=True).select_option("staffing")
    page.get_by_label("When it happened").fill("2026-06-01T02:00")
    page.get_by_role("group", name="Is anybody in danger now?").get_by_label("No").check()
    page.get_by_label("What happened", exact=True).fill("Two people for forty at night.")
    press(page, "Report the incident")
    accessible(page)
    shot(page, "concern-reviewed")
    page.get_by_role("link", name="The incident that was made of it").click()
    expect(page.get_by_text("This incident is restricted")).to_be_visible()


def test_an_indicator_is_recorded_month_by_month(newcomer: Person, accessible: Check, shot: Shot) -> None:
    page = newcomer("quality_lead", "phone")
    page.goto("/overview?live=off")
    page.get_by_role("link", name="Indicators").click()
    press(page, "Begin it")
    expect(page.get_by_role("alert")).to_contain_text("Give it a name")
    accessible(page)
    page.get_by_role("link", name="Medicines rounds without a mistake").first.click()
    expect(page.get_by_role("img", name="Medicines rounds without a mistake")).to_be_visible()
    accessible(page)
    press(page, "Keep the month")
    expect(page.get_by_role("alert")).to_contain_text("Choose the month")
    accessible(page)
    page.get_by_label("Which month?").fill("2025-01")
    page.get_by_role("spinbutton", name="rounds without a mistake").fill("7")
    page.get_by_role("spinbutton", name="Out of: rounds that were watched").fill("10")
    press(page, "Keep the month")
    expect(page.get_by_text("The month is kept.")).to_be_visible()
    shot(page, "indicator")


def test_a_known_cause_links_what_is_being_done(
    newcomer: Person, lived_in: RunningStack, accessible: Check, shot: Shot
) -> None:
    with httpx.Client(timeout=30) as http:
        review = reviewed(lambda persona: Caller(lived_in.record, PERSONAS[persona], http))
    page = newcomer("registered_manager")
    page.goto(f"/reviews/{review}")
    page.get_by_role("link", name="The cause is known, and worked on").click()
    accessible(page)
    press(page, "Link them")
    expect(page.get_by_role("alert")).to_contain_text("Say why it is the same cause")
    accessible(page)
    page.get_by_label("Why it is the same cause").fill("The same lock, on another door.")
    page.get_by_label("What the list shows by itself").first.check()
    page.get_by_label("One lock for every garden door").first.check()
    press(page, "Link them")
    expect(page.get_by_text("It is kept.")).to_be_visible()
    shot(page, "known-cause")
    page.get_by_role("link", name="The review", exact=True).click()
    expect(page.get_by_text("The same lock, on another door.")).to_be_visible()
    accessible(page)
    page.get_by_role("link", name="Action 1 that answers it").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("One lock for every garden door")
