"""Administration in a real browser: an import with its preview, people, the rota, policies by two people, audit chains."""

import uuid
from datetime import UTC, datetime

import pytest
from playwright.sync_api import expect

from deploy.local.personas import LOCATION_NORTH_1
from services.directory import cqc
from tests.e2e.browser.pressing import As, Check, Person, Shot, press

pytestmark = pytest.mark.journey


def directory_file(*beds: str) -> bytes:
    """Lines of CQC's file about a provider that no other test uses."""
    number = uuid.uuid4().int
    rows = [
        f'1-{(number + row) % 10**11},"House {row}",Leeds,East (ADASS Region),Care home service with nursing,{one},2010-12-20,'
        f"1-{number // 10**20 % 10**11},Quiet Care"
        for row, one in enumerate(beds)
    ]
    return "\n".join([",".join(cqc.REQUIRED), *rows]).encode()


def test_an_import_says_what_it_would_do_before_it_does_it(person: Person, accessible: Check, shot: Shot) -> None:
    page = person("platform_admin")
    page.goto("/administration")
    accessible(page)
    page.get_by_role("link", name="Import CQC's directory").click()
    accessible(page)
    press(page, "Show what it would do")
    expect(page.get_by_role("alert")).to_contain_text("Choose a CSV file")
    accessible(page)
    page.set_input_files(
        "input[name=import_file]", {"name": "a.csv", "mimeType": "text/csv", "buffer": b"one,two\n1,2\n"}
    )
    press(page, "Show what it would do")
    expect(page.get_by_role("alert")).not_to_contain_text("Choose a CSV file")
    file = {"name": "cqc.csv", "mimeType": "text/csv", "buffer": directory_file("12", "many", "7")}
    page.set_input_files("input[name=import_file]", file)
    press(page, "Show what it would do")
    expect(page.get_by_text("It would make 2 new places")).to_be_visible()
    expect(page.get_by_role("row", name="3 Care homes beds")).to_be_visible()
    accessible(page)
    shot(page, "import-preview")
    press(page, "Import it")
    expect(page.get_by_text("Imported: 2 new")).to_be_visible()
    page.set_input_files("input[name=import_file]", file)
    press(page, "Show what it would do")
    expect(page.get_by_text("There is nothing to import.")).to_be_visible()
    lead = person("quality_lead")
    lead.goto("/administration/import")
    lead.set_input_files("input[name=import_file]", file)
    press(lead, "Show what it would do")
    expect(lead.get_by_role("heading", level=1)).not_to_contain_text("Import")


def test_people_get_roles_and_turns(person: Person, accessible: Check, shot: Shot) -> None:
    page = person("director")
    page.goto("/administration/people/new")
    accessible(page)
    press(page, "Keep it")
    expect(page.get_by_role("alert")).to_contain_text("Give the name")
    name = f"Joan {uuid.uuid4().hex[:6]}"
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Role 1", exact=True).select_option("shift_lead")
    page.get_by_label("Where role 1 holds").select_option(f"location:{LOCATION_NORTH_1}")
    press(page, "Keep it")
    expect(page.get_by_text("It is kept.")).to_be_visible()
    accessible(page)
    here = page.url
    other = person("platform_admin")
    other.goto(here)
    other.get_by_label("Role 2", exact=True).select_option("on_call_manager")
    press(other, "Keep it")
    expect(other.get_by_text("It is kept.")).to_be_visible()
    page.get_by_label("Name", exact=True).fill(f"{name} B")
    press(page, "Keep it")
    expect(page.get_by_role("alert")).to_contain_text("Somebody changed this")
    expect(page.get_by_label("Name", exact=True)).to_have_value(f"{name} B")
    accessible(page)
    other.goto("/administration/rota")
    accessible(other)
    press(other, "Put on call")
    expect(other.get_by_role("alert")).to_contain_text("Choose who")
    accessible(other)
    other.get_by_label("Who", exact=True).select_option(here.split("?")[0].rsplit("/", 1)[1])
    other.get_by_label("As what").select_option("on_call_manager")
    other.get_by_label("From", exact=True).fill("2027-03-01T18:00")
    other.get_by_label("Until", exact=True).fill("2027-03-02T08:00")
    press(other, "Put on call")
    expect(other.get_by_text(f"{name}, on-call manager")).to_be_visible()
    shot(other, "rota")
    other.goto("/administration/people?role=shift_lead")
    expect(other.get_by_role("link", name=name)).to_be_visible()
    accessible(other)
    lead = person("quality_lead", "phone")
    lead.goto(here.split("?")[0])
    expect(lead.get_by_role("button", name="Keep it")).to_have_count(0)


def test_a_policy_is_checked_tried_and_published_by_two(person: Person, accessible: Check, shot: Shot) -> None:
    lead, director = person("quality_lead"), person("director")
    lead.goto("/administration/policies")
    accessible(lead)
    lead.goto("/administration/policies/review/new")
    accessible(lead)
    text = lead.get_by_label("The text, as YAML")
    shipped = text.input_value()
    first = next(line for line in shipped.splitlines() if line.startswith("version:"))
    version = f"ours-{uuid.uuid4().hex[:6]}"
    own = shipped.replace(first, f"version: {version}")
    text.fill(own.replace("method: after_action_review", "method: a_chat", 1))
    press(lead, "Check it")
    expect(lead.get_by_role("table", name="What is wrong")).to_contain_text("a_chat")
    expect(text).to_have_value(own.replace("method: after_action_review", "method: a_chat", 1))
    accessible(lead)
    shot(lead, "policy-check")
    text.fill(own.replace("method: after_action_review", "method: mdt_review", 1))
    press(lead, "Try it on past incidents")
    expect(lead.get_by_role("heading", name="What it would have changed")).to_be_visible()
    accessible(lead)
    press(lead, "Keep it as a draft")
    expect(lead.get_by_text("It is kept as a draft.")).to_be_visible()
    here = lead.url
    press(lead, "Propose it")
    expect(lead.get_by_text("It is proposed.")).to_be_visible()
    press(lead, "Publish it")
    expect(lead.get_by_role("alert")).to_be_visible()
    accessible(lead)
    director.goto(here)
    press(director, "Publish it")
    expect(director.get_by_text("It is published")).to_be_visible()
    accessible(director)
    lead.goto("/administration/policies")
    expect(lead.get_by_text(f"Review: {version}").first).to_be_visible()
    director.goto(here)
    press(director, "Retire it")  # the next tests go by the shipped one again
    expect(director.get_by_text("It is retired.")).to_be_visible()
    carer = person("carer")
    carer.goto("/administration/policies")
    expect(carer.get_by_role("heading", level=1)).not_to_contain_text("Policies")


def test_a_chain_is_shown_and_verified_and_what_is_known_of_the_law_has_a_version(
    person: Person, api: As, accessible: Check, shot: Shot
) -> None:
    body = {
        "location_id": str(LOCATION_NORTH_1), "occurred_at": datetime(2026, 6, 4, 12, tzinfo=UTC).isoformat(),
        "kind": "incident", "category": "environment", "immediate_danger": False, "narrative": "The lift stood still.",
    }  # fmt: skip
    incident = api("carer").post("intake", "/incidents", body)["incident_id"]
    page = person("quality_lead")
    page.goto("/administration/audit")
    page.get_by_label("Which one").fill("not an id")
    press(page, "Show its chains")
    expect(page.get_by_role("alert")).to_contain_text("Paste the address")
    accessible(page)
    page.get_by_label("Which one").fill(f"http://127.0.0.1/incidents/{incident}")
    press(page, "Show its chains")
    expect(page.get_by_role("heading", name="Intake: the chain is whole")).to_be_visible()
    accessible(page)
    shot(page, "audit")
    page.goto("/administration/reference")
    expect(page.get_by_role("heading", name="Obligations, version")).to_be_visible()
    accessible(page)


def test_a_system_outside_is_told_and_its_secret_is_shown_once(person: Person, accessible: Check) -> None:
    page = person("platform_admin")
    page.goto("/administration/webhooks")
    press(page, "Keep it")
    expect(page.get_by_role("alert")).to_contain_text("Give the https address")
    accessible(page)
    page.get_by_label("Its address").fill("http://127.0.0.1/plain")
    press(page, "Keep it")
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_label("Its address")).to_have_value("http://127.0.0.1/plain")
    url = f"https://example.com/{uuid.uuid4().hex}"
    page.get_by_label("Its address").fill(url)
    press(page, "Keep it")
    expect(page.get_by_text("It is shown only now")).to_be_visible()
    accessible(page)
    page.goto("/administration/webhooks")
    expect(page.get_by_text("It is shown only now")).to_have_count(0)
    page.locator("section").filter(has_text=url).get_by_role("button", name="Stop telling it").click()
    expect(page.locator("section").filter(has_text=url)).to_contain_text("Nothing is sent.")
