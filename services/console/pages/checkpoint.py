"""One look at the effect of a change: what was counted before and after, the chart, and the verdict of a person."""

from fastapi import APIRouter
from starlette.responses import Response

from services.console.chart import figure, points
from services.console.page import TEXTS
from services.console.service_api import Refused
from services.console.visit import Visit, Visitor, go
from services.console.writing import Sent, answered, key_of, newest_change, refused
from services.contracts.taxonomy import Role, Verdict

router = APIRouter(include_in_schema=False)
_ = TEXTS.gettext

JUDGES = (Role.QUALITY_LEAD, Role.SAFEGUARDING_LEAD, Role.NOMINATED_INDIVIDUAL, Role.DIRECTOR)
_FIELDS = ("verdict", "reason", "reopen_at")


@router.get("/checkpoints/{checkpoint_id}")
def checkpoint(visit: Visitor, checkpoint_id: str) -> Response:
    """The measure and, once it is measured, what it proposes."""
    return _show(visit, checkpoint_id, Sent())


@router.post("/checkpoints/{checkpoint_id}")
def judge(visit: Visitor, checkpoint_id: str) -> Response:
    """Decide on the effect."""
    body = answered(visit, "judge", _FIELDS)
    if "verdict" not in body:
        missing = {"judge_verdict": _("Choose a verdict")}
        return _show(visit, checkpoint_id, Sent("judge", visit.typed(), {}, missing, 422, key_of(visit)))
    path = f"/checkpoints/{checkpoint_id}/decision"
    try:
        visit.api.send("POST", "actions", path, body, key=key_of(visit), version=visit.text("version"))
    except Refused as error:
        return _show(visit, checkpoint_id, refused(visit, "judge", error, _FIELDS))
    return go(f"/checkpoints/{checkpoint_id}?saved=1")


def _show(visit: Visit, checkpoint_id: str, sent: Sent) -> Response:
    read = visit.api.read("actions", f"/checkpoints/{checkpoint_id}")
    found = read.body
    rows = points(found["chart"]) if found["chart"] else []
    return visit.page(
        "checkpoint.html", sent.status, checkpoint=found, version=read.version, sent=sent, errors=sent.errors, rows=rows,
        figure=figure(rows, _("The measure, before and after the change")) if rows else None, verdicts=list(Verdict),
        judges=visit.has(*JUDGES) and found["status"] == "measured", saved=visit.request.query_params.get("saved"),
        change=newest_change(visit, "actions", found["incident_id"], checkpoint_id) if sent.stale else None,
    )  # fmt: skip
