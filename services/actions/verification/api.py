"""Verification over HTTP."""

from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from services.actions import queries
from services.actions.commands import VERIFIERS
from services.actions.verification import commands
from services.runtime.app import Database, Time
from services.runtime.auth import Caller, require_role
from services.runtime.db import transaction
from services.runtime.idempotency import CommandKey, ExpectedVersion, Reply, fingerprint, once

router = APIRouter(tags=["verification"])


@router.post("/actions/{action_id}/verification", response_model=queries.ActionSummary, summary="Verify an action")
def verify(
    action_id: UUID,
    body: commands.VerifyAction,
    actor: Caller,
    key: CommandKey,
    version: ExpectedVersion,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """Somebody independent looked in practice: not the owner, not who did it, not who answers to either.

    Managers, quality and safeguarding leads, nominated individuals, directors.
    """
    require_role(actor, *VERIFIERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            action = commands.verify_action(session, actor, action_id, body, version, clock.now())
            return Reply(200, queries.summary(action), action.version)

        return once(session, "actions", actor, key, fingerprint(f"verify:{action_id}:{version}", body), run)


@router.post("/actions/{action_id}/recheck", response_model=queries.ActionSummary, summary="Look at it again")
def check_again(
    action_id: UUID,
    body: commands.VerifyAction,
    actor: Caller,
    key: CommandKey,
    version: ExpectedVersion,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """Once it is asked for: does what was verified still hold? If it is returned the incident begins another cycle.

    Those who may verify it.
    """
    require_role(actor, *VERIFIERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            action = commands.check_again(session, actor, action_id, body, version, clock.now())
            return Reply(200, queries.summary(action), action.version)

        return once(session, "actions", actor, key, fingerprint(f"recheck:{action_id}:{version}", body), run)
