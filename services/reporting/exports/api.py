"""Exports over HTTP."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse, StreamingResponse
from sqlalchemy import select

from services.contracts.taxonomy import Kind
from services.reporting.api import READERS, Wanted
from services.reporting.domain import Entry
from services.reporting.exports import fhir, queries, table
from services.reporting.store import LOCATION, TIMELINE, visible_case
from services.runtime.app import Database, Time
from services.runtime.auth import Caller, require_role
from services.runtime.db import transaction
from services.runtime.errors import invalid
from services.runtime.instant import Instant
from services.runtime.limit import Limit as Often
from services.runtime.pagination import Cursor, Limit

router = APIRouter(tags=["exports"])

EXPORTING = Often("export", 20)
"""A file reads all that its caller sees; somebody who compares a few makes one every few seconds."""

_FILES: dict[int | str, dict[str, Any]] = {
    200: {"description": "A file", "content": {media_type: {} for media_type in table.MEDIA_TYPES.values()}}
}


@router.get(
    "/incidents/export", summary="Export incidents as CSV or XLSX", responses=_FILES, openapi_extra=EXPORTING.described
)
def export_incidents(
    actor: Caller, database: Database, clock: Time, wanted: Wanted, form: Annotated[table.Format, Query(alias="format")]
) -> StreamingResponse:
    """The list of incidents with the same filters, as a file of at most 50,000 rows; times in UTC. No personal data."""
    require_role(actor, *READERS)
    EXPORTING.take(actor.id)
    now = clock.now()
    with transaction(database, actor.provider_id) as session:
        rows = queries.incident_rows(session, actor, now, wanted)
        return table.respond(form, f"incidents-{now:%Y-%m-%d}", queries.incident_header(), rows)


@router.get(
    "/locations/overview/export",
    summary="Export locations as CSV or XLSX",
    responses=_FILES,
    openapi_extra=EXPORTING.described,
)
def export_locations(
    actor: Caller, database: Database, clock: Time, form: Annotated[table.Format, Query(alias="format")]
) -> StreamingResponse:
    """Locations in the caller's scope with what is open there, as a file."""
    require_role(actor, *READERS)
    EXPORTING.take(actor.id)
    now = clock.now()
    with transaction(database, actor.provider_id) as session:
        rows = queries.location_rows(session, actor, now)
        return table.respond(form, f"locations-{now:%Y-%m-%d}", queries.LOCATION_COLUMNS, rows)


@router.get("/incidents/changes", summary="List incidents that changed")
def list_changes(
    actor: Caller,
    database: Database,
    clock: Time,
    updated_since: Annotated[
        Instant | None, Query(description="Where to begin. Has no meaning beside a cursor.")
    ] = None,
    limit: Limit = 200,
    cursor: Cursor = None,
) -> queries.Changes:
    """For systems that keep a copy: page by page everything in scope, then, by the same cursor, what changes.

    In the order in which it became known here, so nothing is passed over. What left the caller's scope is not told.
    """
    require_role(actor, *READERS)
    with transaction(database, actor.provider_id) as session:
        return queries.changes(session, actor, clock.now(), updated_since=updated_since, limit=limit, cursor=cursor)


@router.get(
    "/incidents/{incident_id}/fhir",
    summary="Export an incident as FHIR R4",
    responses={200: {"description": "A Bundle", "content": {"application/fhir+json": {}}}},
)
def export_fhir(incident_id: UUID, actor: Caller, database: Database, clock: Time) -> JSONResponse:
    """A Bundle with an AdverseEvent, a Task for each action and a Provenance for each line of the timeline.

    Ids, codes and dates, and the name of the location. Good care is not an adverse event and is refused.
    """
    require_role(actor, *READERS)
    with transaction(database, actor.provider_id) as session:
        case = visible_case(session, actor, incident_id)
        if case.incident.kind == Kind.GOOD_CARE:
            raise invalid("incident_id", "is of good care", "Name an incident or a near miss.")
        found = select(TIMELINE).where(TIMELINE.c.incident_id == incident_id)
        rows = session.execute(found.order_by(TIMELINE.c.at, TIMELINE.c.event_id))
        lines = [Entry(**row._mapping) for row in rows]
        place = LOCATION.c.location_id == case.incident.location_id
        name = session.scalar(select(LOCATION.c.name).where(place))
    return JSONResponse(fhir.bundle(case, lines, name, clock.now()), media_type="application/fhir+json")
