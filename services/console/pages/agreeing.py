"""Agreeing what will change because of an incident, by what its effect is measured, and that only weaker actions are enough."""

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from services.console.page import TEXTS
from services.console.pages.action import VERIFIERS, learned, staff_of
from services.console.pages.case import TRIAGERS, Case, read_case, show
from services.console.pages.report import places
from services.console.steps import Step, number, take
from services.console.visit import Visit, Visitor, go
from services.console.writing import Sent, names
from services.contracts.taxonomy import Category, Role

router = APIRouter(include_in_schema=False)
_ = TEXTS.gettext

ACCEPTERS = (Role.REGIONAL_MANAGER, Role.QUALITY_LEAD, Role.NOMINATED_INDIVIDUAL, Role.DIRECTOR)
PRIORITIES = ("normal", "high", "urgent")
SCOPES = ("provider", "region", "location")
MOST_ITEMS = 5


def _action(visit: Visit, said: dict[str, Any]) -> dict[str, Any]:
    owner, _bar, role = said.pop("owner").partition("|")
    days = said["due_working_days"]
    proof = (visit.text(f"agree_proof_{row}") for row in range(MOST_ITEMS))
    return {
        **said, "owner_id": owner, "owner_role": role,
        "due_working_days": number(days),
        "proof": [{"description": one} for one in proof if one],
        **{name: visit.texts(f"agree_{name}") for name in ("waits_for", "sites", "serves")},
    }  # fmt: skip


_AGREE = Step(
    "actions", "/actions",
    (
        "title", "strength", "strength_reason", "success_criterion", "what_counts_as_proof", "owner", "due_working_days",
        "learning_ref", "priority", "interim_control", "cost_pounds", "effort_days",
    ),
    versioned=False, shown=("waits_for", "sites", "serves"), named={"owner_id": "owner", "owner_role": "owner"},
    body=lambda visit, said: {**_action(visit, said), "incident_id": visit.text("incident_id")},
    needs={
        "title": _("Say in one line what will change"), "strength": _("Choose how strong it is"),
        "success_criterion": _("Say how one will see that it worked"),
        "what_counts_as_proof": _("Say what a verifier must find in practice"),
        "owner": _("Choose the one person who answers for it"), "due_working_days": _("Say in how many working days"),
    },
)  # fmt: skip


def _measure(visit: Visit, said: dict[str, Any]) -> dict[str, Any]:
    indicator = said.pop("of", "")
    kind = {"kind": "indicator", "indicator_id": indicator} if indicator else {"kind": "incident_rate"}
    return {**said, **kind, "beside": visit.texts("measure_beside")}


STEPS = {
    "agree": _AGREE,
    "measure": Step(
        "actions", "/incidents/{incident_id}/measures",
        ("of", "category", "scope", "definition", "baseline_first", "baseline_until", "reason"),
        shown=("beside",), named={"indicator_id": "of"}, body=_measure,
    ),
    "weaker": Step(
        "actions", "/incidents/{incident_id}/weaker-actions", ("reason",), versioned=False,
        needs={"reason": _("Say why only weaker actions are enough here")},
    ),
}  # fmt: skip


@router.get("/incidents/{incident_id}/agree")
def agreeing(visit: Visitor, incident_id: str) -> Response:
    """What is agreed so far, and a form for one more."""
    return _show(visit, incident_id, Sent())


@router.post("/incidents/{incident_id}/agree/{name}")
def take_step(visit: Visitor, incident_id: str, name: str) -> Response:
    """Agree an action, choose the measure, accept weaker actions."""
    step = STEPS.get(name)
    if step is None:
        return go(f"/incidents/{incident_id}/agree")
    sent = take(visit, name, step, incident_id=incident_id)
    return _show(visit, incident_id, sent) if sent else go(f"/incidents/{incident_id}/agree?saved={name}")


def _show(visit: Visit, incident_id: str, sent: Sent) -> Response:
    case = read_case(visit, incident_id)
    agreed = visit.api.all("actions", "/actions", most=200, incident_id=incident_id)
    measures = visit.api.read("actions", f"/incidents/{incident_id}/measures")
    standing = [one for one in agreed if one["status"] != "cancelled" and one["cycle"] == case.record["cycle"]]
    return show(
        visit, "agreeing.html", case, sent, agreed=agreed, strengths=visit.api.get("actions", "/strengths"),
        staff=staff_of(visit, case.record["location_id"]), learning=learned(visit, incident_id), places=places(visit),
        priorities=PRIORITIES, measures=measures.body, measure_version=measures.version, scopes=SCOPES,
        indicators=visit.api.get("actions", "/indicators", limit=200)["items"], categories=list(Category),
        others=_others(visit, case), people=names(visit, [one["owner_id"] for one in agreed]),
        agrees=visit.has(*TRIAGERS) and not case.ended, measures_it=visit.has(*VERIFIERS) and not case.ended,
        accepts=visit.has(*ACCEPTERS) and bool(standing) and all(one["strength"] == "weaker" for one in standing),
    )  # fmt: skip


def _others(visit: Visit, case: Case) -> list[dict[str, Any]]:
    """Incidents that an action of this one may serve too: those that somebody linked with it and are in the chain."""
    links = visit.api.get_or_none("intake", f"/incidents/{case.id}/links") or {"links": []}
    return [one for one in links["links"] if one["stage"] not in ("closed", "withdrawn", "duplicate")]
