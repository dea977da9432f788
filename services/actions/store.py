"""The tables of actions and the few queries its use-cases need."""

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import ARRAY, DateTime, MetaData, Text, Uuid
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from services.runtime import restriction
from services.runtime.actor import Actor
from services.runtime.errors import ServiceError, not_found


class Table(DeclarativeBase):
    """Everything lives in the schema `actions`; text columns are `text`, times carry a zone."""

    metadata = MetaData(schema="actions")
    type_annotation_map = {str: Text, datetime: DateTime(timezone=True)}  # noqa: RUF012 - SQLAlchemy's own idiom


class Incident(Table):
    """What actions knows of an incident, from intake's events. Events may overtake the report that fills the facts."""

    __tablename__ = "incident"

    incident_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    location_id: Mapped[UUID | None]
    region_id: Mapped[UUID | None]
    kind: Mapped[str | None]
    category: Mapped[str | None]
    occurred_at: Mapped[datetime | None]
    reported_at: Mapped[datetime | None]
    band: Mapped[str | None]
    cycle: Mapped[int]
    ended: Mapped[bool]
    withdrawn: Mapped[bool]
    state_version: Mapped[int]

    @property
    def counted(self) -> bool:
        """Whether it is in the daily counts: reported, and neither withdrawn nor a duplicate."""
        return self.location_id is not None and not self.withdrawn


class Improvement(Table):
    """One cycle of an incident: whose actions belong together, and the measure of their effect.

    Every change of the cycle's actions and checkpoints locks this row first, so that what depends on all of them is
    decided once. The measure is frozen when the actions open: category, unit, baseline window.
    """

    __tablename__ = "improvement"

    incident_id: Mapped[UUID] = mapped_column(primary_key=True)
    cycle: Mapped[int] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    location_id: Mapped[UUID]
    region_id: Mapped[UUID | None]
    category: Mapped[str]
    band: Mapped[str | None]
    opened_at: Mapped[datetime | None]
    unit: Mapped[str | None]
    baseline_first: Mapped[date | None]
    baseline_until: Mapped[date | None]
    policy_version: Mapped[str | None]
    completed_at: Mapped[datetime | None]
    effective_at: Mapped[datetime | None]


class Action(Table):
    """What changes, by whom, until when. `attempt` counts how often the owner said that it is done."""

    __tablename__ = "action"

    action_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    incident_id: Mapped[UUID]
    cycle: Mapped[int]
    location_id: Mapped[UUID]
    region_id: Mapped[UUID | None]
    title: Mapped[str]
    success_criterion: Mapped[str]
    what_counts_as_proof: Mapped[str]
    strength: Mapped[str]
    owner_id: Mapped[UUID]
    owner_role: Mapped[str]
    due_working_days: Mapped[int]
    learning_ref: Mapped[UUID | None]
    status: Mapped[str]
    attempt: Mapped[int]
    agreed_by: Mapped[UUID]
    agreed_at: Mapped[datetime]
    opened_at: Mapped[datetime | None]
    due_at: Mapped[datetime | None]
    done_by: Mapped[UUID | None]
    done_at: Mapped[datetime | None]
    verify_due_at: Mapped[datetime | None]
    verified_at: Mapped[datetime | None]
    cancel_reason: Mapped[str | None]
    priority: Mapped[str]
    interim_control: Mapped[str | None]
    strength_reason: Mapped[str | None]
    cost_pounds: Mapped[Decimal | None]
    effort_days: Mapped[Decimal | None]
    understood_at: Mapped[datetime | None]
    version: Mapped[int]


class Evidence(Table):
    """One piece of proof, for one attempt."""

    __tablename__ = "evidence"

    evidence_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    action_id: Mapped[UUID]
    attempt: Mapped[int]
    kind: Mapped[str]
    description: Mapped[str]
    proves: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    added_by: Mapped[UUID]
    added_at: Mapped[datetime]


class Verification(Table):
    """What somebody other than the owner found, for one attempt."""

    __tablename__ = "verification"

    verification_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    action_id: Mapped[UUID]
    attempt: Mapped[int]
    outcome: Mapped[str]
    method: Mapped[str]
    sample_size: Mapped[int]
    compliant: Mapped[int]
    finding: Mapped[str | None]
    verified_by: Mapped[UUID]
    verified_at: Mapped[datetime]


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


def visible_incident(session: Session, actor: Actor, incident_id: UUID) -> Incident:
    """The incident if it is in the actor's scope, else 404, also when its report has not arrived here yet."""
    incident = session.get(Incident, incident_id)
    if (
        incident is None
        or incident.location_id is None
        or not _may_see(session, actor, incident_id, incident.location_id, incident.region_id)
    ):
        raise ServiceError(
            404,
            "not-found",
            "No such incident",
            "There is no incident with this id that you may see here. Check the id; if it was reported a moment ago,"
            " try again in a few seconds.",
        )
    return incident


def visible_action(session: Session, actor: Actor, action_id: UUID, *, lock: bool = False) -> Action:
    """The action if the actor owns it or it is in the actor's scope, else 404. Restricted ones: those who need to know.

    `lock` holds the whole cycle to the end of the transaction.
    """
    action = session.get(Action, action_id)
    if action is None or not _may_see(
        session, actor, action.incident_id, action.location_id, action.region_id, own=action.owner_id == actor.id
    ):
        raise not_found("action")
    if lock:
        lock_cycle(session, action.incident_id, action.cycle)
        session.refresh(action)
    return action


def visible_checkpoint(session: Session, actor: Actor, checkpoint_id: UUID, *, lock: bool = False) -> Checkpoint:
    """The checkpoint if it is in the actor's scope, else 404. `lock` as for an action."""
    checkpoint = session.get(Checkpoint, checkpoint_id)
    if checkpoint is None or not _may_see(
        session, actor, checkpoint.incident_id, checkpoint.location_id, checkpoint.region_id
    ):
        raise not_found("checkpoint")
    if lock:
        lock_cycle(session, checkpoint.incident_id, checkpoint.cycle)
        session.refresh(checkpoint)
    return checkpoint


def _may_see(
    session: Session,
    actor: Actor,
    incident_id: UUID,
    location_id: UUID,
    region_id: UUID | None,
    *,
    own: bool = False,
) -> bool:
    in_scope = actor.sees(location_id, region_id)
    return restriction.may_see(session, "actions", actor, incident_id, in_scope=in_scope, own=own)


def lock_cycle(session: Session, incident_id: UUID, cycle: int) -> Improvement:
    """The cycle, held to the end of the transaction."""
    return session.get_one(Improvement, (incident_id, cycle), with_for_update=True, populate_existing=True)
