"""The tables of the ladder: a run, and the call of each rung."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Mapped, Session, mapped_column

from services.contracts.taxonomy import EscalationReason
from services.intake.store import Table


class LadderRun(Table):
    """One climb of the ladder for an incident, at `level` by its `step`-th call, until somebody answers.

    An incident has one open run at a time: what comes to it meanwhile joins it, or raises it. Checks that are late have
    theirs beside it, so that neither hides the other. Each broken glass has a run of its own, and so has each role that is only told (`told_role`): that run has one call and no clock.
    """

    __tablename__ = "ladder_run"

    run_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    incident_id: Mapped[UUID]
    about: Mapped[str]
    reason: Mapped[str]
    rule: Mapped[str]
    detail: Mapped[str | None]
    policy_version: Mapped[str]
    answer: Mapped[timedelta]
    level: Mapped[int]
    told_role: Mapped[str | None]
    step: Mapped[int]
    top_calls: Mapped[int]
    requested_at: Mapped[datetime]
    acknowledged_at: Mapped[datetime | None]
    acknowledged_by: Mapped[UUID | None]


class Escalation(Table):
    """The call of one rung, and its answer."""

    __tablename__ = "escalation"

    escalation_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    incident_id: Mapped[UUID]
    command_id: Mapped[str]
    run_id: Mapped[UUID | None]
    step: Mapped[int]
    level: Mapped[int]
    reason: Mapped[str]
    rule: Mapped[str]
    policy_version: Mapped[str]
    to_role: Mapped[str]
    to_person: Mapped[UUID | None]
    sent_at: Mapped[datetime]
    answer_due_at: Mapped[datetime | None]
    outcome: Mapped[str]
    acknowledged_at: Mapped[datetime | None]
    acknowledged_by: Mapped[UUID | None]


def open_run(session: Session, incident_id: UUID, reason: EscalationReason) -> LadderRun | None:
    """The run that waits for an answer and that `reason` joins, held to the end of the transaction."""
    about_checks = LadderRun.reason == EscalationReason.CHECK_LATE
    return session.scalars(
        select(LadderRun)
        .where(LadderRun.incident_id == incident_id, LadderRun.acknowledged_at.is_(None))
        .where(LadderRun.reason != EscalationReason.BREAK_GLASS, LadderRun.told_role.is_(None))
        .where(about_checks if reason is EscalationReason.CHECK_LATE else ~about_checks)
        .with_for_update()
    ).first()


def calls(session: Session, run_id: UUID) -> list[Escalation]:
    """Every call of a run, in order."""
    return list(session.scalars(select(Escalation).where(Escalation.run_id == run_id).order_by(Escalation.step)))


def call_of(session: Session, run_id: UUID, step: int) -> Escalation | None:
    """The call of one step, if it was made."""
    return session.scalars(select(Escalation).where(Escalation.run_id == run_id, Escalation.step == step)).first()
