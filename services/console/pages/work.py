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
    """Calls that need an answer, what is owed, what waits for this person by clock, and what is good to know."""
    inbox = _inbox(visit)
    return visit.page(
        "work.html",
        calls=[call for call in inbox["escalations"] if call["to_answer"]],
        told=[call for call in inbox["escalations"] if not call["to_answer"]],
        duties=inbox["duties"],
        items=sorted(inbox["routine"], key=lambda item: datetime.fromisoformat(item["due_at"])),
        notices=inbox["notices"],
        feedback=inbox["feedback"],
        asked=_asked(visit),
        answered=visit.request.query_params.get("answered"),
    )


@router.get("/work")
@router.get("/escalations/{subject_id}")
@router.get("/actions/{subject_id}")
@router.get("/briefings/{subject_id}")
@router.get("/themes/{subject_id}")
def from_a_message(visit: Visitor, subject_id: str = "") -> Response:
    """Where the links of messages lead that have no page of their own yet. A call that was answered is no longer there."""
    return go("/")


@router.post("/escalations/{incident_id}/{escalation_id}")
def answer(visit: Visitor, incident_id: str, escalation_id: str) -> Response:
    """One tap: I have been told and I am on it."""
    visit.api.send(
        "POST", "intake", f"/incidents/{incident_id}/escalations/{escalation_id}/acknowledgement",
        key=f"answer-{escalation_id}",
    )  # fmt: skip
    return go("/?answered=1")


def _asked(visit: Visit) -> list[dict[str, Any]] | None:
    """What meetings ask of this person; None while reporting is away, which must not hide the calls above."""
    try:
        return list(visit.api.get("reporting", "/governance-items", mine=True, limit=20)["items"])
    except Refused as refused:
        if refused.status == 401:
            raise
        return None


def _inbox(visit: Visit) -> dict[str, Any]:
    try:
        return dict(visit.api.get("intake", "/inbox"))
    except Refused as refused:
        if refused.status == 403:
            return {"escalations": [], "duties": [], "notices": [], "routine": [], "feedback": []}
        raise
