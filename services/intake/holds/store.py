"""The table of holds."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, Session, mapped_column

from services.intake.store import Table


class Hold(Table):
    """One hold: whom it waits for, asked when and why, when somebody looks again, and what was answered.

    `history` keeps every look that did not end it. `version` counts every change.
    """

    __tablename__ = "fact_finding_hold"

    hold_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    incident_id: Mapped[UUID]
    waits_for: Mapped[str]
    reason: Mapped[str]
    asked_at: Mapped[datetime]
    look_again_at: Mapped[datetime]
    placed_by: Mapped[UUID]
    placed_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]
    answer: Mapped[str | None]
    lifted_by: Mapped[UUID | None]
    lifted_at: Mapped[datetime | None]
    history: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    version: Mapped[int]


def holds_of(session: Session, incident_id: UUID) -> Sequence[Hold]:
    """Every hold of an incident, in the order in which they were placed."""
    return session.scalars(select(Hold).where(Hold.incident_id == incident_id).order_by(Hold.hold_id)).all()
