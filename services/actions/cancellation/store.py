"""Requests to cancel, as they are kept."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column

from services.actions.store import Table


class CancellationRequest(Table):
    """One request to cancel, and its answer; `number` counts those of the action from 1."""

    __tablename__ = "cancellation_request"

    request_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    action_id: Mapped[UUID]
    number: Mapped[int]
    reason: Mapped[str]
    asked_by: Mapped[UUID]
    asked_at: Mapped[datetime]
    accepted: Mapped[bool | None]
    decision_reason: Mapped[str | None]
    decided_by: Mapped[UUID | None]
    decided_at: Mapped[datetime | None]
