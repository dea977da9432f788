"""Progress at each location, over HTTP."""

from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from services.actions import queries
from services.actions.sites import commands
from services.runtime.app import Database, Time
from services.runtime.auth import Caller
from services.runtime.db import transaction
from services.runtime.idempotency import CommandKey, Reply, fingerprint, once

router = APIRouter(tags=["actions"])


@router.post(
    "/actions/{action_id}/sites/{location_id}", response_model=queries.ActionSummary, summary="Say how far it is here"
)
def record_site(
    action_id: UUID,
    location_id: UUID,
    body: commands.RecordSite,
    actor: Caller,
    key: CommandKey,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """Done here, not applicable here with the reason, or open again. The owner, or who is in charge at the location."""
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            action = commands.record_site(session, actor, action_id, location_id, body, clock.now())
            return Reply(200, queries.summary(action), action.version)

        return once(session, "actions", actor, key, fingerprint(f"site:{action_id}:{location_id}", body), run)
