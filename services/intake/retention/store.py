"""The tables of retention, and what its use-cases ask of the record of an incident."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Row, Text, exists, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from services.intake import access
from services.intake.details.store import AffectedPerson
from services.intake.proceedings.store import Proceeding
from services.intake.retention.domain import Standing, last_used
from services.intake.safeguarding.store import SafeguardingAdult
from services.intake.store import Incident, Table
from services.runtime.actor import Actor
from services.runtime.erasure import erasure_table

PROOF = erasure_table("intake")
Proof = Row[Any]


class LegalHold(Table):
    """Nothing of an incident, or of any incident of a person, is erased while it stands. Who placed it and why."""

    __tablename__ = "legal_hold"

    hold_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    incident_id: Mapped[UUID | None]
    person_ref: Mapped[UUID | None]
    reason: Mapped[str]
    look_again_on: Mapped[date | None]
    placed_by: Mapped[UUID]
    placed_role: Mapped[str]
    placed_at: Mapped[datetime]
    lifted_by: Mapped[UUID | None]
    lifted_at: Mapped[datetime | None]
    lift_reason: Mapped[str | None]
    version: Mapped[int]


class Appraisal(Table):
    """What was decided about a record whose time has come. `last_used_at` is what it was about: used again, it is void.

    To destroy is confirmed by somebody else; once `begun_at` is there, nothing stops it any more.
    """

    __tablename__ = "appraisal"

    incident_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    decision: Mapped[str]
    reason: Mapped[str]
    keep_until: Mapped[date | None]
    rule: Mapped[str]
    policy_version: Mapped[str]
    last_used_at: Mapped[datetime]
    decided_by: Mapped[UUID]
    decided_role: Mapped[str]
    decided_at: Mapped[datetime]
    confirmed_by: Mapped[UUID | None]
    confirmed_at: Mapped[datetime | None]
    begun_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    version: Mapped[int]


class ErasureElsewhere(Table):
    """What another service proved to have erased of the same record."""

    __tablename__ = "erasure_elsewhere"

    record_id: Mapped[UUID] = mapped_column(primary_key=True)
    service: Mapped[str] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    cells: Mapped[int]
    files: Mapped[list[str]] = mapped_column(ARRAY(Text))
    digest: Mapped[str]


def holds_on(session: Session, incident_id: UUID) -> Sequence[LegalHold]:
    """The holds that stand on an incident: on itself, or on a person whom it happened to."""
    people = select(AffectedPerson.person_ref).where(AffectedPerson.incident_id == incident_id)
    adults = select(SafeguardingAdult.person_ref).where(
        SafeguardingAdult.incident_id == incident_id, SafeguardingAdult.person_ref.is_not(None)
    )
    about = or_(
        LegalHold.incident_id == incident_id, LegalHold.person_ref.in_(people), LegalHold.person_ref.in_(adults)
    )
    return session.scalars(select(LegalHold).where(LegalHold.lifted_at.is_(None), about)).all()


def standing(session: Session, incident: Incident) -> Standing:
    """What decides whether its record may be disposed of."""
    of = Proceeding.incident_id == incident.incident_id
    ended = session.scalars(select(Proceeding.ended_at).where(of, Proceeding.ended_at.is_not(None))).all()
    runs = session.scalar(select(exists().where(of, Proceeding.ended_at.is_(None))))
    return Standing(
        last_used_at=last_used(incident.closed_at, [at for at in ended if at is not None]),
        held=bool(holds_on(session, incident.incident_id)),
        proceeding=bool(runs),
    )


def visible_incidents(actor: Actor) -> ColumnElement[bool]:
    """The condition for incidents that the actor sees."""
    in_scope = actor.scope(Incident.location_id, Incident.region_id)
    return access.visible(actor, Incident.incident_id, Incident.reporter_id, in_scope)


def visible_holds(actor: Actor) -> ColumnElement[bool]:
    """The condition for holds: those on a person, and those on incidents that the actor sees."""
    of_incident = exists().where(Incident.incident_id == LegalHold.incident_id, visible_incidents(actor))
    return or_(LegalHold.incident_id.is_(None), of_incident)


def ended_before(
    session: Session, provider_id: UUID, before: datetime, seen: ColumnElement[bool], after: UUID | None, limit: int
) -> Sequence[Incident]:
    """Incidents that somebody sees, that ended before a time and are not erased, in the order of their ids."""
    query = select(Incident).where(
        Incident.provider_id == provider_id, Incident.closed_at < before, seen,
        Incident.incident_id.not_in(select(PROOF.c.record_id)),
    )  # fmt: skip
    if after is not None:
        query = query.where(Incident.incident_id > after)
    return session.scalars(query.order_by(Incident.incident_id).limit(limit)).all()


def proofs(session: Session, after: UUID | None, limit: int) -> Sequence[Proof]:
    """What was erased, in the order of ids: of each record the proof of intake."""
    query = select(PROOF)
    if after is not None:
        query = query.where(PROOF.c.record_id > after)
    return session.execute(query.order_by(PROOF.c.record_id).limit(limit)).all()


def elsewhere(session: Session, record_id: UUID) -> Sequence[ErasureElsewhere]:
    """What the other services proved of it."""
    query = select(ErasureElsewhere).where(ErasureElsewhere.record_id == record_id)
    return session.scalars(query.order_by(ErasureElsewhere.service)).all()
