"""Files of evidence as views."""

from collections import defaultdict
from datetime import datetime
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.orm import Session

from services.actions.evidence_file.store import EvidenceFile
from services.actions.store import Evidence


class EvidenceFileView(BaseModel):
    """What is known of a file; its content is fetched by `/actions/{action_id}/evidence/{evidence_id}/files/{file_id}`."""

    file_id: UUID
    name: str
    media_type: str
    bytes: int
    sha256: str
    added_by: UUID
    added_at: datetime


def file_view(file: EvidenceFile) -> EvidenceFileView:
    """One file."""
    return EvidenceFileView(**{name: getattr(file, name) for name in EvidenceFileView.model_fields})


def files_of(session: Session, action_id: UUID) -> dict[UUID, list[EvidenceFileView]]:
    """All files of an action by the evidence that they belong to, in the order in which they were added."""
    found: dict[UUID, list[EvidenceFileView]] = defaultdict(list)
    rows = session.scalars(
        select(EvidenceFile)
        .join(Evidence, Evidence.evidence_id == EvidenceFile.evidence_id)
        .where(Evidence.action_id == action_id)
        .order_by(EvidenceFile.file_id)
    )
    for row in rows:
        found[row.evidence_id].append(file_view(row))
    return found
