"""Meetings, decisions and challenges over HTTP: permissions and shapes."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse

from services.contracts.taxonomy import GovernanceKind, MeetingLevel
from services.reporting.governance import challenge, meetings, queries
from services.reporting.governance.domain import ItemStatus
from services.reporting.governance.store import GOVERNORS, visible_item, visible_meeting
from services.runtime import audit
from services.runtime.app import Database, Time
from services.runtime.auth import Caller, require_role
from services.runtime.db import transaction
from services.runtime.idempotency import CommandKey, ExpectedVersion, Reply, fingerprint, once
from services.runtime.pagination import Cursor, Limit, Page

router = APIRouter(tags=["governance"])

_SERVICE = meetings.SERVICE


@router.get("/meetings", summary="List meetings")
def list_meetings(
    actor: Caller,
    database: Database,
    clock: Time,
    level: MeetingLevel | None = None,
    location_id: UUID | None = None,
    region_id: UUID | None = None,
    held: Annotated[bool | None, Query(description="Whether it is recorded as held.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[queries.MeetingSummary]:
    """Meetings of the services and regions that the caller covers, and, for leaders of the whole provider, of executives and
    board; the newest first."""
    require_role(actor, *GOVERNORS)
    with transaction(database, actor.provider_id) as session:
        return queries.meetings(
            session, actor, clock.now(), level=level, location_id=location_id, region_id=region_id, held=held,
            limit=limit, cursor=cursor,
        )  # fmt: skip


@router.post("/meetings", response_model=queries.MeetingView, status_code=201, summary="Call a meeting")
def call_meeting(
    body: meetings.CallMeeting, actor: Caller, key: CommandKey, database: Database, clock: Time
) -> JSONResponse:
    """Compile an agenda now, beside the cadence, with a reason. Whoever takes part in meetings of the place may."""
    require_role(actor, *GOVERNORS)
    now = clock.now()
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            meeting = meetings.call_meeting(session, actor, body, now)
            return Reply(201, queries.meeting_view(session, actor, meeting, now), meeting.version)

        return once(session, _SERVICE, actor, key, fingerprint("call-meeting", body), run)


@router.get("/meetings/{meeting_id}", summary="Read a meeting")
def read_meeting(
    meeting_id: UUID, actor: Caller, database: Database, clock: Time, response: Response
) -> queries.MeetingView:
    """Its agenda as it was seen at `compiled_at`, and its decisions and challenges as they stand now. The ETag is its
    version."""
    require_role(actor, *GOVERNORS)
    with transaction(database, actor.provider_id) as session:
        meeting = visible_meeting(session, actor, meeting_id)
        response.headers["ETag"] = f'"{meeting.version}"'
        return queries.meeting_view(session, actor, meeting, clock.now())


@router.get("/meetings/{meeting_id}/audit", summary="Read the audit chain of a meeting")
def read_meeting_audit(meeting_id: UUID, actor: Caller, database: Database) -> list[dict[str, Any]]:
    """When it was compiled, with the digest of its agenda, and held. Anybody can verify the chain."""
    require_role(actor, *GOVERNORS)
    with transaction(database, actor.provider_id) as session:
        visible_meeting(session, actor, meeting_id)
        return audit.read(session, _SERVICE, meeting_id)


@router.post(
    "/meetings/{meeting_id}/held", response_model=queries.MeetingView, summary="Record that a meeting was held"
)
def hold_meeting(
    meeting_id: UUID,
    body: meetings.HoldMeeting,
    actor: Caller,
    key: CommandKey,
    version: ExpectedVersion,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """When it was held and with how many; once. Whoever takes part in meetings of the place may."""
    require_role(actor, *GOVERNORS)
    now = clock.now()
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            meeting = meetings.hold_meeting(session, actor, meeting_id, body, version, now)
            return Reply(200, queries.meeting_view(session, actor, meeting, now), meeting.version)

        return once(session, _SERVICE, actor, key, fingerprint(f"hold:{meeting_id}:{version}", body), run)


@router.post(
    "/meetings/{meeting_id}/items",
    response_model=queries.ItemView,
    status_code=201,
    summary="Record a decision or a challenge",
)
def raise_item(
    meeting_id: UUID, body: challenge.RaiseItem, actor: Caller, key: CommandKey, database: Database, clock: Time
) -> JSONResponse:
    """With one person who does it or responds, and until when. Whoever takes part in meetings of the place may; nobody
    challenges themselves."""
    require_role(actor, *GOVERNORS)
    now = clock.now()
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            item = challenge.raise_item(session, actor, meeting_id, body, now)
            return Reply(201, queries.item_view(session, item, now), item.version)

        return once(session, _SERVICE, actor, key, fingerprint(f"raise:{meeting_id}", body), run)


@router.get("/governance-items", summary="List decisions and challenges")
def list_items(
    actor: Caller,
    database: Database,
    clock: Time,
    mine: Annotated[bool, Query(description="Only those that wait for the caller.")] = False,
    kind: GovernanceKind | None = None,
    status: ItemStatus | None = None,
    late: Annotated[bool | None, Query(description="Whether its time ran out without an answer.")] = None,
    level: Annotated[MeetingLevel | None, Query(description="The level it is with.")] = None,
    incident_id: UUID | None = None,
    theme_id: UUID | None = None,
    location_id: UUID | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[queries.ItemSummary]:
    """Those of places that the caller covers, and those that the caller raised or owns; the newest first. For everybody:
    whoever covers no place sees their own."""
    with transaction(database, actor.provider_id) as session:
        return queries.items(
            session, actor, clock.now(), mine=mine, kind=kind, status=status, late=late, level=level,
            incident_id=incident_id, theme_id=theme_id, location_id=location_id, limit=limit, cursor=cursor,
        )  # fmt: skip


@router.get("/governance-items/{item_id}", summary="Read a decision or a challenge")
def read_item(item_id: UUID, actor: Caller, database: Database, clock: Time, response: Response) -> queries.ItemView:
    """Who asked whom about what, and every answer with what became of it. The ETag is its version."""
    with transaction(database, actor.provider_id) as session:
        item = visible_item(session, actor, item_id)
        response.headers["ETag"] = f'"{item.version}"'
        return queries.item_view(session, item, clock.now())


@router.get("/governance-items/{item_id}/audit", summary="Read the audit chain of a decision or a challenge")
def read_item_audit(item_id: UUID, actor: Caller, database: Database) -> list[dict[str, Any]]:
    """Everything that was done about it, in order. Anybody can verify the chain."""
    with transaction(database, actor.provider_id) as session:
        visible_item(session, actor, item_id)
        return audit.read(session, _SERVICE, item_id)


@router.post(
    "/governance-items/{item_id}/answers", response_model=queries.ItemView, summary="Answer a challenge or a decision"
)
def answer_item(
    item_id: UUID,
    body: challenge.AnswerItem,
    actor: Caller,
    key: CommandKey,
    version: ExpectedVersion,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """Respond, or say that and how it is done. Its owner may, and once it went up whoever was called there; not who asked."""
    now = clock.now()
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            item = challenge.answer_item(session, actor, item_id, body, version, now)
            return Reply(200, queries.item_view(session, item, now), item.version)

        return once(session, _SERVICE, actor, key, fingerprint(f"answer:{item_id}:{version}", body), run)


@router.post("/governance-items/{item_id}/judgements", response_model=queries.ItemView, summary="Judge an answer")
def judge_item(
    item_id: UUID,
    body: challenge.JudgeItem,
    actor: Caller,
    key: CommandKey,
    version: ExpectedVersion,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """Accept it and say what it altered, or ask again. Who asked may, and regional and senior leaders of the place; never who
    answered."""
    require_role(actor, *GOVERNORS)
    now = clock.now()
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            item = challenge.judge_item(session, actor, item_id, body, version, now)
            return Reply(200, queries.item_view(session, item, now), item.version)

        return once(session, _SERVICE, actor, key, fingerprint(f"judge:{item_id}:{version}", body), run)
