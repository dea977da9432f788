"""Protections over HTTP: permissions and shapes; the rules are in the use-cases."""

from uuid import UUID

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from services.contracts.taxonomy import Role
from services.intake.protection import commands, queries
from services.intake.safeguarding.api import KEEPERS
from services.intake.store import visible_incident
from services.runtime.app import Database, Time
from services.runtime.auth import Caller, require_role
from services.runtime.db import transaction
from services.runtime.idempotency import CommandKey, ExpectedVersion, Reply, fingerprint, once

router = APIRouter(tags=["protections"])


@router.get("/incidents/{incident_id}/protections", summary="List restrictions and plans after an incident")
def read(incident_id: UUID, actor: Caller, database: Database, clock: Time) -> list[queries.ProtectionView]:
    """What protects people since, why, when somebody looks again, how it ended. Those who keep safeguarding records."""
    require_role(actor, *KEEPERS, Role.DIRECTOR)
    with transaction(database, actor.provider_id) as session:
        visible_incident(session, actor, incident_id, now=clock.now())
        return queries.protections(session, incident_id)


@router.get("/protections/{protection_id}", summary="Read a restriction or plan")
def read_one(
    protection_id: UUID, actor: Caller, database: Database, clock: Time, response: Response
) -> queries.ProtectionView:
    """One of them. The ETag is the version to send back with a change. Those who keep safeguarding records."""
    require_role(actor, *KEEPERS, Role.DIRECTOR)
    with transaction(database, actor.provider_id) as session:
        row = queries.visible_protection(session, actor, protection_id, clock.now())
        response.headers["ETag"] = f'"{row.version}"'
        return row


@router.post(
    "/incidents/{incident_id}/protections",
    status_code=201,
    response_model=queries.ProtectionView,
    summary="Record a restriction or a plan after an incident",
)
def protect(
    incident_id: UUID, body: commands.Protect, actor: Caller, key: CommandKey, database: Database, clock: Time
) -> JSONResponse:
    """A restriction on somebody, or a plan for people who harmed one another. While it stands the incident does not close.

    Managers, quality and safeguarding leads, the nominated individual.
    """
    require_role(actor, *KEEPERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            row = commands.protect(session, actor, incident_id, body, clock.now())
            return Reply(201, queries.view(row), row.version)

        return once(session, "intake", actor, key, fingerprint(f"protection:{incident_id}", body), run)


@router.post("/protections/{protection_id}/look", response_model=queries.ProtectionView, summary="Record a look at it")
def look_again(
    protection_id: UUID, body: commands.LookAgain, actor: Caller, key: CommandKey, version: ExpectedVersion,
    database: Database, clock: Time,
) -> JSONResponse:  # fmt: skip
    """It goes on, and is looked at again. Managers, quality and safeguarding leads, the nominated individual."""
    require_role(actor, *KEEPERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            row = commands.look_again(session, actor, protection_id, body, version, clock.now())
            return Reply(200, queries.view(row), row.version)

        return once(session, "intake", actor, key, fingerprint(f"protection-look:{protection_id}:{version}", body), run)


@router.post("/protections/{protection_id}/end", response_model=queries.ProtectionView, summary="End it")
def end(
    protection_id: UUID, body: commands.End, actor: Caller, key: CommandKey, version: ExpectedVersion,
    database: Database, clock: Time,
) -> JSONResponse:  # fmt: skip
    """It is lifted, or goes on in the care plan. Managers, quality and safeguarding leads, the nominated individual."""
    require_role(actor, *KEEPERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            row = commands.end(session, actor, protection_id, body, version, clock.now())
            return Reply(200, queries.view(row), row.version)

        return once(session, "intake", actor, key, fingerprint(f"protection-end:{protection_id}:{version}", body), run)
