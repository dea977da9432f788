"""Add and fetch attachments."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from services.intake.attachments.store import Attachment
from services.intake.store import reported_incident, visible_incident
from services.runtime import audit
from services.runtime.actor import Actor
from services.runtime.attachments import Storage, Upload, fetch_whole
from services.runtime.db import insert_new
from services.runtime.errors import conflict, not_found
from services.runtime.outbox import new_id

MAX_FILES = 20


def add_attachment(
    session: Session,
    actor: Actor,
    store: Storage,
    incident_id: UUID,
    file: Upload,
    now: datetime,
) -> Attachment:
    """Keep a file of an incident. The same content twice is one attachment. Content first, then the row that knows it."""
    incident = reported_incident(session, actor, incident_id, lock=True)
    if incident.ended:
        raise conflict("already-ended", "This incident has ended", "Read it again to see how it ended and why.")
    file.check()
    known = (
        session.scalar(select(func.count()).select_from(Attachment).where(Attachment.incident_id == incident_id)) or 0
    )
    if known >= MAX_FILES:
        raise conflict(
            "too-many", f"An incident takes at most {MAX_FILES} attachments", "Put several pages into one PDF."
        )
    store.keep(actor.provider_id, file.sha256, file.content)
    added = insert_new(
        session,
        Attachment,
        attachment_id=new_id(),
        provider_id=actor.provider_id,
        incident_id=incident_id,
        name=file.name,
        media_type=file.media_type,
        bytes=len(file.content),
        sha256=file.sha256,
        added_by=actor.id,
        added_at=now,
    )
    attachment = session.scalars(
        select(Attachment).where(Attachment.incident_id == incident_id, Attachment.sha256 == file.sha256)
    ).one()
    if added:
        audit.append(
            session,
            "intake",
            chain=incident_id,
            actor=actor,
            action="attached",
            subject=attachment.attachment_id,
            at=now,
            data={"media_type": file.media_type, "bytes": len(file.content), "sha256": file.sha256},
        )
    return attachment


def fetch_attachment(
    session: Session, actor: Actor, store: Storage, incident_id: UUID, attachment_id: UUID, now: datetime
) -> tuple[Attachment, bytes]:
    """A file and its content, checked against its checksum."""
    visible_incident(session, actor, incident_id, now=now)
    attachment = session.get(Attachment, attachment_id)
    if attachment is None or attachment.incident_id != incident_id:
        raise not_found("attachment")
    return attachment, fetch_whole(store, actor.provider_id, attachment.sha256)
