"""Need to know in intake: who sees a restricted incident, from the moment of its report.

An allegation against staff is restricted in the transaction of its report: seen by the roles of the policy and by people
named with a reason, never by whoever it is about nor by their line, whatever their role. Break-glass lets others of the
policy's roles read for a while. The other services hear of it by event and hold to the same rule.
"""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    Column,
    ColumnElement,
    DateTime,
    Integer,
    MetaData,
    Table,
    Text,
    Uuid,
    insert,
    or_,
    select,
    text,
)
from sqlalchemy.orm import InstrumentedAttribute, Session

from services.contracts.intake import BreakGlassUsed, IncidentRestricted
from services.contracts.taxonomy import Role
from services.intake import policy
from services.runtime import audit, outbox, restriction
from services.runtime.actor import Actor
from services.runtime.outbox import new_id

_METADATA = MetaData(schema="intake")

ACCESS_CHANGE = Table(
    "access_change",
    _METADATA,
    Column("incident_id", Uuid, primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("provider_id", Uuid),
    Column("people", ARRAY(Uuid)),
    Column("excluded", ARRAY(Uuid)),
    Column("reason", Text),
    Column("changed_by", Uuid),
    Column("changed_at", DateTime(timezone=True)),
)
"""Who decided when and why for whom a restricted incident is."""

BREAK_GLASS = Table(
    "break_glass",
    _METADATA,
    Column("break_glass_id", Uuid, primary_key=True),
    Column("provider_id", Uuid),
    Column("incident_id", Uuid),
    Column("person_id", Uuid),
    Column("role", Text),
    Column("reason", Text),
    Column("opened_at", DateTime(timezone=True)),
    Column("ends_at", DateTime(timezone=True)),
)
"""Who opened a restricted incident without being named, when, why and until when."""

_ALLEGATION = "An allegation against staff was reported."

# Somebody whom directory knows: not only an id that was typed.
_SOMEBODY_NAMED = text(
    "select exists (select from intake.incident i join intake.restriction r on r.record_id = i.incident_id"
    " join intake.person p on p.person_id = any(r.excluded) where i.incident_id = :incident_id and i.staff_named)"
)


def may_see(session: Session, actor: Actor, incident_id: UUID, *, in_scope: bool, now: datetime | None = None) -> bool:
    """Whether the actor sees an incident. With `now`, also for a while after break-glass: to read, not to change."""
    return restriction.may_see(session, "intake", replace(actor, reading_at=now), incident_id, in_scope=in_scope)


def may_read(session: Session, actor: Actor, incident_id: UUID, *, in_scope: bool, now: datetime) -> bool:
    """Whether the actor may read an incident. That they read a restricted one leaves a trace."""
    if not is_restricted(session, incident_id):
        return in_scope
    if not may_see(session, actor, incident_id, in_scope=in_scope, now=now):
        return False
    note_view(session, actor, incident_id, now)
    return True


def seen_as(session: Session, actor: Actor, incident_id: UUID) -> Literal["role", "named", "break_glass"] | None:
    """By what somebody who sees a restricted incident does so; None where it is not restricted."""
    row = restriction.find(session, "intake", incident_id)
    if row is None:
        return None
    if actor.id in row.people:
        return "named"
    return "role" if actor.roles.intersection(row.roles) else "break_glass"


def visible(
    actor: Actor,
    incident_id: InstrumentedAttribute[UUID],
    reporter_id: InstrumentedAttribute[UUID],
    in_scope: ColumnElement[bool],
) -> ColumnElement[bool]:
    """The same for a list: what is in scope and what the actor reported, unless it is restricted."""
    return restriction.visible("intake", actor, incident_id, in_scope=or_(in_scope, reporter_id == actor.id))


def excluded(session: Session, incident_id: UUID) -> frozenset[UUID]:
    """Who must not hear of an incident: nobody unless it is restricted. For whatever tells people of it."""
    row = restriction.find(session, "intake", incident_id)
    return frozenset() if row is None else frozenset(row.excluded)


def excludes(session: Session, actor: Actor, incident_id: UUID) -> bool:
    """Whether the actor is kept away from the incident by name."""
    return restriction.excludes(session, "intake", actor, incident_id)


def may_be_called(session: Session, actor: Actor, incident_id: UUID, role: Role, person: UUID, now: datetime) -> bool:
    """Whether the ladder may call a person about an incident. Who is called about a restricted one needs to know of it.

    Never somebody who is excluded, nor a rung of colleagues: the ladder goes on to the next.
    """
    row = restriction.find(session, "intake", incident_id, lock=True)
    if row is None or (person not in row.excluded and (person in row.people or role in row.roles)):
        return True
    if person in row.excluded or role not in _may_be_called(session, incident_id):
        return False
    restrict(
        session,
        actor,
        incident_id,
        now=now,
        excluded=row.excluded,
        people={*row.people, person},
        reason="Called by the escalation ladder.",
        revision=row.revision + 1,
        roles=[Role(name) for name in row.roles],
    )
    return True


def roles_of(session: Session, incident_id: UUID) -> frozenset[Role]:
    """Which roles see a restricted incident; none for one that is not restricted."""
    row = restriction.find(session, "intake", incident_id)
    return frozenset() if row is None else frozenset(Role(name) for name in row.roles)


def may_hear(session: Session, incident_id: UUID) -> frozenset[Role] | None:
    """The rungs of the ladder that may be called about a restricted incident; None for one that is not restricted."""
    if not is_restricted(session, incident_id):
        return None
    return roles_of(session, incident_id).union(_may_be_called(session, incident_id))


def need_to_know(session: Session, provider_id: UUID) -> Collection[Role]:
    """The roles that see an allegation against staff because of what they are."""
    return policy.safeguarding(session, provider_id).restricted.roles


def _may_be_called(session: Session, incident_id: UUID) -> frozenset[Role]:
    """The rungs that may be called besides: a manager of the place only once it is known whom it is about."""
    row = restriction.find(session, "intake", incident_id)
    if row is None:
        return frozenset()
    rules = policy.safeguarding(session, row.provider_id).restricted
    named = session.scalar(_SOMEBODY_NAMED, {"incident_id": incident_id})
    return frozenset(rules.may_be_called).union(rules.may_be_called_once_named if named else ())


def is_restricted(session: Session, incident_id: UUID) -> bool:
    """Whether only those who need to know see it."""
    return restriction.find(session, "intake", incident_id) is not None


def restrict(
    session: Session,
    actor: Actor,
    incident_id: UUID,
    *,
    now: datetime,
    excluded: Collection[UUID],
    people: Collection[UUID] = (),
    reason: str = _ALLEGATION,
    revision: int = 1,
    roles: Collection[Role] | None = None,
) -> None:
    """Restrict an incident, or with a higher revision change for whom it is, and tell the other services at once."""
    allowed = need_to_know(session, actor.provider_id) if roles is None else sorted(roles)
    restriction.keep(
        session,
        "intake",
        provider_id=actor.provider_id,
        record_id=incident_id,
        revision=revision,
        roles=allowed,
        people=set(people),
        excluded=set(excluded),
    )
    session.execute(
        insert(ACCESS_CHANGE),
        {
            "incident_id": incident_id,
            "revision": revision,
            "provider_id": actor.provider_id,
            "people": sorted(set(people)),
            "excluded": sorted(set(excluded)),
            "reason": reason,
            "changed_by": actor.id,
            "changed_at": now,
        },
    )
    audit.append(
        session,
        "intake",
        chain=incident_id,
        actor=actor,
        action="restricted",
        subject=incident_id,
        at=now,
        data={
            "revision": revision,
            "roles": list(allowed),
            "people": sorted(set(people)),
            "excluded": sorted(set(excluded)),
            "reason_sha256": audit.digest(reason),
        },
    )
    event = IncidentRestricted(
        incident_id=incident_id,
        revision=revision,
        roles=list(allowed),
        people=sorted(set(people)),
        excluded=sorted(set(excluded)),
    )
    # Urgent: it must not come after what it hides.
    row = outbox.event_row(event, actor=actor, subject=incident_id, version=revision, at=now, urgent=True)
    outbox.record(session, "intake", row)


def note_view(session: Session, actor: Actor, incident_id: UUID, now: datetime) -> None:
    """Leave a trace of who read a restricted incident."""
    audit.append(
        session, "intake", chain=incident_id, actor=actor, action="viewed", subject=incident_id, at=now, data={}
    )


def broke_glass(session: Session, incident_id: UUID, person: UUID) -> bool:
    """Whether a person ever opened the incident without being named."""
    columns = BREAK_GLASS.c
    opened = select(columns.break_glass_id).where(columns.incident_id == incident_id, columns.person_id == person)
    return session.execute(opened.limit(1)).first() is not None


def who_broke_glass(session: Session, incident_id: UUID) -> frozenset[UUID]:
    """Everybody who ever opened the incident without being named."""
    columns = BREAK_GLASS.c
    return frozenset(session.scalars(select(columns.person_id).where(columns.incident_id == incident_id)))


def whose_move(session: Session, incident_id: UUID, role: str | None) -> Role | None:
    """The role whose move it is: of a restricted incident, the first of its roles when `role` does not see it."""
    row = None if role is None else restriction.find(session, "intake", incident_id)
    if row is None or role in row.roles or not row.roles:
        return None if role is None else Role(role)
    known = need_to_know(session, row.provider_id)
    return next((one for one in known if one in row.roles), Role(row.roles[0]))


def open_by_break_glass(
    session: Session,
    actor: Actor,
    incident_id: UUID,
    *,
    role: Role,
    reason: str,
    now: datetime,
    ends_at: datetime,
    ended: bool = False,
) -> UUID:
    """Record that somebody opened a restricted incident without being named, and say so."""
    break_glass_id = new_id()
    session.execute(
        insert(BREAK_GLASS),
        {
            "break_glass_id": break_glass_id,
            "provider_id": actor.provider_id,
            "incident_id": incident_id,
            "person_id": actor.id,
            "role": role,
            "reason": reason,
            "opened_at": now,
            "ends_at": ends_at,
        },
    )
    audit.append(
        session,
        "intake",
        chain=incident_id,
        actor=actor,
        action="break_glass",
        subject=break_glass_id,
        at=now,
        data={"ends_at": ends_at, "role": role, "reason_sha256": audit.digest(reason)},
    )
    event = BreakGlassUsed(
        incident_id=incident_id, break_glass_id=break_glass_id, person_id=actor.id, ends_at=ends_at, ended=ended
    )
    row = outbox.event_row(event, actor=actor, subject=break_glass_id, version=1, at=now, urgent=True)
    outbox.record(session, "intake", row)
    return break_glass_id
