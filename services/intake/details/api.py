"""The second stage of reporting over HTTP."""

from uuid import UUID

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from services.intake.commands import MANAGERS
from services.intake.details import commands, queries
from services.intake.store import reported_incident, visible_incident
from services.runtime.app import Database, Time
from services.runtime.auth import Caller, require_role
from services.runtime.db import transaction
from services.runtime.idempotency import CommandKey, ExpectedVersion, Reply, fingerprint, once

router = APIRouter(tags=["details"])


@router.get("/incidents/{incident_id}/questions", summary="Read what is asked about an incident")
def read_questions(
    incident_id: UUID, actor: Caller, database: Database, clock: Time, response: Response
) -> queries.QuestionsView:
    """The questions of its type with the answers so far. The ETag is the incident's version."""
    with transaction(database, actor.provider_id) as session:
        incident = reported_incident(session, actor, incident_id, now=clock.now())
        response.headers["ETag"] = f'"{incident.version}"'
        return queries.questions(session, actor, incident)


@router.put(
    "/incidents/{incident_id}/answers",
    response_model=queries.QuestionsView,
    summary="Answer what is asked about an incident",
)
def give_answers(
    incident_id: UUID,
    body: commands.GiveAnswers,
    actor: Caller,
    key: CommandKey,
    version: ExpectedVersion,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """Answer some or all questions. The reporter, or whoever manages the incident."""
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            incident = commands.give_answers(session, actor, incident_id, body, version, clock.now())
            return Reply(200, queries.questions(session, actor, incident), incident.version)

        return once(session, "intake", actor, key, fingerprint(f"answers:{incident_id}:{version}", body), run)


@router.get("/incidents/{incident_id}/earlier", summary="Read what happened before")
def read_earlier(incident_id: UUID, actor: Caller, database: Database, clock: Time) -> queries.Earlier:
    """Earlier incidents of the same people, and of the same type at the same place: read before triage."""
    require_role(actor, *MANAGERS)
    with transaction(database, actor.provider_id) as session:
        return queries.earlier(session, actor, visible_incident(session, actor, incident_id, now=clock.now()))
