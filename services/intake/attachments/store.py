"""What is known of an attachment."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column

from services.intake.store import Table


class Attachment(Table):
    """One file of an incident; its content lies in the store under its checksum."""

    __tablename__ = "attachment"

    attachment_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    incident_id: Mapped[UUID]
    name: Mapped[str]
    media_type: Mapped[str]
    bytes: Mapped[int]
    sha256: Mapped[str]
    added_by: Mapped[UUID]
    added_at: Mapped[datetime]
