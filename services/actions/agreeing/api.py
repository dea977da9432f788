"""What belongs to agreeing an action, over HTTP."""

from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from services.actions import queries
from services.actions.agreeing import commands
from services.actions.commands import AGREERS
from services.runtime.app import Database, Time
from services.runtime.auth import Caller, require_role
from services.runtime.db import transaction
from services.runtime.idempotency import CommandKey, ExpectedVersion, Reply, fingerprint, once

router = APIRouter(tags=["actions"])


@router.post(
    "/actions/{action_id}/understanding", response_model=queries.ActionSummary, summary="Confirm that it is understood"
)
def understand(
    action_id: UUID,
    body: commands.Understood,
    actor: Caller,
    key: CommandKey,
    version: ExpectedVersion,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """The owner confirms what was given to them, if they like in their own words. After a handover the new owner does."""
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            action = commands.understand(session, actor, action_id, body, version, clock.now())
            return Reply(200, queries.summary(action), action.version)

        return once(session, "actions", actor, key, fingerprint(f"understand:{action_id}:{version}", body), run)


@router.put("/actions/{action_id}/waits-for", response_model=queries.ActionSummary, summary="Say what it waits for")
def wait_for(
    action_id: UUID,
    body: commands.WaitFor,
    actor: Caller,
    key: CommandKey,
    version: ExpectedVersion,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """The actions that must be done before this one can be. The list is whole. Managers, quality and safeguarding leads."""
    require_role(actor, *AGREERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            action = commands.wait_for(session, actor, action_id, body, version, clock.now())
            return Reply(200, queries.summary(action), action.version)

        return once(session, "actions", actor, key, fingerprint(f"waits-for:{action_id}:{version}", body), run)


@router.put(
    "/actions/{action_id}/learning", response_model=queries.ActionSummary, summary="Link it to what was learned"
)
def link_learning(
    action_id: UUID,
    body: commands.LinkLearning,
    actor: Caller,
    key: CommandKey,
    version: ExpectedVersion,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """Which learning of the approved review it answers, where it was agreed before. Managers, quality and safeguarding leads."""
    require_role(actor, *AGREERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            action = commands.link_learning(session, actor, action_id, body, version, clock.now())
            return Reply(200, queries.summary(action), action.version)

        return once(session, "actions", actor, key, fingerprint(f"learning:{action_id}:{version}", body), run)
