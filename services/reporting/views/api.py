"""The views over HTTP: permissions and shapes."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path

from services.reporting.api import READERS, AsOf
from services.reporting.views import queries
from services.runtime.app import Database, Time
from services.runtime.auth import Caller, require_role
from services.runtime.db import transaction
from services.runtime.pagination import Cursor, Limit, Page

router = APIRouter(tags=["views"])

StandIn = Annotated[str, Path(pattern="^[0-9a-f]{32}$", description="Of a person, from the people of an incident.")]


@router.get("/locations/{location_id}/view", summary="Read a location on one page")
def read_place(
    location_id: UUID, actor: Caller, database: Database, clock: Time, as_of: AsOf = None
) -> queries.PlaceView:
    """What needs attention there, what is open, the rate month by month, and its weaknesses. With `as_of`, as it was then."""
    require_role(actor, *READERS)
    with transaction(database, actor.provider_id) as session:
        return queries.place(session, actor, location_id, clock.now(), as_of)


@router.get("/incidents/{incident_id}/people", summary="Read to whom an incident happened")
def read_people(incident_id: UUID, actor: Caller, database: Database) -> list[queries.PersonOfIncident]:
    """As stand-ins, never names; each leads to the person's journey."""
    require_role(actor, *READERS)
    with transaction(database, actor.provider_id) as session:
        return queries.people(session, actor, incident_id)


@router.get("/people/{stand_in}/journey", summary="Read what happened to a person")
def read_journey(
    stand_in: StandIn, actor: Caller, database: Database, clock: Time, limit: Limit = 50, cursor: Cursor = None
) -> Page[queries.JourneyStep]:
    """All incidents of a person in order, with what followed, as far as the caller may see them. That it was read is kept."""
    require_role(actor, *READERS)
    with transaction(database, actor.provider_id) as session:
        return queries.journey(session, actor, stand_in, clock.now(), limit=limit, cursor=cursor)


@router.get("/my-reports", summary="List your own reports")
def list_own_reports(
    actor: Caller, database: Database, limit: Limit = 50, cursor: Cursor = None
) -> Page[queries.OwnReport]:
    """What you reported and what became of it, newest first. For anybody."""
    with transaction(database, actor.provider_id) as session:
        return queries.own_reports(session, actor, limit=limit, cursor=cursor)
