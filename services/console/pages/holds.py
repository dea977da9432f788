"""Holds on internal fact-finding: whose agreement is waited for, when somebody asks again, and what was agreed."""

from fastapi import APIRouter
from starlette.responses import Response

from services.console.page import TEXTS
from services.console.pages.case import DECIDERS, read_case, show
from services.console.steps import Step, at, take
from services.console.visit import Visit, Visitor, go
from services.console.writing import Sent
from services.contracts.taxonomy import HoldFor

router = APIRouter(include_in_schema=False)
_ = TEXTS.gettext

STEPS = {
    "place": Step(
        "intake", "/incidents/{incident_id}/holds", ("waits_for", "reason", "asked_at", "look_again_at"), versioned=False,
        body=at("asked_at", "look_again_at"),
        needs={
            "waits_for": _("Choose who must agree"), "reason": _("Say why"), "asked_at": _("Say when they were asked"),
            "look_again_at": _("Say when somebody asks again"),
        },
    ),
    "look": Step(
        "intake", "/holds/{hold_id}/look", ("said", "look_again_at"), body=at("look_again_at"),
        needs={"said": _("Say what they said"), "look_again_at": _("Say when somebody asks again")},
    ),
    "lift": Step(
        "intake", "/holds/{hold_id}/agreement", ("answer", "answered_at"), body=at("answered_at"),
        needs={"answer": _("Say what was agreed, with whom"), "answered_at": _("Say when they agreed")},
    ),
}  # fmt: skip


@router.get("/incidents/{incident_id}/holds")
def holds(visit: Visitor, incident_id: str) -> Response:
    """Every hold of an incident, those that were lifted too."""
    return _show(visit, incident_id, Sent())


@router.post("/incidents/{incident_id}/holds/{name}")
def take_step(visit: Visitor, incident_id: str, name: str) -> Response:
    """Place a hold, record that somebody asked again, or that they agreed."""
    step = STEPS.get(name)
    if step is None:
        return go(f"/incidents/{incident_id}/holds")
    sent = take(visit, visit.text("form") or name, step, incident_id=incident_id, hold_id=visit.text("of"))
    return _show(visit, incident_id, sent) if sent else go(f"/incidents/{incident_id}/holds?saved={name}")


def _show(visit: Visit, incident_id: str, sent: Sent) -> Response:
    case = read_case(visit, incident_id)
    found = visit.api.get("intake", f"/incidents/{incident_id}/holds")
    return show(
        visit, "holds.html", case, sent, visit.text("of"), holds=found, keeps=visit.has(*DECIDERS) and not case.ended,
        bodies=list(HoldFor),
    )  # fmt: skip
