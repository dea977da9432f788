"""What must be done inside the service in the first hours: each check with its time, and a form to record it or set it aside."""

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from services.console.page import TEXTS
from services.console.pages.case import ANSWERERS, read_case, show
from services.console.steps import Step, moment, number, take, yes
from services.console.visit import Visit, Visitor, go
from services.console.writing import Sent, names
from services.contracts.taxonomy import Role

router = APIRouter(include_in_schema=False)
_ = TEXTS.gettext

_CHECK = "/incidents/{incident_id}/checks/{rule}"
_ASIDE = Step(
    "intake", f"{_CHECK}/set-aside", ("reason",), versioned=False, needs={"reason": _("Say why it is not done")}
)


@router.get("/incidents/{incident_id}/checks")
def checks(visit: Visitor, incident_id: str) -> Response:
    """Every check, what is not recorded first."""
    return _show(visit, incident_id, Sent())


@router.post("/incidents/{incident_id}/checks/{rule}/record")
def record(visit: Visitor, incident_id: str, rule: str) -> Response:
    """Record that it was done, when and with what result."""
    return _take(visit, incident_id, rule, f"record_{rule}", _recording(visit, incident_id, rule))


@router.post("/incidents/{incident_id}/checks/{rule}/set-aside")
def set_aside(visit: Visitor, incident_id: str, rule: str) -> Response:
    """Say why it is not done."""
    return _take(visit, incident_id, rule, f"aside_{rule}", _ASIDE)


def _take(visit: Visit, incident_id: str, rule: str, form: str, step: Step) -> Response:
    sent = take(visit, form, step, incident_id=incident_id, rule=rule)
    return _show(visit, incident_id, sent) if sent else go(f"/incidents/{incident_id}/checks?saved={rule}")


def _recording(visit: Visit, incident_id: str, rule: str) -> Step:
    found = visit.api.get("intake", f"/incidents/{incident_id}/checks")
    asks = [ask for check in found if check["rule"] == rule for ask in check["asks"]]
    fields = tuple(f"answers_{ask['id']}" for ask in asks)

    def body(visit: Visit, said: dict[str, Any]) -> dict[str, Any]:
        given = {
            ask["id"]: _answer(ask["type"], said[name]) for ask, name in zip(asks, fields, strict=True) if name in said
        }
        return {"done_at": moment(said["done_at"]), "answers": given}

    return Step(
        "intake", f"{_CHECK}/record", ("done_at", *fields), versioned=False, body=body,
        needs={"done_at": _("Say when it was done")},
    )  # fmt: skip


def _answer(kind: str, said: str) -> Any:
    if kind == "yes_no":
        return yes(said)
    return number(said) if kind == "number" else said


def _show(visit: Visit, incident_id: str, sent: Sent) -> Response:
    case = read_case(visit, incident_id)
    found = visit.api.get("intake", f"/incidents/{incident_id}/checks")
    return show(
        visit, "checks.html", case, sent, checks=sorted(found, key=lambda one: one["recorded_at"] is not None),
        people=names(visit, [one["recorded_by"] for one in found]), leads=visit.has(*ANSWERERS),
        mine={one["rule"] for one in found if visit.has(*ANSWERERS) or (visit.has(Role.CARER) and Role.CARER in one["who"])},
    )  # fmt: skip
