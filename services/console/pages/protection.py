"""What protects people after an incident: each restriction or plan with why, how it ends, and when somebody looks again."""

from fastapi import APIRouter
from starlette.responses import Response

from services.console.page import TEXTS
from services.console.pages.case import DECIDERS, read_case, show
from services.console.steps import Step, at, take
from services.console.visit import Visit, Visitor, go
from services.console.writing import Sent, names
from services.contracts.taxonomy import ProtectionEnding, ProtectionKind

router = APIRouter(include_in_schema=False)
_ = TEXTS.gettext

_AGAIN = _("Say when somebody looks again")
STEPS = {
    "protect": Step(
        "intake", "/incidents/{incident_id}/protections",
        (
            "kind", "concerns", "what", "reason", "least_restrictive", "agreed_with", "ends_when", "started_at", "look_again_at",
        ),
        versioned=False, body=at("started_at", "look_again_at"),
        needs={
            "kind": _("Choose what it is"), "concerns": _("Say whom it concerns, by code"), "what": _("Say what is done"),
            "reason": _("Say why"), "ends_when": _("Say what has to be so for it to end"),
            "started_at": _("Say since when"), "look_again_at": _AGAIN,
        },
    ),
    "look": Step(
        "intake", "/protections/{protection_id}/look",
        ("found", "medicines_reviewed_on", "medicines_not_reviewed_because", "look_again_at"), body=at("look_again_at"),
        needs={"found": _("Say what you found, and why it goes on"), "look_again_at": _AGAIN},
    ),
    "end": Step(
        "intake", "/protections/{protection_id}/end", ("ending", "reason"),
        needs={"ending": _("Choose how it ends"), "reason": _("Say what is so now, or who looks at it from now on")},
    ),
}  # fmt: skip


@router.get("/incidents/{incident_id}/protections")
def protections(visit: Visitor, incident_id: str) -> Response:
    """Every restriction and plan after an incident, those that ended too."""
    return _show(visit, incident_id, Sent())


@router.post("/incidents/{incident_id}/protections/{name}")
def take_step(visit: Visitor, incident_id: str, name: str) -> Response:
    """Record one, keep what a look found, or end it."""
    step = STEPS.get(name)
    if step is None:
        return go(f"/incidents/{incident_id}/protections")
    sent = take(visit, visit.text("form") or name, step, incident_id=incident_id, protection_id=visit.text("of"))
    return _show(visit, incident_id, sent) if sent else go(f"/incidents/{incident_id}/protections?saved={name}")


def _show(visit: Visit, incident_id: str, sent: Sent) -> Response:
    case = read_case(visit, incident_id)
    found = visit.api.get("intake", f"/incidents/{incident_id}/protections")
    who = [one["placed_by"] for one in found] + [look["by"] for one in found for look in one["history"]]
    return show(
        visit, "protections.html", case, sent, visit.text("of"), protections=sorted(found, key=lambda one: one["ended_at"] is not None),
        people=names(visit, who + [one["ended_by"] for one in found]), keeps=visit.has(*DECIDERS) and not case.ended,
        kinds=list(ProtectionKind), endings=list(ProtectionEnding),
    )  # fmt: skip
