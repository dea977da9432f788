"""What is kept apart from the learning: a discipline, a police matter, an inquest or a claim, for the few who keep it."""

from fastapi import APIRouter
from starlette.responses import Response

from services.console.page import TEXTS
from services.console.pages.case import read_case
from services.console.steps import Step, at, take
from services.console.visit import Visit, Visitor, go
from services.console.writing import Change, Sent, names
from services.contracts.taxonomy import ProceedingKind, Role

router = APIRouter(include_in_schema=False)
_ = TEXTS.gettext

KEEPERS = (Role.NOMINATED_INDIVIDUAL, Role.SAFEGUARDING_LEAD, Role.DIRECTOR)
"""Who is shown that there is such a page. Whether they may read it is the service's to say."""

STEPS = {
    "begin": Step(
        "intake", "/incidents/{incident_id}/proceedings",
        ("kind", "reference", "about", "shared", "kept_apart", "begun_at", "next_at"), versioned=False,
        body=at("begun_at", "next_at"),
        needs={
            "kind": _("Choose what it is"), "about": _("Say what it is about"),
            "shared": _("Say what is given to it, or that nothing is"), "kept_apart": _("Say what is not given to it"),
            "begun_at": _("Say since when"),
        },
    ),
    "note": Step(
        "intake", "/proceedings/{proceeding_id}/notes", ("said", "next_at"), body=at("next_at"),
        needs={"said": _("Say what happened")},
    ),
    "end": Step(
        "intake", "/proceedings/{proceeding_id}/end", ("outcome", "ended_at"), body=at("ended_at"),
        needs={"outcome": _("Say how it ended"), "ended_at": _("Say when it ended")},
    ),
}  # fmt: skip


@router.get("/incidents/{incident_id}/proceedings")
def proceedings(visit: Visitor, incident_id: str) -> Response:
    """Every proceeding about an incident, those that ended too."""
    return _show(visit, incident_id, Sent())


@router.post("/incidents/{incident_id}/proceedings/{name}")
def take_step(visit: Visitor, incident_id: str, name: str) -> Response:
    """Record one, note what happened in it, or how it ended."""
    step = STEPS.get(name)
    if step is None:
        return go(f"/incidents/{incident_id}/proceedings")
    sent = take(visit, visit.text("form") or name, step, incident_id=incident_id, proceeding_id=visit.text("of"))
    return _show(visit, incident_id, sent) if sent else go(f"/incidents/{incident_id}/proceedings?saved={name}")


def _show(visit: Visit, incident_id: str, sent: Sent) -> Response:
    case = read_case(visit, incident_id)
    found = visit.api.get("intake", f"/incidents/{incident_id}/proceedings")
    return visit.page(
        "proceedings.html", sent.status, case=case, incident=case.record, sent=sent, errors=sent.errors,
        proceedings=sorted(found, key=lambda one: one["ended_at"] is not None), kinds=list(ProceedingKind),
        people=names(visit, [note["by"] for one in found for note in one["history"]]),
        change=_last(visit, visit.text("of")) if sent.stale else None, saved=visit.request.query_params.get("saved"),
    )  # fmt: skip


def _last(visit: Visit, proceeding_id: str) -> Change | None:
    """Who changed it last: it has an audit chain of its own."""
    chain = visit.api.get_or_none("intake", f"/proceedings/{proceeding_id}/audit")
    if not chain:
        return None
    who = names(visit, [chain[-1]["actor"]]).get(chain[-1]["actor"], _("Somebody else"))
    return Change(who, chain[-1]["at"], str(chain[-1]["action"]).replace("_", " "))
