"""Checks over HTTP: permissions and shapes; the rules are in the use-cases."""

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from services.intake.checks import commands, policy, queries
from services.intake.checks.store import FirstCheck
from services.intake.obligations.domain import ANSWERERS
from services.intake.store import Incident, visible_incident
from services.runtime.app import Database, Time
from services.runtime.auth import Caller, require_role
from services.runtime.db import transaction
from services.runtime.idempotency import CommandKey, Reply, fingerprint, once

router = APIRouter(tags=["checks"])


@router.get("/incidents/{incident_id}/checks", summary="List the checks of the first hours")
def list_checks(incident_id: UUID, actor: Caller, database: Database, clock: Time) -> list[queries.CheckView]:
    """What must be done inside the service, until when, when it was done, and the minutes between the two."""
    with transaction(database, actor.provider_id) as session:
        incident = visible_incident(session, actor, incident_id, now=clock.now())
        return queries.checks(session, incident, clock.now())


@router.post(
    "/incidents/{incident_id}/checks/{rule}/record", response_model=queries.CheckView, summary="Record a check as done"
)
def record(
    incident_id: UUID,
    rule: str,
    body: commands.RecordCheck,
    actor: Caller,
    key: CommandKey,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """When it was done and what is to be recorded of it; once. A carer: what carers see to. Shift leads and managers: all."""
    now = clock.now()
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            row = commands.record(session, actor, incident_id, rule, body, now)
            return Reply(200, _view(visible_incident(session, actor, incident_id), row, now))

        return once(session, "intake", actor, key, fingerprint(f"record-check:{incident_id}:{rule}", body), run)


@router.post(
    "/incidents/{incident_id}/checks/{rule}/set-aside", response_model=queries.CheckView, summary="Set a check aside"
)
def set_aside(
    incident_id: UUID,
    rule: str,
    body: commands.SetAsideCheck,
    actor: Caller,
    key: CommandKey,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """Say why it is not done. Shift leads, on-call, registered and regional managers, quality and safeguarding leads."""
    require_role(actor, *ANSWERERS)
    now = clock.now()
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            row = commands.set_aside(session, actor, incident_id, rule, body, now)
            return Reply(200, _view(visible_incident(session, actor, incident_id), row, now))

        return once(session, "intake", actor, key, fingerprint(f"set-aside:{incident_id}:{rule}", body), run)


def _view(incident: Incident, row: FirstCheck, now: datetime) -> queries.CheckView:
    found = queries.view(incident, policy.shipped().rules[row.rule], row, now)
    assert found is not None, "what has a row has its time"
    return found
