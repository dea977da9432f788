"""Handing over all that somebody owns, in one go: who leaves and still owns something, and a form."""

from fastapi import APIRouter
from starlette.responses import Response

from services.console.labels import label
from services.console.page import TEXTS
from services.console.pages.action import VERIFIERS, handed
from services.console.steps import take
from services.console.visit import Visit, Visitor, go
from services.console.writing import Sent, names

router = APIRouter(include_in_schema=False)
_ = TEXTS.gettext

_HAND = handed(from_id=_("Choose whose actions they are"))


@router.get("/handover")
def handover(visit: Visitor) -> Response:
    """Who has left or is about to, with how much they own, and a form for anybody."""
    return _show(visit, Sent())


@router.post("/handover")
def hand_over(visit: Visitor) -> Response:
    """Give all that is open of one person, and that this one may see, to another."""
    sent = take(visit, "hand", _HAND)
    return _show(visit, sent) if sent else go("/handover?saved=1")


def _show(visit: Visit, sent: Sent) -> Response:
    needed = visit.api.get("actions", "/handovers/needed", limit=200)["items"] if visit.has(*VERIFIERS) else []
    people = [one for one in visit.api.all("directory", "/people", most=1000) if one["active"]]
    pairs = sorted({(one["display_name"], one["person_id"], held["role"]) for one in people for held in one["roles"]})
    owners = {one["person_id"]: one["display_name"] for one in people}
    leaving = names(visit, [one["person_id"] for one in needed if one["person_id"] not in owners])
    return visit.page(
        "handover.html", sent.status, sent=sent, errors=sent.errors, needed=needed, names={**leaving, **owners},
        owners=[{"value": one, "text": name} for one, name in sorted({**leaving, **owners}.items(), key=lambda one: one[1])],
        staff=[{"value": f"{one}|{role}", "text": f"{name}, {label(role).lower()}"} for name, one, role in pairs],
        hands=visit.has(*VERIFIERS), chosen=visit.request.query_params.get("from_id", ""),
        saved=visit.request.query_params.get("saved"),
    )  # fmt: skip
