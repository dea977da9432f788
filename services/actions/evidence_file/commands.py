"""Add and fetch the files of a piece of evidence."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from services.actions.domain import ActionStatus
from services.actions.evidence_file.store import EvidenceFile
from services.actions.history import SERVICE
from services.actions.queries import attempt_of
from services.actions.store import Action, Evidence, visible_action
from services.runtime import audit
from services.runtime.actor import Actor
from services.runtime.attachments import Storage, Upload, fetch_whole
from services.runtime.db import insert_new
from services.runtime.errors import conflict, not_found
from services.runtime.outbox import new_id

MAX_FILES = 10


def add_file(
    session: Session, actor: Actor, store: Storage, action_id: UUID, evidence_id: UUID, file: Upload, now: datetime
) -> EvidenceFile:
    """Keep a file with a piece of evidence of the attempt under way. The same content twice is one file.

    It changes the action's version: whoever verifies decides on what there is. Raises 404 for evidence that is not this
    action's, 409 once the attempt has ended or the evidence is full, 422 for content that is not taken.
    """
    action = visible_action(session, actor, action_id, lock=True, now=now)
    evidence = _evidence(session, action, evidence_id)
    if action.status not in (ActionStatus.OPEN, ActionStatus.DONE) or evidence.attempt != attempt_of(action):
        raise conflict(
            "not-open",
            "This evidence takes no files now",
            "Files can be added until the attempt that it belongs to is verified, returned or cancelled.",
        )
    file.check()
    known = session.scalar(select(func.count()).where(EvidenceFile.evidence_id == evidence_id)) or 0
    if known >= MAX_FILES:
        raise conflict(
            "too-many", f"A piece of evidence takes at most {MAX_FILES} files", "Put several pages into one PDF."
        )
    store.keep(actor.provider_id, file.sha256, file.content)
    added = insert_new(
        session,
        EvidenceFile,
        file_id=new_id(),
        provider_id=actor.provider_id,
        evidence_id=evidence_id,
        name=file.name,
        media_type=file.media_type,
        bytes=len(file.content),
        sha256=file.sha256,
        added_by=actor.id,
        added_at=now,
    )
    kept = session.scalars(
        select(EvidenceFile).where(EvidenceFile.evidence_id == evidence_id, EvidenceFile.sha256 == file.sha256)
    ).one()
    if added:
        action.version += 1
        audit.append(
            session,
            SERVICE,
            chain=action.incident_id,
            actor=actor,
            action="evidence_file_added",
            subject=action_id,
            at=now,
            data={
                "cycle": action.cycle,
                "evidence_id": evidence_id,
                "file_id": kept.file_id,
                "media_type": file.media_type,
                "bytes": len(file.content),
                "sha256": file.sha256,
            },
        )
    return kept


def fetch_file(
    session: Session, actor: Actor, store: Storage, action_id: UUID, evidence_id: UUID, file_id: UUID, now: datetime
) -> tuple[EvidenceFile, bytes]:
    """A file and its content, checked against its checksum. For whoever may see the action; 404 else."""
    action = visible_action(session, actor, action_id, now=now)
    _evidence(session, action, evidence_id)
    file = session.get(EvidenceFile, file_id)
    if file is None or file.evidence_id != evidence_id:
        raise not_found("file")
    return file, fetch_whole(store, actor.provider_id, file.sha256)


def _evidence(session: Session, action: Action, evidence_id: UUID) -> Evidence:
    evidence = session.get(Evidence, evidence_id)
    if evidence is None or evidence.action_id != action.action_id:
        raise not_found("evidence")
    return evidence
