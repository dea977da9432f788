"""My work in a real browser: what is owed, what is good to know, and where the links of messages lead."""

import re
from datetime import UTC, datetime, timedelta

import httpx
from playwright.sync_api import expect

from deploy.local.people import Person as Caller
from deploy.local.personas import LOCATION_NORTH_1, PERSONAS, PROVIDER
from tests.e2e.browser.pressing import Check, Person, Shot
from tests.e2e.browser.test_report import to_the_end
from tests.e2e.running import RunningStack, eventually


def test_what_is_mine_stands_in_one_list_by_clock(person: Person, accessible: Check, shot: Shot) -> None:
    """What is to be done within the day is owed before the day is over, and stands with the rest by its clock."""
    to_the_end(carer := person("carer"))
    carer.get_by_role("button", name="Send the report").click()
    lead = person("shift_lead", "phone")
    owed = lead.get_by_role("link", name="First hours: look at the care plan").first

    def is_owed() -> bool:
        lead.goto("/")
        return owed.is_visible()

    eventually(is_owed, "the checks of a fall to be owed")
    accessible(lead)
    shot(lead, "work-owed")


def test_the_links_of_messages_lead_somewhere(person: Person, accessible: Check) -> None:
    """Also when what they lead to is over, or is not for this person: the page says so, and how to go on."""
    page = person("registered_manager")
    one = "0196a7e2-0000-7000-8000-000000000001"
    for path, says in (
        ("/work", "My work"), (f"/themes/{one}", "No such"), (f"/escalations/{one}", re.compile("You are|Nobody waits")),
        (f"/actions/{one}", "No such"), (f"/briefings/{one}", "No such"), (f"/reviews/{one}", "No such"), (f"/checkpoints/{one}", "No such"),
    ):  # fmt: skip
        page.goto(path)
        expect(page.get_by_role("heading", level=1)).to_contain_text(says)
        if path != "/work":
            expect(
                page.get_by_role("link", name="Go to your work").or_(page.get_by_text("My work")).first
            ).to_be_visible()
    accessible(page)


def test_a_call_is_answered_in_one_tap_from_the_message(
    console: RunningStack, person: Person, accessible: Check, shot: Shot
) -> None:
    """Looking at it answers nothing: programs open the links of messages too."""
    with httpx.Client(timeout=30) as http:
        carer, lead = (Caller(console.record, PERSONAS[name], http) for name in ("carer", "registered_manager"))
        body = {
            "location_id": str(LOCATION_NORTH_1), "occurred_at": datetime(2026, 6, 4, 12, tzinfo=UTC).isoformat(),
            "kind": "incident", "category": "choking", "immediate_danger": True, "narrative": "Choked at lunch; breathes again.",
        }  # fmt: skip
        incident = carer.post("intake", "/incidents", body)["incident_id"]
        called = lead.until(
            "intake", "/inbox",
            lambda inbox: next(
                (one for one in inbox["escalations"] if one["incident_id"] == incident and one["to_answer"]), None
            ),
            "the call",
        )  # fmt: skip
        page = person("registered_manager", "phone")
        page.goto(f"/escalations/{called['escalation_id']}")
        accessible(page)
        shot(page, "escalation")
        call = page.locator("section").filter(has=page.locator(f"a[href='/incidents/{incident}']"))
        call.get_by_role("button", name="I am on it").first.click()  # two ladders may ask about it
        expect(page.get_by_text("Your answer is recorded.")).to_be_visible()
        calls = lead.get("intake", f"/incidents/{incident}/escalations")
        assert lead.id in [one["acknowledged_by"] for one in calls]


def test_a_concern_is_read_and_answered(console: RunningStack, person: Person, accessible: Check, shot: Shot) -> None:
    said = {"provider_id": str(PROVIDER), "mode": "anonymous", "message": "At night nobody answers the bells."}
    url = f"{console.record.url('intake')}/speak-up"
    raised = httpx.post(url, json=said).raise_for_status().json()
    page = person("safeguarding_lead", "phone")
    with httpx.Client() as http:
        lead = Caller(console.record, PERSONAS["safeguarding_lead"], http)
        newest, *_ = lead.get("intake", "/concerns")["items"]
    page.goto(f"/concerns/{newest['concern_id']}")
    expect(page.get_by_text("At night nobody answers the bells.")).to_be_visible()
    accessible(page)
    page.get_by_role("button", name="Send the answer").click()
    expect(page.get_by_role("alert")).to_be_visible()
    accessible(page)
    page.get_by_label("Your answer").fill("Tonight two people are on. I look at it on Monday.")
    page.get_by_role("button", name="Send the answer").click()
    expect(page.get_by_text("Tonight two people are on.")).to_be_visible()
    shot(page, "concern")
    told = httpx.post(f"{url}/conversation", json={"code": raised["code"]}).raise_for_status().json()
    assert [message["text"] for message in told["messages"]][-1].startswith("Tonight two people")


def test_a_challenge_of_a_meeting_waits_in_my_work_and_is_answered(
    console: RunningStack, person: Person, accessible: Check, shot: Shot
) -> None:
    with httpx.Client() as http:
        lead = Caller(console.record, PERSONAS["quality_lead"], http)
        meeting = lead.post(
            "reporting", "/meetings",
            {"level": "service", "location_id": str(LOCATION_NORTH_1), "reason": "Two falls in a night."},
        )  # fmt: skip
        said = "Did you watch the handover yourself?"
        lead.post(
            "reporting", f"/meetings/{meeting['meeting_id']}/items",
            {
                "kind": "challenge", "question": "are_actions_in_place_and_working", "said": said,
                "owner_id": str(PERSONAS["registered_manager"].sub), "owner_role": "registered_manager",
                "due_at": (datetime.fromisoformat(meeting["compiled_at"]) + timedelta(days=300)).isoformat(),
            },
        )  # fmt: skip
    page = person("registered_manager", "phone")
    page.goto("/")
    expect(page.get_by_role("heading", name="Asked at a meeting")).to_be_visible()
    page.get_by_role("link", name=said).click()
    accessible(page)
    page.get_by_role("button", name="Send the answer").click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_label("Your answer").fill("Yes, on both shifts of Monday.")
    page.get_by_role("button", name="Send the answer").click()
    expect(page.get_by_text("Not judged yet.")).to_be_visible()
    accessible(page)
    shot(page, "challenge")


def test_a_newcomer_finds_a_provider_in_the_middle_of_its_day(
    console: RunningStack, person: Person, accessible: Check, shot: Shot
) -> None:
    """What `make run` ends with: each of those named finds what was said that they would."""
    done = console.plumbline("demo", "--scenario", "today")
    assert done.returncode == 0, done.stderr
    assert f"Open {console.record.url('console')}" in done.stdout
    for persona, width, finds in (
        ("registered_manager", "phone", ("Review to write", "To do")),
        ("quality_lead", "desk", ("Review to approve", "Its owner asks", "To verify")),
    ):
        page = person(persona, width)
        page.goto("/")
        for what in finds:
            expect(page.get_by_role("link", name=re.compile(f"^{what}: ")).first).to_be_visible()
        accessible(page)
        shot(page, f"work-today-{persona}")
