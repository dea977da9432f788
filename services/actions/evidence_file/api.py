"""Files of evidence over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, File, Request, Response, UploadFile
from fastapi.responses import JSONResponse

from services.actions.evidence_file import commands, queries
from services.runtime.app import Database, Time
from services.runtime.attachments import BODY_BYTES, FETCHED, Upload, storage_of
from services.runtime.auth import Caller
from services.runtime.db import transaction
from services.runtime.idempotency import CommandKey, Reply, fingerprint, once

router = APIRouter(tags=["actions"])

BODY_LIMITS = {r"/actions/[^/]+/evidence/[^/]+/files": BODY_BYTES}


@router.post(
    "/actions/{action_id}/evidence/{evidence_id}/files",
    status_code=201,
    response_model=queries.EvidenceFileView,
    summary="Add a file to evidence",
)
def add_file(
    action_id: UUID,
    evidence_id: UUID,
    file: Annotated[UploadFile, File(description="A photo (JPEG, PNG, WebP, HEIC) or a PDF, at most 10 MB.")],
    actor: Caller,
    key: CommandKey,
    database: Database,
    clock: Time,
    request: Request,
) -> JSONResponse:
    """Keep a photo or document with a piece of evidence. Its content must be what it says."""
    upload = Upload(file)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            kept = commands.add_file(session, actor, storage_of(request), action_id, evidence_id, upload, clock.now())
            return Reply(201, queries.file_view(kept))

        said = fingerprint(f"file:{evidence_id}:{upload.media_type}", upload.content)
        return once(session, "actions", actor, key, said, run)


@router.get(
    "/actions/{action_id}/evidence/{evidence_id}/files/{file_id}", summary="Fetch a file of evidence", responses=FETCHED
)
def fetch_file(
    action_id: UUID,
    evidence_id: UUID,
    file_id: UUID,
    actor: Caller,
    database: Database,
    clock: Time,
    request: Request,
) -> Response:
    """The content, as a download: it is never shown inside a page."""
    with transaction(database, actor.provider_id) as session:
        file, content = commands.fetch_file(
            session, actor, storage_of(request), action_id, evidence_id, file_id, clock.now()
        )
    headers = {
        "Content-Disposition": "attachment",
        "X-Content-Type-Options": "nosniff",
        "ETag": f'"{file.sha256}"',
    }
    return Response(content, media_type=file.media_type, headers=headers)
