"""The tables of impact."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Text, Uuid, select
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, Session, mapped_column

from services.actions.store import Table, lock_cycle, may_see
from services.runtime.actor import Actor
from services.runtime.errors import not_found


class Strict(BaseModel):
    """Unknown fields are refused: a misspelt field must not be lost silently."""

    model_config = ConfigDict(extra="forbid")


class Checkpoint(Table):
    """When the effect is measured, what was counted, what the figures propose and what a person decided."""

    __tablename__ = "checkpoint"

    checkpoint_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    incident_id: Mapped[UUID]
    cycle: Mapped[int]
    number: Mapped[int]
    location_id: Mapped[UUID]
    region_id: Mapped[UUID | None]
    status: Mapped[str]
    due_at: Mapped[datetime]
    measured_at: Mapped[datetime | None]
    first_day: Mapped[date | None]
    until_day: Mapped[date | None]
    events: Mapped[int | None]
    near_misses: Mapped[int | None]
    exposure: Mapped[Decimal | None]
    baseline_events: Mapped[int | None]
    baseline_near_misses: Mapped[int | None]
    baseline_exposure: Mapped[Decimal | None]
    ratio: Mapped[float | None]
    ratio_low: Mapped[float | None]
    ratio_high: Mapped[float | None]
    proposed: Mapped[str | None]
    rule: Mapped[str | None]
    policy_version: Mapped[str | None]
    decide_due_at: Mapped[datetime | None]
    verdict: Mapped[str | None]
    agreed_with_proposal: Mapped[bool | None]
    reason: Mapped[str | None]
    decided_by: Mapped[UUID | None]
    decided_at: Mapped[datetime | None]
    measure_number: Mapped[int | None]
    warnings: Mapped[list[str]] = mapped_column(ARRAY(Text))
    chart: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    balance: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    reopen_at: Mapped[str | None]
    version: Mapped[int]


class DailyCount(Table):
    """How many incidents and near misses of a category happened at a location on a day in England."""

    __tablename__ = "daily_count"

    provider_id: Mapped[UUID] = mapped_column(primary_key=True)
    category: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    location_id: Mapped[UUID] = mapped_column(primary_key=True)
    incidents: Mapped[int]
    near_misses: Mapped[int]


class Exposure(Table):
    """How much care a location gave in a month, which starts at `month`. The newest revision of directory."""

    __tablename__ = "exposure"

    provider_id: Mapped[UUID] = mapped_column(primary_key=True)
    unit: Mapped[str] = mapped_column(primary_key=True)
    month: Mapped[date] = mapped_column(primary_key=True)
    location_id: Mapped[UUID] = mapped_column(primary_key=True)
    quantity: Mapped[Decimal]
    revision: Mapped[int]


class Indicator(Table):
    """A series that people enter or that is imported, month by month. `definition` is the number of the current one.

    `counted`: its values are a numerator over a denominator. `share`: the numerator is part of the denominator.
    """

    __tablename__ = "indicator"

    indicator_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    location_id: Mapped[UUID | None]
    region_id: Mapped[UUID | None]
    name: Mapped[str]
    about: Mapped[str]
    direction: Mapped[str]
    counted: Mapped[bool]
    share: Mapped[bool]
    definition: Mapped[int]
    created_by: Mapped[UUID]
    created_at: Mapped[datetime]
    version: Mapped[int]


class IndicatorDefinition(Table):
    """What an indicator means, from a value on. A new one is a new row; values keep by which they were recorded."""

    __tablename__ = "indicator_definition"

    indicator_id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    definition: Mapped[str]
    numerator: Mapped[str | None]
    denominator: Mapped[str | None]
    reason: Mapped[str | None]
    defined_by: Mapped[UUID]
    defined_at: Mapped[datetime]


class IndicatorValue(Table):
    """One month of an indicator. A correction is a new revision; the audit chain keeps the one before."""

    __tablename__ = "indicator_value"

    indicator_id: Mapped[UUID] = mapped_column(primary_key=True)
    month: Mapped[date] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    value: Mapped[float | None]
    numerator: Mapped[int | None]
    denominator: Mapped[Decimal | None]
    definition: Mapped[int]
    recorded_by: Mapped[UUID]
    recorded_at: Mapped[datetime]
    revision: Mapped[int]


class Defined(Table):
    """By what a cycle is measured. The highest number counts; those before it stay, with who changed it and why.

    Without a baseline it cannot be judged by: it was changed after the actions opened, and not based anew. From when it
    is frozen on it has its words, and of an indicator the definition by which its values count. `beside` are the
    indicators that are shown with it.
    """

    __tablename__ = "measure"

    incident_id: Mapped[UUID] = mapped_column(primary_key=True)
    cycle: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    kind: Mapped[str]
    scope: Mapped[str]
    direction: Mapped[str]
    category: Mapped[str | None]
    unit: Mapped[str | None]
    indicator_id: Mapped[UUID | None]
    indicator_definition: Mapped[int | None]
    definition: Mapped[str | None]
    numerator: Mapped[str | None]
    denominator: Mapped[str | None]
    baseline_first: Mapped[date | None]
    baseline_until: Mapped[date | None]
    beside: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid), default=list)
    defined_by: Mapped[UUID | None]
    defined_at: Mapped[datetime]
    reason: Mapped[str | None]


def measure_of(session: Session, incident_id: UUID, cycle: int) -> Defined | None:
    """The newest definition of a cycle's measure."""
    return session.scalars(
        select(Defined)
        .where(Defined.incident_id == incident_id, Defined.cycle == cycle)
        .order_by(Defined.number.desc())
        .limit(1)
    ).first()


def visible_indicator(session: Session, actor: Actor, indicator_id: UUID, *, lock: bool = False) -> Indicator:
    """The indicator if it is the whole provider's or of a place in the actor's scope, else 404."""
    indicator = session.get(Indicator, indicator_id, with_for_update=lock or None)
    if indicator is None or (
        indicator.location_id is not None and not actor.sees(indicator.location_id, indicator.region_id)
    ):
        raise not_found("indicator")
    return indicator


def visible_checkpoint(session: Session, actor: Actor, checkpoint_id: UUID, *, lock: bool = False) -> Checkpoint:
    """The checkpoint if it is in the actor's scope, else 404. `lock` as for an action."""
    checkpoint = session.get(Checkpoint, checkpoint_id)
    if checkpoint is None or not may_see(
        session, actor, checkpoint.incident_id, checkpoint.location_id, checkpoint.region_id
    ):
        raise not_found("checkpoint")
    if lock:
        lock_cycle(session, checkpoint.incident_id, checkpoint.cycle)
        session.refresh(checkpoint)
    return checkpoint
