"""Every page that links lead to, on the state that `make run` leaves: axe at both widths, its weight, the server's time.

A page of the console gets all of this by being linked from another. What was found is kept as `build/pages.md`.
"""

import re
import statistics
import time
from collections import Counter
from dataclasses import dataclass, field
from html import unescape
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from deploy.local.state import PROJECT
from services.console.__main__ import ROUTERS
from tests.e2e.browser.conftest import WIDTHS, violations
from tests.e2e.browser.pressing import Person, Shot
from tests.e2e.browser.test_report import to_the_end

TABLE = PROJECT / "build" / "pages.md"
ASKED = 10
"""How often an address is asked for, to time it."""
ADDRESSES = 3
"""So many addresses of a kind of page are looked at: three incidents, three reviews."""
FOLLOWED = 12
"""And so many are opened for the links on them."""
PEOPLE = (
    "quality_lead", "registered_manager", "director", "safeguarding_lead", "nominated_individual", "executive",
    "regional_manager", "platform_admin", "shift_lead", "carer",
)  # fmt: skip
"""Who sees most comes first, for a page is timed as they see it."""
NO_PAGE = re.compile(
    r"/report/(state|form|worker)|^/session|\.(csv|xlsx|json|js)$|/live|/draft$|/files/|/attachments/|/export|/download|/now$"
)
ELSEWHERE = {
    "/escalations/{escalation_id}": "a link in a message: test_work",
    "/work": "a link in a message: test_work",
    "/incidents/{incident_id}/obligations": "a link in a message, to the page of what must be told",
    "/report/{incident_id}/received": "where a report ends: test_report",
    "/packs/{record_id}": "nobody has a pack in the demonstration: test_packs",
    "/packs/{record_id}/content/{part}": "a frame of the page of a pack: test_packs",
    "/patterns/{signal_id}": "raised when there is reason to: test_overview",
    "/recurrences/{recurrence_id}": "asked when a closed case may be back: tests/integration/test_console_pages",
    "/administration/policies/{kind}/{policy_id}": "a version that somebody drafted: test_administration",
    "/handover": "when somebody leaves: test_agreeing",
    "/administration/retention/records/{record_id}": "years after a record ended: tests/integration/test_retention_pages",
}
"""Pages to which no link may lead in the demonstration, and where they are looked at."""


def address_of(path: str) -> str:
    return re.sub(r"\{[^}]+\}", "[^/]+", path)


KINDS = {
    path: re.compile(address_of(path))
    for router in ROUTERS
    for route in router.routes
    if "GET" in getattr(route, "methods", ()) and not NO_PAGE.search(path := str(getattr(route, "path", "")))
}


def kind_of(path: str) -> str | None:
    """The kind of page that answers a path: one without a gap before one with."""
    fits = [name for name, pattern in KINDS.items() if pattern.fullmatch(path)]
    return min(fits, key=lambda name: name.count("{"), default=None)


@dataclass
class Seen:
    """What was found on the pages of a kind."""

    persona: str
    kilobytes: list[float] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    problems: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in WIDTHS})
    addresses: set[str] = field(default_factory=set)


class Scale:
    """What a page weighs on a first visit: all that comes over the wire, nothing from the browser's cache."""

    def __init__(self, page: Page) -> None:
        self._bytes = 0.0
        tools = page.context.new_cdp_session(page)
        tools.send("Network.enable")
        tools.send("Network.setCacheDisabled", {"cacheDisabled": True})
        tools.on("Network.loadingFinished", self._add)

    def _add(self, event: dict[str, Any]) -> None:
        self._bytes += event["encodedDataLength"]

    def weigh(self, page: Page, path: str) -> float:
        """Kilobytes of one visit. A page that follows what happens never falls silent: its stream is not weighed."""
        self._bytes = 0
        page.goto(path, wait_until="load" if path.startswith("/overview") else "networkidle")
        return self._bytes / 1000


@pytest.mark.journey
def test_every_page_that_links_lead_to(newcomer: Person, shot: Shot) -> None:
    seen: dict[str, Seen] = {}
    for persona in PEOPLE:
        page = newcomer(persona)
        page.set_default_timeout(60_000)
        walk(page, persona, seen, shot)
        page.context.close()
    write(seen)
    assert {kind: of.problems for kind, of in seen.items() if any(of.problems.values())} == {}
    assert KINDS.keys() - {"/", *seen} - ELSEWHERE.keys() == set(), "no link leads to these"


def walk(page: Page, persona: str, seen: dict[str, Seen], shot: Shot) -> None:
    """Follow all links of this person. Of kinds of pages that nobody came to before, look at the first few; at their own first page too."""
    scale, ahead, known, opened = Scale(page), ["/"], {"/"}, Counter[str]()
    while ahead:
        path = ahead.pop(0)
        kind = kind_of(path)
        if kind is None:
            continue
        of = seen.setdefault(f"/ ({persona})" if kind == "/" else kind, Seen(persona))
        if of.persona == persona and len(of.addresses) < ADDRESSES:
            links = look_at(page, path, of, scale)
            if len(of.addresses) == 1:
                shot(page, f"page-{persona if kind == '/' else re.sub('[^a-z_]+', '-', kind).strip('-')}")
        elif opened[kind] < FOLLOWED:
            links = links_of(page.request.get(path).text())
        else:
            continue
        opened[kind] += 1
        ahead += [link for link in links if link not in known]
        known |= set(links)


def links_of(html: str) -> list[str]:
    """The paths that the links of a page lead to, each once; what is downloaded is no page."""
    found = (tag for tag in re.findall(r"<a\s[^>]*>", html) if " download" not in tag)
    links = (re.search(r'href="(/[^"]*)"', tag) for tag in found)
    return list(dict.fromkeys(urlsplit(unescape(link[1])).path for link in links if link))


def look_at(page: Page, path: str, of: Seen, scale: Scale) -> list[str]:
    """Look at one page at both widths, weigh and time it; answers the paths that its links lead to, each once."""
    of.addresses.add(path)
    of.kilobytes.append(scale.weigh(page, path))
    for name, width in WIDTHS.items():
        page.set_viewport_size(width)  # type: ignore[arg-type]
        of.problems[name] += violations(page)
    for _ in range(ASKED):
        began = time.perf_counter()
        answer = page.request.get(path)
        of.times.append((time.perf_counter() - began) * 1000)
        assert answer.status < 500, path
    return links_of(page.content())


def write(seen: dict[str, Seen]) -> None:
    """What was found, as a table; pages of which the server is slowest come first."""
    rows = []
    for kind, of in seen.items():
        times = sorted(of.times)
        p95 = times[int(len(times) * 0.95)]
        problems = [len(of.problems[name]) for name in ("phone", "desk")]
        rows.append((p95, f"| {kind} | {of.persona} | {max(of.kilobytes):.0f} | {statistics.median(times):.0f} | {p95:.0f} | {problems[0]} | {problems[1]} |"))  # fmt: skip
    held = Counter(p95 <= 300 for p95, _ in rows)
    text = [
        "| page | seen by | KB on a first visit | server time p50, ms | p95, ms | axe finds at 320 px | at 1280 px |",
        "|---|---|---|---|---|---|---|",
        *(row for _, row in sorted(rows, reverse=True)),
        "",
        f"{len(rows)} kinds of pages, up to {ADDRESSES} of each, each asked {ASKED} times. p95 within 300 ms: {held[True]}, not: {held[False]}.",
    ]
    TABLE.parent.mkdir(exist_ok=True)
    TABLE.write_text("\n".join(text) + "\n")


def test_the_first_page_of_a_report_is_light(person: Person) -> None:
    """150 KB on a first visit, for poor signal; what comes later, for the case that it is lost, included."""
    page = person("carer", "phone")
    scale = Scale(page)
    assert 10 < scale.weigh(page, "/report") <= 150
    expect(page.locator("#report[data-ready=yes]")).to_be_attached()
    to_the_end(page, opened=True)
