"""What candour answers, by query."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from services.intake.candour import policy
from services.intake.candour.store import attempts_of, candour_of, decisions_of, letters_of, steps_of
from services.intake.store import Incident

STATUTORY_WORDING = "as soon as reasonably practicable after becoming aware"
QUESTIONS = {
    "unintended_or_unexpected": "Was the incident unintended or unexpected?",
    "during_regulated_activity": "Did it occur during the provision of a regulated activity?",
    "harm_test": "In the reasonable opinion of a health care professional, is one of the limbs of 20(9)(a) or (b) met?",
}


class DecisionView(BaseModel):
    """One decision and what it rests on. `harm_grade` is the LFPSE grade at that time, for the record only."""

    round: int
    met: bool
    unintended_or_unexpected: bool
    during_regulated_activity: bool
    harm_test: str
    limbs: list[str]
    lasting_days: int | None
    professional_role: str | None
    professional_opinion: str | None
    opinion_at: datetime | None
    relevant_person: str | None
    openness: str | None
    reason: str
    harm_grade: str | None
    decided_by: UUID
    decided_role: str
    decided_at: datetime


class StepDone(BaseModel):
    """When and by whom a part was done."""

    at: datetime
    done_by: UUID
    note: str | None


class StepView(BaseModel):
    """One part of the duty."""

    step: str
    paragraph: str
    title: str
    mandatory: bool
    done: list[StepDone]


class AttemptView(BaseModel):
    """An attempt that was declined or in vain."""

    at: datetime
    how: str
    outcome: str
    note: str | None
    made_by: UUID


class LetterView(BaseModel):
    """A copy of a letter."""

    letter_id: UUID
    direction: str
    purpose: str
    at: datetime
    content: str
    sha256: str
    recorded_by: UUID


class CandourView(BaseModel):
    """The duty of candour of an incident."""

    incident_id: UUID
    candour_id: UUID | None = None
    status: str = Field(description="not_asked, to_decide, met or not_met.")
    questions: dict[str, str] = QUESTIONS
    because: dict[str, Any] = Field(default_factory=dict)
    round: int = 0
    policy_version: str
    statutory_wording: str = STATUTORY_WORDING
    statutory_limit: None = None
    waits_for: str | None = None
    provider_warn_at: datetime | None = None
    warned_at: datetime | None = None
    provider_target_at: datetime | None = Field(default=None, description="The provider's own target, not the law's.")
    late_at: datetime | None = None
    completed_at: datetime | None = None
    completed_by_attempts: bool = False
    decisions: list[DecisionView] = Field(default_factory=list)
    steps: list[StepView] = Field(default_factory=list)
    missing: list[str] = Field(default_factory=list)
    attempts: list[AttemptView] = Field(default_factory=list)
    letters: list[LetterView] = Field(default_factory=list)
    version: int = 0


def view(session: Session, incident: Incident) -> CandourView:
    """Where the duty is, with every part and what is missing."""
    rules = policy.shipped()
    row = candour_of(session, incident.incident_id)
    if row is None:
        return CandourView(incident_id=incident.incident_id, status="not_asked", policy_version=rules.version)
    done: dict[str, list[StepDone]] = {}
    for step in steps_of(session, row.candour_id):
        done.setdefault(step.step, []).append(StepDone(at=step.at, done_by=step.done_by, note=step.note))
    return CandourView(
        incident_id=row.incident_id,
        candour_id=row.candour_id,
        status=row.status,
        because=row.because,
        round=row.round,
        policy_version=row.policy_version,
        waits_for=row.phase,
        provider_warn_at=row.warn_at,
        warned_at=row.warned_at,
        provider_target_at=row.target_at,
        late_at=row.late_at,
        completed_at=row.completed_at,
        completed_by_attempts=row.completed_by_attempts,
        decisions=[DecisionView.model_validate(d, from_attributes=True) for d in decisions_of(session, row.candour_id)],
        steps=[
            StepView(step=s.id, paragraph=s.paragraph, title=s.title, mandatory=s.mandatory, done=done.get(s.id, []))
            for s in rules.steps.values()
        ],
        missing=list(rules.missing(done)) if row.status == "met" else [],
        attempts=[AttemptView.model_validate(a, from_attributes=True) for a in attempts_of(session, row.candour_id)],
        letters=[LetterView.model_validate(x, from_attributes=True) for x in letters_of(session, row.candour_id)],
        version=row.version,
    )
