"""Sharing over HTTP: permissions and shapes; the rules are in the use-cases."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from services.contracts.taxonomy import Role
from services.review.domain import APPROVERS
from services.review.sharing import commands, queries
from services.review.sharing.store import visible_briefing
from services.runtime.app import Database, Time
from services.runtime.auth import Caller, require_role
from services.runtime.db import transaction
from services.runtime.idempotency import CommandKey, Reply, fingerprint, once
from services.runtime.pagination import Cursor, Limit, Page

router = APIRouter(tags=["sharing"])

STAFF = (Role.CARER, Role.SHIFT_LEAD, *APPROVERS)
"""Who may acknowledge a briefing."""


@router.get("/briefings", summary="List briefings")
def list_briefings(
    actor: Caller,
    database: Database,
    is_open: Annotated[
        bool | None, Query(alias="open", description="True: those that still wait for your right answer.")
    ] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[queries.BriefingSummary]:
    """Briefings that went to a location in the caller's scope, newest first."""
    with transaction(database, actor.provider_id) as session:
        return queries.briefings(session, actor, is_open=is_open, limit=limit, cursor=cursor)


@router.get("/briefings/{briefing_id}", summary="Read a briefing")
def read_briefing(briefing_id: UUID, actor: Caller, database: Database) -> queries.BriefingView:
    """What happened elsewhere, what changes, and the question to answer."""
    with transaction(database, actor.provider_id) as session:
        return queries.briefing_view(session, actor, visible_briefing(session, actor, briefing_id))


@router.post(
    "/briefings/{briefing_id}/acknowledgements",
    response_model=queries.AcknowledgementView,
    summary="Acknowledge a briefing",
)
def acknowledge(
    briefing_id: UUID,
    body: commands.AcknowledgeBriefing,
    actor: Caller,
    key: CommandKey,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """I read it, and this is my answer. All staff at the locations it went to, once each; a wrong answer may be corrected."""
    require_role(actor, *STAFF)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            row = commands.acknowledge_briefing(session, actor, briefing_id, body, clock.now())
            return Reply(200, queries.acknowledgement(row))

        return once(session, "review", actor, key, fingerprint(f"acknowledge:{briefing_id}", body), run)


@router.get("/briefings/{briefing_id}/reach", summary="Read the reach of a briefing")
def reach(
    briefing_id: UUID, actor: Caller, database: Database, limit: Limit = 50, cursor: Cursor = None
) -> queries.BriefingReach:
    """How many locations understood it, in all and one by one."""
    with transaction(database, actor.provider_id) as session:
        briefing = visible_briefing(session, actor, briefing_id)
        return queries.reach(session, actor, briefing, limit=limit, cursor=cursor)
