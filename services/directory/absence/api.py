"""Absences over HTTP."""

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy import select

from services.directory.absence import commands
from services.directory.absence.store import Absence
from services.directory.commands import MANAGERS
from services.directory.store import visible_person
from services.runtime.app import Database, Time
from services.runtime.auth import Caller, require_role
from services.runtime.db import transaction
from services.runtime.idempotency import CommandKey, KnownVersion, Reply, fingerprint, once

router = APIRouter(tags=["people"])


class AbsenceView(BaseModel):
    """Somebody is away until just before `ends_at`."""

    absence_id: UUID
    person_id: UUID
    cover_id: UUID
    starts_at: datetime
    ends_at: datetime
    version: int


def _view(absence: Absence) -> AbsenceView:
    return AbsenceView(**{name: getattr(absence, name) for name in AbsenceView.model_fields})


@router.put("/people/{person_id}/absences/{absence_id}", response_model=AbsenceView, summary="Record an absence")
def record_absence(
    person_id: UUID,
    absence_id: UUID,
    body: commands.RecordAbsence,
    actor: Caller,
    key: CommandKey,
    version: KnownVersion,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """From when until when, and who covers. Your own, or that of somebody in your scope for managers and leads."""
    if person_id != actor.id:
        require_role(actor, *MANAGERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            absence = commands.record_absence(session, actor, person_id, absence_id, body, version, clock.now())
            return Reply(200, _view(absence), absence.version)

        return once(session, "directory", actor, key, fingerprint(f"absence:{absence_id}:{version}", body), run)


@router.get("/people/{person_id}/absences", summary="List absences")
def list_absences(person_id: UUID, actor: Caller, database: Database, clock: Time) -> list[AbsenceView]:
    """Those of a person that have not ended, the next first. Your own, or in your scope for managers and leads."""
    if person_id != actor.id:
        require_role(actor, *MANAGERS)
    with transaction(database, actor.provider_id) as session:
        visible_person(session, actor, person_id)
        rows = session.scalars(
            select(Absence)
            .where(Absence.person_id == person_id, Absence.ends_at > clock.now())
            .order_by(Absence.starts_at, Absence.absence_id)
        )
        return [_view(row) for row in rows]
