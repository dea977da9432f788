"""What actions answers, by query. Every query is limited to the caller's scope."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from services.actions.agreeing import queries as agreeing
from services.actions.agreeing.domain import Priority
from services.actions.domain import ActionStatus, CheckpointStatus, EvidenceKind, Observed, VerificationMethod
from services.actions.store import Action, Checkpoint, Evidence, Improvement, Incident, Verification
from services.actions.strength import hierarchy
from services.contracts.taxonomy import (
    Band,
    Category,
    ExposureUnit,
    Role,
    Strength,
    Verdict,
    VerificationOutcome,
)
from services.runtime import pagination, restriction
from services.runtime.actor import Actor
from services.runtime.pagination import Page


class ActionSummary(BaseModel):
    """An action in a list."""

    action_id: UUID
    incident_id: UUID
    cycle: int
    location_id: UUID
    title: str
    strength: Strength
    owner_id: UUID
    owner_role: Role
    status: ActionStatus
    attempt: int
    due_at: datetime | None
    verify_due_at: datetime | None
    priority: Priority
    understood_at: datetime | None
    version: int


class EvidenceView(BaseModel):
    """One piece of proof, for one attempt."""

    evidence_id: UUID
    attempt: int
    kind: EvidenceKind
    description: str
    proves: list[UUID]
    added_by: UUID
    added_at: datetime


class VerificationView(BaseModel):
    """What somebody other than the owner found."""

    verification_id: UUID
    attempt: int
    outcome: VerificationOutcome
    method: VerificationMethod
    sample_size: int
    compliant: int
    finding: str | None
    verified_by: UUID
    verified_at: datetime


class ActionView(ActionSummary):
    """One action as people who may see it see it."""

    region_id: UUID | None
    category: Category
    band: Band | None
    success_criterion: str
    what_counts_as_proof: str
    proof: list[agreeing.ProofView]
    suggested: hierarchy.Suggested | None = Field(description="The strength that the title suggests, and why.")
    strength_reason: str | None
    counts_as: Strength = Field(
        description="The strength that is counted: weaker while weak wording is graded higher without a reason."
    )
    interim_control: str | None
    cost_pounds: Decimal | None
    effort_days: Decimal | None
    waits_for: list[agreeing.WaitsForView]
    due_working_days: int
    learning_ref: UUID | None
    agreed_by: UUID
    agreed_at: datetime
    opened_at: datetime | None
    done_by: UUID | None
    done_at: datetime | None
    verified_at: datetime | None
    cancel_reason: str | None
    evidence: list[EvidenceView]
    verifications: list[VerificationView]


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


def _columns(view: type[BaseModel], row: object) -> dict[str, Any]:
    return {name: getattr(row, name) for name in view.model_fields if hasattr(row, name)}


def attempt_of(action: Action) -> int:
    """Which attempt is under way, or was last said to be done."""
    return action.attempt + 1 if action.status in (ActionStatus.AGREED, ActionStatus.OPEN) else action.attempt


def summary(action: Action) -> ActionSummary:
    """The list form of an action."""
    return ActionSummary.model_validate(_columns(ActionSummary, action))


def view(session: Session, action: Action) -> ActionView:
    """The full form of an action, with its evidence and verifications in order."""
    incident = session.get_one(Incident, action.incident_id)
    evidence = session.scalars(
        select(Evidence).where(Evidence.action_id == action.action_id).order_by(Evidence.evidence_id)
    )
    verifications = session.scalars(
        select(Verification).where(Verification.action_id == action.action_id).order_by(Verification.attempt)
    )
    return ActionView.model_validate(
        {
            **_columns(ActionView, action),
            "category": incident.category,
            "band": incident.band,
            "proof": agreeing.proof(session, action, attempt_of(action)),
            "suggested": hierarchy.shipped().suggest(action.title),
            "counts_as": hierarchy.counts_as(action.title, Strength(action.strength), action.strength_reason),
            "waits_for": agreeing.waits_for(session, action.action_id),
            "evidence": [_columns(EvidenceView, row) for row in evidence],
            "verifications": [_columns(VerificationView, row) for row in verifications],
        }
    )


def actions(
    session: Session,
    actor: Actor,
    *,
    incident_id: UUID | None,
    status: ActionStatus | None,
    owner_id: UUID | None,
    overdue: bool,
    now: datetime,
    limit: int,
    cursor: str | None,
) -> Page[ActionSummary]:
    """Actions in scope and those the caller owns, newest first."""
    query = (
        select(Action)
        .where(Action.provider_id == actor.provider_id)
        .where(
            restriction.visible(
                "actions",
                actor,
                Action.incident_id,
                in_scope=actor.scope(Action.location_id, Action.region_id),
                own=Action.owner_id == actor.id,
            )
        )
        .order_by(Action.action_id.desc())
        .limit(limit + 1)
    )
    if incident_id is not None:
        query = query.where(Action.incident_id == incident_id)
    if status is not None:
        query = query.where(Action.status == status)
    if owner_id is not None:
        query = query.where(Action.owner_id == owner_id)
    if overdue:
        late_to_do = and_(Action.status == ActionStatus.OPEN, Action.due_at < now)
        query = query.where(or_(late_to_do, and_(Action.status == ActionStatus.DONE, Action.verify_due_at < now)))
    after = pagination.decode(cursor)
    if after is not None:
        query = query.where(Action.action_id < after)
    rows = list(session.scalars(query))
    items = [summary(row) for row in rows[:limit]]
    return Page(items=items, next=pagination.encode(items[-1].action_id) if len(rows) > limit else None)


def checkpoint_summary(checkpoint: Checkpoint) -> CheckpointSummary:
    """The list form of a checkpoint."""
    return CheckpointSummary.model_validate(_columns(CheckpointSummary, checkpoint))


def checkpoint_view(session: Session, checkpoint: Checkpoint) -> CheckpointView:
    """The full form of a checkpoint."""
    improvement = session.get_one(Improvement, (checkpoint.incident_id, checkpoint.cycle))
    before = _observed(checkpoint.baseline_events, checkpoint.baseline_near_misses, checkpoint.baseline_exposure)
    after = _observed(checkpoint.events, checkpoint.near_misses, checkpoint.exposure)
    return CheckpointView.model_validate(
        {
            **_columns(CheckpointView, checkpoint),
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
