"""What checks answer, by query."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from services.contracts.taxonomy import Role
from services.intake.checks import policy
from services.intake.checks.commands import required_at
from services.intake.checks.policy import CheckRule, KeptBy
from services.intake.checks.store import FirstCheck, checks_of
from services.intake.details.policy import Question
from services.intake.domain import variance_minutes
from services.intake.obligations.facts import all_facts
from services.intake.obligations.store import latest_facts
from services.intake.store import Incident


class AskView(BaseModel):
    """Something that is recorded of a check."""

    id: str
    text: str
    type: str
    required: bool
    options: list[str]


class CheckView(BaseModel):
    """A check: what must be done, by whom, until when; what was done and when, and the minutes between the two."""

    rule: str
    title: str
    wording: str
    who: list[Role]
    within: str
    chased: bool = Field(description="True if it is warned of and goes up the line when late.")
    policy_version: str
    state: str = Field(description="to_do, late, done, done_late, set_aside; not_recorded once the incident has ended.")
    required_at: datetime
    done_at: datetime | None
    variance_minutes: int | None = Field(description="Minutes late; early with a minus. null while it is not done.")
    late: bool
    warned_at: datetime | None
    late_at: datetime | None = Field(description="When it was first called out as late.")
    how: str | None = Field(description="What settled it: hand, answer, report, safeguarding.")
    answers: dict[str, Any]
    set_aside_reason: str | None
    recorded_at: datetime | None
    recorded_by: UUID | None
    recorded_role: str | None
    asks: list[AskView]


def checks(session: Session, incident: Incident, now: datetime) -> list[CheckView]:
    """Every check that the incident needs or that was recorded, the earliest due first."""
    _, answers = latest_facts(session, incident.incident_id)
    facts = all_facts(session, incident, answers)
    rows, rules = checks_of(session, incident.incident_id), policy.shipped()
    needed = {rule.id for rule in rules.needed(facts)}
    found = (
        view(incident, rule, rows.get(rule.id), now)
        for rule in rules.rules.values()
        if rule.id in rows or rule.id in needed
    )
    return sorted((one for one in found if one is not None), key=lambda one: (one.required_at, one.rule))


def view(incident: Incident, rule: CheckRule, row: FirstCheck | None, now: datetime) -> CheckView | None:
    """One check; None where nobody knows yet until when."""
    until = required_at(incident, rule) if row is None else row.required_at
    if until is None:
        return None
    kept: dict[str, Any] = {name: None for name in CheckView.model_fields if hasattr(FirstCheck, name)}
    kept |= {"answers": {}, "policy_version": policy.shipped().version}
    if row is not None:
        kept = {name: getattr(row, name) for name in kept}
    elif rule.kept_by is KeptBy.REPORT:
        kept |= {"done_at": incident.reported_at, "recorded_at": incident.reported_at}
        kept |= {"recorded_by": incident.reporter_id, "how": KeptBy.REPORT}
    done_at = kept["done_at"]
    late = kept["set_aside_reason"] is None and (now >= until if done_at is None else done_at > until)
    return CheckView.model_validate(
        {
            **kept,
            "rule": rule.id,
            "title": rule.title,
            "wording": rule.wording,
            "who": rule.who,
            "within": rule.within.text,
            "chased": rule.chased,
            "state": _state(kept, late=late, ended=incident.ended),
            "required_at": until,
            "variance_minutes": variance_minutes(until, done_at),
            "late": late,
            "asks": [_ask(question) for question in rule.asks],
        }
    )


def _state(kept: dict[str, Any], *, late: bool, ended: bool) -> str:
    if kept["set_aside_reason"] is not None:
        return "set_aside"
    if kept["done_at"] is not None:
        return "done_late" if late else "done"
    if ended:
        return "not_recorded"
    return "late" if late else "to_do"


def _ask(question: Question) -> dict[str, Any]:
    return {name: getattr(question, name) for name in AskView.model_fields}
