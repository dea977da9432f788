"""The tables of impact."""

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy.orm import Mapped, Session, mapped_column

from services.actions.store import Table, lock_cycle, may_see
from services.runtime.actor import Actor
from services.runtime.errors import not_found


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
