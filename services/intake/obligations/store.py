"""The tables of obligations and the few queries their use-cases need."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, DateTime, and_, func, or_, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, Session, mapped_column

from services.contracts.taxonomy import ObligationOutcome
from services.intake.store import Incident, Table, visible_incident
from services.runtime.actor import Actor
from services.runtime.errors import not_found


class FactSheet(Table):
    """All answers as they were at one version; a later version does not replace an earlier one."""

    __tablename__ = "fact_sheet"

    incident_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    answers: Mapped[dict[str, Any]] = mapped_column(JSONB)
    changed: Mapped[list[str]] = mapped_column(JSONB)
    recorded_by: Mapped[UUID]
    recorded_at: Mapped[datetime]


class Obligation(Table):
    """One rule for one incident, and for one person and authority where the rule says so.

    `round` counts the times a decision was asked for: new facts start the next one.
    """

    __tablename__ = "obligation"

    obligation_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    incident_id: Mapped[UUID]
    rule: Mapped[str]
    person: Mapped[str]
    authority: Mapped[str]
    by_hand: Mapped[bool]
    outcome: Mapped[str]
    must_decide: Mapped[bool]
    explanation: Mapped[dict[str, Any]] = mapped_column(JSONB)
    policy_version: Mapped[str]
    facts_version: Mapped[int]
    round: Mapped[int]
    round_id: Mapped[UUID]
    aware_at: Mapped[datetime]
    warn_at: Mapped[datetime | None]
    target_at: Mapped[datetime | None]
    statutory_due_at: Mapped[datetime | None]
    warned_at: Mapped[datetime | None]
    late_at: Mapped[datetime | None]
    statutory_late_at: Mapped[datetime | None]
    decision: Mapped[str | None]
    reason: Mapped[str | None]
    decided_by: Mapped[UUID | None]
    decided_role: Mapped[str | None]
    decided_at: Mapped[datetime | None]
    reference: Mapped[str | None]
    evidence: Mapped[str | None]
    submitted_at: Mapped[datetime | None]
    submitted_by: Mapped[UUID | None]
    acknowledged_at: Mapped[datetime | None]
    acknowledgement: Mapped[str | None]
    version: Mapped[int]

    @property
    def settled(self) -> bool:
        """Whether nothing is left to be done: told, decided not to tell, or no longer called for."""
        if self.submitted_at is not None or self.decision == "not_notify":
            return True
        return self.decision is None and not self.must_decide

    @property
    def state(self) -> str:
        """Where it is, in one word."""
        if self.acknowledged_at is not None:
            return "acknowledged"
        if self.submitted_at is not None:
            return "submitted"
        if self.decision is not None:
            return "to_submit" if self.decision == "notify" else "not_notified"
        return "no_longer_indicated" if self.outcome == ObligationOutcome.NOT_TRIGGERED else "to_decide"


class ObligationEntry(Table):
    """What happened to an obligation, in order. `note` is what a person wrote."""

    __tablename__ = "obligation_entry"

    entry_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    obligation_id: Mapped[UUID]
    incident_id: Mapped[UUID]
    at: Mapped[datetime]
    actor: Mapped[str]
    actor_role: Mapped[str]
    what: Mapped[str]
    detail: Mapped[dict[str, Any]] = mapped_column(JSONB)
    note: Mapped[str | None]


def unsettled() -> ColumnElement[bool]:
    """The condition for what is still to be done: the opposite of `settled`."""
    return and_(
        Obligation.submitted_at.is_(None),
        Obligation.decision.is_distinct_from("not_notify"),
        or_(Obligation.decision.is_not(None), Obligation.must_decide),
    )


def first_due() -> ColumnElement[datetime]:
    """The earlier of the provider's own target and the limit of the law; null while neither runs."""
    return func.least(Obligation.target_at, Obligation.statutory_due_at, type_=DateTime(timezone=True))


def latest_facts(session: Session, incident_id: UUID) -> tuple[int, dict[str, Any]]:
    """Version and answers; version 0 when nobody has answered anything."""
    sheet = session.scalars(
        select(FactSheet).where(FactSheet.incident_id == incident_id).order_by(FactSheet.version.desc()).limit(1)
    ).first()
    return (0, {}) if sheet is None else (sheet.version, dict(sheet.answers))


def obligations_of(session: Session, incident_id: UUID) -> list[Obligation]:
    """All of an incident, oldest first."""
    return list(
        session.scalars(
            select(Obligation).where(Obligation.incident_id == incident_id).order_by(Obligation.obligation_id)
        )
    )


def visible_obligation(
    session: Session, actor: Actor, obligation_id: UUID, *, lock: bool = False, now: datetime | None = None
) -> tuple[Incident, Obligation]:
    """The obligation with its incident if the actor may see that, else 404. `lock` holds both, the incident first; `now` is to read."""
    row = session.get(Obligation, obligation_id)
    if row is None:
        raise not_found("obligation")
    incident = visible_incident(session, actor, row.incident_id, lock=lock, now=now, what="obligation")
    if lock:
        session.refresh(row, with_for_update=True)
    return incident, row
