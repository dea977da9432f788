"""Indicators: series that people record month by month, by which one can see whether a change worked."""

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from services.console.chart import figure, points
from services.console.page import TEXTS
from services.console.pages.checkpoint import JUDGES
from services.console.places import read_places
from services.console.steps import Step, take
from services.console.visit import Visit, Visitor, go
from services.console.writing import Change, Sent, names
from services.contracts.taxonomy import Role

router = APIRouter(include_in_schema=False)
_ = TEXTS.gettext

RECORDERS = (Role.REGISTERED_MANAGER, Role.REGIONAL_MANAGER, Role.QUALITY_LEAD, Role.SAFEGUARDING_LEAD)
ABOUT = ("audit_score", "competence_observed", "staff_confidence", "outcome_for_people", "quality_indicator")


def _month(visit: Visit, said: dict[str, Any]) -> dict[str, Any]:
    """One month, as a number or as so many out of so many; the browser's field gives it without a day."""
    month = said["month"]
    return {"values": [{**said, "month": f"{month}-01" if len(month) == len("2026-03") else month}]}


_FIGURES = ("month", "value", "numerator", "denominator")
STEPS = {
    "begin": Step(
        "actions", "/indicators",
        ("name", "about", "direction", "definition", "numerator", "denominator", "location_id"), versioned=False,
        body=lambda visit, said: {**said, "share": visit.text("begin_share") == "yes"}, shown=("share",),
        needs={
            "name": _("Give it a name"), "about": _("Choose what it is about"), "direction": _("Choose which way is better"),
            "definition": _("Say what exactly is measured, how and by whom"),
        },
    ),
    "month": Step(
        "actions", "/indicators/{indicator_id}/values", _FIGURES, versioned=False, body=_month,
        needs={"month": _("Choose the month")}, named={f"values.0.{name}": name for name in _FIGURES},
    ),
    "redefine": Step(
        "actions", "/indicators/{indicator_id}/definitions", ("definition", "numerator", "denominator", "reason"),
        needs={
            "definition": _("Say what exactly is measured from now on"),
            "reason": _("Say why: months before it are not compared with those after it"),
        },
    ),
}  # fmt: skip


@router.get("/indicators")
def indicators(visit: Visitor) -> Response:
    """Those of the whole provider and of this person's places, and a form to begin another."""
    return _list(visit, Sent())


@router.post("/indicators")
def begin(visit: Visitor) -> Response:
    """Begin a series."""
    sent = take(visit, "begin", STEPS["begin"])
    return _list(visit, sent) if sent else go("/indicators?saved=1")


@router.get("/indicators/{indicator_id}")
def indicator(visit: Visitor, indicator_id: str) -> Response:
    """One series with its chart, its months and what it means."""
    return _show(visit, indicator_id, Sent())


@router.post("/indicators/{indicator_id}/{name}")
def take_step(visit: Visitor, indicator_id: str, name: str) -> Response:
    """Record a month, or define it anew."""
    if name not in ("month", "redefine"):
        return go(f"/indicators/{indicator_id}")
    sent = take(visit, name, STEPS[name], indicator_id=indicator_id)
    return _show(visit, indicator_id, sent) if sent else go(f"/indicators/{indicator_id}?saved={name}")


def _list(visit: Visit, sent: Sent) -> Response:
    return visit.page(
        "indicators.html", sent.status, indicators=visit.api.all("actions", "/indicators"), places=read_places(visit),
        sent=sent, errors=sent.errors, begins=visit.has(*RECORDERS), about=ABOUT,
        saved=visit.request.query_params.get("saved"),
    )  # fmt: skip


def _show(visit: Visit, indicator_id: str, sent: Sent) -> Response:
    read = visit.api.read("actions", f"/indicators/{indicator_id}")
    found, rows = read.body, points(read.body["chart"]) if read.body["chart"] else []
    newest = found["definitions"][-1]
    people = names(visit, [one["defined_by"] for one in found["definitions"]])
    change = Change(people.get(newest["defined_by"], _("Somebody else")), newest["defined_at"], _("what it means"))
    return visit.page(
        "indicator.html", sent.status, indicator=found, newest=newest, version=read.version, sent=sent, errors=sent.errors,
        people=people, places=read_places(visit), rows=rows, figure=figure(rows, found["name"]) if rows else None,
        records=visit.has(*RECORDERS), defines=visit.has(*JUDGES), change=change if sent.stale else None,
        saved=visit.request.query_params.get("saved"),
    )  # fmt: skip
