"""One duty to tell somebody outside: why, until when, the notice as a draft, and its way from decided to confirmed."""

from fastapi import APIRouter
from starlette.responses import Response

from services.console.page import TEXTS
from services.console.pages.case import ANSWERERS, DECIDERS, read_case, show
from services.console.steps import Step, at, take
from services.console.visit import Visit, Visitor, go
from services.console.writing import Sent, names

router = APIRouter(include_in_schema=False)
_ = TEXTS.gettext

_RECORD = "/obligations/{obligation_id}"
STEPS = {
    "decide": Step(
        "intake", f"{_RECORD}/decision", ("decision", "reason"), needs={"decision": _("Choose whether to tell them")}
    ),
    "submit": Step(
        "intake", f"{_RECORD}/submission", ("reference", "submitted_at", "evidence"), body=at("submitted_at"),
        needs={"reference": _("Give the reference that you got"), "submitted_at": _("Say when it was sent")},
    ),
    "confirm": Step(
        "intake", f"{_RECORD}/acknowledgement", ("received_at", "reference"), body=at("received_at"),
        needs={"received_at": _("Say when they confirmed it")},
    ),
}  # fmt: skip


@router.get("/obligations/{obligation_id}")
def obligation(visit: Visitor, obligation_id: str) -> Response:
    """The duty, with the step that comes next."""
    return _show(visit, obligation_id, Sent())


@router.get("/obligations/{obligation_id}/draft")
def draft(visit: Visitor, obligation_id: str) -> Response:
    """The notice as a text to download."""
    found = visit.api.fetch("intake", f"/obligations/{obligation_id}/draft", form="text")
    kept = {name: found.headers[name] for name in ("Content-Disposition",) if name in found.headers}
    return Response(
        found.content, media_type="text/plain; charset=utf-8", headers={**kept, "Cache-Control": "no-store"}
    )


@router.post("/obligations/{obligation_id}/{name}")
def take_step(visit: Visitor, obligation_id: str, name: str) -> Response:
    """Decide, record as sent, or record as confirmed."""
    step = STEPS.get(name)
    if step is None:
        return go(f"/obligations/{obligation_id}")
    sent = take(visit, name, step, obligation_id=obligation_id)
    return _show(visit, obligation_id, sent) if sent else go(f"/obligations/{obligation_id}?saved={name}")


def _show(visit: Visit, obligation_id: str, sent: Sent) -> Response:
    read = visit.api.read("intake", f"/obligations/{obligation_id}")
    found = read.body
    case = read_case(visit, found["incident_id"])
    back = sent.step  # what was typed is shown, also where somebody else was quicker
    return show(
        visit, "obligation.html", case, sent, obligation_id, obligation=found, version=read.version,
        people=names(visit, [found["decided_by"]]),
        draft=visit.api.get_or_none("intake", f"/obligations/{obligation_id}/draft"),
        decides=back == "decide" or (found["decision"] is None and not case.ended and visit.has(*DECIDERS)),
        submits=back == "submit" or (found["state"] == "to_submit" and visit.has(*ANSWERERS)),
        confirms=back == "confirm" or (found["state"] == "submitted" and visit.has(*ANSWERERS)),
    )  # fmt: skip
