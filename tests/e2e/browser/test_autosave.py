"""What people write in a review saves itself: nothing is lost when a page goes, and nobody overwrites anybody unseen."""

from playwright.sync_api import Page, expect

from tests.e2e.browser.pressing import As, Check, Person, Shot, press
from tests.e2e.browser.test_chain import reviewed
from tests.e2e.running import eventually

HAPPENED, WHY = "What happened", "Why it made sense"


def saves(page: Page) -> None:
    expect(page.locator("[data-says]")).to_contain_text("Saved at")


def happened(page: Page) -> str:
    return page.get_by_label(HAPPENED, exact=True).input_value()


def test_what_was_typed_is_there_when_the_page_is_killed_and_opened_elsewhere(
    person: Person, api: As, accessible: Check, shot: Shot
) -> None:
    review = reviewed(api)
    write = f"/reviews/{review}/write"
    page = person("registered_manager", "phone")
    page.goto(write)
    page.get_by_label(HAPPENED, exact=True).fill("The door was wedged open.")
    saves(page)
    page.get_by_label(WHY).fill("The closer is broken.")
    page.locator("#write_factors_0_element").select_option("tools_and_technology")
    page.locator("#write_factors_0_description").fill("No closer.")
    page.locator("#write_root_causes_0_statement").fill("Nobody owns the doors.")
    page.get_by_role("group", name="Root cause 1").get_by_label("Factor 1").check()
    eventually(
        lambda: api("quality_lead").get("review", f"/reviews/{review}")["root_causes"]
        == [{"statement": "Nobody owns the doors.", "factors": [0]}],
        "the root cause to be saved",
    )  # fmt: skip
    accessible(page)
    shot(page, "review-autosave")
    page.locator("#write_factors_1_description").fill("Nothing says where this lies.")
    expect(page.locator("[data-says]")).to_contain_text("Not saved yet: ")
    page.locator("#write_factors_1_element").select_option("tasks")
    saves(page)
    form = api("quality_lead").get("review", f"/reviews/{review}/method")["stages"]
    first = form[0]["questions"][0]["id"]
    page.goto(f"/reviews/{review}/questions/{first}")
    page.locator("textarea").fill("Begun")
    saves(page)
    page.locator("textarea").fill("Begun, and gone on with.")
    expect(page.locator("[data-says]")).to_contain_text("Saved at")
    page.goto(write)  # left before the pause is over
    page.context.close()

    page = person("registered_manager")
    page.goto(write)
    assert happened(page) == "The door was wedged open."
    expect(page.get_by_label(WHY)).to_have_value("The closer is broken.")
    expect(page.locator("#write_factors_1_element")).to_have_value("tasks")
    page.goto(f"/reviews/{review}/questions/{first}")
    expect(page.locator("textarea")).to_have_value("Begun, and gone on with.")
    page.goto(write)
    page.get_by_label(HAPPENED, exact=True).fill("The door was wedged open at noon.")
    saves(page)
    press(page, "Save")
    expect(page.get_by_text("Your text is saved.")).to_be_visible()
    incident = api("quality_lead").get("review", f"/reviews/{review}")["incident_id"]
    noted = [one["action"] for one in api("quality_lead").get("review", f"/incidents/{incident}/audit")]
    assert noted.count("review_drafted") == 1, "one entry, however often it was saved"


def test_two_people_two_windows_no_connection_and_a_session_that_ended(
    person: Person, api: As, accessible: Check, shot: Shot
) -> None:
    review = reviewed(api)
    write = f"/reviews/{review}/write"
    mine, theirs = person("registered_manager"), person("regional_manager")
    for page in (mine, theirs):
        page.goto(write)
    theirs.get_by_label(HAPPENED, exact=True).fill("From the region.")
    saves(theirs)
    mine.get_by_label(HAPPENED, exact=True).fill("From the place.")
    expect(mine.locator("[data-says]")).to_contain_text("changed this meanwhile")
    expect(mine.get_by_role("link", name="See what is there today")).to_be_visible()
    accessible(mine)
    shot(mine, "review-autosave-conflict")
    mine.get_by_label(WHY).fill("Nobody was told.")
    press(mine, "Save")
    expect(mine.get_by_text("From the region.")).to_be_visible()
    assert happened(mine) == "From the place."
    expect(mine.locator("[data-says]")).to_have_count(0)
    assert api("quality_lead").get("review", f"/reviews/{review}")["what_happened"] == "From the region."
    mine.get_by_label(HAPPENED, exact=True).fill("From the region and the place.")
    press(mine, "Save")
    expect(mine.get_by_text("Your text is saved.")).to_be_visible()

    mine.context.set_offline(True)
    mine.get_by_label(HAPPENED, exact=True).fill("Written in the lift.")
    expect(mine.locator("[data-says]")).to_contain_text("no connection")
    mine.context.set_offline(False)
    saves(mine)

    second = mine.context.new_page()
    second.goto(write)
    second.get_by_label(HAPPENED, exact=True).fill("From another window.")
    saves(second)
    mine.get_by_label(HAPPENED, exact=True).fill("From this window.")
    expect(mine.locator("[data-says]")).to_contain_text("You changed this meanwhile")
    mine.close()

    second.context.clear_cookies()
    second.get_by_label(HAPPENED, exact=True).fill("Typed when the session was over.")
    expect(second.locator("[data-says]")).to_contain_text("signed out")
    again = second.context.new_page()
    again.goto("/")
    again.click("button[value=registered_manager]")
    again.wait_for_url("**/")
    press(second, "Save")
    press(second, "Send it now")
    expect(second.get_by_text("Your text is saved.")).to_be_visible()
    assert happened(second) == "Typed when the session was over."


def test_without_a_script_the_button_saves(person: Person, api: As) -> None:
    review = reviewed(api)
    page = person("registered_manager", java_script_enabled=False)
    page.goto(f"/reviews/{review}/write")
    expect(page.locator("[data-says]")).to_be_hidden()
    page.get_by_label(HAPPENED, exact=True).fill("Typed without a script.")
    press(page, "Save")
    expect(page.get_by_text("Your text is saved.")).to_be_visible()
    assert happened(page) == "Typed without a script."
