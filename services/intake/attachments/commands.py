"""Add and fetch attachments."""

import hashlib
from datetime import datetime
from uuid import UUID

import puremagic
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from services.intake.attachments.storage import Storage
from services.intake.attachments.store import Attachment
from services.intake.store import reported_incident, visible_incident
from services.runtime import audit
from services.runtime.actor import Actor
from services.runtime.db import insert_new
from services.runtime.errors import conflict, invalid, not_found
from services.runtime.outbox import new_id

MAX_BYTES = 10_000_000
MAX_FILES = 20
MEDIA_TYPES = {
    "image/jpeg": {"image/jpeg", "image/jpg", "image/pjpeg"},
    "image/png": {"image/png"},
    "image/webp": {"image/webp"},
    "image/heic": {"image/heic", "image/heif"},
    "application/pdf": {"application/pdf"},
}
"""What may be attached, and what its content may be called."""


def check_content(name: str, media_type: str, content: bytes) -> None:
    """Raise 422 unless the content is what it says, of a type and size that is taken."""
    if not content:
        raise invalid("file", "is empty", "Attach the file again.")
    if len(content) > MAX_BYTES:
        raise invalid("file", "is larger than 10 MB", "Take the photo at a lower resolution, or split the document.")
    if media_type not in MEDIA_TYPES:
        raise invalid("file", "is not of a type that is taken", f"Attach one of {', '.join(MEDIA_TYPES)}.")
    try:
        found = {match.mime_type for match in puremagic.magic_string(content, name)}
    except puremagic.PureError:
        found = set()
    if not found & MEDIA_TYPES[media_type]:
        raise invalid("file", "is not what it says it is", "Attach the original photo or document, not a renamed file.")


def add_attachment(
    session: Session,
    actor: Actor,
    store: Storage,
    incident_id: UUID,
    name: str,
    media_type: str,
    content: bytes,
    now: datetime,
) -> Attachment:
    """Keep a file of an incident. The same content twice is one attachment. Content first, then the row that knows it."""
    incident = reported_incident(session, actor, incident_id, lock=True)
    if incident.ended:
        raise conflict("already-ended", "This incident has ended", "Read it again to see how it ended and why.")
    check_content(name, media_type, content)
    known = (
        session.scalar(select(func.count()).select_from(Attachment).where(Attachment.incident_id == incident_id)) or 0
    )
    if known >= MAX_FILES:
        raise conflict(
            "too-many", f"An incident takes at most {MAX_FILES} attachments", "Put several pages into one PDF."
        )
    sha256 = hashlib.sha256(content).hexdigest()
    store.keep(actor.provider_id, sha256, content)
    added = insert_new(
        session,
        Attachment,
        attachment_id=new_id(),
        provider_id=actor.provider_id,
        incident_id=incident_id,
        name=name,
        media_type=media_type,
        bytes=len(content),
        sha256=sha256,
        added_by=actor.id,
        added_at=now,
    )
    attachment = session.scalars(
        select(Attachment).where(Attachment.incident_id == incident_id, Attachment.sha256 == sha256)
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
            data={"media_type": media_type, "bytes": len(content), "sha256": sha256},
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
    content = store.fetch(actor.provider_id, attachment.sha256)
    if hashlib.sha256(content).hexdigest() != attachment.sha256:
        raise conflict("content-changed", "The stored file is not the one that was attached", "Tell support at once.")
    return attachment, content
