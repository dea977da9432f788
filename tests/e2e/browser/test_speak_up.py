"""Speaking up from the page where others sign in, and from the console: no account, no script, and the look of the console."""

from playwright.sync_api import Browser, expect

from tests.e2e.browser.conftest import WIDTHS
from tests.e2e.browser.pressing import As, Check, Person, Shot, press
from tests.e2e.running import RunningStack

WORRIES = "At night the door to the garden stands open."


def test_from_the_sign_in_page_to_the_conversation(
    console: RunningStack, browser: Browser, person: Person, api: As, accessible: Check, shot: Shot
) -> None:
    """Whoever raises it reads the answer with the code alone; the page knows nobody and sets no cookie."""
    context = browser.new_context(viewport=WIDTHS["phone"])  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(console.record.url("console"))
    page.get_by_role("link", name="Raise a concern without signing in").click()
    accessible(page)
    shot(page, "speak-up")
    press(page, "Send my concern")
    expect(page.get_by_role("alert")).to_contain_text("Say what worries you")
    accessible(page)
    page.get_by_label("What worries you?").fill(WORRIES)
    page.get_by_label("In confidence").check()
    press(page, "Send my concern")
    expect(page.get_by_role("alert")).to_contain_text("Say how we can reach you")
    expect(page.get_by_label("What worries you?")).to_have_value(WORRIES)
    page.get_by_label("Anonymously").check()
    press(page, "Send my concern")
    expect(page.get_by_role("heading", name="Your concern is with us")).to_be_visible()
    accessible(page)
    shot(page, "speak-up-receipt")
    code = page.locator(".code").inner_text()

    lead = api("safeguarding_lead")
    mine = next(
        one
        for one in lead.get("intake", "/concerns")["items"]
        if lead.get("intake", f"/concerns/{one['concern_id']}")["messages"][0]["text"] == WORRIES
    )
    lead.post("intake", f"/concerns/{mine['concern_id']}/messages", {"text": "The lock is mended tonight."})

    page.get_by_role("link", name="Use the code to read our answer").click()
    accessible(page)
    page.get_by_label("Your code").fill("AAAA-AAAA")
    press(page, "Open the conversation")
    expect(page.get_by_role("alert")).to_contain_text("Nothing opens with this code")
    accessible(page)
    page.get_by_label("Your code").fill(code.lower())
    press(page, "Open the conversation")
    expect(page.get_by_text("The lock is mended tonight.")).to_be_visible()
    page.get_by_label("Write again").fill("Thank you. It holds.")
    press(page, "Send")
    expect(page.get_by_text("Thank you. It holds.")).to_be_visible()
    accessible(page)
    shot(page, "speak-up-conversation")
    assert {one["name"] for one in context.cookies()} == {"plumbline_attempt"}, "the console's, of the sign-in page"
    context.close()

    signed_in = person("carer", "phone")
    signed_in.get_by_role("link", name="Raise a concern outside your line").click()
    expect(signed_in.get_by_role("heading", name="Raise a concern")).to_be_visible()
