"""What a place, a person and a reporter look like. Every view is limited to what the caller may see."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, datetime
from typing import Any
from uuid import UUID, uuid5

from pydantic import BaseModel, Field
from sqlalchemy import and_, func, or_, select, tuple_
from sqlalchemy.orm import Session

from services.contracts import intake
from services.contracts.taxonomy import Category, Kind, Stage, Verdict
from services.reporting import history, queries
from services.reporting.domain import TraitKind
from services.reporting.radar import queries as radar
from services.reporting.store import (
    EXPOSURE,
    INCIDENT,
    LOCATION,
    PERSON_INCIDENT,
    TIMELINE,
    TRAIT,
    visible_case,
    visible_incidents,
    visible_locations,
)
from services.runtime import audit, pagination, restriction
from services.runtime.actor import Actor
from services.runtime.calendar import LONDON
from services.runtime.errors import not_found
from services.runtime.pagination import Page

SERVICE = "reporting"
MONTHS = 13
"""So that the month that runs can be held against the same one a year ago."""
URGENT = 20

_I, _T = INCIDENT.c, TIMELINE.c


class MonthView(BaseModel):
    """What happened at a place in a month, in London, against the care that was given. Good care is not counted."""

    month: date
    incidents: int
    exposure: float | None = Field(description="Absent where nobody recorded it: then there is no rate.")
    unit: str | None
    per_1000: float | None


class PlaceView(BaseModel):
    """A location on one page. Of a day in the past there is neither what is urgent nor the radar: they are of now."""

    location_id: UUID
    region_id: UUID | None
    name: str
    beds: int
    active: bool
    overview: queries.Overview
    urgent: list[queries.IncidentSummary] | None = Field(
        description=f"Whose clock ran out first, first; at most {URGENT}. All: the list of incidents with `overdue`."
    )
    months: list[MonthView]
    radar: radar.Radar | None


class PersonOfIncident(BaseModel):
    """Somebody to whom it happened, as a stand-in: the same person has the same one, and nobody can tell who it is."""

    stand_in: str
    incidents: int = Field(description="In how many the caller may see it happened to them, this one included.")


class JourneyStep(BaseModel):
    """One incident of a person, and what followed."""

    incident: queries.IncidentSummary
    stages: list[queries.StageEntry]


class OwnReport(BaseModel):
    """A report of the caller's, and what became of it. In what words it was told is in intake's feedback."""

    incident_id: UUID
    kind: Kind
    category: Category
    occurred_at: datetime
    reported_at: datetime
    stage: Stage | None
    triaged_at: datetime | None
    review_approved_at: datetime | None
    changes: int = Field(description="Actions that were agreed and not cancelled.")
    changes_verified: int
    shared: bool = Field(description="Whether a briefing went out.")
    verdict: Verdict | None
    ended_at: datetime | None


def place(session: Session, actor: Actor, location_id: UUID, now: datetime, as_of: datetime | None) -> PlaceView:
    """A location. Raises 404 where it is not in scope, 422 for a moment that is not past."""
    row = session.execute(
        select(LOCATION).where(visible_locations(actor), LOCATION.c.location_id == location_id)
    ).one_or_none()
    if row is None:
        raise not_found("location")
    known = {name: getattr(row, name) for name in ("location_id", "region_id", "name", "beds", "active")}
    if as_of is not None:
        overview = history.overview(session, actor, as_of, now, region_id=None, location_id=location_id)
        months = _months(session, actor, location_id, as_of)
        return PlaceView(**known, overview=overview, urgent=None, months=months, radar=None)
    urgent = session.execute(
        select(INCIDENT)
        .where(*queries.Wanted(location_id=location_id, overdue=True).where(actor, now))
        .order_by(_I.earliest_due_at, _I.incident_id)
        .limit(URGENT)
    )
    return PlaceView(
        **known,
        overview=queries.overview(session, actor, now, region_id=None, location_id=location_id),
        urgent=[queries.summary(one, now) for one in urgent],
        months=_months(session, actor, location_id, now),
        radar=radar.radar(session, actor, now, location_id=location_id, region_id=None),
    )


def _months(session: Session, actor: Actor, location_id: UUID, until: datetime) -> list[MonthView]:
    """The last months up to the one of `until`, with what was reported by then."""
    last = until.astimezone(LONDON).date().replace(day=1)
    months = [_back(last, n) for n in range(MONTHS - 1, -1, -1)]
    month = func.date_trunc("month", func.timezone("Europe/London", _I.occurred_at))
    counted = select(month, func.count()).where(
        visible_incidents(actor),
        _I.location_id == location_id,
        _I.kind != Kind.GOOD_CARE,
        or_(_I.stage.is_(None), _I.stage.not_in([Stage.WITHDRAWN, Stage.DUPLICATE])),
        _I.reported_at <= until,
        _I.occurred_at <= until,
    )
    counts = {at.date(): number for at, number in session.execute(counted.group_by(month))}
    of_place = EXPOSURE.c.provider_id == actor.provider_id, EXPOSURE.c.location_id == location_id
    given: dict[str, dict[date, float]] = defaultdict(dict)
    for one in session.execute(select(EXPOSURE).where(*of_place, EXPOSURE.c.month.in_(months))):
        given[one.unit][one.month] = float(one.quantity)
    # A place of two kinds is measured by the one it gives more months of, as in patterns.
    unit = min(given, key=lambda name: (-len(given[name]), name), default=None)
    care = given[unit] if unit is not None else {}
    return [_month(at, counts.get(at, 0), care.get(at), unit) for at in months]


def _month(at: date, incidents: int, exposure: float | None, unit: str | None) -> MonthView:
    rate = round(1000 * incidents / exposure, 2) if exposure else None
    return MonthView(month=at, incidents=incidents, exposure=exposure, unit=unit if exposure else None, per_1000=rate)


def _back(month: date, months: int) -> date:
    years, at = divmod(month.year * 12 + month.month - 1 - months, 12)
    return date(years, at + 1, 1)


def people(session: Session, actor: Actor, incident_id: UUID) -> list[PersonOfIncident]:
    """To whom it happened, as far as that was said. Raises 404 where the incident is not in sight."""
    visible_case(session, actor, incident_id)
    codes = session.scalar(
        select(TRAIT.c.codes).where(
            TRAIT.c.provider_id == actor.provider_id,
            TRAIT.c.incident_id == incident_id,
            TRAIT.c.kind == TraitKind.PERSON,
        )
    )
    return [PersonOfIncident(stand_in=one, incidents=_count(session, actor, one)) for one in codes or []]


def _of_person(actor: Actor, stand_in: str) -> Any:
    mine = and_(PERSON_INCIDENT.c.provider_id == actor.provider_id, PERSON_INCIDENT.c.stand_in == stand_in)
    return and_(visible_incidents(actor), _I.incident_id.in_(select(PERSON_INCIDENT.c.incident_id).where(mine)))


def _count(session: Session, actor: Actor, stand_in: str) -> int:
    query = select(func.count()).select_from(INCIDENT).where(_of_person(actor, stand_in))
    return session.scalar(query) or 0


def journey(
    session: Session, actor: Actor, stand_in: str, now: datetime, *, limit: int, cursor: str | None
) -> Page[JourneyStep]:
    """All that happened to a person, in the order in which it happened, with what followed each time.

    That it was read is written to an audit chain of the stand-in's own. Raises 404 where there is nothing in sight.
    """
    query = select(INCIDENT).where(_of_person(actor, stand_in)).order_by(_I.occurred_at, _I.incident_id)
    after = pagination.decode(cursor)
    if after is not None:
        reached = select(_I.occurred_at).where(_I.incident_id == after, visible_incidents(actor)).scalar_subquery()
        query = query.where(tuple_(_I.occurred_at, _I.incident_id) > tuple_(reached, after))
    rows = session.execute(query.limit(limit + 1)).all()
    if not rows and after is None:
        raise not_found("person")
    shown = rows[:limit]
    chain = journey_chain(actor.provider_id, stand_in)
    audit.append(
        session, SERVICE, chain=chain, actor=actor, action="journey_read", subject=chain, at=now,
        data={"stand_in": stand_in, "incidents": [row.incident_id for row in shown]},
    )  # fmt: skip
    items = [
        JourneyStep(incident=queries.summary(row, now), stages=queries.stages(session, row.incident_id, None))
        for row in shown
    ]
    return Page(items=items, next=pagination.encode(shown[-1].incident_id) if len(rows) > limit else None)


def journey_chain(provider_id: UUID, stand_in: str) -> UUID:
    """The audit chain of those who read a person's journey."""
    return uuid5(provider_id, f"journey:{stand_in}")


def own_reports(session: Session, actor: Actor, *, limit: int, cursor: str | None) -> Page[OwnReport]:
    """What the caller reported, newest first; of a restricted incident too, as intake's feedback tells of it, unless the
    caller is kept away from it.
    """
    reported = select(_T.incident_id).where(
        _T.provider_id == actor.provider_id, _T.type == intake.IncidentReported.TYPE, _T.actor == str(actor.id)
    )
    kept = restriction.restriction_table(SERVICE).c
    away = select(kept.record_id).where(kept.excluded.contains([actor.id]))
    query = (
        select(INCIDENT)
        .where(_I.provider_id == actor.provider_id, _I.reported_at.is_not(None))
        .where(_I.incident_id.in_(reported), _I.incident_id.not_in(away))
        .order_by(_I.incident_id.desc())
    )
    after = pagination.decode(cursor)
    if after is not None:
        query = query.where(_I.incident_id < after)
    rows = session.execute(query.limit(limit + 1)).all()
    items = list(_own(rows[:limit]))
    return Page(items=items, next=pagination.encode(items[-1].incident_id) if len(rows) > limit else None)


def _own(rows: Iterable[Any]) -> Iterable[OwnReport]:
    for row in rows:
        yield OwnReport(
            incident_id=row.incident_id,
            kind=row.kind,
            category=row.category,
            occurred_at=row.occurred_at,
            reported_at=row.reported_at,
            stage=row.stage,
            triaged_at=row.triaged_at,
            review_approved_at=row.review_approved_at,
            changes=row.actions_agreed + row.actions_open + row.actions_done + row.actions_verified,
            changes_verified=row.actions_verified,
            shared=row.briefing_id is not None,
            verdict=row.last_verdict,
            ended_at=row.ended_at,
        )
