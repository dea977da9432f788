"""A review, an action and a briefing in a real browser: what several people do, each with the page that is theirs.

One case goes through all of them, for each page needs what the one before has brought about.
"""

from datetime import UTC, datetime
from typing import Any

from playwright.sync_api import Page, expect

from deploy.local.personas import LOCATION_NORTH_1
from tests.e2e.browser.pressing import As, Check, Person, Shot, press
from tests.e2e.running import eventually

CHANGES = "One lock for every garden door, with a closer"


def reviewed(api: As) -> str:
    """An incident whose review is to be written by the manager of the place; answers the review's id."""
    carer, manager = api("carer"), api("registered_manager")
    body = {
        "location_id": str(LOCATION_NORTH_1), "occurred_at": datetime(2026, 6, 4, 12, tzinfo=UTC).isoformat(),
        "kind": "incident", "category": "environment", "immediate_danger": False, "narrative": "The garden door stood open.",
    }  # fmt: skip
    incident = carer.post("intake", "/incidents", body)["incident_id"]
    scores = {"actual_harm": "none", "consequence": 3, "likelihood": 1, "reason": "Seen at once."}
    manager.triage(incident, scores)
    found: str = manager.until(
        "review", "/reviews", lambda page: page["items"] and page["items"][0]["review_id"], "the review",
        incident_id=incident,
    )  # fmt: skip
    return found


def agreed(api: As, incident_id: str) -> str:
    manager = api("registered_manager")
    body = {
        "incident_id": incident_id, "title": CHANGES, "strength": "stronger",
        "success_criterion": "No garden door is found open.", "what_counts_as_proof": "All doors tried by somebody else.",
        "proof": [{"description": "Doors tried on two shifts"}],
        "owner_id": manager.id, "owner_role": "registered_manager", "due_working_days": 5,
    }  # fmt: skip
    found: str = manager.post_soon("actions", "/actions", body)["action_id"]
    return found


def by_keyboard(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).focus()
    with page.expect_event("load"):
        page.keyboard.press("Enter")


def find_in_work(page: Page, what: str, path: str) -> None:
    """Follow something on My work, as soon as it stands there."""
    link = page.locator(f"a[href='{path}']").filter(has_text=what)

    def there() -> bool:
        page.goto("/")
        return link.is_visible()

    eventually(there, f"{what} on My work")
    link.click()


def test_a_case_from_its_review_to_what_others_learn(person: Person, api: As, accessible: Check, shot: Shot) -> None:
    review_id = reviewed(api)
    incident_id = api("registered_manager").get("review", f"/reviews/{review_id}")["incident_id"]
    action = f"/actions/{agreed(api, incident_id)}"
    manager = person("registered_manager", "phone")
    write_the_review(manager, api, review_id, accessible, shot)
    quality = person("quality_lead")
    decide_on_the_review(quality, manager, review_id, accessible, shot)
    do_the_action(manager, api, action, accessible, shot)
    verify_the_action(quality, action, accessible, shot)
    briefing = api("carer").until(
        "review", "/briefings",
        lambda page: next((one["briefing_id"] for one in page["items"] if one["incident_id"] == incident_id), None),
        "the briefing", open=True,
    )  # fmt: skip
    read_the_briefing(person("carer", "phone"), f"/briefings/{briefing}", accessible, shot)
    manager.goto(f"/incidents/{incident_id}")
    for path in (f"/reviews/{review_id}", action, f"/briefings/{briefing}"):
        expect(manager.locator(f"main a[href='{path}']")).to_be_visible()
    expect(manager.locator("main a[href^='/actions/']")).to_have_count(1)
    accessible(manager)
    shot(manager, "incident-linked")
    manager.get_by_role("link", name="Did it work?").first.click()
    expect(manager.get_by_text("Not measured yet")).to_be_visible()
    accessible(manager)


def write_the_review(page: Page, api: As, review_id: str, accessible: Check, shot: Shot) -> None:
    """Question by question; what a colleague wrote meanwhile stands beside one's own words; what is missing is linked."""
    find_in_work(page, "Review to write", f"/reviews/{review_id}")
    accessible(page)
    form = api("regional_manager").get("review", f"/reviews/{review_id}/method")["stages"]
    asked = [one["id"] for stage in form for one in stage["questions"]]
    page.goto(f"/reviews/{review_id}/questions/{asked[0]}")
    press(page, "Save and go on")
    expect(page.get_by_role("alert")).to_contain_text("one of the two")
    accessible(page)
    api("regional_manager").put("review", f"/reviews/{review_id}/answers/{asked[0]}", {"answer": "From the region."})
    page.locator("textarea").fill("From the place.")
    press(page, "Save and go on")
    expect(page.get_by_text("From the region.")).to_be_visible()
    expect(page.locator("textarea")).to_have_value("From the place.")
    accessible(page)
    by_keyboard(page, "Save and go on")
    assert page.url.endswith(f"/questions/{asked[1]}")

    page.goto(f"/reviews/{review_id}/write")
    page.get_by_label("What happened", exact=True).fill("The door was wedged open by the carer, who was careless.")
    press(page, "Save and hand it in")
    summary = page.get_by_role("alert")
    expect(summary).to_contain_text("Fill in at least one")
    accessible(page)
    shot(page, "review-write")
    summary.get_by_role("link").first.click()
    assert page.evaluate("document.activeElement.id").startswith("write_")
    saved = api("regional_manager").get("review", f"/reviews/{review_id}")
    kept = {"what_happened": saved["what_happened"], "why": "The region's why."}
    api("regional_manager").change("review", f"/reviews/{review_id}", "draft", kept, replace=True)
    page.get_by_label("Why it made sense").fill("The closer is broken since May, and nobody can lock it.")
    press(page, "Save")
    expect(page.get_by_text("The region's why.")).to_be_visible()
    expect(page.get_by_text("Regional manager wrote meanwhile").first).to_be_visible()
    expect(page.get_by_label("Why it made sense")).to_have_value(
        "The closer is broken since May, and nobody can lock it."
    )
    accessible(page)
    page.get_by_label("Where it lies").first.select_option("tools_and_technology")
    page.get_by_label("What it is").first.fill("The closer of the garden door is broken.")
    page.locator("#write_learning_0_statement").fill("A door that closes by itself needs nobody to remember.")
    page.locator("#write_learning_0_answers_factor").select_option("0")
    page.get_by_label("For others: what happened").fill("A door without a closer stood open.")
    page.get_by_label("For others: what changes").fill("Every garden door closes by itself.")
    page.get_by_label("A question that shows").fill("You find a garden door wedged open. What do you do?")
    page.get_by_label("The answers to choose from").fill("Leave it\nClose it and report it")
    page.get_by_label("Which line is right?").fill("2")
    page.get_by_label("What to tell whoever answers wrongly").fill("A wedge takes the closer away.")
    press(page, "Save")
    expect(page.get_by_text("Your text is saved.")).to_be_visible()
    take_part(page, review_id, accessible)
    page.goto(f"/reviews/{review_id}/write")
    for reason in page.get_by_label("Why it stands").all()[:1]:
        reason.fill("It is what was said at the table; the text says what lay behind it.")
    press(page, "Save and hand it in")
    expect(page.get_by_text("It is handed in.")).to_be_visible()
    accessible(page)


def take_part(page: Page, review_id: str, accessible: Check) -> None:
    page.goto(f"/reviews/{review_id}/records/people")
    press(page, "Keep it")
    expect(page.get_by_role("alert")).to_contain_text("Choose in which part")
    accessible(page)
    page.get_by_label("Staff involved").check()
    page.get_by_label("Who is it?").fill("Those on duty")
    page.get_by_label("Contributed", exact=True).check()
    page.get_by_label("If they contributed").fill("The closer is broken since May.")
    press(page, "Keep it")
    expect(page.get_by_text("It is kept.")).to_be_visible()


def decide_on_the_review(quality: Page, manager: Page, review_id: str, accessible: Check, shot: Shot) -> None:
    """Returned with what is missing, handed in again, approved with a reason for what still stands."""
    find_in_work(quality, "Review to approve", f"/reviews/{review_id}")
    accessible(quality)
    shot(quality, "review-decide")
    press(quality, "Return it")
    expect(quality.get_by_role("alert")).to_contain_text("Say what is missing")
    quality.get_by_label("If you return it").fill("Since when is the closer broken?")
    press(quality, "Return it")
    expect(quality.get_by_text("Returned, being mended")).to_be_visible()
    find_in_work(manager, "Review that came back", f"/reviews/{review_id}")
    expect(manager.get_by_text("Since when is the closer broken?").first).to_be_visible()
    manager.goto(f"/reviews/{review_id}/write")
    press(manager, "Save and hand it in")
    quality.goto(f"/reviews/{review_id}")
    press(quality, "Approve it")
    expect(quality.get_by_role("alert")).to_contain_text("Say why this stands")
    accessible(quality)
    for reason in quality.get_by_label("Why it stands").all():
        reason.fill("Talked through with those on duty.")
    press(quality, "Approve it")
    expect(quality.get_by_text("It is approved.")).to_be_visible()


def do_the_action(page: Page, api: As, record: str, accessible: Check, shot: Shot) -> None:
    """The owner understands it, brings evidence, asks for more time, and says that it is done."""
    find_in_work(page, f"To do: {CHANGES}", record)
    accessible(page)
    shot(page, "action-owner")
    press(page, "I understand what is asked")
    expect(page.get_by_text("You have confirmed it.")).to_be_visible()
    page.get_by_label("How many working days?").fill("500")
    press(page, "Ask for it")
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_label("How many working days?")).to_have_value("500")
    page.goto(record)
    api("quality_lead").post(
        "actions", f"{record}/evidence", {"kind": "document", "description": "The order of the closers."}
    )
    press(page, "It is done")
    expect(page.get_by_text("changed this on").first).to_be_visible()
    accessible(page)
    press(page, "It is done")
    expect(page.get_by_role("alert")).to_be_visible()  # its proof is not shown yet
    page.get_by_label("Observation", exact=True).check()
    page.get_by_label("What it shows").fill("All doors tried on two shifts.")
    page.get_by_label("Doors tried on two shifts").check()
    page.set_input_files(
        "input[name=evidence_file]", {"name": "a.txt", "mimeType": "text/plain", "buffer": b"no picture"}
    )
    press(page, "Add the evidence")
    expect(page.get_by_role("alert")).to_contain_text("the file is not")
    page.set_input_files(
        "input[name=evidence_file]", {"name": "a.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.4\n%%EOF\n"}
    )
    press(page, "Add the evidence")
    expect(page.get_by_text("Your evidence is kept.")).to_be_visible()
    kept: Any = api("quality_lead").get("actions", record)["evidence"]
    assert [len(one["files"]) for one in kept] == [0, 1]
    by_keyboard(page, "It is done")
    expect(page.get_by_text("It counts as done.")).to_be_visible()


def verify_the_action(page: Page, action: str, accessible: Check, shot: Shot) -> None:
    """The system draws the sample; what was found decides."""
    find_in_work(page, f"To verify: {CHANGES}", action)
    accessible(page)
    page.get_by_label("How many are there?").fill("9")
    page.get_by_label("How many of them will you look at?").fill("2")
    press(page, "Draw the sample")
    expect(page.get_by_text("The sample is drawn.")).to_be_visible()
    accessible(page)
    shot(page, "action-verify")
    page.get_by_label("Yes: it passes").check()
    page.get_by_label("How did you look?").select_option("spot_check")
    press(page, "Record the verification")
    expect(page.get_by_role("alert")).to_contain_text("drawn and looked at first")
    expect(page.get_by_label("Yes: it passes")).to_be_checked()
    accessible(page)
    page.get_by_label("I looked at all the others").check()
    press(page, "Keep what I found")
    page.get_by_label("Yes: it passes").check()
    page.get_by_label("How did you look?").select_option("spot_check")
    press(page, "Record the verification")
    expect(page.get_by_text("Your verification is kept.")).to_be_visible()
    expect(page.get_by_text("2 of 2 as they should be").first).to_be_visible()


def read_the_briefing(page: Page, path: str, accessible: Check, shot: Shot) -> None:
    """Answered wrongly it is explained; the next answer counts."""
    find_in_work(page, "Briefing to read: A door without a closer", path)
    press(page, "Send my answer")
    expect(page.get_by_role("alert")).to_contain_text("Choose an answer")
    accessible(page)
    page.get_by_label("Leave it").check()
    press(page, "Send my answer")
    expect(page.get_by_text("A wedge takes the closer away.")).to_be_visible()
    accessible(page)
    shot(page, "briefing")
    page.get_by_label("Close it and report it").check()
    by_keyboard(page, "Send my answer")
    expect(page.get_by_text("You read it and answered rightly.")).to_be_visible()
    accessible(page)
