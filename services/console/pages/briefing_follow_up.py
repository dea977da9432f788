"""What follows a briefing: how it reached teams, what other services were asked, and whether people still know it."""

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from services.console.page import TEXTS
from services.console.pages.case import TRIAGERS
from services.console.steps import Step, take, yes
from services.console.visit import Visit, Visitor, go
from services.console.writing import Sent
from services.contracts.taxonomy import Role, Shift

router = APIRouter(include_in_schema=False)
_ = TEXTS.gettext

ROUTES = ("team_meeting", "supervision", "training", "practice_guidance", "internal_communication", "safety_alert")
ASKED = (Role.CARER, Role.SHIFT_LEAD, Role.REGISTERED_MANAGER)


def _returned(visit: Visit, said: dict[str, Any]) -> dict[str, Any]:
    return {**said, **({"adopted": yes(said["adopted"])} if "adopted" in said else {})}


_PLACE = {"location_id": _("Choose the place")}
STEPS = {
    "route": Step(
        "review", "/briefings/{briefing_id}/routes", ("location_id", "kind", "held_on", "present", "reference"),
        versioned=False, needs={**_PLACE, "kind": _("Choose how it reached the team"), "held_on": _("Say on which day")},
    ),
    "ask": Step(
        "review", "/briefings/{briefing_id}/adoption-checks", ("question", "answer_kind", "days"), versioned=False,
        needs={
            "question": _("Write the question"), "answer_kind": _("Choose what is answered"),
            "days": _("Say in how many days"),
        },
    ),
    "return": Step(
        "review", "/adoption-checks/{of}/returns", ("location_id", "count", "adopted", "comment"), versioned=False,
        body=_returned, needs=_PLACE,
    ),
    "spot": Step(
        "review", "/briefings/{briefing_id}/spot-checks",
        ("location_id", "role", "shift", "held_on", "asked", "could_say"), versioned=False,
        needs={
            **_PLACE, "held_on": _("Say on which day"), "asked": _("Say how many were asked"),
            "could_say": _("Say how many could say it"),
        },
    ),
}  # fmt: skip


@router.get("/briefings/{briefing_id}/follow-up")
def follow_up(visit: Visitor, briefing_id: str) -> Response:
    """What came of the briefing at the places of this person."""
    return _show(visit, briefing_id, Sent())


@router.post("/briefings/{briefing_id}/follow-up/{name}")
def take_step(visit: Visitor, briefing_id: str, name: str) -> Response:
    """Record how it reached a team, ask services, answer for one, record that people were asked in person."""
    step = STEPS.get(name)
    if step is None:
        return go(f"/briefings/{briefing_id}/follow-up")
    sent = take(visit, visit.text("form") or name, step, briefing_id=briefing_id, of=visit.text("of"))
    return _show(visit, briefing_id, sent) if sent else go(f"/briefings/{briefing_id}/follow-up?saved={name}")


def _show(visit: Visit, briefing_id: str, sent: Sent) -> Response:
    record, look = f"/briefings/{briefing_id}", visit.api.get
    reach = look("review", f"{record}/reach", limit=200)
    names = {one["location_id"]: str(one["name"]) for one in visit.api.all("directory", "/locations", active="true")}
    went_to = [one["location_id"] for one in reach["locations"]["items"] if one["location_id"] in names]
    return visit.page(
        "briefing_follow_up.html", sent.status, briefing=look("review", record), sent=sent, errors=sent.errors,
        routes=look("review", f"{record}/routes", limit=200)["items"], names=names, recall=look("review", f"{record}/recall"),
        checks=look("review", f"{record}/adoption-checks", limit=50)["items"], kinds=ROUTES, shifts=list(Shift), asked=ASKED,
        places=sorted(({"value": one, "text": names[one]} for one in went_to), key=lambda one: one["text"]),
        keeps=visit.has(*TRIAGERS), saved=visit.request.query_params.get("saved"),
    )  # fmt: skip
