"""Patterns over HTTP: permissions and shapes. Looking for them is not done here: the schedule does, and a command."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse

from services.reporting.api import READERS
from services.reporting.patterns import commands, queries
from services.reporting.patterns.domain import PatternKind, Status
from services.reporting.patterns.store import visible_signal
from services.runtime.app import Database, Time
from services.runtime.auth import Caller, require_role
from services.runtime.db import transaction
from services.runtime.idempotency import CommandKey, ExpectedVersion, Reply, fingerprint, once
from services.runtime.pagination import Cursor, Limit, Page

router = APIRouter(tags=["patterns"])


@router.get("/signals", summary="List signals")
def list_signals(
    actor: Caller,
    database: Database,
    status: Status | None = None,
    kind: PatternKind | None = None,
    location_id: UUID | None = None,
    region_id: UUID | None = None,
    incident_id: Annotated[UUID | None, Query(description="Only those that this incident is a member of.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[queries.SignalSummary]:
    """Patterns that were found in the caller's scope, the newest first, each with why."""
    require_role(actor, *READERS)
    with transaction(database, actor.provider_id) as session:
        return queries.signals(
            session,
            actor,
            status=status,
            kind=kind,
            location_id=location_id,
            region_id=region_id,
            incident_id=incident_id,
            limit=limit,
            cursor=cursor,
        )


@router.get("/signals/quality", summary="Read how signals fare")
def read_quality(actor: Caller, database: Database, clock: Time) -> queries.Quality:
    """Raised, accepted, dismissed and precision by kind: whether signals are worth the attention they ask for."""
    require_role(actor, *READERS)
    with transaction(database, actor.provider_id) as session:
        return queries.quality(session, actor, clock.now())


@router.get("/signals/{signal_id}", summary="Read a signal")
def read_signal(signal_id: UUID, actor: Caller, database: Database, response: Response) -> queries.SignalView:
    """Why it was raised, what was left out, what was decided. The ETag is its version."""
    require_role(actor, *READERS)
    with transaction(database, actor.provider_id) as session:
        signal = visible_signal(session, actor, signal_id)
        response.headers["ETag"] = f'"{signal.version}"'
        return queries.signal_view(session, actor, signal)


@router.get("/signals/{signal_id}/incidents", summary="List the incidents of a signal")
def list_signal_incidents(
    signal_id: UUID,
    actor: Caller,
    database: Database,
    member: Annotated[bool | None, Query(description="True: members only. False: those left out only.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[queries.MemberView]:
    """Its members, and what was considered and left out, each with the reason. What the caller may not see is not there."""
    require_role(actor, *READERS)
    with transaction(database, actor.provider_id) as session:
        signal = visible_signal(session, actor, signal_id)
        return queries.incidents(session, actor, signal, member=member, limit=limit, cursor=cursor)


@router.post("/signals/{signal_id}/decisions", response_model=queries.SignalView, summary="Decide about a signal")
def decide(
    signal_id: UUID,
    body: commands.DecideSignal,
    actor: Caller,
    key: CommandKey,
    version: ExpectedVersion,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """Accept, merge or dismiss, with a reason. Not the manager of a place alone: regional manager, quality and safeguarding
    lead, nominated individual, director."""
    require_role(actor, *commands.DECIDERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            signal = commands.decide(session, actor, signal_id, body, version, clock.now())
            return Reply(200, queries.signal_view(session, actor, signal), signal.version)

        return once(session, "reporting", actor, key, fingerprint(f"decide:{signal_id}:{version}", body), run)
