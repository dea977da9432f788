"""That a plan with only weaker actions was accepted, by whom and why."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column

from services.actions.store import Table


class WeakerAccepted(Table):
    """An approver's reason for a cycle that has only weaker actions where more is wanted. The newest counts."""

    __tablename__ = "weaker_accepted"

    incident_id: Mapped[UUID] = mapped_column(primary_key=True)
    cycle: Mapped[int] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    reason: Mapped[str]
    accepted_by: Mapped[UUID]
    accepted_at: Mapped[datetime]
