"""The table of protections."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, Session, mapped_column

from services.intake.store import Table


class Protection(Table):
    """One restriction or plan: what, why, how it ends, and when somebody looks at it again.

    `history` keeps every look that did not end it; `late` counts how often a look was called for in vain. `version`
    counts every change.
    """

    __tablename__ = "protection"

    protection_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    incident_id: Mapped[UUID]
    kind: Mapped[str]
    concerns: Mapped[str]
    what: Mapped[str]
    reason: Mapped[str]
    least_restrictive: Mapped[str | None]
    agreed_with: Mapped[str | None]
    ends_when: Mapped[str]
    started_at: Mapped[datetime]
    look_again_at: Mapped[datetime]
    placed_by: Mapped[UUID]
    placed_at: Mapped[datetime]
    history: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    late: Mapped[int]
    ending: Mapped[str | None]
    end_reason: Mapped[str | None]
    ended_by: Mapped[UUID | None]
    ended_at: Mapped[datetime | None]
    version: Mapped[int]


def protections_of(session: Session, incident_id: UUID) -> Sequence[Protection]:
    """Every protection of an incident, in the order in which they were recorded."""
    query = select(Protection).where(Protection.incident_id == incident_id)
    return session.scalars(query.order_by(Protection.protection_id)).all()
