"""Requests for more time, as they are kept."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column

from services.actions.store import Table


class Extension(Table):
    """One request for more time, and its answer."""

    __tablename__ = "extension"

    extension_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    action_id: Mapped[UUID]
    attempt: Mapped[int]
    working_days: Mapped[int]
    reason: Mapped[str]
    asked_by: Mapped[UUID]
    asked_at: Mapped[datetime]
    granted: Mapped[bool | None]
    decision_reason: Mapped[str | None]
    decided_by: Mapped[UUID | None]
    decided_at: Mapped[datetime | None]
    due_before: Mapped[datetime]
    due_after: Mapped[datetime | None]
