"""For how long records are kept: those whose time has come, what was decided about each, holds, and what was erased."""

from dataclasses import replace
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from services.console.page import TEXTS
from services.console.pages.case import read_case, show
from services.console.pages.proceeding import KEEPERS
from services.console.steps import Step, take
from services.console.visit import Visit, Visitor, go
from services.console.writing import Sent, names
from services.contracts.taxonomy import RecordKind, Role

router = APIRouter(include_in_schema=False)
_ = TEXTS.gettext

DECIDERS = (*KEEPERS, Role.SPEAK_UP_GUARDIAN)
"""Who is shown that there is such a page: those who answer for records, and of concerns those who review them."""

WORDS = {
    RecordKind.CONCERN: (_("A concern"), "/concerns/{}"),
    RecordKind.THEME: (_("A theme"), "/themes/{}"),
    RecordKind.MEETING: (_("A meeting"), "/meetings/{}"),
    RecordKind.PERSON: (_("Somebody who has left"), "/administration/people/{}"),
}
"""What records that are not of one incident are called, and where each is shown."""

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
        body=lambda visit, body: {**body, **_about(visit)},
    ),
    "lift": Step("intake", "/legal-holds/{hold_id}/lift", ("reason",), needs={"reason": _("Say why it is no longer needed")}),
}  # fmt: skip
_OF_RECORD = {
    **STEPS,
    "decide": replace(STEPS["decide"], path="/retention/records/{record_id}/appraisal"),
    "confirm": replace(STEPS["confirm"], path="/retention/records/{record_id}/appraisal/confirm"),
}


def _about(visit: Visit) -> dict[str, str]:
    return {name: one for name, one in visit.request.path_params.items() if name in ("incident_id", "record_id")}


@router.get("/administration/retention")
def begin(visit: Visitor) -> Response:
    """Records that wait for a decision, or for somebody to confirm it; every hold that stands; what was erased last."""
    if not visit.has(*DECIDERS):
        return visit.page("retention.html", 403, due=None)
    due = visit.api.all("intake", "/retention/due", SHOWN) if visit.has(*KEEPERS) else []
    return visit.page(
        "retention.html", due=due, others=visit.api.all("intake", "/retention/records/due", SHOWN),
        holds=visit.api.all("intake", "/legal-holds"),
        erased=visit.api.get("intake", "/retention/erasures", limit=SHOWN)["items"],
        places=_places(visit), words={kind: name for kind, (name, _at) in WORDS.items()},
    )  # fmt: skip


@router.get("/administration/retention/records/{record_id}")
def other_kept(visit: Visitor, record_id: str) -> Response:
    """The same of one record that is not of an incident."""
    return _show_other(visit, record_id, Sent())


@router.post("/administration/retention/records/{record_id}/{name}")
def take_other_step(visit: Visitor, record_id: str, name: str) -> Response:
    """The same steps."""
    here = f"/administration/retention/records/{record_id}"
    step = _OF_RECORD.get(name)
    if step is None:
        return go(here)
    sent = take(visit, visit.text("form") or name, step, record_id=record_id, hold_id=visit.text("of"))
    return _show_other(visit, record_id, sent) if sent else go(f"{here}?saved={name}")


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
    return show(
        visit, "record_kept.html", case, sent, here=f"/incidents/{incident_id}/retention", **_decided(visit, record)
    )


def _show_other(visit: Visit, record_id: str, sent: Sent) -> Response:
    record = visit.api.get("intake", f"/retention/records/{record_id}")
    name, at = WORDS[RecordKind(record["kind"])]
    return visit.page(
        "other_record_kept.html", sent.status, sent=sent, errors=sent.errors, word=name, shown_at=at.format(record_id),
        here=f"/administration/retention/records/{record_id}", saved=visit.request.query_params.get("saved"),
        **_decided(visit, record),
    )  # fmt: skip


def _decided(visit: Visit, record: dict[str, Any]) -> dict[str, Any]:
    appraisal = record["appraisal"] or {}
    people = names(visit, [appraisal.get("decided_by"), appraisal.get("confirmed_by"), *(one["placed_by"] for one in record["holds"])])  # fmt: skip
    return {
        "record": record, "appraisal": record["appraisal"], "people": people,
        "own": appraisal.get("decided_by") == str(visit.actor.id),
    }  # fmt: skip
