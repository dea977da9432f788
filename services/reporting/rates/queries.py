"""What is answered about rates, by query over the projections, in the caller's scope and as far as the caller may see."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime, time, timedelta
from uuid import UUID

import numpy as np
from pydantic import BaseModel, Field
from sqlalchemy import ColumnElement, Date, DateTime, and_, column, func, select, values
from sqlalchemy.orm import Session

from services.contracts.taxonomy import Category, Kind
from services.reporting.store import EXPOSURE, INCIDENT, LOCATION, visible_locations
from services.runtime import restriction
from services.runtime.actor import Actor
from services.runtime.calendar import LONDON
from services.runtime.errors import invalid
from services.spc.chart import Direction, Icon, draw
from services.spc.limits import Kind as ChartKind

MONTHS = 24
PER = 1000

_E, _I, _L = EXPOSURE.c, INCIDENT.c, LOCATION.c


class Lines(BaseModel):
    """A control chart, point by point; a blank is a month without a figure of the care that was given."""

    values: list[float | None]
    centre: list[float | None]
    lower: list[float | None]
    upper: list[float | None]
    outside_limits: list[bool]
    shift_signal: list[bool]
    trend_signal: list[bool]
    two_of_three_signal: list[bool]


class Series(BaseModel):
    """One type of incident, or all together."""

    category: Category | None = Field(description="Absent: all types.")
    events: list[int]
    chart: Lines
    enough: bool = Field(description="False: too few months for the limits to say anything.")
    says: Icon = Field(description="What the newest month says, where there are enough.")


class Rates(BaseModel):
    """Rates of a place, a region or the whole scope of the caller, month by month."""

    as_of: datetime
    unit: str | None = Field(
        description="What the care is counted in; the one that most places tell of. Absent: nobody recorded any, so these are counts."
    )
    per: int
    months: list[date]
    exposure: list[float | None]
    left_out: int = Field(description="Incidents of a place and month for which no care is recorded in this unit.")
    series: list[Series] = Field(description="All types first, then each, the commonest first.")


def rates(
    session: Session,
    actor: Actor,
    now: datetime,
    as_of: datetime | None,
    *,
    location_id: UUID | None,
    region_id: UUID | None,
) -> Rates:
    """The months that are over at `as_of`, or now; by months of England. Good care and near misses are not counted.

    Incidents are counted where and when care is recorded, else a place that sends no figures would look worse. Raises 422 for a time to come.
    """
    if as_of is not None and as_of > now:
        raise invalid("as_of", "is still to come", "Give a moment of the past.")
    months = _months(as_of or now)
    places = [visible_locations(actor)]
    if location_id is not None:
        places.append(_L.location_id == location_id)
    if region_id is not None:
        places.append(_L.region_id == region_id)
    unit, exposure = _exposure(session, places, months)
    # Each month is one range of an index that holds all that is asked; its name is no sum over each incident.
    begins = [
        datetime.combine(month, time(), LONDON) for month in [*months, (months[-1] + timedelta(days=31)).replace(day=1)]
    ]
    span = values(
        column("month", Date),
        column("begins", DateTime(timezone=True)),
        column("ends", DateTime(timezone=True)),
        name="span",
    ).data(list(zip(months, begins, begins[1:], strict=False)))
    within = [
        _I.provider_id == actor.provider_id,
        _I.kind == Kind.INCIDENT,
        _I.stage.not_in(["withdrawn", "duplicate"]),
    ]
    within += [_I.reported_at <= (as_of or now), _I.occurred_at >= span.c.begins, _I.occurred_at < span.c.ends]
    asked = {_I.location_id: location_id, _I.region_id: region_id}
    within += [column == value for column, value in asked.items() if value is not None]
    if not actor.all_locations:
        # What is restricted and was given to somebody outside their scope is not in their rates: no care of it is.
        within.append(actor.scope(_I.location_id, _I.region_id))
    columns = _I.incident_id, _I.location_id, _I.region_id, _I.category
    # `offset 0`: month by month. PostgreSQL thinks a month larger than it is, and would read all that there is.
    happened = select(*columns).where(*within).correlate(span).offset(0).lateral("happened")
    at = happened.c
    in_scope = actor.scope(at.location_id, at.region_id)
    cared = and_(
        _E.provider_id == actor.provider_id, _E.location_id == at.location_id, _E.month == span.c.month, _E.unit == unit
    )
    rows = session.execute(
        select(
            at.category,
            span.c.month,
            func.count(at.location_id if unit is None else _E.location_id).label("events"),
            func.count().label("every"),
        )
        .select_from(span)
        .join(happened, restriction.visible("reporting", actor, at.incident_id, in_scope=in_scope))
        .outerjoin(EXPOSURE, cared)
        .group_by(at.category, span.c.month)
    ).all()
    events: dict[Category | None, list[int]] = defaultdict(lambda: [0] * len(months))
    for row in rows:
        events[None][months.index(row.month)] += row.events
        if row.events:
            events[Category(row.category)][months.index(row.month)] += row.events
    whole = events.pop(None, [0] * len(months))
    types = sorted(events.items(), key=lambda one: (-sum(one[1]), str(one[0])))
    return Rates(
        as_of=as_of or now,
        unit=unit,
        per=PER,
        months=months,
        exposure=exposure,
        left_out=sum(row.every - row.events for row in rows),
        series=[_series(category, counts, unit, exposure) for category, counts in [(None, whole), *types]],
    )


def _months(at: datetime) -> list[date]:
    """The first days of the whole months before a moment, by the date in England."""
    local = at.astimezone(LONDON)
    ends = local.year * 12 + local.month - 1
    return [date(one // 12, one % 12 + 1, 1) for one in range(ends - MONTHS, ends)]


def _exposure(
    session: Session, places: Sequence[ColumnElement[bool]], months: Sequence[date]
) -> tuple[str | None, list[float | None]]:
    """The unit that most places tell of, and how much of it was given in each month."""
    rows = session.execute(
        select(_E.unit, _E.month, func.sum(_E.quantity).label("quantity"), func.count().label("places"))
        .join(LOCATION, and_(_L.provider_id == _E.provider_id, _L.location_id == _E.location_id))
        .where(*places, _E.month >= months[0], _E.month <= months[-1], _E.quantity > 0)
        .group_by(_E.unit, _E.month)
    ).all()
    told: dict[str, int] = defaultdict(int)
    for row in rows:
        told[row.unit] += row.places
    if not told:
        return None, [None] * len(months)
    unit = min(told, key=lambda name: (-told[name], name))
    by_month = {row.month: float(row.quantity) for row in rows if row.unit == unit}
    return unit, [by_month.get(month) for month in months]


def _series(category: Category | None, events: list[int], unit: str | None, exposure: Sequence[float | None]) -> Series:
    if unit is None:
        chart = draw(ChartKind.C, [float(n) for n in events])
    else:
        care = [np.nan if one is None else one for one in exposure]
        counts = [np.nan if one is None else float(n) for n, one in zip(events, exposure, strict=True)]
        chart = draw(ChartKind.U, counts, care, scale=PER)

    def told(values: Iterable[float]) -> list[float | None]:
        return [None if np.isnan(value) else round(float(value), 4) for value in values]

    def flags(values: Iterable[object]) -> list[bool]:
        return [bool(value) for value in values]

    signals = chart.signals
    return Series(
        category=category,
        events=events,
        chart=Lines(
            values=told(chart.values),
            centre=told(chart.lines.centre),
            lower=told(chart.lines.lower),
            upper=told(chart.lines.upper),
            outside_limits=flags(signals.outside),
            shift_signal=flags(signals.shift),
            trend_signal=flags(signals.trend_up | signals.trend_down),
            two_of_three_signal=flags(signals.two_of_three),
        ),
        enough=bool(chart.enough),
        says=chart.icon(Direction.DECREASE),
    )
