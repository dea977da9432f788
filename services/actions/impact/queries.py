"""What is answered about impact. Every query is limited to the caller's scope."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from services.actions.impact.domain import (
    JUDGES,
    About,
    CheckpointStatus,
    MeasureKind,
    Observed,
    Scope,
    Window,
    months_of,
)
from services.actions.impact.store import (
    Checkpoint,
    Defined,
    Indicator,
    IndicatorDefinition,
    IndicatorValue,
    measure_of,
)
from services.actions.impact.verdict import Series, drawn, shown
from services.actions.queries import columns
from services.actions.sites.store import Location
from services.contracts.taxonomy import Category, ExposureUnit, Stage, Verdict
from services.runtime import pagination, restriction
from services.runtime.actor import Actor
from services.runtime.pagination import Page
from services.spc.chart import Direction


class CheckpointSummary(BaseModel):
    """A checkpoint in a list. The ratio is the rate after over the rate before, with its 95 % limits."""

    checkpoint_id: UUID
    incident_id: UUID
    cycle: int
    number: int
    location_id: UUID
    status: CheckpointStatus
    due_at: datetime
    measured_at: datetime | None
    events: int | None
    exposure: Decimal | None
    baseline_events: int | None
    baseline_exposure: Decimal | None
    ratio: float | None
    ratio_low: float | None
    ratio_high: float | None
    proposed: Verdict | None
    rule: str | None
    decide_due_at: datetime | None
    verdict: Verdict | None
    decided_at: datetime | None
    version: int


class BesideView(BaseModel):
    """A series beside the measure: where it was before and after, and what the ladder says of it. Nobody decides on it.

    Levels are means; of counts per 1,000, of shares per cent.
    """

    indicator_id: UUID
    name: str
    about: About
    direction: Direction
    definition: int
    before: float | None
    after: float | None
    says: Verdict
    rule: str
    warnings: list[str]
    chart: dict[str, Any] | None


class PlaceView(BaseModel):
    """The measure at one place. The ratio is the rate after over the rate before, with its limits; None where there is
    no care in one of them, or no event before."""

    location_id: UUID
    name: str | None
    events_before: int
    exposure_before: Decimal
    per_1000_before: float | None
    events_after: int
    exposure_after: Decimal
    per_1000_after: float | None
    ratio: float | None
    ratio_low: float | None
    ratio_high: float | None


class CheckpointView(CheckpointSummary):
    """A checkpoint with all that belongs to its measure. Windows are whole days, until the day before `until`.

    Rates are events per 1,000 units of exposure. The near-miss share is of all that was reported: if it falls as
    events do, people may only be reporting less. `measure` is the definition that was used, or would be now; `chart` and
    `balance` are as they were when it was measured. docs/impact.md explains rules and warnings.
    """

    measure: "MeasureView | None"
    category: Category | None
    unit: ExposureUnit | None
    baseline_first: date | None
    baseline_until: date | None
    first_day: date | None
    until_day: date | None
    near_misses: int | None
    baseline_near_misses: int | None
    per_1000: float | None
    baseline_per_1000: float | None
    near_miss_share: float | None
    baseline_near_miss_share: float | None
    policy_version: str | None
    agreed_with_proposal: bool | None
    reason: str | None
    decided_by: UUID | None
    reopen_at: Stage | None
    warnings: list[str]
    chart: dict[str, Any] | None
    balance: dict[str, Any] | None
    beside: list[BesideView] = Field(description="Of those that you may see.")
    places: list[PlaceView] = Field(
        description="For those who decide on the effect, of the places that they see, by name."
        " Empty where the measure is of one place or of an indicator."
    )


def checkpoint_summary(checkpoint: Checkpoint) -> CheckpointSummary:
    """The list form of a checkpoint."""
    return CheckpointSummary.model_validate(columns(CheckpointSummary, checkpoint))


def checkpoint_view(session: Session, actor: Actor, checkpoint: Checkpoint) -> CheckpointView:
    """The full form of a checkpoint, as far as the actor may see what is beside it."""
    balance = dict(checkpoint.balance or {})
    beside, places = balance.pop("indicators", []), balance.pop("places", [])
    number = checkpoint.measure_number
    defined = (
        measure_of(session, checkpoint.incident_id, checkpoint.cycle)
        if number is None
        else session.get_one(Defined, (checkpoint.incident_id, checkpoint.cycle, number))
    )
    before = _observed(checkpoint.baseline_events, checkpoint.baseline_near_misses, checkpoint.baseline_exposure)
    after = _observed(checkpoint.events, checkpoint.near_misses, checkpoint.exposure)
    return CheckpointView.model_validate(
        {
            **columns(CheckpointView, checkpoint),
            "measure": None if defined is None else measure_view(defined),
            "category": None if defined is None else defined.category,
            "unit": None if defined is None else defined.unit,
            "baseline_first": None if defined is None else defined.baseline_first,
            "baseline_until": None if defined is None else defined.baseline_until,
            "per_1000": after.per_1000,
            "baseline_per_1000": before.per_1000,
            "near_miss_share": after.near_miss_share,
            "baseline_near_miss_share": before.near_miss_share,
            "balance": balance or None,
            "beside": _beside(session, actor, beside),
            "places": _places(session, actor, places) if actor.roles.intersection(JUDGES) else [],
        }
    )


def _beside(session: Session, actor: Actor, kept: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    rows = [(session.get_one(Indicator, UUID(one["indicator_id"])), one) for one in kept]
    return [
        {"name": row.name, "about": row.about, "direction": row.direction, **one}
        for row, one in rows
        if row.location_id is None or actor.sees(row.location_id, row.region_id)
    ]


def _places(session: Session, actor: Actor, kept: Sequence[dict[str, Any]]) -> list[PlaceView]:
    """In the order of their names, which is no order of merit."""
    ids = [UUID(one["location_id"]) for one in kept]
    known = {row.location_id: row for row in session.scalars(select(Location).where(Location.location_id.in_(ids)))}
    views = []
    for place, one in zip(ids, kept, strict=True):
        row = known.get(place)
        if not actor.sees(place, None if row is None else row.region_id):
            continue
        before = Observed(one["events_before"], 0, Decimal(one["exposure_before"]))
        after = Observed(one["events_after"], 0, Decimal(one["exposure_after"]))
        views.append(
            PlaceView(
                location_id=place,
                name=None if row is None else row.name,
                events_before=before.events,
                exposure_before=before.exposure,
                per_1000_before=before.per_1000,
                events_after=after.events,
                exposure_after=after.exposure,
                per_1000_after=after.per_1000,
                ratio=one["events_ratio"],
                ratio_low=one["events_ratio_low"],
                ratio_high=one["events_ratio_high"],
            )
        )
    return sorted(views, key=lambda view: (view.name or "", str(view.location_id)))


def _observed(events: int | None, near_misses: int | None, exposure: Decimal | None) -> Observed:
    """Before it was measured there is nothing, which has neither a rate nor a share."""
    return Observed(events or 0, near_misses or 0, exposure or Decimal(0))


def checkpoints(
    session: Session, actor: Actor, *, incident_id: UUID | None, limit: int, cursor: str | None
) -> Page[CheckpointSummary]:
    """Checkpoints in scope, in the order in which they were planned."""
    query = (
        select(Checkpoint)
        .where(Checkpoint.provider_id == actor.provider_id)
        .where(
            restriction.visible(
                "actions",
                actor,
                Checkpoint.incident_id,
                in_scope=actor.scope(Checkpoint.location_id, Checkpoint.region_id),
            )
        )
        .order_by(Checkpoint.checkpoint_id)
        .limit(limit + 1)
    )
    if incident_id is not None:
        query = query.where(Checkpoint.incident_id == incident_id)
    after = pagination.decode(cursor)
    if after is not None:
        query = query.where(Checkpoint.checkpoint_id > after)
    rows = list(session.scalars(query))
    items = [checkpoint_summary(row) for row in rows[:limit]]
    return Page(items=items, next=pagination.encode(items[-1].checkpoint_id) if len(rows) > limit else None)


class MeasureView(BaseModel):
    """By what a cycle is measured. Without a baseline nothing is judged by it: it was changed after the actions opened."""

    cycle: int
    number: int
    kind: MeasureKind
    scope: Scope
    direction: Direction
    category: Category | None
    unit: ExposureUnit | None
    indicator_id: UUID | None
    indicator_definition: int | None
    definition: str | None
    numerator: str | None
    denominator: str | None
    baseline_first: date | None
    baseline_until: date | None
    beside: list[UUID]
    defined_by: UUID | None
    defined_at: datetime
    reason: str | None


class IndicatorView(BaseModel):
    """A series that people record month by month. `definition` is the number of the current one."""

    indicator_id: UUID
    name: str
    about: About
    direction: Direction
    counted: bool
    share: bool
    definition: int
    location_id: UUID | None
    months: int
    last_month: date | None
    version: int


class DefinitionView(BaseModel):
    """What an indicator meant, from a value on."""

    number: int
    definition: str
    numerator: str | None
    denominator: str | None
    reason: str | None
    defined_by: UUID
    defined_at: datetime


class ValueView(BaseModel):
    """One month of an indicator."""

    month: date
    value: float | None
    numerator: int | None
    denominator: Decimal | None
    definition: int
    recorded_by: UUID
    recorded_at: datetime
    revision: int


class IndicatorDetail(IndicatorView):
    """An indicator with its definitions and months, and the chart of those of the newest definition."""

    definitions: list[DefinitionView]
    values: list[ValueView]
    chart: dict[str, Any] | None


def measure_view(defined: Defined) -> MeasureView:
    """One definition."""
    return MeasureView.model_validate(columns(MeasureView, defined))


def measures(session: Session, incident_id: UUID) -> list[MeasureView]:
    """All definitions of an incident's cycles, in order."""
    rows = session.scalars(
        select(Defined).where(Defined.incident_id == incident_id).order_by(Defined.cycle, Defined.number)
    )
    return [measure_view(row) for row in rows]


def indicator_view(session: Session, indicator: Indicator) -> IndicatorView:
    """One indicator, without its months."""
    session.flush()
    months, last = session.execute(
        select(func.count(), func.max(IndicatorValue.month)).where(
            IndicatorValue.indicator_id == indicator.indicator_id
        )
    ).one()
    return IndicatorView.model_validate({**columns(IndicatorView, indicator), "months": months, "last_month": last})


def indicators(session: Session, actor: Actor, *, limit: int, cursor: str | None) -> Page[IndicatorView]:
    """Those of the whole provider and of the actor's places, newest first."""
    query = (
        select(Indicator)
        .where(Indicator.provider_id == actor.provider_id)
        .where(or_(Indicator.location_id.is_(None), actor.scope(Indicator.location_id, Indicator.region_id)))
        .order_by(Indicator.indicator_id.desc())
        .limit(limit + 1)
    )
    after = pagination.decode(cursor)
    if after is not None:
        query = query.where(Indicator.indicator_id < after)
    rows = list(session.scalars(query))
    items = [indicator_view(session, row) for row in rows[:limit]]
    return Page(items=items, next=pagination.encode(items[-1].indicator_id) if len(rows) > limit else None)


def indicator_detail(session: Session, indicator: Indicator) -> IndicatorDetail:
    """One indicator whole."""
    definitions = session.scalars(
        select(IndicatorDefinition)
        .where(IndicatorDefinition.indicator_id == indicator.indicator_id)
        .order_by(IndicatorDefinition.number)
    )
    values = list(
        session.scalars(
            select(IndicatorValue)
            .where(IndicatorValue.indicator_id == indicator.indicator_id)
            .order_by(IndicatorValue.month)
        )
    )
    return IndicatorDetail.model_validate(
        {
            **indicator_view(session, indicator).model_dump(),
            "definitions": [columns(DefinitionView, row) for row in definitions],
            "values": [columns(ValueView, row) for row in values],
            "chart": _chart(indicator, [row for row in values if row.definition == indicator.definition]),
        }
    )


def _chart(indicator: Indicator, values: Sequence[IndicatorValue]) -> dict[str, Any] | None:
    """Months without a value between the first and the last are gaps."""
    if not values:
        return None
    known = {row.month: row for row in values}
    months = months_of(Window(values[0].month, values[-1].month + timedelta(days=1)))
    rows = [known.get(month) for month in months]
    series = Series(
        months=tuple(months),
        numbers=tuple(
            None if row is None else (float(row.numerator or 0) if indicator.counted else row.value) for row in rows
        ),
        denominators=tuple(float(row.denominator or 0) if row else 0.0 for row in rows) if indicator.counted else None,
        basis=len(months),
        share=indicator.share,
    )
    chart = drawn(series)
    return None if chart is None else shown(chart, series, Direction(indicator.direction))
