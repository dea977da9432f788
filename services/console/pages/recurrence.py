"""The question whether a closed case has come back: why it is asked, both incidents, and the answer."""

from fastapi import APIRouter
from starlette.responses import Response

from services.console.page import TEXTS
from services.console.pages.case import read_case, show
from services.console.steps import Step, take
from services.console.visit import Visit, Visitor, go
from services.console.writing import Sent, names
from services.contracts.taxonomy import RecurrenceAnswer

router = APIRouter(include_in_schema=False)
_ = TEXTS.gettext

_ANSWER = Step(
    "intake", "/recurrences/{recurrence_id}/answer", ("answer", "stage", "reason"),
    needs={"answer": _("Choose whether it has come back"), "reason": _("Say why you think so")},
)  # fmt: skip


@router.get("/recurrences/{recurrence_id}")
def recurrence(visit: Visitor, recurrence_id: str) -> Response:
    """The two incidents, on what grounds they are alike, and a form to answer."""
    return _show(visit, recurrence_id, Sent())


@router.post("/recurrences/{recurrence_id}")
def answer(visit: Visitor, recurrence_id: str) -> Response:
    """Reopen the closed case, or say why it is not the same."""
    sent = take(visit, "answer", _ANSWER, recurrence_id=recurrence_id)
    return _show(visit, recurrence_id, sent) if sent else go(f"/recurrences/{recurrence_id}?saved=answer")


def _show(visit: Visit, recurrence_id: str, sent: Sent) -> Response:
    read = visit.api.read("intake", f"/recurrences/{recurrence_id}")
    found = read.body
    return show(
        visit, "recurrence.html", read_case(visit, found["incident_id"]), sent, recurrence_id, asked=found,
        version=read.version, closed=read_case(visit, found["closed_incident_id"]),
        people=names(visit, [found["answered_by"]]), answers=list(RecurrenceAnswer),
        open_still=found["answered_at"] is None or sent.step == "answer",
    )  # fmt: skip
