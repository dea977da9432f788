"""The table of proceedings."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, Session, mapped_column

from services.intake.store import Table


class Proceeding(Table):
    """One process of its own about an incident: which, its dates, what is given to it and what is not, and how it ended.

    `history` keeps every note. `version` counts every change. Nothing else refers to it.
    """

    __tablename__ = "proceeding"

    proceeding_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    incident_id: Mapped[UUID]
    kind: Mapped[str]
    reference: Mapped[str | None]
    about: Mapped[str]
    shared: Mapped[str]
    kept_apart: Mapped[str]
    begun_at: Mapped[datetime]
    next_at: Mapped[datetime | None]
    recorded_by: Mapped[UUID]
    recorded_at: Mapped[datetime]
    history: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    outcome: Mapped[str | None]
    ended_at: Mapped[datetime | None]
    version: Mapped[int]


def proceedings_of(session: Session, incident_id: UUID) -> Sequence[Proceeding]:
    """Every proceeding about an incident, in the order in which they were recorded."""
    query = select(Proceeding).where(Proceeding.incident_id == incident_id)
    return session.scalars(query.order_by(Proceeding.proceeding_id)).all()
