"""More time, over HTTP."""

from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from services.actions.commands import VERIFIERS
from services.actions.extension import commands, queries
from services.actions.store import visible_action
from services.runtime.app import Database, Time
from services.runtime.auth import Caller, require_role
from services.runtime.db import transaction
from services.runtime.idempotency import CommandKey, ExpectedVersion, Reply, fingerprint, once

router = APIRouter(tags=["actions"])


@router.post(
    "/actions/{action_id}/extensions",
    status_code=201,
    response_model=queries.ExtensionView,
    summary="Ask for more time",
)
def ask_for_time(
    action_id: UUID,
    body: commands.AskForTime,
    actor: Caller,
    key: CommandKey,
    version: ExpectedVersion,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """The owner asks, with a reason. The clock runs on until somebody else decides. The ETag is the action's."""
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            extension = commands.ask_for_time(session, actor, action_id, body, version, clock.now())
            return Reply(
                201,
                queries.extension_view(extension),
                visible_action(session, actor, action_id, now=clock.now()).version,
            )

        return once(session, "actions", actor, key, fingerprint(f"extend:{action_id}:{version}", body), run)


@router.post(
    "/actions/{action_id}/extensions/{extension_id}/decision",
    response_model=queries.ExtensionView,
    summary="Decide on more time",
)
def decide_on_time(
    action_id: UUID,
    extension_id: UUID,
    body: commands.DecideOnTime,
    actor: Caller,
    key: CommandKey,
    version: ExpectedVersion,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """Give it, or refuse it with a reason; not the owner, not who asked. The ETag is the action's.

    Managers, quality and safeguarding leads, nominated individuals, directors.
    """
    require_role(actor, *VERIFIERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            extension = commands.decide_on_time(session, actor, action_id, extension_id, body, version, clock.now())
            return Reply(200, queries.extension_view(extension), visible_action(session, actor, action_id).version)

        return once(session, "actions", actor, key, fingerprint(f"time:{extension_id}:{version}", body), run)
