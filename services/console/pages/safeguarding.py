"""The safeguarding record of an incident: what happened to whom, what each adult wants, the decision to refer, what came of it."""

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from services.console.page import TEXTS
from services.console.pages.case import DECIDERS, read_case, show
from services.console.pages.report import person_reference
from services.console.service_api import Refused
from services.console.steps import Step, at, take, yes
from services.console.visit import Visit, Visitor, go
from services.console.writing import Sent, names
from services.contracts.taxonomy import AbuseType, AuthorityDecision, EnquiryOutcome

router = APIRouter(include_in_schema=False)
_ = TEXTS.gettext

CONSENTS = ("given", "refused", "lacks_capacity", "not_asked")
MOST_ADULTS, MOST_WISHES = 50, 20
_RECORD = "/incidents/{incident_id}/safeguarding"


def _written(visit: Visit, said: dict[str, Any]) -> dict[str, Any]:
    adults = (_adult(visit, f"write_adults_{row}_") for row in range(MOST_ADULTS))
    return {
        **said,
        "abuse_types": visit.texts("write_abuse_types"),
        "immediate_safety_secured": yes(said.get("immediate_safety_secured")),
        "adults": [one for one in adults if one is not None],
    }


def _adult(visit: Visit, row: str) -> dict[str, Any] | None:
    """One row of the form; None where nobody is named in it."""
    code, ref = visit.text(f"{row}code"), visit.text(f"{row}person_ref")
    if not ref and not code:
        return None
    wishes = (
        {"outcome": visit.text(f"{row}wish_{n}"), "met": visit.text(f"{row}met_{n}") or None}
        for n in range(MOST_WISHES)
    )
    return {
        "person_ref": ref or person_reference(visit.actor.provider_id, code),
        "consent": visit.text(f"{row}consent") or "not_asked",
        "override_reason": visit.text(f"{row}override_reason") or None,
        "capacity_note": visit.text(f"{row}capacity_note") or None,
        "advocate_offered": yes(visit.text(f"{row}advocate_offered")),
        "wishes": [one for one in wishes if one["outcome"]],
    }


def _about(visit: Visit, said: dict[str, Any]) -> dict[str, Any]:
    """With the adult that the form is about; left out while nobody is named."""
    return {**at("referred_at")(visit, said), **({"person_ref": visit.text("of")} if visit.text("of") else {})}


def _of_referral(*times: str) -> Any:
    return lambda visit, said: {**at(*times)(visit, said), "referral_id": visit.text("of")}


STEPS = {
    "write": Step(
        "intake", _RECORD, ("immediate_safety_secured", "safety_measures"), method="PUT", shown=("abuse_types",),
        body=_written,
        needs={
            "immediate_safety_secured": _("Say whether the adult is safe now"),
            "safety_measures": _("Say what was done, or is being done, so that the adult is safe"),
        },
    ),
    "decide": Step(
        "intake", f"{_RECORD}/decision", ("decision", "reason"), body=_about,
        needs={"decision": _("Choose whether the adult is referred")},
    ),
    "refer": Step(
        "intake", f"{_RECORD}/referral", ("authority", "reference", "referred_at"), body=_about,
        needs={
            "authority": _("Say which authority"), "reference": _("Give the reference that you got"),
            "referred_at": _("Say when it was sent"),
        },
    ),
    "answer": Step(
        "intake", f"{_RECORD}/authority-decision", ("decision", "reason", "decided_at"), body=_of_referral("decided_at"),
        needs={"decision": _("Choose what the authority does"), "decided_at": _("Say when it decided")},
    ),
    "outcome": Step(
        "intake", f"{_RECORD}/enquiry-outcome", ("outcome", "summary", "concluded_at"),
        body=_of_referral("concluded_at"),
        needs={
            "outcome": _("Choose how it ended"), "summary": _("Say what was found"),
            "concluded_at": _("Say when it ended"),
        },
    ),
}  # fmt: skip


@router.get("/incidents/{incident_id}/safeguarding")
def safeguarding(visit: Visitor, incident_id: str) -> Response:
    """The record, or an empty one to begin."""
    return _show(visit, incident_id, Sent())


@router.post("/incidents/{incident_id}/safeguarding/{name}")
def take_step(visit: Visitor, incident_id: str, name: str) -> Response:
    """Write the record, decide, record a referral and what came of it."""
    step = STEPS.get(name)
    if step is None:
        return go(f"/incidents/{incident_id}/safeguarding")
    form = visit.text("form") or name  # there is one for each adult and referral
    sent = take(visit, form, step, incident_id=incident_id)
    return _show(visit, incident_id, sent) if sent else go(f"/incidents/{incident_id}/safeguarding?saved={name}")


def _show(visit: Visit, incident_id: str, sent: Sent) -> Response:
    case = read_case(visit, incident_id)
    record: dict[str, Any] | None = None
    version = None
    try:
        read = visit.api.read("intake", f"/incidents/{incident_id}/safeguarding")
        record, version = read.body, read.version
    except Refused as refused:  # 404: nobody has begun one
        if refused.status != 404:
            raise
    adults = record["adults"] if record else []
    return show(
        visit, "safeguarding.html", case, sent, incident_id, record=record, version=version, adults=adults,
        named=[one for one in adults if one["person_ref"]], keeps=visit.has(*DECIDERS),
        people=names(visit, [one["decided_by"] for one in adults]), types=list(AbuseType),
        consents=CONSENTS, decisions=list(AuthorityDecision), outcomes=list(EnquiryOutcome),
    )  # fmt: skip
