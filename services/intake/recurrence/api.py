"""Recurrence over HTTP: permissions and shapes; the rules are in the use-cases."""

from uuid import UUID

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from services.intake.commands import MANAGERS, SECOND_ROLES
from services.intake.recurrence import commands, queries
from services.intake.store import visible_incident
from services.runtime.app import Database, Time
from services.runtime.auth import Caller, require_role
from services.runtime.db import transaction
from services.runtime.idempotency import CommandKey, ExpectedVersion, Reply, fingerprint, once

router = APIRouter(tags=["recurrence"])
READERS = (*MANAGERS, *SECOND_ROLES)


@router.get("/incidents/{incident_id}/recurrences", summary="List closed cases that an incident may bring back")
def read(incident_id: UUID, actor: Caller, database: Database, clock: Time) -> list[queries.RecurrenceView]:
    """Each with the grounds on which the two are alike; of a closed case, what may have brought it back. For managers."""
    require_role(actor, *READERS)
    with transaction(database, actor.provider_id) as session:
        visible_incident(session, actor, incident_id, now=clock.now())
        return queries.recurrences(session, actor, incident_id)


@router.get("/recurrences/{recurrence_id}", summary="Read whether a closed case came back")
def read_one(
    recurrence_id: UUID, actor: Caller, database: Database, clock: Time, response: Response
) -> queries.RecurrenceView:
    """One question. The ETag is the version to send back with the answer. For managers who may see both incidents."""
    require_role(actor, *READERS)
    with transaction(database, actor.provider_id) as session:
        found = queries.visible_recurrence(session, actor, recurrence_id, clock.now())
        response.headers["ETag"] = f'"{found.version}"'
        return found


@router.post(
    "/recurrences/{recurrence_id}/answer",
    response_model=queries.RecurrenceView,
    summary="Say whether a closed case came back",
)
def answer(
    recurrence_id: UUID,
    body: commands.AnswerRecurrence,
    actor: Caller,
    key: CommandKey,
    version: ExpectedVersion,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """Reopen it, or say why it is not the same; until then the new incident does not close.

    Quality leads, directors; about restricted incidents safeguarding leads and the nominated individual.
    """
    require_role(actor, *READERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            row = commands.answer(session, actor, recurrence_id, body, version, clock.now())
            return Reply(200, queries.view(row), row.version)

        return once(session, "intake", actor, key, fingerprint(f"recurrence:{recurrence_id}:{version}", body), run)
