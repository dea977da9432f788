"""SC-01 and SC-05 done wholly in the browser, each step by the person whose it is.

What follows months later, the verdict on the effect, is played by the scenarios and has its page in `test_chain`.
"""

from datetime import datetime, timedelta
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from deploy.local.personas import PERSONAS
from tests.e2e.browser.pressing import Check, Person, Shot, press
from tests.e2e.browser.test_chain import find_in_work
from tests.e2e.browser.test_report import answer
from tests.e2e.browser.test_triage import choose, insist
from tests.e2e.running import eventually

pytestmark = pytest.mark.journey


CHANGE = "The chart is replaced by one that counts in milligrams"


def reports(page: Page, category: str, story: str, *, about_staff: str | None = None) -> str:
    """A first report to its receipt; answers the incident."""
    page.goto("/report")
    answer(page, "Incident")
    answer(page, "No, everybody is safe now")
    page.get_by_role("button", name="Continue").click()
    answer(page, "Just now")
    answer(page, category)
    if about_staff:
        answer(page, about_staff)
    page.get_by_label("What happened?").fill(story)
    page.get_by_role("button", name="Continue").click()
    page.get_by_label("Whom did it happen to?").fill("R-17")
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Send the report").click()
    expect(page.get_by_role("heading", name="Your report is in")).to_be_visible()
    return page.url.split("/report/")[1].split("/")[0]


def test_sc_01_a_double_dose_from_report_to_what_others_learn(person: Person, accessible: Check, shot: Shot) -> None:
    """A proportionate answer: advice within the hour, nobody outside told and why, openness, one strong change."""
    carer, lead = person("carer", "phone"), person("shift_lead", "phone")
    manager, quality = person("registered_manager"), person("quality_lead")
    case = reports(carer, "Medicines", "I gave the usual 10 ml; the new bottle is twice as strong.")
    records(lead, case)
    triages(manager, case)
    decides_whom_to_tell(manager, case)
    reviews(manager, quality, case)
    changes(manager, quality, case, shot)
    follows_up(manager, understands(carer, case, accessible), accessible, shot)
    manager.goto(f"/incidents/{case}")
    expect(manager.get_by_text("Approved the review.").first).to_be_visible()
    accessible(manager)
    shot(manager, "journey-sc-01")


def records(page: Page, case: str) -> None:
    page.goto(f"/incidents/{case}/checks")
    card = page.locator("#clinical-advice")
    card.get_by_text("Record it").first.click()
    card.get_by_label("Who advised?").select_option("nhs_111")
    card.get_by_label("What did they advise?").fill("Look every 30 minutes; no dose at lunch.")
    card.get_by_role("button", name="Record it as done").click()
    expect(page.locator("#clinical-advice")).to_contain_text("Done")


def triages(page: Page, case: str) -> None:
    page.goto(f"/incidents/{case}/triage")
    choose(page, "triage", "actual_harm=low", "psychological_harm=none", "consequence=3", "likelihood=1")
    seen = page.get_by_label("I have looked at what came before")
    if seen.is_visible():
        seen.check()
    page.get_by_label("Why").fill("Watched; nothing worse is credible with this medicine.")
    insist(page, "Keep the triage")
    expect(page.get_by_text("Your triage is kept.")).to_be_visible()


def decides_whom_to_tell(page: Page, case: str) -> None:
    """A medicines error is not told to CQC as such: that it is not, and why, is evidence."""
    page.get_by_text("Have something else decided").click()
    page.locator("[name=open_rule]").select_option("cqc-serious-injury")
    press(page, "Open it")
    page.get_by_role("link", name="Serious injury").first.click()
    choose(page, "decide", "decision=not_notify")
    page.get_by_label("Why", exact=True).fill("Drowsy for an hour, no injury of the regulation.")
    insist(page, "Decide")
    expect(page.get_by_role("heading", name="Not to be told")).to_be_visible()
    page.goto(f"/incidents/{case}/candour")
    choose(page, "decide", "unintended_or_unexpected=yes", "during_regulated_activity=yes", "harm_test=not_met")
    page.get_by_label("Who gave the opinion").fill("Pharmacist")
    page.get_by_label("The opinion, in their words").fill("No lasting harm.")
    page.get_by_label("When they gave it").fill("2026-06-04T18:30")
    page.get_by_label("how the person is told openly").fill("Told at once by the shift lead, with an apology.")
    page.get_by_label("Why, on which facts").fill("No harm of the regulation.")
    insist(page, "Decide")
    expect(page.get_by_role("heading", name="It does not apply")).to_be_visible()


def reviews(manager: Page, quality: Page, case: str) -> None:
    """Written by the manager with those on duty, approved by the quality lead."""
    link = manager.locator("main a[href^='/reviews/']")

    def there() -> bool:
        manager.goto(f"/incidents/{case}")
        return link.first.is_visible()

    eventually(there, "the review")
    review = link.first.get_attribute("href")
    manager.goto(f"{review}/write")
    manager.get_by_label("What happened", exact=True).fill("The dose was measured by the volume of the old bottle.")
    manager.get_by_label("Why it made sense").fill("The chart says millilitres, and the label had changed overnight.")
    manager.get_by_label("Where it lies").first.select_option("tools_and_technology")
    manager.get_by_label("What it is").first.fill("The chart says how much, not how strong.")
    manager.locator("#write_learning_0_statement").fill("A chart in milligrams needs nobody to know the bottle.")
    manager.locator("#write_learning_0_answers_factor").select_option("0")
    manager.get_by_label("For others: what happened").fill("A dose was doubled after the strength changed.")
    manager.get_by_label("For others: what changes").fill("Charts say milligrams.")
    manager.get_by_label("A question that shows").fill("The label shows another strength. What do you do?")
    manager.get_by_label("The answers to choose from").fill("Give the usual volume\nStop and ask")
    manager.get_by_label("Which line is right?").fill("2")
    press(manager, "Save")
    manager.goto(f"{review}/records/people")
    manager.get_by_label("Staff involved").check()
    manager.get_by_label("Who is it?").fill("Those on duty")
    manager.get_by_label("Contributed", exact=True).check()
    manager.get_by_label("If they contributed").fill("Nobody looked at the label; the bottle looked the same.")
    press(manager, "Keep it")
    manager.goto(f"{review}/write")
    for reason in manager.get_by_label("Why it stands").all():
        reason.fill("Talked through with those on duty.")
    insist(manager, "Save and hand it in")
    expect(manager.get_by_text("It is handed in.")).to_be_visible()
    find_in_work(quality, "Review to approve", str(review))
    for reason in quality.get_by_label("Why it stands").all():
        reason.fill("Talked through with those on duty.")
    insist(quality, "Approve it")
    expect(quality.get_by_text("It is approved.")).to_be_visible()


def changes(manager: Page, quality: Page, case: str, shot: Shot) -> None:
    """Agreed from what was learned, done by its owner, seen in practice by somebody else."""
    learned = manager.get_by_label("What was learned that it answers")

    def offered() -> bool:
        manager.goto(f"/incidents/{case}/agree")
        return learned.is_visible()

    eventually(offered, "what was learned")
    manager.get_by_label("What will change, in one line").fill(CHANGE)
    manager.locator("[name=agree_strength][value=stronger]").check()
    learned.select_option(label="A chart in milligrams needs nobody to know the bottle.")
    manager.get_by_label("How one will see that it worked").fill("Ten of ten charts say milligrams.")
    manager.get_by_label("What a verifier must find in practice").fill("Charts seen on two shifts.")
    manager.get_by_label("Who answers for it").select_option(label="Ruth Okafor, registered manager")
    manager.get_by_label("In how many working days").fill("5")

    def agreed() -> bool:
        press(manager, "Agree it")
        return manager.get_by_text("The action is agreed.").is_visible()

    eventually(agreed, "actions to know what was learned")
    shot(manager, "journey-agreed")
    record = str(manager.locator("main a[href^='/actions/']").first.get_attribute("href"))
    find_in_work(manager, f"To do: {CHANGE}", record)
    manager.get_by_label("Observation", exact=True).check()
    manager.get_by_label("What it shows").fill("All ten charts.")
    press(manager, "Add the evidence")
    insist(manager, "It is done")
    expect(manager.get_by_text("It counts as done.")).to_be_visible()
    find_in_work(quality, f"To verify: {CHANGE}", record)
    quality.get_by_label("How many are there?").fill("10")
    quality.get_by_label("How many of them will you look at?").fill("2")
    press(quality, "Draw the sample")
    quality.get_by_label("I looked at all the others").check()
    press(quality, "Keep what I found")
    quality.get_by_label("Yes: it passes").check()
    quality.get_by_label("How did you look?").select_option("spot_check")
    insist(quality, "Record the verification")
    expect(quality.get_by_text("Your verification is kept.")).to_be_visible()


def understands(page: Page, case: str, accessible: Check) -> str:
    """The carer answers its question, and finds it again in the library; answers the path of the briefing."""
    link = page.get_by_role("link", name="Briefing to read: A dose was doubled")

    def there() -> bool:
        page.goto("/")
        return link.first.is_visible()

    eventually(there, "the briefing on My work")
    link.first.click()
    page.get_by_label("Stop and ask").check()
    press(page, "Send my answer")
    expect(page.get_by_text("You read it and answered rightly.")).to_be_visible()
    path = urlsplit(page.url).path
    page.get_by_role("link", name="What was learned").click()
    page.get_by_label("Words").fill("strength changed")
    press(page, "Search")
    expect(page.get_by_role("link", name="A dose was doubled after the strength changed.").first).to_be_visible()
    accessible(page)
    return path


def follows_up(page: Page, briefing: str, accessible: Check, shot: Shot) -> None:
    """The manager sees how far it has come, and records the meeting at which it was talked about."""
    page.goto(briefing)
    expect(page.get_by_role("heading", name="How far it has come")).to_be_visible()
    accessible(page)
    shot(page, "briefing-reach")
    page.get_by_role("link", name="What came of it").click()
    accessible(page)
    press(page, "Record it")
    expect(page.get_by_role("alert")).to_contain_text("Choose the place")
    page.get_by_label("Which team?").select_option(label="Alder House")
    page.get_by_label("How?", exact=True).select_option("team_meeting")
    page.get_by_label("On which day?").fill("2026-06-04")
    press(page, "Record it")
    expect(page.get_by_role("alert")).to_contain_text("Say how many people were there")
    accessible(page)
    page.get_by_label("How many were there?").fill("6")
    press(page, "Record it")
    expect(page.get_by_text("6 there")).to_be_visible()


def test_sc_05_an_allegation_is_for_those_who_need_to_know(person: Person, accessible: Check, shot: Shot) -> None:
    """Restricted from its first second; the record, the referral, a hold; whoever breaks the glass gives a reason."""
    carer, lead = person("carer", "phone"), person("safeguarding_lead")
    case = reports(
        carer, "Abuse or neglect, or an allegation of it", "Four round marks inside the left upper arm.",
        about_staff="Yes",
    )  # fmt: skip
    for who in (carer, person("quality_lead")):
        who.goto(f"/incidents/{case}")
        expect(who.get_by_role("heading", level=1)).to_have_text("No such incident")
    lead.goto(f"/incidents/{case}")
    expect(lead.get_by_text("You see it by your role.")).to_be_visible()
    accessible(lead)
    keeps_the_record(lead, case, accessible, shot)
    holds(lead, case, accessible)
    breaks_the_glass(person("director"), case, accessible, shot)
    names_somebody(lead, case, accessible)
    regional = person("regional_manager", "phone")
    regional.goto(f"/incidents/{case}")
    expect(regional.get_by_text("You see it because you are named.")).to_be_visible()
    hears_from_the_authority(lead, case, accessible)


def keeps_the_record(page: Page, case: str, accessible: Check, shot: Shot) -> None:
    page.goto(f"/incidents/{case}/safeguarding")
    accessible(page)
    press(page, "Keep the record")
    expect(page.get_by_role("alert")).to_contain_text("Say whether the adult is safe now")
    accessible(page)
    page.locator("[name=write_abuse_types][value=physical]").check()
    choose(page, "write", "immediate_safety_secured=yes")
    page.get_by_label("What was done, or is being done").fill("Another colleague gives the care.")
    page.locator("[name=write_adults_0_wish_0]").fill("That it does not happen again.")
    insist(page, "Keep the record")
    expect(page.get_by_text("It is kept.")).to_be_visible()
    accessible(page)
    shot(page, "safeguarding")
    page.locator("[name=decide_0_decision]").select_option("not_refer")
    insist(page, "Decide")
    expect(page.get_by_role("alert")).to_contain_text("is needed for a decision not to refer")
    accessible(page)
    page.locator("[name=decide_0_decision]").select_option("refer")
    insist(page, "Decide")
    page.locator("[name=refer_0_authority]").fill("East Shire")
    page.locator("[name=refer_0_reference]").fill("ES-1")
    insist(page, "It was sent")
    expect(page.get_by_role("alert")).to_contain_text("Record what this adult says to a referral")
    page.locator("[name=write_adults_0_consent]").select_option("given")
    insist(page, "Keep the record")
    expect(page.get_by_text("It is kept.")).to_be_visible()
    page.locator("[name=refer_0_authority]").fill("East Shire")
    page.locator("[name=refer_0_reference]").fill("ES-1")
    insist(page, "It was sent")
    expect(page.get_by_text("Referred to East Shire")).to_be_visible()
    accessible(page)


def holds(page: Page, case: str, accessible: Check) -> None:
    page.goto(f"/incidents/{case}/holds")
    page.get_by_label("Who must agree").select_option("police")
    page.get_by_label("Why").fill("They want to speak with everybody first.")
    press(page, "Place the hold")
    expect(page.get_by_role("alert")).to_contain_text("Say when somebody asks again")
    accessible(page)
    expect(page.get_by_label("Why")).to_have_value("They want to speak with everybody first.")
    asked = datetime.fromisoformat(page.get_by_label("When they were asked").input_value())
    page.get_by_label("When somebody asks again").fill((asked + timedelta(days=7)).strftime("%Y-%m-%dT%H:%M"))
    press(page, "Place the hold")
    expect(page.get_by_role("heading", name="Police: stands")).to_be_visible()
    accessible(page)
    page.get_by_text("They agreed (police)").click()
    page.get_by_label("What was agreed, with whom").fill("We may ask from tomorrow on.")
    press(page, "Lift the hold")
    expect(page.get_by_role("heading", name="Police: lifted")).to_be_visible()


def breaks_the_glass(page: Page, case: str, accessible: Check, shot: Shot) -> None:
    page.goto(f"/incidents/{case}")
    accessible(page)
    press(page, "Break the glass")
    expect(page.get_by_role("alert")).to_contain_text("Say why you must read it")
    accessible(page)
    page.get_by_label("Why you must read it now").fill("The council called and asks who was on duty.")
    press(page, "Break the glass")
    expect(page.get_by_text("because you broke the glass")).to_be_visible()
    shot(page, "glass-broken")


def names_somebody(page: Page, case: str, accessible: Check) -> None:
    page.goto(f"/incidents/{case}/change")
    expect(page.get_by_text("asks who was on duty")).to_be_visible()
    accessible(page)
    page.get_by_label("Name somebody more").select_option(label=PERSONAS["regional_manager"].name)
    press(page, "Change who sees it")
    expect(page.get_by_role("alert")).to_contain_text("Say why")
    page.get_by_label("Why it is changed").fill("She speaks with the family.")
    press(page, "Change who sees it")
    expect(page.get_by_text("Who sees it is changed.")).to_be_visible()


def hears_from_the_authority(page: Page, case: str, accessible: Check) -> None:
    """The authority's answer comes later, and so does the end of its enquiry: each is recorded for itself."""
    page.goto(f"/incidents/{case}/safeguarding")
    page.get_by_text("Record what the authority decided (ES-1)").click()
    page.get_by_label("What does the authority do?").select_option("enquiry")
    press(page, "Record it")
    page.get_by_text("Record how the enquiry ended (ES-1)").click()
    page.get_by_label("How did it end?").select_option("inconclusive")
    press(page, "Record it")
    expect(page.get_by_role("alert")).to_contain_text("Say what was found")
    accessible(page)
    page.get_by_label("What was found").fill("It could not be found out.")
    press(page, "Record it")
    expect(page.get_by_text("Inconclusive")).to_be_visible()
