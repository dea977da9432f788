"""What was found, and when it is looked at again, as views."""

from datetime import date, datetime
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.orm import Session

from services.actions.domain import VerificationMethod
from services.actions.store import Verification
from services.actions.verification.store import rechecks
from services.contracts.taxonomy import Shift, VerificationOutcome


class VerificationView(BaseModel):
    """What somebody other than the owner found: who, when, how, on which shifts, and what remains."""

    verification_id: UUID
    attempt: int
    recheck_id: UUID | None
    outcome: VerificationOutcome
    method: VerificationMethod
    sample_size: int
    compliant: int
    draw_id: UUID | None
    not_drawn_reason: str | None
    finding: str | None
    missing: str | None
    remaining_risk: str | None
    next_check_on: date | None
    shifts: list[Shift]
    verified_by: UUID
    verified_at: datetime


class RecheckView(BaseModel):
    """When a verified action is looked at again: planned, asked for and by when, answered."""

    recheck_id: UUID
    number: int
    due_at: datetime
    asked_at: datetime | None
    answer_due_at: datetime | None
    answered_at: datetime | None


def verifications(session: Session, action_id: UUID) -> list[VerificationView]:
    """All of an action, in order."""
    rows = session.scalars(
        select(Verification).where(Verification.action_id == action_id).order_by(Verification.verification_id)
    )
    return [VerificationView(**{name: getattr(row, name) for name in VerificationView.model_fields}) for row in rows]


def recheck_views(session: Session, action_id: UUID) -> list[RecheckView]:
    """All of an action, in order."""
    return [
        RecheckView(**{name: getattr(row, name) for name in RecheckView.model_fields})
        for row in rechecks(session, action_id)
    ]
