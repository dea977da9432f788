"""Saved filters over HTTP."""

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from sqlalchemy import select

from services.reporting.api import READERS
from services.reporting.filters import commands
from services.reporting.filters.commands import SERVICE
from services.reporting.filters.store import SavedFilter
from services.runtime import pagination
from services.runtime.app import Database, Time
from services.runtime.auth import Caller, require_role
from services.runtime.db import transaction
from services.runtime.idempotency import CommandKey, KnownVersion, Reply, fingerprint, once
from services.runtime.pagination import Cursor, Limit, Page

router = APIRouter(tags=["filters"])


class FilterView(BaseModel):
    """A saved filter. `query` is what `/incidents` and `/incidents/export` take."""

    filter_id: UUID
    name: str
    wanted: dict[str, Any]
    query: str = Field(examples=["band=high&overdue=true"])
    archived: bool
    version: int


@router.put("/saved-filters/{filter_id}", response_model=FilterView, summary="Keep a filter of incidents")
def record_filter(
    filter_id: UUID,
    body: commands.RecordFilter,
    actor: Caller,
    key: CommandKey,
    version: KnownVersion,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """For yourself, under a name. It sees what you may see at the time you use it."""
    require_role(actor, *READERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            kept = commands.record_filter(session, actor, filter_id, body, version, clock.now())
            return Reply(200, _view(kept), kept.version)

        return once(session, SERVICE, actor, key, fingerprint(f"filter:{filter_id}:{version}", body), run)


@router.get("/saved-filters", summary="List your saved filters")
def list_filters(actor: Caller, database: Database, limit: Limit = 50, cursor: Cursor = None) -> Page[FilterView]:
    """Your own, without those that are archived."""
    require_role(actor, *READERS)
    with transaction(database, actor.provider_id) as session:
        mine = SavedFilter.provider_id == actor.provider_id, SavedFilter.person_id == actor.id
        query = select(SavedFilter).where(*mine, SavedFilter.archived.is_(False)).order_by(SavedFilter.filter_id)
        after = pagination.decode(cursor)
        if after is not None:
            query = query.where(SavedFilter.filter_id > after)
        rows = list(session.scalars(query.limit(limit + 1)))
        items = [_view(row) for row in rows[:limit]]
        return Page(items=items, next=pagination.encode(items[-1].filter_id) if len(rows) > limit else None)


def _view(kept: SavedFilter) -> FilterView:
    given = {name: str(value).lower() if isinstance(value, bool) else value for name, value in kept.wanted.items()}
    return FilterView(
        filter_id=kept.filter_id,
        name=kept.name,
        wanted=kept.wanted,
        query=urlencode(given),
        archived=kept.archived,
        version=kept.version,
    )
