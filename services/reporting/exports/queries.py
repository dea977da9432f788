"""What is exported, in the caller's scope and as far as the caller may see."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from services.reporting import queries
from services.reporting.exports.table import MOST_ROWS
from services.reporting.queries import IncidentSummary, LocationOverview, Wanted
from services.reporting.store import INCIDENT, LINE_NO, LOCATION, TIMELINE, visible_incidents, visible_locations
from services.runtime import pagination
from services.runtime.actor import Actor
from services.runtime.errors import ServiceError, invalid

_AT_ONCE = 1000

INCIDENT_COLUMNS: dict[str, Callable[[IncidentSummary], Any]] = {
    "incident_id": lambda one: str(one.incident_id),
    "location_id": lambda one: str(one.location_id),
    "region_id": lambda one: one.region_id and str(one.region_id),
    "kind": lambda one: one.kind,
    "category": lambda one: one.category,
    "occurred_at_utc": lambda one: one.occurred_at,
    "reported_at_utc": lambda one: one.reported_at,
    "stage": lambda one: one.stage,
    "cycle": lambda one: one.cycle,
    "stage_entered_at_utc": lambda one: one.stage_entered_at,
    "next_move": lambda one: one.next_move,
    "next_due_at_utc": lambda one: one.next_due_at,
    "overdue": lambda one: one.overdue,
    "band": lambda one: one.band,
    "actual_harm": lambda one: one.actual_harm,
    "triaged_at_utc": lambda one: one.triaged_at,
    "triaged_by_default": lambda one: one.triaged_by_default,
    "review_method": lambda one: one.review and one.review.method,
    "review_status": lambda one: one.review and one.review.status,
    "review_due_at_utc": lambda one: one.review and one.review.due_at,
    "actions_agreed": lambda one: one.actions.agreed,
    "actions_open": lambda one: one.actions.open,
    "actions_done": lambda one: one.actions.done,
    "actions_verified": lambda one: one.actions.verified,
    "briefing_locations": lambda one: one.briefing and one.briefing.audience,
    "briefing_reached_at_utc": lambda one: one.briefing and one.briefing.reached_at,
    "last_verdict": lambda one: one.checkpoint.last_verdict,
    "escalations_unacknowledged": lambda one: one.escalations_unacknowledged,
    "ended_at_utc": lambda one: one.ended_at,
    "last_event_at_utc": lambda one: one.last_event_at,
    "origin": lambda one: one.origin,
}
"""The columns of the list of incidents, by name. `location_name` follows `location_id`."""

LOCATION_COLUMNS = tuple(LocationOverview.model_fields)


def incident_header() -> list[str]:
    """The names of the columns, in order."""
    first, second, *rest = INCIDENT_COLUMNS
    return [first, second, "location_name", *rest]


def incident_rows(session: Session, actor: Actor, now: datetime, wanted: Wanted) -> Iterator[list[Any]]:
    """The list of incidents as rows, newest first. Raises 422 when there are more than a file may have."""
    some = select(INCIDENT.c.incident_id).where(*wanted.where(actor, now)).limit(MOST_ROWS + 1).subquery()
    if (session.scalar(select(func.count()).select_from(some)) or 0) > MOST_ROWS:
        raise ServiceError(
            422,
            "too-many-rows",
            "The table would be too long",
            f"A file has at most {MOST_ROWS:,} rows. Narrow it, for example with reported_from and reported_before, or"
            " read page by page from /incidents/changes.",
        )
    named = select(LOCATION.c.location_id, LOCATION.c.name).where(visible_locations(actor))
    names = {row.location_id: row.name for row in session.execute(named)}
    cursor = None
    while True:
        page = queries.incidents(session, actor, now, wanted, limit=_AT_ONCE, cursor=cursor)
        for one in page.items:
            first, second, *rest = (value(one) for value in INCIDENT_COLUMNS.values())
            yield [first, second, names.get(one.location_id), *rest]
        if (cursor := page.next) is None:
            return


def location_rows(session: Session, actor: Actor, now: datetime) -> Iterator[list[Any]]:
    """Locations with what is open there, as rows."""
    cursor = None
    while True:
        page = queries.locations(session, actor, now, limit=_AT_ONCE, cursor=cursor)
        for one in page.items:
            values = (getattr(one, name) for name in LOCATION_COLUMNS)
            yield [str(value) if isinstance(value, UUID) else value for value in values]
        if (cursor := page.next) is None:
            return


class Changes(BaseModel):
    """Incidents of which something was heard, as they stand now. One may come again: the later state counts."""

    items: list[IncidentSummary]
    next: str = Field(description="Where to go on, also after the last page: what happens from now on follows it.")
    more: bool = Field(description="False: nothing more is known at this moment. Ask again later with `next`.")


def changes(
    session: Session, actor: Actor, now: datetime, *, updated_since: datetime | None, limit: int, cursor: str | None
) -> Changes:
    """What was heard after the cursor, in the order in which it became known here: nothing is passed over.

    Without a cursor from the beginning, or from the first that was known of since `updated_since`.
    """
    mine = TIMELINE.c.provider_id == actor.provider_id
    after = _line(cursor)
    if after is None:
        after = 0
        if updated_since is not None:
            first = session.scalar(select(func.min(LINE_NO)).where(mine, TIMELINE.c.at >= updated_since))
            last = session.scalar(select(func.max(LINE_NO)).where(mine))
            after = first - 1 if first is not None else last or 0
    lines = session.execute(
        select(TIMELINE.c.incident_id, LINE_NO).where(mine, after < LINE_NO).order_by(LINE_NO).limit(limit + 1)
    ).all()
    heard = list(dict.fromkeys(incident_id for incident_id, _ in lines[:limit]))
    rows = session.execute(select(INCIDENT).where(visible_incidents(actor), INCIDENT.c.incident_id.in_(heard))).all()
    found = {row.incident_id: queries.summary(row, now) for row in rows}
    reached = lines[:limit][-1][1] if lines else after
    return Changes(
        items=[found[incident_id] for incident_id in heard if incident_id in found],
        next=pagination.encode(UUID(int=reached)),
        more=len(lines) > limit,
    )


def _line(cursor: str | None) -> int | None:
    after = pagination.decode(cursor)
    if after is None:
        return None
    if after.int >= 2**63:
        raise invalid("cursor", "is not of this list", "Send `next` as you received it, or leave it out.")
    return after.int
