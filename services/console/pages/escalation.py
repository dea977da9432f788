"""One call of the ladder, as the link of a message opens it: what it is about, and one tap to answer."""

from fastapi import APIRouter
from starlette.responses import Response

from services.console.pages.work import read_inbox
from services.console.visit import Visitor

router = APIRouter(include_in_schema=False)


@router.get("/escalations/{escalation_id}")
def call(visit: Visitor, escalation_id: str) -> Response:
    """The call while it wants this person's answer; looking at it answers nothing, for machines open links too.

    A ladder that has gone round asks under a new call: then all that still wait for this person are shown.
    """
    waiting = read_inbox(visit)["escalations"]
    calls = [one for one in waiting if one["escalation_id"] == escalation_id] or [c for c in waiting if c["to_answer"]]
    return visit.page("escalation.html", calls=calls)
