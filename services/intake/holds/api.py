"""Holds on internal fact-finding over HTTP: permissions and shapes; the rules are in the use-cases."""

from uuid import UUID

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from services.contracts.taxonomy import Role
from services.intake.holds import commands, queries
from services.intake.safeguarding.api import KEEPERS
from services.intake.store import visible_incident
from services.runtime.app import Database, Time
from services.runtime.auth import Caller, require_role
from services.runtime.db import transaction
from services.runtime.idempotency import CommandKey, ExpectedVersion, Reply, fingerprint, once

router = APIRouter(tags=["holds"])


@router.get("/incidents/{incident_id}/holds", summary="List the holds on internal fact-finding")
def read(incident_id: UUID, actor: Caller, database: Database, clock: Time) -> list[queries.HoldView]:
    """Whom each waits for, asked and answered when, when somebody looks again. Those who keep safeguarding records."""
    require_role(actor, *KEEPERS, Role.DIRECTOR)
    with transaction(database, actor.provider_id) as session:
        visible_incident(session, actor, incident_id, now=clock.now())
        return queries.holds(session, incident_id)


@router.get("/holds/{hold_id}", summary="Read a hold on internal fact-finding")
def read_one(hold_id: UUID, actor: Caller, database: Database, clock: Time, response: Response) -> queries.HoldView:
    """One hold. The ETag is the version to send back with a change. Those who keep safeguarding records."""
    require_role(actor, *KEEPERS, Role.DIRECTOR)
    with transaction(database, actor.provider_id) as session:
        hold = queries.visible_hold(session, actor, hold_id, clock.now())
        response.headers["ETag"] = f'"{hold.version}"'
        return hold


@router.post(
    "/incidents/{incident_id}/holds",
    status_code=201,
    response_model=queries.HoldView,
    summary="Stop internal fact-finding until somebody outside agrees",
)
def place(
    incident_id: UUID,
    body: commands.PlaceHold,
    actor: Caller,
    key: CommandKey,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """Statements, and handing a review on, are refused while it stands; the review's own clock is not stopped.

    Managers, quality and safeguarding leads, the nominated individual.
    """
    require_role(actor, *KEEPERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            hold = commands.place_hold(session, actor, incident_id, body, clock.now())
            return Reply(201, queries.view(hold), hold.version)

        return once(session, "intake", actor, key, fingerprint(f"hold:{incident_id}", body), run)


@router.post("/holds/{hold_id}/look", response_model=queries.HoldView, summary="Record that you asked again")
def look_again(
    hold_id: UUID,
    body: commands.LookAgain,
    actor: Caller,
    key: CommandKey,
    version: ExpectedVersion,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """They have not agreed yet. Managers, quality and safeguarding leads, the nominated individual."""
    require_role(actor, *KEEPERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            hold = commands.look_again(session, actor, hold_id, body, version, clock.now())
            return Reply(200, queries.view(hold), hold.version)

        return once(session, "intake", actor, key, fingerprint(f"hold-look:{hold_id}:{version}", body), run)


@router.post("/holds/{hold_id}/agreement", response_model=queries.HoldView, summary="Record that they agreed")
def lift(
    hold_id: UUID,
    body: commands.LiftHold,
    actor: Caller,
    key: CommandKey,
    version: ExpectedVersion,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """Internal fact-finding may go on. Managers, quality and safeguarding leads, the nominated individual."""
    require_role(actor, *KEEPERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            hold = commands.lift_hold(session, actor, hold_id, body, version, clock.now())
            return Reply(200, queries.view(hold), hold.version)

        return once(session, "intake", actor, key, fingerprint(f"hold-lift:{hold_id}:{version}", body), run)
