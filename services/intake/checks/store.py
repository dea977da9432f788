"""The table of checks and the queries that use-cases need."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, Session, mapped_column

from services.intake.checks.domain import Times
from services.intake.store import Table


class FirstCheck(Table):
    """One check of one incident: until when, and what was recorded; or why it was set aside.

    `how` says what settled it: a person by hand, an answer to a question, or the safeguarding record.
    """

    __tablename__ = "first_check"

    check_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    incident_id: Mapped[UUID]
    rule: Mapped[str]
    policy_version: Mapped[str]
    required_at: Mapped[datetime]
    warn_at: Mapped[datetime]
    warned_at: Mapped[datetime | None]
    late_at: Mapped[datetime | None]
    calls: Mapped[int]
    done_at: Mapped[datetime | None]
    how: Mapped[str | None]
    answers: Mapped[dict[str, Any]] = mapped_column(JSONB)
    set_aside_reason: Mapped[str | None]
    recorded_at: Mapped[datetime | None]
    recorded_by: Mapped[UUID | None]
    recorded_role: Mapped[str | None]

    @property
    def times(self) -> Times:
        """Its times, as the rules know them."""
        return Times(self.required_at, self.warn_at, self.warned_at is not None, self.calls)


def unrecorded() -> ColumnElement[bool]:
    """The condition for what is still to be recorded."""
    return FirstCheck.recorded_at.is_(None)


def checks_of(session: Session, incident_id: UUID, *, lock: bool = False) -> dict[str, FirstCheck]:
    """All that have a row, by rule. `lock` holds them to the end of the transaction."""
    query = select(FirstCheck).where(FirstCheck.incident_id == incident_id).order_by(FirstCheck.check_id)
    return {row.rule: row for row in session.scalars(query.with_for_update() if lock else query)}
