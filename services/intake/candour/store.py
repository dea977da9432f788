"""The tables of candour and the few queries its use-cases need."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, Session, mapped_column

from services.intake.store import Table


class Candour(Table):
    """The duty of candour for one incident. `round` counts the times a decision was asked for."""

    __tablename__ = "candour"

    candour_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    incident_id: Mapped[UUID]
    status: Mapped[str]
    because: Mapped[dict[str, Any]] = mapped_column(JSONB)
    policy_version: Mapped[str]
    round: Mapped[int]
    round_id: Mapped[UUID]
    aware_at: Mapped[datetime]
    phase: Mapped[str | None]
    warn_at: Mapped[datetime | None]
    target_at: Mapped[datetime | None]
    warned_at: Mapped[datetime | None]
    late_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    completed_by_attempts: Mapped[bool]
    version: Mapped[int]


class CandourDecision(Table):
    """One decision with the answers and the professional's opinion it rests on. A later one does not replace it."""

    __tablename__ = "candour_decision"

    decision_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    candour_id: Mapped[UUID]
    round: Mapped[int]
    met: Mapped[bool]
    unintended_or_unexpected: Mapped[bool]
    during_regulated_activity: Mapped[bool]
    harm_test: Mapped[str]
    limbs: Mapped[list[str]] = mapped_column(JSONB)
    lasting_days: Mapped[int | None]
    professional_role: Mapped[str | None]
    professional_opinion: Mapped[str | None]
    opinion_at: Mapped[datetime | None]
    relevant_person: Mapped[str | None]
    openness: Mapped[str | None]
    reason: Mapped[str]
    harm_grade: Mapped[str | None]
    decided_by: Mapped[UUID]
    decided_role: Mapped[str]
    decided_at: Mapped[datetime]


class CandourStep(Table):
    """A part of the duty that was done."""

    __tablename__ = "candour_step"

    step_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    candour_id: Mapped[UUID]
    step: Mapped[str]
    at: Mapped[datetime]
    note: Mapped[str | None]
    done_by: Mapped[UUID]
    recorded_at: Mapped[datetime]


class CandourAttempt(Table):
    """An attempt to reach the person that failed or was declined (regulation 20(5))."""

    __tablename__ = "candour_attempt"

    attempt_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    candour_id: Mapped[UUID]
    at: Mapped[datetime]
    how: Mapped[str]
    outcome: Mapped[str]
    note: Mapped[str | None]
    made_by: Mapped[UUID]
    recorded_at: Mapped[datetime]


class CandourLetter(Table):
    """A copy of correspondence (regulation 20(6)) with the digest that the audit holds too."""

    __tablename__ = "candour_letter"

    letter_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    candour_id: Mapped[UUID]
    direction: Mapped[str]
    purpose: Mapped[str]
    at: Mapped[datetime]
    content: Mapped[str]
    sha256: Mapped[str]
    recorded_by: Mapped[UUID]
    recorded_at: Mapped[datetime]


def candour_of(session: Session, incident_id: UUID) -> Candour | None:
    """The duty of candour of an incident, if it was ever asked for."""
    return session.scalars(select(Candour).where(Candour.incident_id == incident_id)).first()


def decisions_of(session: Session, candour_id: UUID) -> list[CandourDecision]:
    """Every decision, first to last."""
    return list(
        session.scalars(
            select(CandourDecision).where(CandourDecision.candour_id == candour_id).order_by(CandourDecision.round)
        )
    )


def steps_of(session: Session, candour_id: UUID) -> list[CandourStep]:
    """Every part done, in the order of time."""
    return list(
        session.scalars(
            select(CandourStep)
            .where(CandourStep.candour_id == candour_id)
            .order_by(CandourStep.at, CandourStep.step_id)
        )
    )


def attempts_of(session: Session, candour_id: UUID) -> list[CandourAttempt]:
    """Every attempt, in the order of time."""
    return list(
        session.scalars(
            select(CandourAttempt)
            .where(CandourAttempt.candour_id == candour_id)
            .order_by(CandourAttempt.at, CandourAttempt.attempt_id)
        )
    )


def letters_of(session: Session, candour_id: UUID) -> list[CandourLetter]:
    """All correspondence, in the order of time."""
    return list(
        session.scalars(
            select(CandourLetter)
            .where(CandourLetter.candour_id == candour_id)
            .order_by(CandourLetter.at, CandourLetter.letter_id)
        )
    )
