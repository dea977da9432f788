"""The learning library: what was learned anywhere in the provider, found by words, by type, by likeness or by month, and what changed."""

import re
from datetime import date
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.responses import Response

from services.console.page import TEXTS
from services.console.service_api import Refused
from services.console.visit import Visitor
from services.contracts.taxonomy import Category
from services.runtime.calendar import LONDON

router = APIRouter(include_in_schema=False)
_ = TEXTS.gettext


@router.get("/library")
def library(visit: Visitor) -> Response:
    """What was learned, by words and type, or from cases like one incident."""
    query = visit.request.query_params
    words, category, incident_id = (query.get(name, "").strip() for name in ("q", "category", "incident_id"))
    errors: dict[str, str] = {}
    page: dict[str, Any] = {"items": [], "next": None}
    try:
        if incident_id:
            page["items"] = visit.api.get("review", "/library/similar", incident_id=incident_id)["entries"]
        else:
            page = visit.api.get(
                "review", "/library", q=words or None, category=category or None, limit=20, cursor=query.get("cursor")
            )
    except Refused as refused:
        if refused.status == 422:
            errors = {"q": _("Use between 2 and 200 characters, and a type of the list")}
        elif refused.status != 404:
            raise
    chosen = {name: value for name, value in (("q", words), ("category", category)) if value}
    following = urlencode({**chosen, "cursor": page["next"]}) if page["next"] else None
    return visit.page(
        "library.html", 422 if errors else 200, entries=page["items"], errors=errors, words=words, category=category,
        incident_id=incident_id, categories=list(Category), following=following,
        month=f"{visit.now.astimezone(LONDON):%Y-%m}",
    )  # fmt: skip


@router.get("/library/{month}")
def month(visit: Visitor, month: str) -> Response:
    """What changed in a month at the places of this person."""
    note = visit.api.get("review", f"/what-changed/{month}")
    year, number = (int(part) for part in re.findall(r"\d+", month))
    before = f"{year - (number == 1)}-{(number - 2) % 12 + 1:02d}"
    after = f"{year + (number == 12)}-{number % 12 + 1:02d}"
    if after > f"{visit.now.astimezone(LONDON):%Y-%m}":
        after = ""
    name = f"{date(year, number, 1):%B %Y}"
    return visit.page("library_month.html", note=note, before=before, after=after, name=name)
