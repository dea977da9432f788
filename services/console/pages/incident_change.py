"""What is decided about an incident as a whole: withdrawn, a duplicate, linked, reopened, and who sees it."""

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from services.console.page import TEXTS
from services.console.pages.case import TRIAGERS, read_case, show
from services.console.places import leaders
from services.console.steps import Step, take
from services.console.visit import Visit, Visitor, go
from services.console.writing import Sent, names
from services.contracts.taxonomy import LinkRelation, Role

router = APIRouter(include_in_schema=False)
_ = TEXTS.gettext

ENDERS = (*TRIAGERS, Role.NOMINATED_INDIVIDUAL, Role.DIRECTOR)
REOPENERS = (Role.QUALITY_LEAD, Role.DIRECTOR)
ACCESS_KEEPERS = (Role.SAFEGUARDING_LEAD, Role.NOMINATED_INDIVIDUAL)

_RECORD = "/incidents/{incident_id}"


def _named(visit: Visit, said: dict[str, Any]) -> dict[str, Any]:
    """Both lists whole: those that are still ticked, and who was added."""
    return {
        **{name: said[name] for name in ("reason",) if name in said},
        **{name: [*visit.texts(f"access_{name}"), *([said[f"add_{name}"]] if f"add_{name}" in said else [])]
           for name in ("people", "excluded")},
    }  # fmt: skip


STEPS = {
    "withdraw": Step("intake", f"{_RECORD}/withdrawal", ("reason",), needs={"reason": _("Say why it was reported in error")}),
    "duplicate": Step(
        "intake", f"{_RECORD}/duplicate", ("duplicate_of",), needs={"duplicate_of": _("Choose the incident that covers it")}
    ),
    "link": Step(
        "intake", f"{_RECORD}/links", ("other_id", "relation", "reason"), versioned=False,
        needs={
            "other_id": _("Choose the other incident"), "relation": _("Choose how the two belong together"),
            "reason": _("Say why"),
        },
    ),
    "reopen": Step(
        "intake", f"{_RECORD}/reopening", ("stage", "reason"),
        needs={"stage": _("Choose where it goes on"), "reason": _("Say why it is reopened")},
    ),
    "access": Step(
        "intake", f"{_RECORD}/access", ("add_people", "add_excluded", "reason"), method="PUT",
        shown=("people", "excluded"), body=_named, needs={"reason": _("Say why")},
    ),
}  # fmt: skip


@router.get("/incidents/{incident_id}/change")
def change(visit: Visitor, incident_id: str) -> Response:
    """What this person may decide about it."""
    return _show(visit, incident_id, Sent())


@router.post("/incidents/{incident_id}/change/{name}")
def take_step(visit: Visitor, incident_id: str, name: str) -> Response:
    """End it, link it, reopen it, or change who sees it."""
    step = STEPS.get(name)
    if step is None:
        return go(f"/incidents/{incident_id}/change")
    sent = take(visit, name, step, incident_id=incident_id)
    return _show(visit, incident_id, sent) if sent else go(f"/incidents/{incident_id}?saved={name}")


def _show(visit: Visit, incident_id: str, sent: Sent) -> Response:
    case = read_case(visit, incident_id)
    keeps = visit.has(*ACCESS_KEEPERS)
    access = visit.api.read("intake", f"/incidents/{incident_id}/access") if keeps else None
    kept = access.body if access else {"people": [], "excluded": [], "changes": [], "break_glass": []}
    staff = _people(visit, case.record) if keeps else []
    known = {one["value"]: one["text"] for one in staff}
    listed = [*kept["people"], *kept["excluded"], *(one["changed_by"] for one in kept["changes"])]
    listed += [one["person_id"] for one in kept["break_glass"]]
    return show(
        visit, "incident_change.html", case, sent, links=visit.api.get_or_none("intake", f"/incidents/{incident_id}/links"),
        others=_others(visit, case.record), relations=list(LinkRelation), access=access, staff=staff,
        people={**names(visit, [one for one in listed if one not in known]), **known},
        ends=visit.has(*ENDERS) and not case.ended, duplicates=visit.has(*TRIAGERS) and not case.ended,
        links_it=visit.has(*ENDERS), reopens=visit.has(*REOPENERS) and case.record["stage"] == "closed",
    )  # fmt: skip


def _others(visit: Visit, record: dict[str, Any]) -> list[dict[str, str]]:
    """Incidents that this one may belong with: what came before, what is like it elsewhere, what is new at the place."""
    path = f"/incidents/{record['incident_id']}"
    before = visit.api.get_or_none("intake", f"{path}/earlier") or {"incidents": []}
    like = visit.api.get_or_none("intake", f"{path}/links") or {"similar": []}
    here = visit.api.get("intake", "/incidents", location_id=record["location_id"], limit=100)["items"]
    found = {one["incident_id"]: one for one in [*before["incidents"], *like["similar"], *here]}
    found.pop(record["incident_id"], None)
    return [
        {"value": one["incident_id"], "category": one["category"], "at": one["occurred_at"], "stage": one["stage"]}
        for one in sorted(found.values(), key=lambda one: str(one["occurred_at"]), reverse=True)
    ]


def _people(visit: Visit, record: dict[str, Any]) -> list[dict[str, str]]:
    """Who works at the place, and who answers for it, its region or all places, by name."""
    place = record["location_id"]
    at_work = visit.api.all("directory", "/people", most=400, location_id=place)
    found = {one["person_id"]: str(one["display_name"]) for one in at_work if one["active"]}
    found |= {one["value"].partition(":")[0]: one["text"] for one in leaders(visit, place, record["region_id"])}
    return sorted(({"value": person, "text": name} for person, name in found.items()), key=lambda one: one["text"])
