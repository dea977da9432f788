"""How the system itself stands for this provider, live: which parts answer, what waits to be told, what is held and late."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from services.console.page import TEXTS, render
from services.console.service_api import Refused
from services.console.visit import Visit, Visitor, onlooker
from services.contracts.taxonomy import OPERATORS

router = APIRouter(include_in_schema=False)
_ = TEXTS.gettext

_PARTS = {
    "directory": _("Places and people"),
    "intake": _("Reports, triage and duties"),
    "review": _("Reviews and learning"),
    "actions": _("Actions and their effect"),
    "reporting": _("Overview and patterns"),
}
_MOST = 200
"""So many late duties are counted; what is late stands first in the list."""
_BEHIND_SECONDS = 60
"""So long may the overview be behind what happened before it is said to be late."""


@router.get("/administration/operations")
def operations(visit: Visitor) -> Response:
    """The page, whole; the part that changes is fetched again every few seconds."""
    if not visit.has(*OPERATORS):
        return visit.page("operations.html", 403, parts=None)
    return visit.page("operations.html", **_stands(visit))


@router.get("/administration/operations/now")
def now(request: Request) -> Response:
    """The part that changes. Looking on keeps no session open: when it is over, the browser is told not to ask again."""
    visit = onlooker(request)
    if visit is None or not visit.has(*OPERATORS):
        return Response(status_code=286)  # htmx: stop asking
    return render("operations_now.html", now=visit.now, **_stands(visit))


def _stands(visit: Visit) -> dict[str, Any]:
    reads: dict[str, Callable[[], Any]] = {service: lambda s=service: _part(visit, s) for service in _PARTS}  # type: ignore[misc]
    reads |= {
        "overview": lambda: _read(visit, "reporting", "/overview"),
        "searched": lambda: _read(visit, "reporting", "/signals/quality"),
        "unsent": lambda: _read(visit, "intake", "/obligations", unsent=True, limit=_MOST),
    }
    with ThreadPoolExecutor(len(reads)) as pool:
        running = {name: pool.submit(read) for name, read in reads.items()}
        found = {name: one.result() for name, one in running.items()}
    parts = [found[service] for service in _PARTS]
    overview, unsent = found["overview"], found["unsent"]
    behind = overview["lag_seconds"] if overview else None
    return {
        "parts": parts,
        "overview": overview,
        "behind": behind is not None and behind > _BEHIND_SECONDS,
        "searched_at": found["searched"]["searched_at"] if found["searched"] else None,
        "late": sum(one["late"] for one in unsent["items"]) if unsent else None,
        "most": _MOST,
        "well": all(part["answers"] and not part["held"] for part in parts),
    }


def _part(visit: Visit, service: str) -> dict[str, Any]:
    """A service: whether it answers, in how many milliseconds, and what waits or is held there."""
    began = time.perf_counter()
    found = _read(visit, service, "/operations")
    return {
        "name": _PARTS[service],
        "answers": found is not None,
        "milliseconds": round(1000 * (time.perf_counter() - began)),
        "waiting": found["waiting"] if found else None,
        "held": found["held"] if found else [],
    }


def _read(visit: Visit, service: str, path: str, **query: Any) -> Any:
    """What is answered, or None where nothing is: that is what this page is about."""
    try:
        return visit.api.get(service, path, **query)
    except Refused:
        return None
