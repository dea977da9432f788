"""What is decided about: the record of an incident, or one that is not of one, with the rule that it is kept by."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.contracts.taxonomy import Band, Category, Kind, RecordKind
from services.intake.policy import POLICIES
from services.intake.retention.domain import RetentionPolicy, RetentionRule, Standing
from services.intake.retention.policy import KIND
from services.intake.retention.store import KeptRecord, standing, standing_of_record, visible_records
from services.intake.speak_up.store import Concern
from services.intake.store import Incident, visible_incident
from services.runtime.actor import Actor
from services.runtime.errors import not_found


@dataclass(frozen=True)
class Subject:
    """A record, by which rule of which version it is kept, and what decides whether it may be disposed of."""

    kind: RecordKind
    record_id: UUID
    provider_id: UUID
    rule: RetentionRule
    policy_version: str
    standing: Standing


def policy_of(session: Session, provider_id: UUID) -> RetentionPolicy:
    """What a provider goes by now."""
    found: RetentionPolicy = POLICIES.current(session, provider_id, KIND.name)
    return found


def of_incident(session: Session, row: Incident) -> Subject:
    """The record of an incident."""
    policy = policy_of(session, row.provider_id)
    band = None if row.band is None else Band(row.band)
    rule = policy.rule(Kind(row.kind), Category(row.category), band)
    return Subject(RecordKind.INCIDENT, row.incident_id, row.provider_id, rule, policy.version, standing(session, row))


def of_record(session: Session, row: KeptRecord) -> Subject:
    """A record that is not of an incident."""
    policy, kind = policy_of(session, row.provider_id), RecordKind(row.kind)
    return Subject(
        kind, row.record_id, row.provider_id, policy.others[kind], policy.version, standing_of_record(session, row)
    )


def incident(session: Session, actor: Actor, incident_id: UUID, *, lock: bool = False) -> Subject:
    """The record of an incident if the actor sees it, else 404. `lock` holds it to the end of the transaction."""
    return of_incident(session, visible_incident(session, actor, incident_id, lock=lock))


def record(session: Session, actor: Actor, record_id: UUID, *, lock: bool = False) -> Subject:
    """The same for a record that is not of an incident: a concern for those who see it, the others for those who answer
    for records."""
    if lock:
        _lock(session, record_id)
    query = select(KeptRecord).where(KeptRecord.record_id == record_id, visible_records(actor))
    found = session.scalars(query).one_or_none()
    if found is None:
        raise not_found("record")
    return of_record(session, found)


def locked_subject(session: Session, kind: RecordKind, record_id: UUID) -> Subject | None:
    """The record, held to the end of the transaction, whoever may see it."""
    if kind is RecordKind.INCIDENT:
        found = session.get(Incident, record_id, with_for_update=True)
        return None if found is None else of_incident(session, found)
    _lock(session, record_id)
    known = session.get(KeptRecord, record_id)
    return None if known is None else of_record(session, known)


def _lock(session: Session, record_id: UUID) -> None:
    """Nobody writes in a conversation meanwhile, and no hold is placed. In the order of the other writers of a concern."""
    concern = session.get(Concern, record_id, with_for_update=True)
    if concern is not None and concern.incident_id is not None:
        session.get(Incident, concern.incident_id, with_for_update=True)
    session.get(KeptRecord, record_id, with_for_update=True, populate_existing=True)
