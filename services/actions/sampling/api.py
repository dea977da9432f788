"""Samples over HTTP."""

from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from services.actions.commands import VERIFIERS
from services.actions.sampling import commands, queries
from services.runtime.app import Database, Time
from services.runtime.auth import Caller, require_role
from services.runtime.db import transaction
from services.runtime.idempotency import CommandKey, Reply, fingerprint, once

router = APIRouter(tags=["verification"])


@router.post("/actions/{action_id}/draws", status_code=201, response_model=queries.DrawView, summary="Draw a sample")
def draw(
    action_id: UUID, body: commands.Draw, actor: Caller, key: CommandKey, database: Database, clock: Time
) -> JSONResponse:
    """The system draws which of them to look at, by a seed that is kept and shown. For those who may verify the action."""
    require_role(actor, *VERIFIERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            made = commands.draw_sample(session, actor, action_id, body, clock.now())
            session.flush()
            return Reply(201, queries.draw_view(session, made))

        return once(session, "actions", actor, key, fingerprint(f"draw:{action_id}", body), run)


@router.post(
    "/actions/{action_id}/draws/{draw_id}/findings", response_model=queries.DrawView, summary="Record what was found"
)
def findings(
    action_id: UUID,
    draw_id: UUID,
    body: commands.RecordFound,
    actor: Caller,
    key: CommandKey,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """What was found of each that was drawn, at once or in parts. For those who may verify the action."""
    require_role(actor, *VERIFIERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            made = commands.record_found(session, actor, action_id, draw_id, body, clock.now())
            session.flush()
            return Reply(200, queries.draw_view(session, made))

        return once(session, "actions", actor, key, fingerprint(f"found:{draw_id}", body), run)
