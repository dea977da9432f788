"""The radar over HTTP."""

from uuid import UUID

from fastapi import APIRouter

from services.reporting.api import READERS
from services.reporting.radar import queries
from services.reporting.radar.policy import Weakness
from services.runtime.app import Database, Time
from services.runtime.auth import Caller, require_role
from services.runtime.db import transaction
from services.runtime.pagination import Cursor, Limit, Page

router = APIRouter(tags=["radar"])


@router.get("/radar", summary="Read the weakness radar")
def read_radar(
    actor: Caller, database: Database, clock: Time, location_id: UUID | None = None, region_id: UUID | None = None
) -> queries.Radar:
    """Every weakness with its share, its benchmark and since when: of a service, a region, or all in the caller's scope."""
    require_role(actor, *READERS)
    with transaction(database, actor.provider_id) as session:
        return queries.radar(session, actor, clock.now(), location_id=location_id, region_id=region_id)


@router.get("/radar/{weakness}/records", summary="List the records behind a weakness")
def list_records(
    weakness: Weakness,
    actor: Caller,
    database: Database,
    clock: Time,
    location_id: UUID | None = None,
    region_id: UUID | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[queries.RecordView]:
    """The incidents that show it, the newest first."""
    require_role(actor, *READERS)
    with transaction(database, actor.provider_id) as session:
        return queries.records(
            session, actor, weakness, clock.now(),
            location_id=location_id, region_id=region_id, limit=limit, cursor=cursor,
        )  # fmt: skip
