"""Looking again, as it is kept."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Mapped, Session, mapped_column

from services.actions.store import Table


class Recheck(Table):
    """A verified action is looked at again: planned, asked for, answered."""

    __tablename__ = "recheck"

    recheck_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    action_id: Mapped[UUID]
    incident_id: Mapped[UUID]
    cycle: Mapped[int]
    number: Mapped[int]
    due_at: Mapped[datetime]
    asked_at: Mapped[datetime | None]
    answer_due_at: Mapped[datetime | None]
    answered_at: Mapped[datetime | None]


def rechecks(session: Session, action_id: UUID) -> list[Recheck]:
    """All of an action, in order."""
    return list(session.scalars(select(Recheck).where(Recheck.action_id == action_id).order_by(Recheck.number)))
