"""What is counted, and over how much care: kept from the events of intake and directory, read for a window of days.

Every function here may see the same event twice, and events of an incident in any order.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from services.actions.impact.domain import Observed, Window, counts_as, local_day, months_of, window_of
from services.actions.impact.store import DailyCount, Exposure
from services.actions.store import Incident
from services.contracts.directory import ExposureRecorded
from services.contracts.intake import IncidentImported, IncidentReported
from services.contracts.taxonomy import Category, ExposureUnit, Kind
from services.runtime.db import insert_new


@dataclass(frozen=True)
class Measure:
    """Incidents of a category per unit of exposure, over the whole provider or some of its locations."""

    provider_id: UUID
    category: Category
    unit: ExposureUnit
    locations: tuple[UUID, ...] | None = None


@dataclass(frozen=True)
class Month:
    """What was counted in the part of a month that lies in a window."""

    month: date
    events: int
    near_misses: int
    other_reports: int
    exposure: Decimal


# Only where and when there is exposure in the unit: counting a home whose bed days are missing would invent a rate.
_COUNTS = text(
    """select date_trunc('month', c.day)::date as month,
           coalesce(sum(c.incidents) filter (where c.category = :category), 0) as events,
           coalesce(sum(c.near_misses) filter (where c.category = :category), 0) as near_misses,
           coalesce(sum(c.near_misses), 0) + coalesce(sum(c.incidents) filter (where c.category <> :category), 0)
             as other_reports
    from actions.daily_count c join actions.exposure e
      on e.provider_id = c.provider_id and e.location_id = c.location_id and e.unit = :unit and e.quantity > 0
      and e.month = date_trunc('month', c.day)::date
    where c.provider_id = :provider_id and c.day >= :first and c.day < :until
      and (cast(:locations as uuid[]) is null or c.location_id = any(cast(:locations as uuid[])))
    group by 1"""
)
_EXPOSURES = text(
    """select month, sum(quantity * (least(cast(:until as date), month_end) - greatest(cast(:first as date), month))
                           / (month_end - month)) as exposure
    from (select quantity, month, (month + interval '1 month')::date as month_end
          from actions.exposure where provider_id = :provider_id and unit = :unit
            and (cast(:locations as uuid[]) is null or location_id = any(cast(:locations as uuid[])))) as months
    where month < :until and month_end > :first
    group by month"""
)
_EVENT_DAYS = text(
    """select c.day from actions.daily_count c join actions.exposure e
      on e.provider_id = c.provider_id and e.location_id = c.location_id and e.unit = :unit and e.quantity > 0
      and e.month = date_trunc('month', c.day)::date
    where c.provider_id = :provider_id and c.category = :category and c.day >= :first and c.day < :until
      and (cast(:locations as uuid[]) is null or c.location_id = any(cast(:locations as uuid[])))
    group by c.day having sum(c.incidents) > 0 order by c.day"""
)
_BY_PLACE = text(
    """with days as (select * from unnest(cast(:firsts as date[]), cast(:untils as date[])) as d(first, until)),
    months as (select location_id, month, (month + interval '1 month')::date as month_end, quantity
      from actions.exposure where provider_id = :provider_id and unit = :unit and quantity > 0
        and (cast(:locations as uuid[]) is null or location_id = any(cast(:locations as uuid[])))),
    given as (select location_id, sum(quantity * (least(until, month_end) - greatest(first, month))
                                      / (month_end - month)) as exposure
      from months join days on month < until and month_end > first group by location_id),
    counted as (select c.location_id, sum(c.incidents) as events, sum(c.near_misses) as near_misses
      from actions.daily_count c join days on c.day >= first and c.day < until
        join months m on m.location_id = c.location_id and m.month = date_trunc('month', c.day)::date
      where c.provider_id = :provider_id and c.category = :category group by c.location_id)
    select location_id, coalesce(events, 0) as events, coalesce(near_misses, 0) as near_misses, exposure
    from given left join counted using (location_id) where exposure > 0"""
)
_DELAY = text(
    """select percentile_cont(0.5) within group (order by extract(epoch from reported_at - occurred_at)) / 3600.0
    from actions.incident join unnest(cast(:firsts as date[]), cast(:untils as date[])) as days(first, until)
      on (occurred_at at time zone 'Europe/London')::date >= days.first
     and (occurred_at at time zone 'Europe/London')::date < days.until
    where provider_id = :provider_id and category = :category and kind = 'incident' and not withdrawn
      and (cast(:locations as uuid[]) is null or location_id = any(cast(:locations as uuid[])))"""
)
_CENTS = Decimal("0.01")


def observe(session: Session, measure: Measure, window: Window) -> Observed:
    """What happened in a window of days. Exposure of a month that is only partly in it counts by its days."""
    return total(by_month(session, measure, window))


def total(months: Sequence[Month]) -> Observed:
    """Months together."""
    exposure = sum((m.exposure for m in months), Decimal(0))
    return Observed(
        events=sum(m.events for m in months),
        near_misses=sum(m.near_misses for m in months),
        exposure=exposure.quantize(_CENTS),
    )


def by_month(session: Session, measure: Measure, window: Window) -> list[Month]:
    """The same month by month; each month of the window is there, also one without a return: its exposure is 0."""
    if window.until <= window.first:
        return []
    values = _values(measure, window)
    counts = {row.month: row for row in session.execute(_COUNTS, values)}
    exposures = {row.month: row.exposure for row in session.execute(_EXPOSURES, values)}
    months = []
    for month in months_of(window):
        counted = counts.get(month)
        months.append(
            Month(
                month,
                events=0 if counted is None else counted.events,
                near_misses=0 if counted is None else counted.near_misses,
                other_reports=0 if counted is None else counted.other_reports,
                exposure=exposures.get(month, Decimal(0)),
            )
        )
    return months


def care_between(session: Session, measure: Measure, window: Window, *, open_end: bool) -> tuple[float, ...]:
    """The care given from one event of a window to the next, in the measure's unit; events of one day taken as one.

    With an open end from the day before its first to the end of its last as well. Care and not days: while a place is
    closed, or its return is missing, nothing can happen that would be counted, and no time passes either.
    """
    if window.until <= window.first:
        return ()
    days = [row.day for row in session.execute(_EVENT_DAYS, _values(measure, window))]
    if open_end:
        days = [window.first - timedelta(days=1), *days, window.until - timedelta(days=1)]
    given = {month.month: month.exposure for month in by_month(session, measure, window)}
    day = timedelta(days=1)
    between = (_given(given, window, Window(earlier + day, later + day)) for earlier, later in pairwise(days))
    return tuple(float(care) for care in between if care > 0)


def _given(given: Mapping[date, Decimal], window: Window, days: Window) -> Decimal:
    """The care of some days of a window, by its care in each month, every day of which had as much."""
    care = Decimal(0)
    for month in months_of(days):
        if days.until > days.first:
            care += given[month] * _shared(days, month) / _shared(window, month)
    return care


def _shared(window: Window, month: date) -> int:
    whole = window_of(month)
    return (min(window.until, whole.until) - max(window.first, whole.first)).days


def by_place(session: Session, measure: Measure, windows: Sequence[Window]) -> dict[UUID, Observed]:
    """What happened at each place in all windows together; a place without exposure in them is not there."""
    kept = [window for window in windows if window.first < window.until]
    days = {"firsts": [window.first for window in kept], "untils": [window.until for window in kept]}
    return {
        row.location_id: Observed(row.events, row.near_misses, row.exposure.quantize(_CENTS))
        for row in session.execute(_BY_PLACE, {**_values(measure), **days})
    }


def delay_hours(session: Session, measure: Measure, windows: Sequence[Window]) -> float | None:
    """How long it took from the incident to its report, in hours: the median of all windows. None without incidents."""
    days = {"firsts": [window.first for window in windows], "untils": [window.until for window in windows]}
    found = session.execute(_DELAY, {**_values(measure), **days}).scalar_one()
    return None if found is None else float(found)


def locations_of(session: Session, region_id: UUID) -> tuple[UUID, ...]:
    """The locations of a region that are known here: where something was reported."""
    found = session.scalars(
        select(Incident.location_id)
        .where(Incident.region_id == region_id, Incident.location_id.is_not(None))
        .distinct()
    )
    return tuple(sorted((place for place in found if place is not None), key=str))


def _values(measure: Measure, window: Window | None = None) -> dict[str, Any]:
    locations = None if measure.locations is None else [str(place) for place in measure.locations]
    return {**vars(measure), **({} if window is None else vars(window)), "locations": locations}


def unit_of(session: Session, location_id: UUID) -> ExposureUnit | None:
    """The unit in which a location last recorded exposure. Bed days and care hours are never added up."""
    unit = session.scalars(
        select(Exposure.unit)
        .where(Exposure.location_id == location_id)
        .order_by(Exposure.month.desc(), Exposure.unit)
        .limit(1)
    ).first()
    return None if unit is None else ExposureUnit(unit)


def record_incident(
    session: Session, provider_id: UUID, event: IncidentReported | IncidentImported, *, ended: bool
) -> None:
    """Take the facts of a report, and count it."""
    facts: dict[str, Any] = {
        "location_id": event.location_id,
        "region_id": event.region_id,
        "kind": event.kind,
        "category": event.category,
        "occurred_at": event.occurred_at,
        "reported_at": event.reported_at,
    }
    state: dict[str, Any] = {"cycle": 1, "ended": ended, "withdrawn": False, "state_version": 1}
    # A new one, the usual case, takes one statement less: files of 100,000 come through here.
    incident = Incident(incident_id=event.incident_id, provider_id=provider_id, **facts, **state)
    if not insert_new(session, Incident, incident_id=event.incident_id, provider_id=provider_id, **facts, **state):
        incident = session.get_one(Incident, event.incident_id, with_for_update=True)
        if incident.location_id is not None:
            return
        for name, value in facts.items():
            setattr(incident, name, value)
    if incident.counted:
        _count(session, incident, 1)


def update_incident(
    session: Session, provider_id: UUID, incident_id: UUID, version: int, change: Callable[[Incident], None]
) -> None:
    """Apply what an event says of an incident's state, unless a newer event was here first."""
    incident = known_case(session, provider_id, incident_id)
    if version >= incident.state_version:
        change(incident)
        incident.state_version = version


def record_band(session: Session, provider_id: UUID, incident_id: UUID, cycle: int, band: str) -> None:
    """Keep the risk band of the newest triage."""
    incident = known_case(session, provider_id, incident_id)
    # Once a cycle. A triage that comes late still says more than nothing.
    if incident.band is None or cycle >= incident.cycle:
        incident.band = band


def withdraw_incident(session: Session, provider_id: UUID, incident_id: UUID, version: int) -> None:
    """Count an incident no more: it was withdrawn, or is the duplicate of another that counts."""
    incident = known_case(session, provider_id, incident_id)
    if incident.counted:
        _count(session, incident, -1)
    incident.withdrawn = incident.ended = True
    incident.state_version = max(incident.state_version, version)


def record_exposure(session: Session, provider_id: UUID, event: ExposureRecorded) -> None:
    """Keep the newest revision of how much care a location gave in a month."""
    statement = upsert(Exposure).values(
        provider_id=provider_id,
        unit=event.unit,
        month=event.month.replace(day=1),
        location_id=event.location_id,
        quantity=event.quantity,
        revision=event.revision,
    )
    session.execute(
        statement.on_conflict_do_update(
            index_elements=[Exposure.provider_id, Exposure.unit, Exposure.month, Exposure.location_id],
            set_={"quantity": event.quantity, "revision": event.revision},
            where=Exposure.revision < event.revision,
        )
    )


def known_case(session: Session, provider_id: UUID, incident_id: UUID) -> Incident:
    """The case, held to the end of the transaction; without facts if this event overtook its report."""
    insert_new(
        session,
        Incident,
        incident_id=incident_id,
        provider_id=provider_id,
        cycle=1,
        ended=False,
        withdrawn=False,
        state_version=0,
    )
    return session.get_one(Incident, incident_id, with_for_update=True)


def _count(session: Session, incident: Incident, sign: int) -> None:
    """Add an incident whose facts are known to its day, or take it off."""
    assert incident.kind is not None
    assert incident.occurred_at is not None
    incidents, near_misses = counts_as(Kind(incident.kind))
    if not incidents and not near_misses:
        return
    statement = upsert(DailyCount).values(
        provider_id=incident.provider_id,
        category=incident.category,
        day=local_day(incident.occurred_at),
        location_id=incident.location_id,
        incidents=sign * incidents,
        near_misses=sign * near_misses,
    )
    session.execute(
        statement.on_conflict_do_update(
            index_elements=[DailyCount.provider_id, DailyCount.category, DailyCount.day, DailyCount.location_id],
            set_={
                "incidents": DailyCount.incidents + statement.excluded.incidents,
                "near_misses": DailyCount.near_misses + statement.excluded.near_misses,
            },
        )
    )
