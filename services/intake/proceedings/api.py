"""Proceedings over HTTP: permissions and shapes; the rules are in the use-cases."""

from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from services.contracts.taxonomy import ProceedingKind
from services.intake.proceedings import commands
from services.intake.proceedings.commands import KEEPERS
from services.intake.proceedings.store import Proceeding, proceedings_of
from services.intake.store import visible_incident
from services.runtime import audit
from services.runtime.app import Database, Time
from services.runtime.auth import Caller, require_role
from services.runtime.db import transaction
from services.runtime.idempotency import CommandKey, ExpectedVersion, Reply, fingerprint, once

router = APIRouter(tags=["proceedings"])


class NoteView(BaseModel):
    """What happened in it."""

    at: datetime
    by: UUID
    said: str


class ProceedingView(BaseModel):
    """One proceeding. It runs until `ended_at` is there."""

    proceeding_id: UUID
    incident_id: UUID
    kind: ProceedingKind
    reference: str | None
    about: str
    shared: str
    kept_apart: str
    begun_at: datetime
    next_at: datetime | None
    recorded_by: UUID
    recorded_at: datetime
    history: list[NoteView]
    outcome: str | None
    ended_at: datetime | None
    version: int


def _view(row: Proceeding) -> ProceedingView:
    return ProceedingView.model_validate(row, from_attributes=True)


@router.get("/incidents/{incident_id}/proceedings", summary="List proceedings about an incident")
def read(incident_id: UUID, actor: Caller, database: Database, clock: Time) -> list[ProceedingView]:
    """Discipline, police, inquest, claims. The safeguarding lead, the nominated individual, directors."""
    require_role(actor, *KEEPERS)
    with transaction(database, actor.provider_id) as session:
        visible_incident(session, actor, incident_id, now=clock.now())
        return [_view(row) for row in proceedings_of(session, incident_id)]


@router.get("/proceedings/{proceeding_id}", summary="Read a proceeding")
def read_one(proceeding_id: UUID, actor: Caller, database: Database, clock: Time, response: Response) -> ProceedingView:
    """One of them. The ETag is the version to send back with a change. The same people."""
    require_role(actor, *KEEPERS)
    with transaction(database, actor.provider_id) as session:
        row = commands.visible(session, actor, proceeding_id, clock.now())
        response.headers["ETag"] = f'"{row.version}"'
        return _view(row)


@router.get("/proceedings/{proceeding_id}/audit", summary="Read the audit chain of a proceeding")
def audit_chain(proceeding_id: UUID, actor: Caller, database: Database, clock: Time) -> list[dict[str, Any]]:
    """A chain of its own: that of the incident says nothing of it. The same people."""
    require_role(actor, *KEEPERS)
    with transaction(database, actor.provider_id) as session:
        return audit.read(session, "intake", commands.visible(session, actor, proceeding_id, clock.now()).proceeding_id)


@router.post(
    "/incidents/{incident_id}/proceedings", status_code=201, response_model=ProceedingView,
    summary="Record a proceeding about an incident",
)  # fmt: skip
def begin(
    incident_id: UUID, body: commands.BeginProceeding, actor: Caller, key: CommandKey, database: Database, clock: Time
) -> JSONResponse:
    """It never joins the review; the record says what is given to it and what is not. The same people."""
    require_role(actor, *KEEPERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            row = commands.begin(session, actor, incident_id, body, clock.now())
            return Reply(201, _view(row), row.version)

        return once(session, "intake", actor, key, fingerprint(f"proceeding:{incident_id}", body), run)


@router.post("/proceedings/{proceeding_id}/notes", response_model=ProceedingView, summary="Note what happened in it")
def note(
    proceeding_id: UUID, body: commands.NoteProceeding, actor: Caller, key: CommandKey, version: ExpectedVersion,
    database: Database, clock: Time,
) -> JSONResponse:  # fmt: skip
    """With its next date. The same people."""
    require_role(actor, *KEEPERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            row = commands.note(session, actor, proceeding_id, body, version, clock.now())
            return Reply(200, _view(row), row.version)

        return once(session, "intake", actor, key, fingerprint(f"proceeding-note:{proceeding_id}:{version}", body), run)


@router.post("/proceedings/{proceeding_id}/end", response_model=ProceedingView, summary="Record how it ended")
def end(
    proceeding_id: UUID, body: commands.EndProceeding, actor: Caller, key: CommandKey, version: ExpectedVersion,
    database: Database, clock: Time,
) -> JSONResponse:  # fmt: skip
    """The incident is as before. The same people."""
    require_role(actor, *KEEPERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            row = commands.end(session, actor, proceeding_id, body, version, clock.now())
            return Reply(200, _view(row), row.version)

        return once(session, "intake", actor, key, fingerprint(f"proceeding-end:{proceeding_id}:{version}", body), run)
