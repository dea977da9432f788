"""The duty of candour of an incident: the three questions, each part as it is done, attempts, letters."""

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from services.console.page import TEXTS
from services.console.pages.case import ANSWERERS, DECIDERS, read_case, show
from services.console.steps import Step, at, moment, number, take, yes
from services.console.visit import Visit, Visitor, go
from services.console.writing import Sent, names

router = APIRouter(include_in_schema=False)
_ = TEXTS.gettext

LIMBS = (
    "death", "impairment", "change_to_structure_of_body", "prolonged_pain", "prolonged_psychological_harm",
    "shortened_life_expectancy", "treatment_to_prevent",
)  # fmt: skip
LETTERS = ("written_notification", "further_results")
"""Parts that are letters: kept with their text, not ticked."""

_RECORD = "/incidents/{incident_id}/candour"


def _decision(visit: Visit, said: dict[str, Any]) -> dict[str, Any]:
    answers = {name: yes(said.get(name)) for name in ("unintended_or_unexpected", "during_regulated_activity")}
    opinion = {"opinion_at": moment(said["opinion_at"])} if "opinion_at" in said else {}
    days = said.get("lasting_days", "")
    lasting = {"lasting_days": number(days)} if days else {}
    return {**said, **answers, **opinion, **lasting, "limbs": visit.texts("decide_limbs")}


def _steps(visit: Visit, said: dict[str, Any]) -> dict[str, Any]:
    return {**at("at")(visit, said), "steps": visit.texts("part_steps")}


STEPS = {
    "decide": Step(
        "intake", f"{_RECORD}/decision",
        (
            "unintended_or_unexpected", "during_regulated_activity", "harm_test", "lasting_days", "professional_role",
            "professional_opinion", "opinion_at", "relevant_person", "openness", "reason",
        ),
        shown=("limbs",), body=_decision,
        needs={
            "unintended_or_unexpected": _("Answer yes or no"), "during_regulated_activity": _("Answer yes or no"),
            "harm_test": _("Say what the professional's opinion is"), "reason": _("Say why, on which facts"),
        },
    ),
    "part": Step(
        "intake", f"{_RECORD}/steps", ("at", "note"), shown=("steps",), body=_steps, needs={"at": _("Say when")},
    ),
    "attempt": Step(
        "intake", f"{_RECORD}/attempts", ("at", "how", "outcome", "note"), body=at("at"),
        needs={"at": _("Say when"), "how": _("Choose how"), "outcome": _("Choose what came of it")},
    ),
    "letter": Step(
        "intake", f"{_RECORD}/letters", ("direction", "purpose", "at", "content"), body=at("at"),
        needs={
            "direction": _("Choose whether it was sent or received"), "purpose": _("Choose what it is for"),
            "at": _("Say when"), "content": _("Paste the letter: a copy is part of the duty"),
        },
    ),
}  # fmt: skip


@router.get("/incidents/{incident_id}/candour")
def candour(visit: Visitor, incident_id: str) -> Response:
    """Where the duty is, and what comes next."""
    return _show(visit, incident_id, Sent())


@router.post("/incidents/{incident_id}/candour/{name}")
def take_step(visit: Visitor, incident_id: str, name: str) -> Response:
    """Decide, or record a part, an attempt, a letter."""
    step = STEPS.get(name)
    if step is None:
        return go(f"/incidents/{incident_id}/candour")
    sent = take(visit, name, step, incident_id=incident_id)
    return _show(visit, incident_id, sent) if sent else go(f"/incidents/{incident_id}/candour?saved={name}")


def _show(visit: Visit, incident_id: str, sent: Sent) -> Response:
    case = read_case(visit, incident_id)
    read = visit.api.read("intake", f"/incidents/{incident_id}/candour")
    found, back = read.body, sent.step
    met = found["status"] == "met"
    letter = visit.api.get_or_none("intake", f"/incidents/{incident_id}/candour/letter-draft") if met else None
    return show(
        visit, "candour.html", case, sent, found["candour_id"] or "", candour=found, version=read.version, limbs=LIMBS,
        letters=LETTERS, letter=letter, people=names(visit, [one["decided_by"] for one in found["decisions"]]),
        decides=back == "decide" or (found["status"] in ("not_asked", "to_decide") and visit.has(*DECIDERS) and not case.ended),
        records=met and visit.has(*ANSWERERS),
    )  # fmt: skip
