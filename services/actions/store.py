"""The tables of actions and the few queries its use-cases need."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, DateTime, MetaData, Text, Uuid, select, text
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from services.contracts.taxonomy import CaseKind
from services.runtime import restriction
from services.runtime.actor import Actor
from services.runtime.errors import ServiceError, not_found


class Table(DeclarativeBase):
    """Everything lives in the schema `actions`; text columns are `text`, times carry a zone."""

    metadata = MetaData(schema="actions")
    type_annotation_map = {str: Text, datetime: DateTime(timezone=True)}  # noqa: RUF012 - SQLAlchemy's own idiom


class Incident(Table):
    """What actions knows of a case, from events: of an incident, or of a theme, which is of no single place.

    Events may overtake the report that fills the facts.
    """

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
    case_kind: Mapped[str] = mapped_column(default=CaseKind.INCIDENT)

    @property
    def counted(self) -> bool:
        """Whether it is in the daily counts: reported, and neither withdrawn nor a duplicate. A theme never is."""
        return self.case_kind != CaseKind.THEME and self.location_id is not None and not self.withdrawn


class Improvement(Table):
    """One cycle of an incident: whose actions belong together, and the measure of their effect.

    Every change of the cycle's actions and checkpoints locks this row first, so that what depends on all of them is
    decided once. The measure is frozen when the first action is agreed: its words, category, unit, baseline window.
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
    frozen_at: Mapped[datetime | None]
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
    handovers: Mapped[int]
    remind_at: Mapped[datetime | None]
    extensions: Mapped[int]
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
    """What somebody other than the owner found, for one attempt, or later when it was looked at again."""

    __tablename__ = "verification"

    verification_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    action_id: Mapped[UUID]
    attempt: Mapped[int]
    outcome: Mapped[str]
    method: Mapped[str]
    sample_size: Mapped[int]
    compliant: Mapped[int]
    draw_id: Mapped[UUID | None]
    not_drawn_reason: Mapped[str | None]
    finding: Mapped[str | None]
    missing: Mapped[str | None]
    remaining_risk: Mapped[str | None]
    next_check_on: Mapped[date | None]
    shifts: Mapped[list[str]] = mapped_column(ARRAY(Text))
    recheck_id: Mapped[UUID | None]
    verified_by: Mapped[UUID]
    verified_at: Mapped[datetime]


class Person(Table):
    """What actions knows of a person, from directory's events: no name."""

    __tablename__ = "person"

    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    manager_id: Mapped[UUID | None]
    active: Mapped[bool]
    leaves_on: Mapped[date | None]
    roles: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    revision: Mapped[int]


class Absence(Table):
    """Somebody is away until just before `ends_at`, and who covers."""

    __tablename__ = "absence"

    absence_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    person_id: Mapped[UUID]
    cover_id: Mapped[UUID]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    revision: Mapped[int]


def visible_incident(session: Session, actor: Actor, incident_id: UUID) -> Incident:
    """The incident if it is in the actor's scope, else 404, also when its report has not arrived here yet."""
    incident = session.get(Incident, incident_id)
    if (
        incident is None
        or incident.location_id is None
        or not may_see(session, actor, incident_id, incident.location_id, incident.region_id)
    ):
        raise ServiceError(
            404,
            "not-found",
            "No such incident",
            "There is no incident with this id that you may see here. Check the id; if it was reported a moment ago,"
            " try again in a few seconds.",
        )
    return incident


def visible_action(
    session: Session, actor: Actor, action_id: UUID, *, lock: bool = False, now: datetime | None = None
) -> Action:
    """The action if the actor owns it or it is in the actor's scope, also by one of its sites, else 404.

    Restricted ones: those who need to know.

    With `now`, whoever covers for the owner at that moment sees it as the owner does.

    `lock` holds the whole cycle to the end of the transaction, and those of other incidents in which it counts.
    """
    action = session.get(Action, action_id)
    if action is None:
        raise not_found("action")
    own = action.owner_id == actor.id or (now is not None and _covers(session, actor, action.owner_id, now))
    in_scope = actor.sees(action.location_id, action.region_id) or _at_a_site(session, actor, action_id)
    if not restriction.may_see(session, "actions", actor, action.incident_id, in_scope=in_scope, own=own):
        raise not_found("action")
    if lock:
        lock_cycles(session, action)
        session.refresh(action)
    return action


def keep_newest(session: Session, table: type[Any], key: Any, values: dict[str, Any]) -> None:
    """Keep the newest revision of what another service tells of, whatever the order of arrival."""
    statement = upsert(table).values(**values)
    session.execute(
        statement.on_conflict_do_update(index_elements=[key], set_=values, where=table.revision < values["revision"])
    )


def _at_a_site(session: Session, actor: Actor, action_id: UUID) -> bool:
    sites = session.execute(
        text("select location_id, region_id from actions.site where action_id = :action_id"), {"action_id": action_id}
    )
    return any(actor.sees(location_id, region_id) for location_id, region_id in sites)


def _covers(session: Session, actor: Actor, owner_id: UUID, now: datetime) -> bool:
    return bool(
        session.scalar(
            select(Absence.absence_id)
            .where(Absence.person_id == owner_id, Absence.cover_id == actor.id)
            .where(Absence.starts_at <= now, Absence.ends_at > now)
            .limit(1)
        )
    )


def may_see(
    session: Session,
    actor: Actor,
    incident_id: UUID,
    location_id: UUID,
    region_id: UUID | None,
    *,
    own: bool = False,
) -> bool:
    """Whether the actor may see what belongs to an incident: by scope, and by who needs to know."""
    in_scope = actor.sees(location_id, region_id)
    return restriction.may_see(session, "actions", actor, incident_id, in_scope=in_scope, own=own)


def lock_cycle(session: Session, incident_id: UUID, cycle: int) -> Improvement:
    """The cycle, held to the end of the transaction."""
    return session.get_one(Improvement, (incident_id, cycle), with_for_update=True, populate_existing=True)


def lock_cycles(session: Session, action: Action) -> None:
    """Every cycle in which an action counts, held to the end of the transaction; always in the same order."""
    elsewhere = session.execute(
        text(
            "select incident_id, cycle from actions.served join actions.improvement using (incident_id, cycle)"
            " where served.action_id = :action_id"
        ),
        {"action_id": action.action_id},
    )
    lock_all(session, {(action.incident_id, action.cycle), *((one.incident_id, one.cycle) for one in elsewhere)})


def lock_all(session: Session, cycles: set[tuple[UUID, int]]) -> None:
    """The same for cycles by name."""
    for incident_id, cycle in sorted(cycles):
        lock_cycle(session, incident_id, cycle)
