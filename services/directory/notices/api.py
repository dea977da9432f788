"""Notices over HTTP: contacts, and what became of what was sent."""

from uuid import UUID

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from services.directory.commands import KEEPERS, QUALITY
from services.directory.notices import commands, queries
from services.directory.store import visible_person
from services.runtime.app import Database, Time
from services.runtime.auth import Caller, require_role
from services.runtime.db import transaction
from services.runtime.idempotency import CommandKey, KnownVersion, Reply, fingerprint, once

router = APIRouter(tags=["notices"])


@router.put("/people/{person_id}/contact", response_model=queries.ContactView, summary="Record where to reach a person")
def record_contact(
    person_id: UUID,
    body: commands.RecordContact,
    actor: Caller,
    key: CommandKey,
    version: KnownVersion,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """E-mail and mobile for notices. Your own, or anybody's for platform administrators and directors."""
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            contact = commands.record_contact(session, actor, person_id, body, version, clock.now())
            return Reply(200, queries.contact_view(contact), contact.version)

        return once(session, "directory", actor, key, fingerprint(f"contact:{person_id}:{version}", body), run)


@router.get("/people/{person_id}/contact", summary="Read where to reach a person")
def read_contact(person_id: UUID, actor: Caller, database: Database, response: Response) -> queries.ContactView:
    """Your own, or anybody's for platform administrators and directors."""
    if person_id != actor.id:
        require_role(actor, *KEEPERS)
    with transaction(database, actor.provider_id) as session:
        visible_person(session, actor, person_id)
        found = queries.contact(session, person_id)
        response.headers["ETag"] = f'"{found.version}"'
        return found


@router.get("/deliveries", summary="List deliveries of notices")
def list_deliveries(actor: Caller, database: Database, unsent: bool = True) -> list[queries.DeliveryView]:
    """Notices that could not be sent (yet) and why, newest first. Platform administrators, directors, quality leads."""
    require_role(actor, *QUALITY)
    with transaction(database, actor.provider_id) as session:
        return queries.deliveries(session, actor, unsent=unsent)
