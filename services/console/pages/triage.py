"""Triage: what was reported, what came before, what the rule suggests; then harm as it is and the worst that was credible."""

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from services.console.page import TEXTS
from services.console.pages.case import TRIAGERS, read_case, show
from services.console.steps import Step, number, take
from services.console.visit import Visit, Visitor, go
from services.console.writing import Sent
from services.contracts.taxonomy import PhysicalHarm, PsychologicalHarm

router = APIRouter(include_in_schema=False)
_ = TEXTS.gettext

CONSEQUENCES = (
    (1, _("Negligible: no injury, or one that needs no treatment")),
    (2, _("Minor: a minor injury, first aid")),
    (3, _("Moderate: an injury that needs a professional's treatment")),
    (4, _("Major: lasting harm, long-term incapacity")),
    (5, _("Catastrophic: death, or several people harmed for good")),
)
LIKELIHOODS = (
    (1, _("Rare: will probably never happen again")),
    (2, _("Unlikely: not expected again, but possible")),
    (3, _("Possible: might happen again now and then")),
    (4, _("Likely: will probably happen again")),
    (5, _("Almost certain: will happen again, perhaps often")),
)
"""Risk matrix of the NPSA (January 2008), shortened."""


def _scores(visit: Visit, said: dict[str, Any]) -> dict[str, Any]:
    scores = {name: number(said[name]) for name in ("consequence", "likelihood")}
    return {**said, **scores, "earlier_seen": number(visit.text("triage_earlier_seen") or "0")}


_TRIAGE = Step(
    "intake", "/incidents/{incident_id}/triage",
    ("actual_harm", "psychological_harm", "consequence", "likelihood", "reason"), shown=("earlier_seen",), body=_scores,
    needs={
        "actual_harm": _("Choose the harm to the body, by what is known now"),
        "psychological_harm": _("Choose the harm to the mind, by what is known now"),
        "consequence": _("Choose the worst that was credible"), "likelihood": _("Choose how likely that is"),
    },
)  # fmt: skip


@router.get("/incidents/{incident_id}/triage")
def triage(visit: Visitor, incident_id: str) -> Response:
    """The report with what came before, and the form."""
    return _show(visit, incident_id, Sent())


@router.post("/incidents/{incident_id}/triage")
def score(visit: Visitor, incident_id: str) -> Response:
    """Keep the triage; what follows from it is on the next page."""
    sent = take(visit, "triage", _TRIAGE, incident_id=incident_id)
    if sent and "triage_reason" in sent.errors and not visit.text("triage_reason"):
        sent.errors["triage_reason"] = _(
            "Say why it is less serious than the rule suggests, or which facts have changed"
        )
    return _show(visit, incident_id, sent) if sent else go(f"/incidents/{incident_id}/telling?saved=triage")


def _show(visit: Visit, incident_id: str, sent: Sent) -> Response:
    case = read_case(visit, incident_id)
    read = visit.api.get_or_none
    return show(
        visit, "triage.html", case, sent, triages=visit.has(*TRIAGERS) and not case.ended,
        earlier=read("intake", f"/incidents/{incident_id}/earlier"),
        suggestion=read("intake", f"/incidents/{incident_id}/triage-suggestion"),
        questions=read("intake", f"/incidents/{incident_id}/questions"),
        escalations=read("intake", f"/incidents/{incident_id}/escalations"),
        last=case.record["triage"][-1] if case.record["triage"] else None,
        harms=list(PhysicalHarm), mental_harms=list(PsychologicalHarm), consequences=CONSEQUENCES, likelihoods=LIKELIHOODS,
    )  # fmt: skip
