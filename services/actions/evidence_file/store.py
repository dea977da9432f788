"""What is known of a file; its content lies in the store of attachments under its checksum."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column

from services.actions.store import Table


class EvidenceFile(Table):
    """One file of one piece of evidence."""

    __tablename__ = "evidence_file"

    file_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    evidence_id: Mapped[UUID]
    name: Mapped[str]
    media_type: Mapped[str]
    bytes: Mapped[int]
    sha256: Mapped[str]
    added_by: Mapped[UUID]
    added_at: Mapped[datetime]
