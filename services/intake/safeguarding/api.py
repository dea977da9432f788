"""Safeguarding and restricted incidents over HTTP: permissions and shapes; the rules are in the use-cases."""

from collections.abc import Callable
from uuid import UUID

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from services.contracts.taxonomy import Role
from services.intake.safeguarding import commands, need_to_know, queries
from services.intake.safeguarding.store import Safeguarding
from services.intake.store import visible_incident
from services.runtime.actor import Actor
from services.runtime.app import Database, Time
from services.runtime.auth import Caller, require_role
from services.runtime.db import transaction
from services.runtime.idempotency import CommandKey, ExpectedVersion, KnownVersion, Reply, fingerprint, once

router = APIRouter(tags=["safeguarding"])

KEEPERS = (
    Role.REGISTERED_MANAGER,
    Role.REGIONAL_MANAGER,
    Role.QUALITY_LEAD,
    Role.SAFEGUARDING_LEAD,
    Role.NOMINATED_INDIVIDUAL,
)
"""Who may keep the safeguarding record of an incident that they see."""

ACCESS_KEEPERS = (Role.SAFEGUARDING_LEAD, Role.NOMINATED_INDIVIDUAL)
"""Who may say for whom a restricted incident is."""


@router.get("/incidents/{incident_id}/safeguarding", summary="Read the safeguarding record")
def read(
    incident_id: UUID, actor: Caller, database: Database, clock: Time, response: Response
) -> queries.SafeguardingView:
    """Adults at risk, consent, wishes, decisions, referrals and outcomes, and what is not recorded yet."""
    require_role(actor, *KEEPERS, Role.DIRECTOR)
    with transaction(database, actor.provider_id) as session:
        visible_incident(session, actor, incident_id, now=clock.now())
        found = queries.view(session, incident_id)
        response.headers["ETag"] = f'"{found.version}"'
        return found


@router.put(
    "/incidents/{incident_id}/safeguarding",
    response_model=queries.SafeguardingView,
    summary="Make or change the safeguarding record",
)
def write(
    incident_id: UUID,
    body: commands.WriteSafeguarding,
    actor: Caller,
    key: CommandKey,
    version: KnownVersion,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """Types of abuse, immediate safety, and for each adult consent or the reason to override it, wishes, capacity.

    Managers, quality and safeguarding leads, the nominated individual.
    """
    return _change(
        "write", incident_id, body, actor, key, version, database,
        lambda session: commands.write(session, actor, incident_id, body, version, clock.now()),
    )  # fmt: skip


@router.post(
    "/incidents/{incident_id}/safeguarding/decision",
    response_model=queries.SafeguardingView,
    summary="Decide to refer an adult, or not",
)
def decide(
    incident_id: UUID,
    body: commands.Decide,
    actor: Caller,
    key: CommandKey,
    version: ExpectedVersion,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """The incident cannot close before: not to refer needs a reason, to refer is proved by the referral."""
    return _change(
        "decide", incident_id, body, actor, key, version, database,
        lambda session: commands.decide(session, actor, incident_id, body, version, clock.now()),
    )  # fmt: skip


@router.post(
    "/incidents/{incident_id}/safeguarding/referral",
    response_model=queries.SafeguardingView,
    summary="Record a referral to a local authority",
)
def refer(
    incident_id: UUID,
    body: commands.RecordReferral,
    actor: Caller,
    key: CommandKey,
    version: ExpectedVersion,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """One for each adult and authority, with the reference the authority gave."""
    return _change(
        "refer", incident_id, body, actor, key, version, database,
        lambda session: commands.record_referral(session, actor, incident_id, body, version, clock.now()),
    )  # fmt: skip


@router.post(
    "/incidents/{incident_id}/safeguarding/authority-decision",
    response_model=queries.SafeguardingView,
    summary="Record what the local authority decided",
)
def authority_decision(
    incident_id: UUID,
    body: commands.RecordAuthorityDecision,
    actor: Caller,
    key: CommandKey,
    version: ExpectedVersion,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """The authority has a threshold of its own; also after the incident has closed."""
    return _change(
        "authority", incident_id, body, actor, key, version, database,
        lambda session: commands.record_authority_decision(session, actor, incident_id, body, version, clock.now()),
    )  # fmt: skip


@router.post(
    "/incidents/{incident_id}/safeguarding/enquiry-outcome",
    response_model=queries.SafeguardingView,
    summary="Record the outcome of the enquiry",
)
def enquiry_outcome(
    incident_id: UUID,
    body: commands.RecordEnquiryOutcome,
    actor: Caller,
    key: CommandKey,
    version: ExpectedVersion,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """It finishes neither the learning nor candour; also after the incident has closed."""
    return _change(
        "outcome", incident_id, body, actor, key, version, database,
        lambda session: commands.record_enquiry_outcome(session, actor, incident_id, body, version, clock.now()),
    )  # fmt: skip


def _change(
    what: str,
    incident_id: UUID,
    body: BaseModel,
    actor: Actor,
    key: str,
    version: int | None,
    database: Engine,
    run: Callable[[Session], Safeguarding],
) -> JSONResponse:
    require_role(actor, *KEEPERS)
    with transaction(database, actor.provider_id) as session:

        def reply() -> Reply:
            record = run(session)
            return Reply(200, queries.view(session, incident_id), record.version)

        return once(
            session, "intake", actor, key, fingerprint(f"safeguarding:{what}:{incident_id}:{version}", body), reply
        )


@router.get("/incidents/{incident_id}/access", tags=["restricted incidents"], summary="Read for whom an incident is")
def read_access(
    incident_id: UUID, actor: Caller, database: Database, clock: Time, response: Response
) -> need_to_know.AccessView:
    """Who is named and who is kept away, each change with its reason, and each time the glass was broken."""
    require_role(actor, *ACCESS_KEEPERS)
    with transaction(database, actor.provider_id) as session:
        visible_incident(session, actor, incident_id, now=clock.now())
        found = need_to_know.view(session, incident_id)
        response.headers["ETag"] = f'"{found.revision}"'
        return found


@router.put(
    "/incidents/{incident_id}/access",
    response_model=need_to_know.AccessView,
    tags=["restricted incidents"],
    summary="Restrict an incident, or change for whom it is",
)
def change_access(
    incident_id: UUID,
    body: need_to_know.ChangeAccess,
    actor: Caller,
    key: CommandKey,
    version: ExpectedVersion,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """With a reason. Safeguarding lead and nominated individual. The version of an unrestricted incident is 0."""
    require_role(actor, *ACCESS_KEEPERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            found = need_to_know.change_access(session, actor, incident_id, body, version, clock.now())
            return Reply(200, found, found.revision)

        return once(session, "intake", actor, key, fingerprint(f"access:{incident_id}:{version}", body), run)


@router.post(
    "/incidents/{incident_id}/break-glass",
    status_code=201,
    response_model=need_to_know.BreakGlassView,
    tags=["restricted incidents"],
    summary="Open a restricted incident without being named",
)
def break_glass(
    incident_id: UUID,
    body: need_to_know.UseBreakGlass,
    actor: Caller,
    key: CommandKey,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """To read, for the policy's hours; the reason is kept and the safeguarding lead is told.

    Directors, the nominated individual, the safeguarding lead; never somebody who is kept away from it.
    """
    with transaction(database, actor.provider_id) as session:
        return once(
            session, "intake", actor, key, fingerprint(f"break-glass:{incident_id}", body),
            lambda: Reply(201, need_to_know.use_break_glass(session, actor, incident_id, body, clock.now())),
        )  # fmt: skip
