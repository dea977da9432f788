"""The tables of notices: where people can be reached, which never leaves them, and what became of each delivery."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column

from services.directory.store import Table


class Contact(Table):
    """Where a person can be reached. Personal data: it goes to a channel and nowhere else."""

    __tablename__ = "contact"

    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    email: Mapped[str | None]
    mobile: Mapped[str | None]
    version: Mapped[int]


class Delivery(Table):
    """A notice over one channel. `status`: sent; failed, tried again; refused or no_contact, for a person to mend."""

    __tablename__ = "delivery"

    notice_id: Mapped[UUID] = mapped_column(primary_key=True)
    channel: Mapped[str] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    incident_id: Mapped[UUID | None]
    person_id: Mapped[UUID]
    urgent: Mapped[bool]
    status: Mapped[str]
    error: Mapped[str | None]
    attempt: Mapped[int]
    first_at: Mapped[datetime]
    last_at: Mapped[datetime]
