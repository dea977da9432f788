"""What is answered about impact. Every query is limited to the caller's scope."""

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.orm import Session

from services.actions.impact.domain import CheckpointStatus, Observed
from services.actions.impact.store import Checkpoint
from services.actions.queries import columns
from services.actions.store import Improvement
from services.contracts.taxonomy import Category, ExposureUnit, Verdict
from services.runtime import pagination, restriction
from services.runtime.actor import Actor
from services.runtime.pagination import Page


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


class CheckpointView(CheckpointSummary):
    """A checkpoint with all that belongs to its measure. Windows are whole days, until the day before `until`.

    Rates are events per 1,000 units of exposure. The near-miss share is of all that was reported: if it falls as
    events do, people may only be reporting less.
    """

    category: Category
    unit: ExposureUnit
    baseline_first: date
    baseline_until: date
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


def checkpoint_summary(checkpoint: Checkpoint) -> CheckpointSummary:
    """The list form of a checkpoint."""
    return CheckpointSummary.model_validate(columns(CheckpointSummary, checkpoint))


def checkpoint_view(session: Session, checkpoint: Checkpoint) -> CheckpointView:
    """The full form of a checkpoint."""
    improvement = session.get_one(Improvement, (checkpoint.incident_id, checkpoint.cycle))
    before = _observed(checkpoint.baseline_events, checkpoint.baseline_near_misses, checkpoint.baseline_exposure)
    after = _observed(checkpoint.events, checkpoint.near_misses, checkpoint.exposure)
    return CheckpointView.model_validate(
        {
            **columns(CheckpointView, checkpoint),
            "category": improvement.category,
            "unit": improvement.unit,
            "baseline_first": improvement.baseline_first,
            "baseline_until": improvement.baseline_until,
            "per_1000": after.per_1000,
            "baseline_per_1000": before.per_1000,
            "near_miss_share": after.near_miss_share,
            "baseline_near_miss_share": before.near_miss_share,
        }
    )


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
