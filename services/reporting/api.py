"""Reporting over HTTP: permissions and shapes; what is counted and how is in the queries."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from services.contracts.taxonomy import Category, Role, ThemeStage
from services.reporting import history, queries, together
from services.runtime.app import Database, Time
from services.runtime.auth import Caller, require_role
from services.runtime.db import transaction
from services.runtime.instant import Instant
from services.runtime.pagination import Cursor, Limit, Page

router = APIRouter(tags=["reporting"])

READERS = (
    Role.REGISTERED_MANAGER,
    Role.REGIONAL_MANAGER,
    Role.QUALITY_LEAD,
    Role.SAFEGUARDING_LEAD,
    Role.NOMINATED_INDIVIDUAL,
    Role.DIRECTOR,
    Role.EXECUTIVE,
)
"""Who answers for places: what stands open there, within their scope and what they need to know."""

Wanted = Annotated[queries.Wanted, Depends()]
"""The filters of a list of incidents, as parameters of the query."""

AsOf = Annotated[Instant | None, Query(description="A moment of the past, with its time zone.")]


@router.get("/incidents", summary="List incidents")
def list_incidents(
    actor: Caller,
    database: Database,
    clock: Time,
    wanted: Wanted,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[queries.IncidentSummary]:
    """Incidents in the caller's scope with where each part stands, newest first."""
    require_role(actor, *READERS)
    with transaction(database, actor.provider_id) as session:
        return queries.incidents(session, actor, clock.now(), wanted, limit=limit, cursor=cursor)


@router.get("/incidents/{incident_id}/timeline", summary="Read the timeline of an incident")
def read_timeline(
    incident_id: UUID,
    actor: Caller,
    database: Database,
    clock: Time,
    limit: Limit = 200,
    cursor: Cursor = None,
    as_of: AsOf = None,
) -> queries.Timeline:
    """Who did what and when, in plain words; which clocks run; whose move it is and what happens if nobody moves.

    With `as_of`, as it was known then: what happened, was decided or was late afterwards is not in it.
    """
    require_role(actor, *READERS)
    with transaction(database, actor.provider_id) as session:
        if as_of is not None:
            return history.timeline(session, actor, incident_id, as_of, clock.now(), limit=limit, cursor=cursor)
        return queries.timeline(session, actor, incident_id, clock.now(), limit=limit, cursor=cursor)


@router.get("/themes", summary="List themes with where each stands")
def list_themes(
    actor: Caller,
    database: Database,
    clock: Time,
    stage: ThemeStage | None = None,
    overdue: Annotated[bool | None, Query(description="Whether a clock of it ran out.")] = None,
    watch_due: Annotated[bool | None, Query(description="Whether a closed one is to be looked at again.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[queries.ThemeSummary]:
    """Thematic reviews of the caller's whole scope, and those the caller leads, newest first."""
    require_role(actor, *READERS)
    with transaction(database, actor.provider_id) as session:
        return queries.themes(
            session,
            actor,
            clock.now(),
            stage=stage,
            overdue=overdue,
            watch_due=watch_due,
            limit=limit,
            cursor=cursor,
        )


@router.get("/themes/{theme_id}/timeline", summary="Read the timeline of a theme")
def read_theme_timeline(
    theme_id: UUID, actor: Caller, database: Database, clock: Time, limit: Limit = 200, cursor: Cursor = None
) -> queries.ThemeTimeline:
    """Who did what and when, in plain words; which clocks run; whose move it is and what happens if nobody moves."""
    require_role(actor, *READERS)
    with transaction(database, actor.provider_id) as session:
        return queries.theme_timeline(session, actor, theme_id, clock.now(), limit=limit, cursor=cursor)


@router.get("/overview", summary="Read the overview")
def read_overview(
    actor: Caller,
    database: Database,
    clock: Time,
    region_id: UUID | None = None,
    location_id: UUID | None = None,
    as_of: AsOf = None,
) -> queries.Overview:
    """All open incidents in the caller's scope, by stage and age; what is overdue, unverified, unanswered.

    With `as_of`, all that were open then, as it was known then.
    """
    require_role(actor, *READERS)
    with transaction(database, actor.provider_id) as session:
        if as_of is not None:
            return history.overview(session, actor, as_of, clock.now(), region_id=region_id, location_id=location_id)
        return queries.overview(session, actor, clock.now(), region_id=region_id, location_id=location_id)


@router.get("/reviews/together", summary="Read reviews together by factor")
def read_together(
    actor: Caller,
    database: Database,
    clock: Time,
    days: Annotated[int, Query(ge=7, le=366, description="How far back; beside it stands the same time before.")] = 90,
    location_id: UUID | None = None,
    region_id: UUID | None = None,
    category: Category | None = None,
) -> together.Together:
    """What approved reviews in the caller's scope name as contributing factors, now and before, at how many services."""
    require_role(actor, *READERS)
    with transaction(database, actor.provider_id) as session:
        return together.together(
            session, actor, clock.now(), days=days, location_id=location_id, region_id=region_id, category=category
        )


@router.get("/locations/overview", summary="List locations with what is open there")
def list_locations(
    actor: Caller, database: Database, clock: Time, limit: Limit = 50, cursor: Cursor = None
) -> Page[queries.LocationOverview]:
    """Locations in the caller's scope, each with its open, overdue and unverified counts."""
    require_role(actor, *READERS)
    with transaction(database, actor.provider_id) as session:
        return queries.locations(session, actor, clock.now(), limit=limit, cursor=cursor)
