"""What a review is drawn from, in a real browser: terms, timeline, people with their account and questions, who took part."""

from playwright.sync_api import Page, expect

from tests.e2e.browser.pressing import As, Check, Person, Shot, press
from tests.e2e.browser.test_autosave import saves
from tests.e2e.browser.test_chain import reviewed


def test_the_records_of_a_review_are_kept_corrected_and_read(
    person: Person, api: As, accessible: Check, shot: Shot
) -> None:
    review = reviewed(api)
    page = person("registered_manager", "phone")
    page.goto(f"/reviews/{review}")
    page.get_by_role("link", name="What is to be found out").click()
    press(page, "Save")
    expect(page.get_by_role("alert")).to_contain_text("Say what is to be found out")
    page.get_by_label("The questions that it answers").fill("Why does the door stay open?")
    saves(page)
    page.get_by_label("From when").fill("2026-06-04T10:00")
    page.get_by_label("Until when").fill("2026-06-03T10:00")
    press(page, "Save")
    expect(page.get_by_role("alert")).to_contain_text("before the beginning")
    page.get_by_label("Until when").fill("2026-06-04T18:00")
    accessible(page)
    press(page, "Save")
    expect(page.get_by_text("It is kept.")).to_be_visible()
    expect(page.get_by_label("Until when")).to_have_value("2026-06-04T18:00")

    enter_events(page, api, review, accessible, shot)
    enter_people(page, review, accessible, shot)
    page.goto(f"/reviews/{review}/records/people")
    page.get_by_label("Staff involved").check()
    page.get_by_label("Who is it?").fill("The night team")
    page.get_by_label("Asked", exact=True).check()
    press(page, "Keep it")
    page.get_by_role("link", name="Go on with it The night team").click()
    page.get_by_label("Declined", exact=True).check()
    press(page, "Keep it")
    expect(page.get_by_role("alert")).to_contain_text("why they did not")
    page.get_by_label("If they declined").fill("They had all left by then.")
    press(page, "Keep it")
    expect(page.get_by_text("They had all left by then.")).to_be_visible()

    reader = person("quality_lead")
    reader.goto(f"/reviews/{review}")
    for text in (
        "Why does the door stay open?", "Found open at noon.", "No longer counts: 4 June 2026, 11:30", "Who locks it at night?",
        "The night team", "20 minutes after the one before",
    ):  # fmt: skip
        expect(reader.get_by_text(text).first).to_be_visible()
    accessible(reader)
    shot(reader, "review-drawn-from")


def enter_events(page: Page, api: As, review: str, accessible: Check, shot: Shot) -> None:
    """What is missing is said at its field; what a colleague corrected meanwhile is shown and not overwritten."""
    page.goto(f"/reviews/{review}/records/timeline")
    press(page, "Keep it")
    expect(page.get_by_role("alert")).to_contain_text("Give the day and the time")
    expect(page.locator("#timeline_what-error")).to_contain_text("Say what happened")
    accessible(page)
    shot(page, "review-timeline")
    for at, what in (("11:30", "Left open."), ("11:40", "Wedged open."), ("12:00", "Seen open.")):
        page.get_by_label("When it happened").fill(f"2026-06-04T{at}")
        page.get_by_label("What happened").fill(what)
        page.get_by_label("Established").check()
        page.get_by_label("Where it comes from").select_option("record")
        press(page, "Keep it")
        expect(page.get_by_role("link", name=f"Correct it {what}")).to_be_visible()
    page.get_by_label("When it happened").fill("2027-06-04T11:30")
    page.get_by_label("What happened").fill("Not yet.")
    page.get_by_label("Established").check()
    page.get_by_label("Where it comes from").select_option("record")
    press(page, "Keep it")
    expect(page.locator("#timeline_at-error")).to_contain_text("future")
    expect(page.get_by_label("What happened")).to_have_value("Not yet.")

    page.goto(f"/reviews/{review}/records/timeline")
    page.get_by_role("link", name="Correct it Seen open.").click()
    colleague = api("regional_manager")
    entry = colleague.get("review", f"/reviews/{review}/records")["timeline"][-1]
    said = {name: entry[name] for name in ("at", "nature", "source")}
    path = f"/reviews/{review}/timeline/{entry['entry_id']}"
    colleague.put("review", path, {**said, "what": "Seen open by a guest."}, version=entry["version"])
    page.get_by_label("What happened").fill("Found open at noon.")
    press(page, "Keep it")
    expect(page.get_by_text("Seen open by a guest.")).to_be_visible()
    expect(page.get_by_label("What happened")).to_have_value("Found open at noon.")
    accessible(page)
    press(page, "Keep it")
    expect(page.get_by_text("Found open at noon.").first).to_be_visible()
    page.get_by_role("link", name="Correct it Left open.").click()
    page.get_by_label("If it no longer counts").fill("It was another door.")
    press(page, "Keep it")
    expect(page.get_by_text("It was another door.")).to_be_visible()


def enter_people(page: Page, review: str, accessible: Check, shot: Shot) -> None:
    """Whether they were asked, what they want answered, what they say, and what they were told."""
    page.goto(f"/reviews/{review}/records/involved")
    page.get_by_label("Asked", exact=True).check()
    press(page, "Keep it")
    for name, says in (("who", "Choose how"), ("reference", "Give a code"), ("asked_at", "when they were asked")):
        expect(page.locator(f"#involved_{name}-error")).to_contain_text(says)
    accessible(page)
    page.get_by_label("How are they involved?").select_option("family_or_friend")
    page.get_by_label("How they are called here").fill("daughter")
    page.get_by_label("If so, when").fill("2026-06-05T09:00")
    page.get_by_label("What they want answered").fill("Who locks it at night?")
    press(page, "Keep it")
    expect(page.get_by_text("Who locks it at night?")).to_be_visible()
    page.get_by_role("link", name="Go on with them daughter").click()
    page.get_by_label("Their own account").fill("It stood open on Sunday too.")
    page.get_by_label("Told something more: when").fill("2026-06-05T15:00")
    press(page, "Keep it")
    expect(page.get_by_role("alert")).to_contain_text("what they were told, and when")
    page.get_by_label("What they were told", exact=True).fill("That it is looked into.")
    press(page, "Keep it")
    expect(page.get_by_text("That it is looked into.")).to_be_visible()
    expect(page.get_by_text("It stood open on Sunday too.")).to_be_visible()
    shot(page, "review-involved")
