"""For how long records are kept: those whose time has come, what was decided about each, holds, and what was erased."""

from fastapi import APIRouter
from starlette.responses import Response

from services.console.page import TEXTS
from services.console.pages.case import read_case, show
from services.console.pages.proceeding import KEEPERS
from services.console.steps import Step, take
from services.console.visit import Visit, Visitor, go
from services.console.writing import Sent, names

router = APIRouter(include_in_schema=False)
_ = TEXTS.gettext

SHOWN = 50
"""So many due and erased records are shown at once; what has been decided makes room for the next."""

STEPS = {
    "decide": Step(
        "intake", "/incidents/{incident_id}/appraisal", ("decision", "reason", "keep_until"),
        needs={"decision": _("Choose what becomes of it"), "reason": _("Say why")},
    ),
    "confirm": Step("intake", "/incidents/{incident_id}/appraisal/confirm", body=lambda visit, body: None),
    "hold": Step(
        "intake", "/legal-holds", ("reason", "look_again_on"), versioned=False, needs={"reason": _("Say who asked for it, and what for")},
        body=lambda visit, body: {**body, "incident_id": visit.request.path_params["incident_id"]},
    ),
    "lift": Step("intake", "/legal-holds/{hold_id}/lift", ("reason",), needs={"reason": _("Say why it is no longer needed")}),
}  # fmt: skip


@router.get("/administration/retention")
def begin(visit: Visitor) -> Response:
    """Records that wait for a decision, or for somebody to confirm it; every hold that stands; what was erased last."""
    if not visit.has(*KEEPERS):
        return visit.page("retention.html", 403, due=None)
    due = visit.api.all("intake", "/retention/due", SHOWN)
    return visit.page(
        "retention.html", due=due, holds=visit.api.all("intake", "/legal-holds"),
        erased=visit.api.get("intake", "/retention/erasures", limit=SHOWN)["items"],
        places=_places(visit),
    )  # fmt: skip


@router.get("/incidents/{incident_id}/retention")
def kept(visit: Visitor, incident_id: str) -> Response:
    """For how long one record is kept, by which rule, and what speaks against an erasure."""
    return _show(visit, incident_id, Sent())


@router.post("/incidents/{incident_id}/retention/{name}")
def take_step(visit: Visitor, incident_id: str, name: str) -> Response:
    """Decide, confirm that it is destroyed, place a hold or lift one."""
    here = f"/incidents/{incident_id}/retention"
    step = STEPS.get(name)
    if step is None:
        return go(here)
    form = visit.text("form") or name
    sent = take(visit, form, step, incident_id=incident_id, hold_id=visit.text("of"))
    return _show(visit, incident_id, sent) if sent else go(f"{here}?saved={name}")


def _places(visit: Visit) -> dict[str, str]:
    """The places that this person knows, by id."""
    return {one["location_id"]: one["name"] for one in visit.api.all("directory", "/locations")}


def _show(visit: Visit, incident_id: str, sent: Sent) -> Response:
    case, record = read_case(visit, incident_id), visit.api.get("intake", f"/incidents/{incident_id}/retention")
    appraisal = record["appraisal"] or {}
    people = names(visit, [appraisal.get("decided_by"), appraisal.get("confirmed_by"), *(one["placed_by"] for one in record["holds"])])  # fmt: skip
    return show(
        visit, "record_kept.html", case, sent, record=record, appraisal=record["appraisal"], people=people,
        own=appraisal.get("decided_by") == str(visit.actor.id),
    )  # fmt: skip
