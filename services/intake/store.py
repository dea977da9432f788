"""The tables of intake and the few queries its use-cases need."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import DateTime, MetaData, Text, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from services.contracts.taxonomy import Stage
from services.intake import access
from services.runtime.actor import Actor
from services.runtime.errors import not_found


class Table(DeclarativeBase):
    """Everything lives in the schema `intake`; text columns are `text`, times carry a zone."""

    metadata = MetaData(schema="intake")
    type_annotation_map = {str: Text, datetime: DateTime(timezone=True)}  # noqa: RUF012 - SQLAlchemy's own idiom


class Location(Table):
    """What intake knows of a location, from directory's events."""

    __tablename__ = "location"

    location_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    region_id: Mapped[UUID | None]
    active: Mapped[bool]
    revision: Mapped[int]
    cqc_location_id: Mapped[str | None]
    name: Mapped[str | None]


class Incident(Table):
    """One report and where it is in the chain."""

    __tablename__ = "incident"

    incident_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    location_id: Mapped[UUID]
    region_id: Mapped[UUID | None]
    kind: Mapped[str]
    category: Mapped[str]
    narrative: Mapped[str]
    immediate_danger: Mapped[bool]
    staff_named: Mapped[bool] = mapped_column(default=False)
    occurred_at: Mapped[datetime]
    reported_at: Mapped[datetime]
    reporter_id: Mapped[UUID]
    triage_due_at: Mapped[datetime | None]
    stage: Mapped[str]
    stage_entered_at: Mapped[datetime]
    cycle: Mapped[int]
    next_move: Mapped[str | None]
    next_due_at: Mapped[datetime | None]
    band: Mapped[str | None]
    duplicate_of: Mapped[UUID | None]
    end_reason: Mapped[str | None]
    closed_at: Mapped[datetime | None]
    import_source: Mapped[str | None]
    import_ref: Mapped[str | None]
    version: Mapped[int]

    @property
    def ended(self) -> bool:
        """Closed, withdrawn or a duplicate."""
        return Stage(self.stage).ended


class Triage(Table):
    """One triage decision; a later one does not replace it."""

    __tablename__ = "triage"

    triage_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    incident_id: Mapped[UUID]
    cycle: Mapped[int]
    actual_harm: Mapped[str]
    consequence: Mapped[int]
    likelihood: Mapped[int]
    score: Mapped[int]
    band: Mapped[str]
    suggested_consequence: Mapped[int]
    suggested_likelihood: Mapped[int]
    rule: Mapped[str]
    policy_version: Mapped[str]
    by_default: Mapped[bool]
    reason: Mapped[str | None]
    decided_by: Mapped[UUID]
    decided_at: Mapped[datetime]
    revision: Mapped[int]
    psychological_harm: Mapped[str]
    earlier_seen: Mapped[int]


class StageEntry(Table):
    """When the incident entered a stage, by whose command."""

    __tablename__ = "stage_entry"

    command_id: Mapped[str] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    incident_id: Mapped[UUID]
    cycle: Mapped[int]
    stage: Mapped[str]
    entered_at: Mapped[datetime]
    due_at: Mapped[datetime | None]
    next_move: Mapped[str | None]
    actor: Mapped[str]


class Reminder(Table):
    """One reminder to whoever has the next move."""

    __tablename__ = "reminder"

    command_id: Mapped[str] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    incident_id: Mapped[UUID]
    cycle: Mapped[int]
    stage: Mapped[str]
    count: Mapped[int]
    to_role: Mapped[str]
    sent_at: Mapped[datetime]
    next_at: Mapped[datetime]


class Feedback(Table):
    """What the reporter was told."""

    __tablename__ = "feedback"

    feedback_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    incident_id: Mapped[UUID]
    message: Mapped[str]
    sent_at: Mapped[datetime]


def visible_incident(
    session: Session,
    actor: Actor,
    incident_id: UUID,
    *,
    lock: bool = False,
    now: datetime | None = None,
    what: str = "incident",
) -> Incident:
    """The incident if it is in the actor's scope, else 404. `lock` holds it to the end of the transaction.

    A restricted one is there for those who need to know only. With `now` it is to be read: also for a while after
    break-glass, and leaving a trace if it is restricted. `what` was asked for, if it was something of the incident: that
    is what is not there then.
    """
    incident = session.get(Incident, incident_id, with_for_update=True if lock else None)
    if incident is None:
        raise not_found(what)
    in_scope = actor.sees(incident.location_id, incident.region_id) or incident.reporter_id == actor.id
    if now is None:
        seen = access.may_see(session, actor, incident_id, in_scope=in_scope)
    else:
        seen = access.may_read(session, actor, incident_id, in_scope=in_scope, now=now)
    if not seen:
        raise not_found(what)
    return incident


def reported_incident(
    session: Session, actor: Actor, incident_id: UUID, *, lock: bool = False, now: datetime | None = None
) -> Incident:
    """The same, and the actor's own report, restricted or not: for what the reporter is told and may add."""
    incident = session.get(Incident, incident_id, with_for_update=True if lock else None)
    own = incident is not None and incident.reporter_id == actor.id
    if incident is None or not own or access.excludes(session, actor, incident_id):
        return visible_incident(session, actor, incident_id, lock=lock, now=now)
    return incident


def latest_triage(session: Session, incident_id: UUID) -> Triage | None:
    """The triage decision that counts: the newest."""
    return session.scalars(
        select(Triage).where(Triage.incident_id == incident_id).order_by(Triage.revision.desc()).limit(1)
    ).first()
