"""Where everything stands: what needs attention first with its records, then rates, patterns, weaknesses and themes.

Of a service, a region, or all that somebody sees; as of now, and as of any day. It follows what happens while it is open.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from datetime import time as clock_time
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from services.console.chart import figure, points
from services.console.labels import label
from services.console.page import PAGES, TEXTS
from services.console.places import read_places
from services.console.service_api import Refused
from services.console.visit import Visit, Visitor, onlooker
from services.runtime.calendar import LONDON

router = APIRouter(include_in_schema=False)
_ = TEXTS.gettext

_SHOWN = 5
_CHARTS = 3
_LIVE_SECONDS = 300
"""After so long the browser asks again, so that a session that is over is noticed."""
_LOOK_SECONDS = 3.0
_CLOCKS_SECONDS = 30.0
"""So often it is looked whether a clock went on, or ran out: that is no event."""


@router.get("/overview")
def overview(visit: Visitor) -> Response:
    """The overview of what is in this person's scope, or of one region or place in it; with `as_of`, at the end of that day."""
    places = read_places(visit)
    asked = visit.request.query_params.get("as_of", "")
    as_of, errors = _end_of(asked, visit.now)
    then = {"as_of": as_of.isoformat()} if as_of else {}
    reads: dict[str, Callable[[], Any]] = {
        "now": lambda: _stands(visit, places.query, then),
        "rates": lambda: visit.api.get("reporting", "/rates", **places.query, **then),
    }
    if not as_of:
        reads |= {
            "radar": lambda: visit.api.get("reporting", "/radar", **places.query),
            "signals": lambda: visit.api.get("reporting", "/signals", status="raised", limit=_SHOWN, **places.query),
            "themes": lambda: visit.api.get("review", "/themes", limit=_SHOWN),
            "sharing": lambda: visit.api.get("reporting", "/incidents", stage="sharing", limit=_SHOWN, **places.query),
        }
    with ThreadPoolExecutor(len(reads)) as pool:
        running = {name: pool.submit(read) for name, read in reads.items()}
        found = {name: one.result() for name, one in running.items()}
    return visit.page(
        "overview.html", 422 if errors else 200, places=places, as_of=asked, errors=errors, charts=_charts(found["rates"]),
        names=places.locations, live=_address(visit, places.query) if not as_of else "",
        **found.pop("now"), **found,
    )  # fmt: skip


@router.get("/overview/live")
async def live(request: Request) -> Response:
    """What needs attention, sent anew whenever something happened or a clock went on. It ends with the session, and looking on keeps none open."""
    visit = await run_in_threadpool(onlooker, request)
    if visit is None:
        return Response(status_code=204)  # tells the browser not to ask again
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_told(visit), media_type="text/event-stream", headers=headers)


def _address(visit: Visit, chosen: dict[str, str]) -> str:
    """Where the page hears what happened since it was made; empty if it is not to change by itself."""
    if visit.request.query_params.get("live") == "off":
        return ""
    return "/overview/live?" + urlencode({"since": visit.now.isoformat(), **chosen})


async def _told(visit: Visit) -> AsyncIterator[str]:
    began, cursor = time.monotonic(), None
    clocks_at, shown = began + _CLOCKS_SECONDS, ""
    yield "retry: 5000\n\n"
    while (at := time.monotonic()) < began + _LIVE_SECONDS:
        try:
            changed, cursor = await run_in_threadpool(_changed, visit, cursor)
            if changed or at >= clocks_at:
                html = await run_in_threadpool(_rendered, visit)
                before, shown = shown, _timeless(html)
                clocks_at = at + _CLOCKS_SECONDS
                if changed or shown != before:
                    yield "event: now\n" + "".join(f"data: {line}\n" for line in html.splitlines()) + "\n"
        except Refused as refused:
            if refused.status < 500:
                return
        await asyncio.sleep(_LOOK_SECONDS)


def _timeless(html: str) -> str:
    """The part without the line that says as of when it is: by that alone nothing is new."""
    return "\n".join(line for line in html.splitlines() if 'role="status"' not in line)


def _changed(visit: Visit, cursor: str | None) -> tuple[bool, str | None]:
    """Whether something happened after the cursor, and where to go on; at first since the page was made."""
    since = None if cursor else visit.request.query_params.get("since")
    page = visit.api.get("reporting", "/incidents/changes", cursor=cursor, updated_since=since, limit=200)
    changed = bool(page["items"])
    while page["more"]:
        page = visit.api.get("reporting", "/incidents/changes", cursor=page["next"], limit=200)
    return changed, page["next"]


def _rendered(visit: Visit) -> str:
    places = read_places(visit)
    words = _stands(visit, places.query, {})
    return PAGES.get_template("overview_now.html").render(now=visit.now, names=places.locations, **words)


def _stands(visit: Visit, chosen: dict[str, str], then: dict[str, str]) -> dict[str, Any]:
    """What needs attention first: the counts, and the first records of each."""
    seen = visit.api.get("reporting", "/overview", **chosen, **then)
    lists = [
        ("unanswered", _("Calls that nobody has answered"), seen["escalations_unacknowledged"]),
        ("overdue", _("Clocks that ran out"), sum(seen["overdue"].values())),
        ("unverified", _("Done, and nobody else has looked yet"), seen["done_but_unverified"]),
        ("ineffective", _("Changes that had no effect"), None),
    ]
    attention = []
    for name, title, count in [] if then else lists:
        if count == 0:
            continue
        page = visit.api.get("reporting", "/incidents", limit=100, **{name: True}, **chosen)
        items = sorted(page["items"], key=lambda one: one["next_due_at"] or "9")
        if items:
            href = "/incidents?" + urlencode({name: "true", **chosen})
            attention.append(
                {"name": name, "title": title, "href": href, "items": items[:_SHOWN], "more": len(items) > _SHOWN}
            )
    return {"overview": seen, "attention": attention, "chosen": urlencode(chosen), "past": bool(then)}


def _end_of(day: str, now: datetime) -> tuple[datetime | None, dict[str, str]]:
    """The end of a day in England, or what is wrong with it. Today is now."""
    if not day:
        return None, {}
    try:
        asked = date.fromisoformat(day)
    except ValueError:
        return None, {"as_of": _("Give a day, for example 2026-06-30")}
    today = now.astimezone(LONDON).date()
    if asked > today:
        return None, {"as_of": _("Choose a day that is over")}
    return (None if asked == today else datetime.combine(asked, clock_time(23, 59, 59), LONDON)), {}


def _charts(rates: dict[str, Any]) -> list[dict[str, Any]]:
    """All types together, then what stands out in the newest month, then the commonest."""
    whole, *types = rates["series"]
    types.sort(key=lambda one: one["says"] == "common_cause")
    made = []
    for one in [whole, *types[:_CHARTS]]:
        chart = {**one["chart"], "months": rates["months"], "baseline_points": len(rates["months"])}
        rows = points(chart)
        title = label(one["category"]) if one["category"] else _("All types together")
        made.append(
            {
                "title": title,
                "rows": rows,
                "figure": figure(rows, title),
                **{n: one[n] for n in ("enough", "says", "category")},
            }
        )
    return made
