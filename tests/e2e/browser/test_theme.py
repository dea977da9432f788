"""SC-08 in a real browser: the same thing again and again, looked at together, by different people and nothing but pages."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from deploy.local.personas import LOCATION_NORTH_1, PERSONAS
from tests.e2e.browser.pressing import Check, Person, Shot, press
from tests.e2e.browser.test_report import to_the_end
from tests.e2e.running import eventually

pytestmark = pytest.mark.journey


TITLE = "Missed doses and signatures at noon"
CHANGE = "One chart format in all services"


def until(page: Page, path: str, there: Callable[[], bool], what: str) -> None:
    """Open a page again until something stands there."""

    def shows() -> bool:
        page.goto(path)
        return there()

    eventually(shows, what)


def report(page: Page, story: str) -> str:
    """Report a medication incident; answers its id."""
    to_the_end(page, story=story, category="Medicines")
    press(page, "Send the report")
    expect(page.get_by_role("heading", name="Your report is in")).to_be_visible()
    return page.url.split("/report/")[1].split("/")[0]


def test_a_theme_from_its_commission_to_the_look_at_its_effect(person: Person, accessible: Check, shot: Shot) -> None:
    carer = person("carer", "phone")
    stories = ("The noon signature is missing again.", "The noon dose was left in the pot.", "The wrong box came.")
    one, two, other = (report(carer, story) for story in stories)
    manager, director, lead = person("registered_manager"), person("director"), person("quality_lead")
    manager.goto("/themes")
    expect(manager.get_by_role("link", name="Commission a thematic review")).to_have_count(0)
    theme = commission(director, accessible, shot)
    accept_and_collect(lead, theme, one, other, accessible)
    review = write_findings(lead, theme, two, accessible, shot)
    approve(director, lead, review)
    action = agree(lead, theme, accessible)
    do(manager, action)
    verify(director, action)
    read(carer)
    until(
        lead, theme, lambda: lead.get_by_role("link", name="Look number 1").is_visible(), "its effect to be looked at"
    )
    expect(lead.get_by_role("link", name=CHANGE)).to_be_visible()
    accessible(lead)
    shot(lead, "theme")
    manager.goto(f"/incidents/{one}")  # each incident goes on in its own chain
    expect(manager.get_by_role("heading", name="What was reported")).to_be_visible()


def commission(page: Page, accessible: Check, shot: Shot) -> str:
    """The director says what is to be answered and who leads it; what is missing is named, nothing typed is lost."""
    page.goto("/themes")
    accessible(page)
    page.get_by_role("link", name="Commission a thematic review").click()
    page.get_by_label("What it is about, in one line").fill(TITLE)
    press(page, "Commission it")
    expect(page.get_by_role("alert")).to_contain_text("Write at least one question")
    expect(page.get_by_label("What it is about, in one line")).to_have_value(TITLE)
    accessible(page)
    page.get_by_label("Why these are looked at together").fill("Each was closed with a reminder, and it goes on.")
    page.get_by_label("The questions to be answered").fill("Do our two charts ask for the same?")
    page.get_by_label("What is read besides").fill("Supervision records\nCharts of both formats")
    page.get_by_label("Who leads it").select_option(str(PERSONAS["quality_lead"].sub))
    page.get_by_label("Others who take part").fill("pharmacist")
    page.get_by_label("The type whose rate").select_option("medication")
    page.get_by_label("The risk of the whole").select_option("high")
    page.locator(f"input[name=terms_locations][value='{LOCATION_NORTH_1}']").check()
    shot(page, "theme-terms")
    press(page, "Commission it")
    expect(page.get_by_text("It is commissioned.")).to_be_visible()
    accessible(page)
    return page.url.split("?")[0]


def decide_member(page: Page, theme: str, incident: str, decision: str, reason: str) -> None:
    choice = page.locator(f"#member_incident_id option[value='{incident}']")
    until(page, theme, lambda: choice.count() == 1, "the incident to be there to choose")
    page.get_by_label("Which incident?").select_option(incident)
    page.get_by_label(decision).check()
    page.locator("#member_reason").fill(reason)
    page.locator("form#member_form button").click()
    expect(page.get_by_text("Your decision is kept.")).to_be_visible()


def accept_and_collect(page: Page, theme: str, one: str, other: str, accessible: Check) -> None:
    page.goto(theme)
    press(page, "I lead it, and accept the terms")
    expect(page.get_by_text("The terms are accepted.")).to_be_visible()
    page.locator("form#member_form button").click()
    expect(page.get_by_role("alert")).to_contain_text("Choose whether it belongs")
    accessible(page)
    decide_member(page, theme, one, "Yes: link it", "A dose at noon.")
    decide_member(page, theme, other, "No: keep that it was considered", "It came from the pharmacy.")
    expect(page.get_by_text("It came from the pharmacy.")).to_be_visible()


def write_findings(page: Page, theme: str, two: str, accessible: Check, shot: Shot) -> str:
    """The questions of the method and of the terms, then the text; one incident is no pattern."""
    link = page.get_by_role("link", name="The review", exact=True)
    until(page, theme, link.is_visible, "the review")
    review = str(link.get_attribute("href"))
    page.goto(review)
    page.locator("main dl a").first.click()
    while "/questions/" in page.url:
        page.locator("#answer_answer").fill("Talked through round the table, with both charts on it.")
        with page.expect_event("load"):
            press(page, "Save and go on")
    page.goto(f"{review}/write")
    page.get_by_label("What happened", exact=True).fill(
        "Doses at noon were missed or not signed for, after a reminder."
    )
    page.get_by_label("Why it made sense").fill(
        "Two chart formats ask for different things, and nobody looked at practice."
    )
    page.get_by_label("Where it lies").first.select_option("tools_and_technology")
    page.get_by_label("What it is").first.fill("Two chart formats with different rules.")
    page.locator("#write_learning_0_statement").fill("One chart and a protected round do what reminding does not.")
    page.locator("#write_learning_0_answers_factor").select_option("0")
    page.get_by_label("For others: what happened").fill("Doses at noon were missed although staff were reminded.")
    page.get_by_label("For others: what changes").fill("One chart for all, and nobody interrupts the round.")
    page.get_by_label("A question that shows").fill("Somebody calls you during the round. What do you do?")
    page.get_by_label("The answers to choose from").fill("Go and help\nAsk a colleague to go")
    page.get_by_label("Which line is right?").fill("2")
    page.get_by_label("What to tell whoever answers wrongly").fill("The round is protected.")
    press(page, "Save and hand it in")
    expect(page.get_by_role("alert")).to_be_visible()  # one incident is no pattern
    decide_member(page, theme, two, "Yes: link it", "A dose at noon.")
    page.goto(f"{review}/write")
    for reason in page.get_by_label("Why it stands").all():
        reason.fill("The group answered it round the table.")
    press(page, "Save and hand it in")
    for reason in page.get_by_label("Why it stands").all():  # what the first attempt did not ask about
        reason.fill("The group answered it round the table.")
    if "/write" in page.url:
        press(page, "Save and hand it in")
    expect(page.get_by_text("It is handed in.")).to_be_visible()
    accessible(page)
    shot(page, "theme-review")
    return review


def approve(page: Page, lead: Page, review: str) -> None:
    """Nobody approves their own findings."""
    lead.goto(review)
    expect(lead.get_by_role("button", name="Approve it")).to_have_count(0)
    page.goto(review)
    for reason in page.get_by_label("Why it stands").all():
        reason.fill("Talked through with the group.")
    press(page, "Approve it")
    expect(page.get_by_text("It is approved.")).to_be_visible()


def agree(page: Page, theme: str, accessible: Check) -> str:
    """What is missing is named; its owner is one person."""
    page.goto(theme)
    page.get_by_text("Agree an action").click()
    page.get_by_label("What will change, in one line").fill(CHANGE)
    press(page, "Agree it")
    expect(page.get_by_role("alert")).to_contain_text("Choose how strong it is")
    expect(page.get_by_label("What will change, in one line")).to_have_value(CHANGE)
    accessible(page)
    page.get_by_label("Stronger", exact=True).check()
    page.get_by_label("How one will see that it worked").fill("No second format is in use.")
    page.get_by_label("What a verifier must find").fill("The charts in use in a sample of rounds.")
    owner = f"{PERSONAS['registered_manager'].sub}:registered_manager"
    page.get_by_label("Who answers for it: one person").select_option(owner)
    page.get_by_label("In how many working days").fill("40")
    press(page, "Agree it")
    expect(page.get_by_text("The action is agreed.")).to_be_visible()
    return str(page.get_by_role("link", name=CHANGE).get_attribute("href"))


def do(page: Page, action: str) -> None:
    link = page.locator(f"a[href='{action}']").filter(has_text=f"To do: {CHANGE}")
    until(page, "/", link.is_visible, "the action on My work")
    link.click()
    page.get_by_label("Document", exact=True).check()
    page.get_by_label("What it shows").fill("The format, and the day on which each service changed.")
    press(page, "Add the evidence")
    expect(page.get_by_text("Your evidence is kept.")).to_be_visible()
    press(page, "It is done")
    expect(page.get_by_text("It counts as done.")).to_be_visible()


def verify(page: Page, action: str) -> None:
    """Somebody else, by a sample that the system draws, by day and by night."""
    page.goto(action)
    page.get_by_label("How many are there?").fill("9")
    page.get_by_label("How many of them will you look at?").fill("3")
    press(page, "Draw the sample")
    expect(page.get_by_text("The sample is drawn.")).to_be_visible()
    page.get_by_label("I looked at all the others").check()
    press(page, "Keep what I found")
    expect(page.get_by_text("What you found is kept.")).to_be_visible()
    page.get_by_label("Yes: it passes").check()
    page.get_by_label("How did you look?").select_option("spot_check")
    page.get_by_label("Day", exact=True).check()
    page.get_by_label("Night", exact=True).check()
    press(page, "Record the verification")
    expect(page.get_by_text("Your verification is kept.")).to_be_visible()


def read(page: Page) -> None:
    link = page.get_by_role("link", name="Briefing to read: Doses at noon")
    until(page, "/", link.is_visible, "the briefing on My work")
    link.click()
    page.get_by_label("Ask a colleague to go").check()
    press(page, "Send my answer")
    expect(page.get_by_text("You read it and answered rightly.")).to_be_visible()
