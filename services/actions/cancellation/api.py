"""Requests to cancel, over HTTP."""

from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from services.actions.cancellation import commands, queries
from services.actions.commands import CANCELLERS, CancelAction
from services.actions.store import visible_action
from services.runtime.app import Database, Time
from services.runtime.auth import Caller, require_role
from services.runtime.db import transaction
from services.runtime.idempotency import CommandKey, ExpectedVersion, Reply, fingerprint, once

router = APIRouter(tags=["actions"])


@router.post(
    "/actions/{action_id}/cancellation-requests",
    status_code=201,
    response_model=queries.CancellationView,
    summary="Ask to cancel an action",
)
def ask_to_cancel(
    action_id: UUID,
    body: CancelAction,
    actor: Caller,
    key: CommandKey,
    version: ExpectedVersion,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """The owner asks, with a reason. The clock runs on until an approver decides. The ETag is the action's."""
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            request = commands.ask_to_cancel(session, actor, action_id, body, version, clock.now())
            action = visible_action(session, actor, action_id, now=clock.now())
            return Reply(201, queries.cancellation_view(request), action.version)

        return once(session, "actions", actor, key, fingerprint(f"ask-cancel:{action_id}:{version}", body), run)


@router.post(
    "/actions/{action_id}/cancellation-requests/{request_id}/decision",
    response_model=queries.CancellationView,
    summary="Decide on cancelling an action",
)
def decide_on_cancelling(
    action_id: UUID,
    request_id: UUID,
    body: commands.DecideOnCancelling,
    actor: Caller,
    key: CommandKey,
    version: ExpectedVersion,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """Cancel it, or refuse with a reason; not the owner, not who asked. The ETag is the action's.

    Regional managers, quality leads, nominated individuals, directors.
    """
    require_role(actor, *CANCELLERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            request = commands.decide_on_cancelling(session, actor, action_id, request_id, body, version, clock.now())
            return Reply(200, queries.cancellation_view(request), visible_action(session, actor, action_id).version)

        return once(session, "actions", actor, key, fingerprint(f"cancelling:{request_id}:{version}", body), run)
