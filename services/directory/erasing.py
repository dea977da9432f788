"""Erasing who somebody of the register of staff was, once intake has decided that the time has come: name and contact go, the
id stays; and who has left, for intake to know when theirs has."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from services.contracts.activities import ErasedTexts, erasure_stopped
from services.contracts.directory import PersonRecorded
from services.contracts.taxonomy import RecordKind
from services.runtime import erasure
from services.runtime.actor import Actor
from services.runtime.erasure import Erased, Part

SERVICE = "directory"
_OF = "person_id = :record"

PARTS: Mapping[RecordKind, Sequence[Part]] = {
    RecordKind.PERSON: (Part("person", ("display_name",), _OF), Part("contact", ("email", "mobile"), _OF)),
}
"""Every place in directory that says who somebody is."""

_PERSON = (
    "select p.provider_id, p.person_id as record_id, 'person' as kind, p.active as in_use, (select max(o.occurred_at)"
    " from directory.outbox o where o.key = p.person_id::text and o.type = :type) as changed_at, p.version from directory.person p"
)
LIST = text(
    f"select provider_id, record_id, kind, in_use, changed_at from ({_PERSON}) as person where (not in_use or version > 1)"
    " and (case when cast(:since as timestamptz) is null then not in_use else changed_at >= :since end)"
    " and (changed_at, record_id) > (:after_at, :after_id) order by changed_at, record_id limit :limit"
).bindparams(type=PersonRecorded.TYPE)
"""People of all providers who have left, and who was changed since a time: somebody may have come back."""
_ONE = text(f"{_PERSON} where p.person_id = :record for update").bindparams(type=PersonRecorded.TYPE)


def stopped(session: Session, record_id: UUID, last_used_at: datetime | None) -> ErasedTexts | None:
    """What stops the erasure of an entry: that somebody came back, or that it was changed since it was decided about. Held to
    the end of the transaction."""
    if erasure.erased(session, SERVICE, record_id) is not None:
        return None
    row = session.execute(_ONE, {"record": record_id}).one()
    return erasure_stopped(in_use=row.in_use, changed_at=row.changed_at, last_used_at=last_used_at)


def erase(session: Session, actor: Actor, kind: RecordKind, record_id: UUID, now: datetime) -> Erased:
    """Erase it."""
    return erasure.erase(session, SERVICE, actor, record_id, PARTS[kind], now)
