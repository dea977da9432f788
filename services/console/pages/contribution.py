"""What somebody was asked to say in a review, and says in their own words. Nothing else of the review is shown."""

from fastapi import APIRouter
from starlette.responses import Response

from services.console.page import TEXTS
from services.console.steps import Step, take
from services.console.visit import Visit, Visitor, go
from services.console.writing import Change, Sent, names

router = APIRouter(include_in_schema=False)
_ = TEXTS.gettext

_SAY = Step(
    "review", "/contributions/{contribution_id}/statement", ("said",), method="PUT",
    needs={"said": _("Write what you know")},
)  # fmt: skip


@router.get("/contributions/{contribution_id}")
def contribution(visit: Visitor, contribution_id: str) -> Response:
    """What this person was asked, and what they said so far."""
    return _show(visit, contribution_id, Sent())


@router.post("/contributions/{contribution_id}")
def say(visit: Visitor, contribution_id: str) -> Response:
    """Keep what they say; they may change it as long as the review is being written."""
    sent = take(visit, "say", _SAY, contribution_id=contribution_id)
    return _show(visit, contribution_id, sent) if sent else go(f"/contributions/{contribution_id}?saved=1")


def _show(visit: Visit, contribution_id: str, sent: Sent) -> Response:
    read = visit.api.read("review", f"/contributions/{contribution_id}")
    found = read.body
    people = names(visit, [found["asked_by"], found["written_by"]])
    change = Change(people.get(found["written_by"], _("Somebody else")), found["written_at"], _("what is written here"))
    return visit.page(
        "contribution.html", sent.status, asked=found, version=read.version, sent=sent, errors=sent.errors, people=people,
        change=change if sent.stale else None, saved=visit.request.query_params.get("saved"),
    )  # fmt: skip
