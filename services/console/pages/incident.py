"""One incident: its story, where it stands, whose move it is and when the system will act by itself."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from services.console.page import TEXTS
from services.console.pages.action import VERIFIERS
from services.console.pages.body import body_map
from services.console.pages.case import ANSWERERS, DECIDERS, TRIAGERS, place_name
from services.console.pages.navigation import PACK_BUILDERS
from services.console.pages.proceeding import KEEPERS
from services.console.service_api import Refused
from services.console.steps import Step, take
from services.console.visit import Visit, Visitor, go
from services.console.writing import Sent
from services.contracts.taxonomy import Role

router = APIRouter(include_in_schema=False)
_ = TEXTS.gettext

TRACK = ("reported", "triaged", "reviewing", "acting", "verifying", "sharing", "checking_impact", "closed")
GLASS = (Role.SAFEGUARDING_LEAD, Role.NOMINATED_INDIVIDUAL, Role.DIRECTOR)
"""Who is offered to open a restricted incident; the provider's policy says who may."""

_LISTS = (
    ("reviews", "review", "/reviews"), ("themes", "review", "/themes"), ("actions", "actions", "/actions"),
    ("checkpoints", "actions", "/checkpoints"), ("asked", "reporting", "/governance-items"),
)  # fmt: skip

_BREAK = Step(
    "intake", "/incidents/{incident_id}/break-glass", ("reason",), versioned=False,
    needs={"reason": _("Say why you must read it: the reason is kept, and the safeguarding lead is told")},
)  # fmt: skip


@router.get("/incidents/{incident_id}")
def story(visit: Visitor, incident_id: str) -> Response:
    """The whole record as this person may see it; who may break the glass is told how where there is nothing to see."""
    try:
        whole = visit.api.get("intake", f"/incidents/{incident_id}/whole")
    except Refused as refused:
        # What a theme brings about carries its id where an incident's stands.
        if refused.status == 404 and visit.api.get_or_none("review", f"/themes/{incident_id}") is not None:
            return go(f"/themes/{incident_id}")
        if refused.status != 404 or not visit.has(*GLASS):
            raise
        return _closed_to(visit, incident_id, Sent(status=404))
    incident, look = whole.pop("incident"), visit.api.get_or_none
    with ThreadPoolExecutor(4) as lists:  # side by side the page is there in time
        found = {
            name: lists.submit(look, service, path, incident_id=incident_id, limit=200)
            for name, service, path in _LISTS
        }
        timeline = look("reporting", f"/incidents/{incident_id}/timeline")
        # Whoever sees no timeline reported it: they read what they were told.
        feedback = None if timeline else look("intake", f"/incidents/{incident_id}/feedback")
        place = place_name(visit, incident["location_id"])
    reads: dict[str, Any] = {name: one.result() for name, one in found.items()}
    ended = incident["stage"] in ("closed", "withdrawn", "duplicate")
    return visit.page(
        "incident.html", incident=incident, track=_track(incident), place=place,
        saved=visit.request.query_params.get("saved"), triages=visit.has(*TRIAGERS) and not ended,
        answers=visit.has(*ANSWERERS), decides=visit.has(*DECIDERS), agrees=visit.has(*TRIAGERS) and not ended,
        oversees=visit.has(*VERIFIERS), packs=visit.has(*PACK_BUILDERS), keeps_apart=visit.has(*KEEPERS), body=body_map(whole.pop("questions")),
        timeline=timeline, feedback=feedback, **whole, **reads,
    )  # fmt: skip


@router.post("/incidents/{incident_id}/break-glass")
def break_glass(visit: Visitor, incident_id: str) -> Response:
    """Open a restricted incident for a while, to read, with a reason."""
    sent = take(visit, "glass", _BREAK, incident_id=incident_id)
    return _closed_to(visit, incident_id, sent) if sent else go(f"/incidents/{incident_id}?saved=glass")


@router.get("/incidents/{incident_id}/attachments/{attachment_id}")
def attachment(visit: Visitor, incident_id: str, attachment_id: str) -> Response:
    """A file of the report, as a download."""
    found = visit.api.fetch("intake", f"/incidents/{incident_id}/attachments/{attachment_id}")
    headers = {"Content-Disposition": "attachment", "Cache-Control": "no-store"}
    return Response(found.content, media_type=found.headers["Content-Type"], headers=headers)


def _closed_to(visit: Visit, incident_id: str, sent: Sent) -> Response:
    return visit.page("break_glass.html", sent.status, incident_id=incident_id, sent=sent, errors=sent.errors)


def _track(incident: dict[str, Any]) -> list[dict[str, str]]:
    stage = incident["stage"]
    here = TRACK.index(stage) if stage in TRACK else len(TRACK)
    states = ["done" if n < here or stage == "closed" else "here" if n == here else "ahead" for n in range(len(TRACK))]
    return [{"stage": name, "state": state} for name, state in zip(TRACK, states, strict=True)]
