"""My work: what is mine now, most pressing first."""

from datetime import datetime
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from services.console.service_api import Refused
from services.console.visit import Visit, Visitor, go

router = APIRouter(include_in_schema=False)


@router.get("/")
def my_work(visit: Visitor) -> Response:
    """Calls that need an answer, then everything that waits for this person, by clock."""
    return visit.page(
        "work.html", calls=_calls(visit), items=_items(visit), answered=visit.request.query_params.get("answered")
    )


@router.post("/escalations/{incident_id}/{escalation_id}")
def answer(visit: Visitor, incident_id: str, escalation_id: str) -> Response:
    """One tap: I have been told and I am on it."""
    visit.api.send(
        "POST", "intake", f"/incidents/{incident_id}/escalations/{escalation_id}/acknowledgement",
        key=f"answer-{escalation_id}",
    )  # fmt: skip
    return go("/?answered=1")


def _inbox(visit: Visit) -> dict[str, Any]:
    try:
        return dict(visit.api.get("intake", "/inbox"))
    except Refused as refused:
        if refused.status == 403:
            return {"escalations": [], "routine": []}
        raise


def _calls(visit: Visit) -> list[dict[str, Any]]:
    return list(_inbox(visit)["escalations"])


def _items(visit: Visit) -> list[dict[str, Any]]:
    items = list(_inbox(visit)["routine"])
    return sorted(items, key=lambda item: datetime.fromisoformat(item["due_at"]))
