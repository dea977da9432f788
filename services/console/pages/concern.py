"""One concern, for those who review it: the conversation, an answer that the sender reads with the receipt code, who reviews it
and how the sender is protected, and the incident that is made of it."""

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from services.console.page import TEXTS
from services.console.pages.report import places
from services.console.places import leaders
from services.console.steps import Step, at, take
from services.console.visit import Visit, Visitor, go
from services.console.writing import Sent, names
from services.contracts.taxonomy import Category

router = APIRouter(include_in_schema=False)
_ = TEXTS.gettext


def _review(visit: Visit, said: dict[str, Any]) -> dict[str, Any]:
    """Who is kept away is sent whole: those who are still ticked, and who was added."""
    added = [said.pop("away")] if "away" in said else []
    return {**said, "excluded": [*visit.texts("review_excluded"), *added]}


def _incident(visit: Visit, said: dict[str, Any]) -> dict[str, Any]:
    body = at("occurred_at")(visit, said)
    return {
        **body,
        "immediate_danger": said["immediate_danger"] == "yes",
        "not_about_staff": visit.text("incident_not_about_staff") == "yes",
    }


STEPS = {
    "answer": Step(
        "intake", "/concerns/{concern_id}/messages", ("text",), versioned=False, needs={"text": _("Write an answer")}
    ),
    "review": Step(
        "intake", "/concerns/{concern_id}/review", ("reviewer_id", "protection", "reason", "away"), body=_review,
        shown=("excluded",),
        needs={
            "reviewer_id": _("Choose who reviews it"), "protection": _("Say how whoever raised it is protected"),
            "reason": _("Say why it is arranged like this"),
        },
    ),
    "incident": Step(
        "intake", "/concerns/{concern_id}/incident", ("location_id", "category", "occurred_at", "narrative", "immediate_danger"),
        body=_incident, shown=("not_about_staff",),
        needs={
            "location_id": _("Choose where it happened"), "category": _("Choose the type that fits best"),
            "occurred_at": _("Say when it happened"), "narrative": _("Say what happened"),
            "immediate_danger": _("Say whether anybody is in danger now"),
        },
    ),
}  # fmt: skip


@router.get("/concerns/{concern_id}")
def conversation(visit: Visitor, concern_id: str) -> Response:
    """What was written, by when it wants an answer, and what whoever reviews it decides."""
    return _show(visit, concern_id, Sent())


@router.post("/concerns/{concern_id}/{name}")
def take_step(visit: Visitor, concern_id: str, name: str) -> Response:
    """Answer it, say who reviews it, or report the incident that it tells of."""
    step = STEPS.get(name)
    if step is None:
        return go(f"/concerns/{concern_id}")
    sent = take(visit, name, step, concern_id=concern_id)
    return _show(visit, concern_id, sent) if sent else go(f"/concerns/{concern_id}?saved={name}")


def _show(visit: Visit, concern_id: str, sent: Sent) -> Response:
    read = visit.api.read("intake", f"/concerns/{concern_id}")
    concern = read.body
    known = leaders(visit, None, None)
    people = {one["value"].partition(":")[0]: one["text"] for one in known}
    away = [one for one in concern["excluded"] if one not in people]
    return visit.page(
        "concern.html", sent.status, concern=concern, version=read.version, sent=sent, errors=sent.errors,
        reviewers=[{"value": person, "text": name} for person, name in people.items()],
        people={**people, **names(visit, [concern["reviewer_id"], *away])}, places=places(visit), categories=list(Category),
        saved=visit.request.query_params.get("saved"),
    )  # fmt: skip
