"""The tables of retention, and what its use-cases ask of a record: of an incident, or one that is not of one."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Row, Text, Uuid, and_, exists, false, func, not_, or_, select, text, true
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from services.contracts.activities import KeptRecord as Told
from services.contracts.taxonomy import RecordKind, Role
from services.intake import access
from services.intake.details.store import AffectedPerson
from services.intake.proceedings.store import Proceeding
from services.intake.retention.domain import Standing, last_used
from services.intake.safeguarding.store import SafeguardingAdult
from services.intake.speak_up.store import Concern, visible_concerns
from services.intake.store import Incident, Table
from services.runtime.actor import Actor
from services.runtime.erasure import erasure_table, is_erased

PROOF = erasure_table("intake")
Proof = Row[Any]

KEEPERS = (Role.NOMINATED_INDIVIDUAL, Role.SAFEGUARDING_LEAD, Role.DIRECTOR)
"""Who answers for records: those who know of proceedings, which speak against an erasure and are told to nobody else."""


class KeptRecord(Table):
    """A record that is not of one incident, as its owner told of it. `last_used_at` is None while it is in use.

    `needs` are the incidents that it rests on meanwhile. Who is asked again before anything is erased is the owner.
    """

    __tablename__ = "kept_record"

    record_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    kind: Mapped[str]
    changed_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    needs: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))


class LegalHold(Table):
    """Nothing of a record, or of any incident of a person, is erased while it stands. Who placed it and why.

    It is on an incident, on a person whom incidents happened to, or on a record that is not of one incident.
    """

    __tablename__ = "legal_hold"

    hold_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    incident_id: Mapped[UUID | None]
    person_ref: Mapped[UUID | None]
    record_id: Mapped[UUID | None]
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

    # The column is older than records that are not of an incident.
    record_id: Mapped[UUID] = mapped_column("incident_id", primary_key=True)
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


KIND_OF = func.coalesce(KeptRecord.kind, RecordKind.INCIDENT).label("kind")
"""The kind of a record, where it is joined with those that are not of an incident."""


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
        theme=bool(session.scalar(_A_THEME_RESTS_ON, {"incident_id": incident.incident_id})),
    )


_A_THEME_RESTS_ON = text(
    "select exists (select from intake.kept_record where kind = 'theme' and last_used_at is null and :incident_id = any(needs))"
)


def holds_on_record(session: Session, record_id: UUID) -> Sequence[LegalHold]:
    """The holds that stand on a record that is not of an incident."""
    held = select(LegalHold).where(LegalHold.lifted_at.is_(None), LegalHold.record_id == record_id)
    return session.scalars(held).all()


def standing_of_record(session: Session, record: KeptRecord) -> Standing:
    """The same for a record that is not of an incident. A concern goes with the incident that was made of it."""
    held = bool(holds_on_record(session, record.record_id))
    if record.kind != RecordKind.CONCERN:
        return Standing(last_used_at=record.last_used_at, held=held, proceeding=False)
    concern = session.get_one(Concern, record.record_id)
    if concern.incident_id is None:
        return Standing(last_used_at=concern.answered_at, held=held, proceeding=False)
    of = standing(session, session.get_one(Incident, concern.incident_id))
    return Standing(
        last_used_at=None if of.last_used_at is None else last_used(concern.answered_at, [of.last_used_at]),
        held=held or of.held,
        proceeding=of.proceeding,
        theme=of.theme,
    )


def visible_records(actor: Actor) -> ColumnElement[bool]:
    """The condition for records that are not of an incident and were not erased: concerns for those who see them, the others
    for those who answer for records of the whole provider."""
    answers = actor.all_locations and bool(actor.roles.intersection(KEEPERS))
    concern = exists().where(Concern.concern_id == KeptRecord.record_id, visible_concerns(actor))
    return and_(
        not_(is_erased("intake", KeptRecord.record_id)),
        or_(
            and_(KeptRecord.kind == RecordKind.CONCERN, concern),
            and_(KeptRecord.kind != RecordKind.CONCERN, true() if answers else false()),
        ),
    )


def records_before(
    session: Session, actor: Actor, before: datetime, after: UUID | None, limit: int
) -> Sequence[KeptRecord]:
    """Records that the actor sees and that ended before a time, in the order of their ids."""
    query = select(KeptRecord).where(
        KeptRecord.provider_id == actor.provider_id, KeptRecord.last_used_at < before, visible_records(actor)
    )
    if after is not None:
        query = query.where(KeptRecord.record_id > after)
    return session.scalars(query.order_by(KeptRecord.record_id).limit(limit)).all()


def keep_records(session: Session, told: Sequence[Told]) -> None:
    """Know records as their owner told of them. Told again, or told late, it changes nothing."""
    if not told:
        return
    rows = [
        {
            "record_id": one.record_id, "provider_id": one.provider_id, "kind": one.kind, "changed_at": one.changed_at,
            "last_used_at": None if one.in_use else one.changed_at, "needs": sorted(one.needs),
        }
        for one in told
    ]  # fmt: skip
    statement = insert(KeptRecord).values(rows)
    said = {name: statement.excluded[name] for name in ("changed_at", "last_used_at", "needs")}
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["record_id"], set_=said, where=KeptRecord.changed_at <= statement.excluded.changed_at
        )
    )


def visible_incidents(actor: Actor) -> ColumnElement[bool]:
    """The condition for incidents that the actor sees."""
    in_scope = actor.scope(Incident.location_id, Incident.region_id)
    return access.visible(actor, Incident.incident_id, Incident.reporter_id, in_scope)


def visible_holds(actor: Actor) -> ColumnElement[bool]:
    """The condition for holds: on a person and on incidents for those who answer for records, as far as they see the
    incidents; on records that are not of one, for whoever sees those."""
    of_record = exists().where(KeptRecord.record_id == LegalHold.record_id, visible_records(actor))
    if not actor.roles.intersection(KEEPERS):
        return of_record
    of_incident = exists().where(Incident.incident_id == LegalHold.incident_id, visible_incidents(actor))
    return or_(LegalHold.person_ref.is_not(None), of_incident, of_record)


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


def proofs(session: Session, shown: ColumnElement[bool], after: UUID | None, limit: int) -> Sequence[Proof]:
    """What was erased, in the order of ids: of each record the proof of intake. `shown` is a condition for its kind."""
    query = select(PROOF, KIND_OF).outerjoin(KeptRecord, KeptRecord.record_id == PROOF.c.record_id).where(shown)
    if after is not None:
        query = query.where(PROOF.c.record_id > after)
    return session.execute(query.order_by(PROOF.c.record_id).limit(limit)).all()


def elsewhere(session: Session, record_id: UUID) -> Sequence[ErasureElsewhere]:
    """What the other services proved of it."""
    query = select(ErasureElsewhere).where(ErasureElsewhere.record_id == record_id)
    return session.scalars(query.order_by(ErasureElsewhere.service)).all()
