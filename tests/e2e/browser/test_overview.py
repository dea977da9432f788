"""Dashboards, patterns, the radar and meetings in a real browser: what leads see, and what they decide."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import expect

from deploy.local.people import Person as Caller
from deploy.local.personas import LOCATION_NORTH_1, PERSONAS
from deploy.local.scenarios import patterns
from services.runtime.calendar import LONDON
from tests.e2e.browser.pressing import As, Check, Person, Shot, press
from tests.e2e.running import RunningStack, eventually

pytestmark = pytest.mark.journey


def report(carer: Caller, **values: Any) -> str:
    body = {
        "location_id": str(LOCATION_NORTH_1), "occurred_at": datetime(2026, 6, 4, 12, tzinfo=UTC).isoformat(),
        "kind": "incident", "category": "fall", "immediate_danger": False, "narrative": "Found on the floor.", **values,
    }  # fmt: skip
    found: str = carer.post("intake", "/incidents", body)["incident_id"]
    return found


def test_the_overview_leads_to_records_and_follows_what_happens(
    person: Person, api: As, accessible: Check, shot: Shot
) -> None:
    page = person("quality_lead")
    page.goto("/overview")
    expect(page.get_by_role("heading", name="All types together")).to_be_visible()
    expect(page.get_by_role("img", name="All types together")).to_be_visible()
    accessible(page)
    shot(page, "overview")
    called = report(api("carer"), category="choking", immediate_danger=True)
    appears = page.locator(f"#now a[href='/incidents/{called}']").first
    expect(appears).to_be_visible(timeout=60_000)  # no reload: the page hears of it
    page.goto("/overview?live=off")  # what hurries more may take its place while it is looked at
    page.get_by_role("link", name="calls that nobody has answered").first.click()
    page.locator(f"main a[href='/incidents/{called}']").first.click()
    expect(page.get_by_role("heading", name="What was reported")).to_be_visible()

    page.goto("/overview?live=off")
    page.get_by_label("Of which place").select_option(f"location:{LOCATION_NORTH_1}")
    press(page, "Show")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Overview: ")
    page.get_by_label("As it was at the end of a day").fill("2031-01-01")
    press(page, "Show")
    expect(page.get_by_role("alert")).to_contain_text("Choose a day that is over")
    accessible(page)
    page.get_by_label("As it was at the end of a day").fill("2026-06-01")
    press(page, "Show")
    expect(page.get_by_text("This is what was known then.")).to_be_visible()
    expect(page.get_by_text("As of 1 June 2026, 23:59")).to_be_visible()
    accessible(page)
    page.emulate_media(media="print")
    expect(page.get_by_role("navigation", name="Main")).to_be_hidden()
    expect(page.get_by_role("img", name="All types together")).to_be_visible()
    phone = person("regional_manager", "phone")
    for path in ("/overview", "/places", "/patterns", "/radar", "/themes", "/meetings", "/governance", "/incidents"):
        phone.goto(path)
        accessible(phone)
    board = person("executive")
    board.get_by_role("link", name="Overview", exact=True).click()
    expect(board.get_by_role("heading", name="All types together")).to_be_visible()
    board.get_by_role("link", name="calls that nobody has answered").first.click()
    board.locator(f"main a[href='/incidents/{called}']").first.click()
    expect(board.get_by_role("heading", name="What was reported")).to_be_visible()
    carer = person("carer")
    carer.goto("/overview")
    expect(carer.get_by_role("heading", level=1)).not_to_contain_text("Overview")


def test_a_list_is_kept_under_a_name_and_taken_as_a_file(person: Person, accessible: Check) -> None:
    page, name = person("director"), f"Our falls {uuid.uuid4().hex[:6]}"
    page.goto("/incidents")
    page.get_by_label("Type", exact=True).select_option("fall")
    press(page, "Show")
    press(page, "Keep it")
    expect(page.get_by_role("alert")).to_be_visible()
    accessible(page)
    page.get_by_label("A name for it").fill(name)
    press(page, "Keep it")
    page.goto("/incidents")
    page.get_by_role("link", name=name).click()
    expect(page.get_by_label("Type", exact=True)).to_have_value("fall")
    accessible(page)
    with page.expect_download() as file:
        page.get_by_role("link", name="CSV").click()
    assert "incident_id" in file.value.path().read_text(encoding="utf-8-sig").splitlines()[0]
    page.locator("li").filter(has_text=name).get_by_role("button").click()
    expect(page.get_by_role("link", name=name)).to_have_count(0)


def test_people_decide_about_patterns(
    console: RunningStack, person: Person, api: As, accessible: Check, shot: Shot
) -> None:
    """Found by itself, with its records; merged, dismissed and accepted with a reason, which is asked for."""
    lead = api("quality_lead")
    fell = [str(uuid.uuid4()) for _ in range(3)]
    now = datetime.fromisoformat(lead.get("reporting", "/signals/quality")["as_of"])
    ours = {
        report(api("carer"), person_refs=[one], occurred_at=(now - timedelta(days=days)).isoformat())
        for one in fell
        for days in (1, 2)
    }
    for one in ours:  # who fell is told on with the triage
        scores = {"actual_harm": "none", "consequence": 2, "likelihood": 2, "reason": "Seen, nothing hurts."}
        api("registered_manager").triage(one, scores)

    def is_ours(signal_id: str) -> bool:
        members = lead.get("reporting", f"/signals/{signal_id}/incidents", member=True)["items"]
        return {one["incident_id"] for one in members} <= ours

    def found() -> list[str]:
        patterns.look(console.record)
        page = lead.get("reporting", "/signals", limit=200, kind="person_repeat", status="raised")["items"]
        mine = [one["signal_id"] for one in page if is_ours(one["signal_id"])]
        return mine if len(mine) == len(fell) else []

    first, second, third = eventually(found, "three patterns")
    page = person("quality_lead")
    page.goto("/patterns?status=raised")
    accessible(page)
    shot(page, "patterns")
    page.locator(f"a[href='/patterns/{first}']").click()
    expect(page.locator("main a[href^='/incidents/']")).to_have_count(2)
    accessible(page)
    press(page, "Keep the decision")
    expect(page.get_by_role("alert")).to_contain_text("Choose what is to become of it")
    accessible(page)
    page.get_by_label("Merge: it is part of another pattern").check()
    page.get_by_label("Why", exact=True).fill("The same floor.")
    press(page, "Keep the decision")
    expect(page.get_by_role("alert")).to_contain_text("Choose the pattern")
    expect(page.get_by_label("Why", exact=True)).to_have_value("The same floor.")
    page.get_by_label("If you merge it").select_option(second)
    press(page, "Keep the decision")
    expect(page.get_by_text("Your decision is kept.")).to_be_visible()
    expect(page.get_by_text("Merged into another: The same floor.")).to_be_visible()
    accessible(page)

    page.goto(f"/patterns/{third}")
    other = person("director")
    other.goto(f"/patterns/{third}")
    for one, decision in ((other, "Dismiss: it is explained"), (page, "Accept: it is real")):
        one.get_by_label(decision).check()
        one.get_by_label("Why", exact=True).fill("We looked at it.")
        press(one, "Keep the decision")
    expect(other.get_by_text("Your decision is kept.")).to_be_visible()
    expect(page.get_by_role("alert")).to_contain_text("Somebody changed this")
    accessible(page)

    page.goto(f"/patterns/{second}")
    page.get_by_label("Accept: it is real").check()
    page.get_by_label("Why", exact=True).fill("A loose carpet, we think.")
    press(page, "Keep the decision")
    expect(page.get_by_text("Your decision is kept.")).to_be_visible()
    manager = person("registered_manager")
    manager.goto(f"/patterns/{second}")
    expect(manager.get_by_role("button", name="Keep the decision")).to_have_count(0)


def test_the_radar_leads_to_the_records(person: Person, api: As, accessible: Check, shot: Shot) -> None:
    report(api("carer"), occurred_at=datetime(2026, 5, 20, 12, tzinfo=UTC).isoformat(), category="missed_visit")
    page = person("quality_lead")
    link = page.get_by_role("link", name="Reported late")

    def shows() -> bool:
        page.goto("/radar")
        return link.is_visible()

    eventually(shows, "something that was reported late")
    accessible(page)
    shot(page, "radar")
    link.click()
    expect(page.locator("main a[href^='/incidents/']").first).to_be_visible()
    accessible(page)


def test_a_meeting_challenges_and_the_answer_is_judged(person: Person, api: As, accessible: Check, shot: Shot) -> None:
    """Asked by one person, answered by another, judged by the first; everything is in the pack and in the log."""
    page = person("quality_lead")
    page.goto("/meetings")
    page.get_by_label("Service", exact=True).check()
    press(page, "Call it and compile the agenda")
    expect(page.get_by_role("alert")).to_contain_text("Choose the service that meets")
    accessible(page)
    page.get_by_label("Which service or region meets?").select_option(f"location:{LOCATION_NORTH_1}")
    page.get_by_label("Why it cannot wait").fill("Two falls in a night.")
    press(page, "Call it and compile the agenda")
    expect(page.get_by_role("heading", name="Topics")).to_be_visible()
    accessible(page)
    shot(page, "meeting")
    pack = page.url
    press(page, "Record it")
    expect(page.get_by_role("alert")).to_contain_text("Choose who does it")
    accessible(page)
    page.get_by_label("A challenge: somebody answers it").check()
    said = "Who watched the night round?"
    page.get_by_label("What was decided, or what is asked").fill(said)
    page.get_by_label("If it is a challenge").select_option("are_actions_in_place_and_working")
    manager_of = page.locator("#raise_owner option", has_text="registered manager").first
    page.get_by_label("Who does it, or answers").select_option(
        f"{PERSONAS['registered_manager'].sub}:registered_manager" if manager_of.count() else ""
    )
    press(page, "Record it")
    expect(page.get_by_text("It is recorded. Its owner is told.")).to_be_visible()
    page.get_by_role("link", name=said).click()
    asked = page.url
    manager = person("registered_manager", "phone")
    manager.goto(asked)
    manager.get_by_label("Your answer").fill("Nobody yet. I will on Friday.")
    press(manager, "Send the answer")
    expect(manager.get_by_text("Not judged yet.")).to_be_visible()
    page.goto(asked)
    press(page, "Keep the judgement")
    expect(page.get_by_role("alert")).to_contain_text("Choose whether you accept it")
    accessible(page)
    page.get_by_label("No: it is asked again").check()
    page.get_by_label("Why", exact=True).fill("Friday is to come. What did you see?")
    press(page, "Keep the judgement")
    expect(page.get_by_text("Not accepted")).to_be_visible()
    manager.goto(asked)
    manager.get_by_label("Your answer").fill("I watched it on Friday: the second person was missing.")
    press(manager, "Send the answer")
    page.goto(asked)
    page.get_by_label("Yes", exact=True).check()
    page.get_by_label("A plan").check()
    page.get_by_label("Why", exact=True).fill("Seen, and the rota changes.")
    press(page, "Keep the judgement")
    expect(page.get_by_text("It altered: a plan.").or_(page.get_by_text("It altered: plan."))).to_be_visible()
    accessible(page)
    shot(page, "challenge-judged")
    page.goto("/governance?kind=challenge&status=accepted")
    expect(page.get_by_role("link", name=f"Challenge: {said}")).to_be_visible()
    page.goto(pack)
    press(page, "Record that it was held")
    expect(page.get_by_role("alert")).to_contain_text("Give the day and time")
    seen_at = api("quality_lead").get("reporting", f"/meetings/{pack.rsplit('/', 1)[1]}")["compiled_at"]
    held_at = datetime.fromisoformat(seen_at).astimezone(LONDON) + timedelta(minutes=2)
    page.get_by_label("When", exact=True).fill(held_at.strftime("%Y-%m-%dT%H:%M"))
    page.get_by_label("How many took part").fill("5")
    press(page, "Record that it was held")
    expect(page.get_by_text("It is recorded as held.")).to_be_visible()
    accessible(page)
    page.emulate_media(media="print")
    expect(page.get_by_role("button", name="Record it")).to_be_hidden()
    expect(page.get_by_role("heading", name="Topics")).to_be_visible()
