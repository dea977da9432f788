"""From what is to be done to what is verified by keyboard alone: nothing is clicked."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browser.pressing import Person
from tests.e2e.running import eventually

pytestmark = pytest.mark.journey


def follow(page: Page, by_keyboard: Callable[..., None], what: str) -> str:
    """Go from My work to something that waits there; answers its path."""
    link = page.get_by_role("link", name=re.compile(f"^{what}: One lock for every garden door")).first

    def there() -> bool:
        page.goto("/")
        return link.is_visible()

    eventually(there, f"{what} on My work")
    by_keyboard(page, "link", link.inner_text(), "Enter")
    expect(page).to_have_url(re.compile("/actions/"))
    return page.url


def test_from_my_work_to_done_and_verified(newcomer: Person, by_keyboard: Callable[..., None]) -> None:
    owner = newcomer("registered_manager", "phone")
    action = follow(owner, by_keyboard, "To do")
    by_keyboard(owner, "textbox", "What will be different, in your own words", "No door stays open.")
    by_keyboard(owner, "button", "I understand what is asked", "Enter")
    expect(owner.get_by_text("You have confirmed it.")).to_be_visible()
    by_keyboard(owner, "radio", "Observation", "Space")
    by_keyboard(owner, "textbox", "What it shows", "All doors tried on two shifts.")
    by_keyboard(owner, "button", "Add the evidence", "Enter")
    expect(owner.get_by_text("Your evidence is kept.")).to_be_visible()
    by_keyboard(owner, "button", "It is done", "Enter")
    expect(owner.get_by_text("It counts as done.")).to_be_visible()

    other = newcomer("quality_lead")
    assert follow(other, by_keyboard, "To verify") == action
    by_keyboard(other, "button", "Record the verification", "Enter")
    expect(other.locator(".nhsuk-error-summary")).to_be_focused()  # what is wrong is where the reader is
    by_keyboard(other, "spinbutton", "How many are there?", "9")
    by_keyboard(other, "spinbutton", "How many of them will you look at?", "2")
    by_keyboard(other, "button", "Draw the sample", "Enter")
    expect(other.get_by_text("The sample is drawn.")).to_be_visible()
    by_keyboard(other, "checkbox", "I looked at all the others, and they are as they should be", "Space")
    by_keyboard(other, "button", "Keep what I found", "Enter")
    by_keyboard(other, "radio", "Yes: it passes", "Space")
    by_keyboard(other, "combobox", "How did you look?", "Spot")
    by_keyboard(other, "button", "Record the verification", "Enter")
    expect(other.get_by_text("Your verification is kept.")).to_be_visible()
    expect(other.get_by_text("2 of 2 as they should be").first).to_be_visible()
