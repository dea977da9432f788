"""Absences as they are kept."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column

from services.directory.store import Table


class Absence(Table):
    """Somebody is away from `starts_at` until just before `ends_at`; what is theirs goes to their cover meanwhile."""

    __tablename__ = "absence"

    absence_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    person_id: Mapped[UUID]
    cover_id: Mapped[UUID]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    version: Mapped[int]
