"""Attachments over HTTP."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, File, Request, Response, UploadFile
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.orm import Session

from services.intake.attachments import commands
from services.intake.attachments.store import Attachment
from services.intake.store import visible_incident
from services.runtime.app import Database, Time
from services.runtime.attachments import BODY_BYTES, FETCHED, Upload, storage_of
from services.runtime.auth import Caller
from services.runtime.db import transaction
from services.runtime.idempotency import CommandKey, Reply, fingerprint, once

router = APIRouter(tags=["attachments"])


class AttachmentView(BaseModel):
    """What is known of an attachment."""

    attachment_id: UUID
    name: str
    media_type: str
    bytes: int
    sha256: str
    added_by: UUID
    added_at: datetime


def _view(attachment: Attachment) -> AttachmentView:
    return AttachmentView(**{name: getattr(attachment, name) for name in AttachmentView.model_fields})


def attached(session: Session, incident_id: UUID) -> list[AttachmentView]:
    """The files of an incident, oldest first."""
    rows = session.scalars(
        select(Attachment).where(Attachment.incident_id == incident_id).order_by(Attachment.attachment_id)
    )
    return [_view(row) for row in rows]


@router.post(
    "/incidents/{incident_id}/attachments", status_code=201, response_model=AttachmentView, summary="Attach a file"
)
def attach(
    incident_id: UUID,
    file: Annotated[UploadFile, File(description="A photo (JPEG, PNG, WebP, HEIC) or a PDF, at most 10 MB.")],
    actor: Caller,
    key: CommandKey,
    database: Database,
    clock: Time,
    request: Request,
) -> JSONResponse:
    """Keep a photo or document with the incident. Its content must be what it says."""
    upload = Upload(file)
    with transaction(database, actor.provider_id) as session:
        return once(
            session, "intake", actor, key, fingerprint(f"attach:{incident_id}:{upload.media_type}", upload.content),
            lambda: Reply(
                201,
                _view(
                    commands.add_attachment(
                        session, actor, storage_of(request), incident_id, upload, clock.now()
                    )
                ),
            ),
        )  # fmt: skip


@router.get("/incidents/{incident_id}/attachments", summary="List attachments")
def list_attachments(incident_id: UUID, actor: Caller, database: Database, clock: Time) -> list[AttachmentView]:
    """All files of an incident, at most 20."""
    with transaction(database, actor.provider_id) as session:
        visible_incident(session, actor, incident_id, now=clock.now())
        return attached(session, incident_id)


@router.get("/incidents/{incident_id}/attachments/{attachment_id}", summary="Fetch an attachment", responses=FETCHED)
def fetch(
    incident_id: UUID, attachment_id: UUID, actor: Caller, database: Database, clock: Time, request: Request
) -> Response:
    """The content, as a download: it is never shown inside a page."""
    with transaction(database, actor.provider_id) as session:
        attachment, content = commands.fetch_attachment(
            session, actor, storage_of(request), incident_id, attachment_id, clock.now()
        )
    return Response(
        content,
        media_type=attachment.media_type,
        headers={
            "Content-Disposition": "attachment",
            "X-Content-Type-Options": "nosniff",
            "ETag": f'"{attachment.sha256}"',
        },
    )


BODY_LIMITS = {r"/incidents/[^/]+/attachments": BODY_BYTES}
