"""What the tests of pages share: how their fixtures are called, and pressing a button."""

from collections.abc import Callable

from playwright.sync_api import Page

from deploy.local.people import Person as Caller

Person = Callable[..., Page]
Check = Callable[[Page], None]
Shot = Callable[[Page, str], None]
As = Callable[[str], Caller]


def press(page: Page, name: str) -> None:
    """Press the button of exactly this name."""
    page.get_by_role("button", name=name, exact=True).click()
