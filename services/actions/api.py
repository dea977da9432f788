"""Actions over HTTP: permissions and shapes; the rules are in the use-cases."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse

from services.actions import commands, queries
from services.actions.domain import ActionStatus
from services.actions.store import visible_action, visible_incident
from services.runtime import audit
from services.runtime.app import Database, Time
from services.runtime.auth import Caller, require_role
from services.runtime.db import transaction
from services.runtime.idempotency import CommandKey, ExpectedVersion, Reply, fingerprint, once
from services.runtime.pagination import Cursor, Limit, Page

router = APIRouter(tags=["actions"])


@router.post("/actions", status_code=201, response_model=queries.ActionSummary, summary="Agree an action")
def agree(body: commands.AgreeAction, actor: Caller, key: CommandKey, database: Database, clock: Time) -> JSONResponse:
    """What will change because of an incident, who answers for it, and what proves it.

    Managers, quality and safeguarding leads.
    """
    require_role(actor, *commands.AGREERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            action = commands.agree_action(session, actor, body, clock.now())
            return Reply(201, queries.summary(action), action.version)

        return once(session, "actions", actor, key, fingerprint("agree", body), run)


@router.get("/actions", summary="List actions")
def list_actions(
    actor: Caller,
    database: Database,
    clock: Time,
    incident_id: UUID | None = None,
    status: ActionStatus | None = None,
    owner_id: UUID | None = None,
    mine: Annotated[bool, Query(description="Only what you own, or answer for while its owner is away.")] = False,
    overdue: Annotated[bool, Query(description="Only those late to be done, or late to be verified.")] = False,
    unlinked: Annotated[bool, Query(description="Only those that are not linked to what was learned.")] = False,
    asked: Annotated[
        bool, Query(description="Only those whose owner asked for more time or to cancel, and nobody has decided.")
    ] = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[queries.ActionSummary]:
    """Actions in the caller's scope and the caller's own, newest first."""
    with transaction(database, actor.provider_id) as session:
        return queries.actions(
            session,
            actor,
            incident_id=incident_id,
            status=status,
            owner_id=owner_id,
            overdue=overdue,
            unlinked=unlinked,
            asked=asked,
            mine=mine,
            now=clock.now(),
            limit=limit,
            cursor=cursor,
        )


@router.get("/actions/{action_id}", summary="Read an action")
def read(action_id: UUID, actor: Caller, database: Database, clock: Time, response: Response) -> queries.ActionView:
    """The action with its evidence and verifications. The ETag is the version to send back with a change."""
    with transaction(database, actor.provider_id) as session:
        action = visible_action(session, actor, action_id, now=clock.now())
        response.headers["ETag"] = f'"{action.version}"'
        return queries.view(session, actor, action, clock.now())


@router.post(
    "/actions/{action_id}/evidence", status_code=201, response_model=queries.ActionSummary, summary="Add evidence"
)
def add_evidence(
    action_id: UUID, body: commands.AddEvidence, actor: Caller, key: CommandKey, database: Database, clock: Time
) -> JSONResponse:
    """One piece of proof. Anybody who may see the action; several at once do not get in one another's way."""
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            action = commands.add_evidence(session, actor, action_id, body, clock.now())
            return Reply(201, queries.summary(action), action.version)

        return once(session, "actions", actor, key, fingerprint(f"evidence:{action_id}", body), run)


@router.post(
    "/actions/{action_id}/completion", response_model=queries.ActionSummary, summary="Say that an action is done"
)
def complete(
    action_id: UUID, actor: Caller, key: CommandKey, version: ExpectedVersion, database: Database, clock: Time
) -> JSONResponse:
    """The owner says so, with evidence. It is not verified yet."""
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            action = commands.complete_action(session, actor, action_id, version, clock.now())
            return Reply(200, queries.summary(action), action.version)

        return once(session, "actions", actor, key, fingerprint(f"complete:{action_id}:{version}", b""), run)


@router.post("/actions/{action_id}/cancellation", response_model=queries.ActionSummary, summary="Cancel an action")
def cancel(
    action_id: UUID,
    body: commands.CancelAction,
    actor: Caller,
    key: CommandKey,
    version: ExpectedVersion,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """Decide, with a reason, that it will not be done.

    Regional managers, quality leads, nominated individuals, directors; not the owner.
    """
    require_role(actor, *commands.CANCELLERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            action = commands.cancel_action(session, actor, action_id, body, version, clock.now())
            return Reply(200, queries.summary(action), action.version)

        return once(session, "actions", actor, key, fingerprint(f"cancel:{action_id}:{version}", body), run)


@router.get("/incidents/{incident_id}/audit", summary="Read the audit chain of an incident")
def audit_chain(incident_id: UUID, actor: Caller, database: Database) -> list[dict[str, Any]]:
    """The hash-chained history that actions keeps of it; whole, so that anybody can verify it offline."""
    with transaction(database, actor.provider_id) as session:
        visible_incident(session, actor, incident_id)
        return audit.read(session, "actions", incident_id)
