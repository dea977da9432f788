"""To whom people answer and who covers for whom, as directory told."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select, text
from sqlalchemy.orm import Session

from services.actions.store import Absence, Action, Person, keep_newest
from services.runtime.actor import Actor

_ABOVE = text(
    """with recursive line as (
        select manager_id from actions.person where person_id = :person_id
        union
        select p.manager_id from actions.person p join line on p.person_id = line.manager_id
    ) select manager_id from line where manager_id is not null"""
)


def above(session: Session, person_id: UUID) -> set[UUID]:
    """Everybody in the line above a person."""
    return set(session.scalars(_ABOVE, {"person_id": person_id}))


def cover_of(session: Session, person_id: UUID, now: datetime) -> UUID | None:
    """Who covers for a person now; None while they are there. Of absences that overlap, the last to begin counts."""
    return session.scalars(
        select(Absence.cover_id)
        .where(Absence.person_id == person_id, Absence.starts_at <= now, Absence.ends_at > now)
        .order_by(Absence.starts_at.desc(), Absence.absence_id)
        .limit(1)
    ).first()


def answers_for(session: Session, actor: Actor, action: Action, now: datetime) -> bool:
    """Whether the actor owns the action, or covers for its owner now."""
    return actor.id == action.owner_id or cover_of(session, action.owner_id, now) == actor.id


def own_or_covered(actor: Actor, now: datetime) -> ColumnElement[bool]:
    """The same as a condition for a query."""
    covered = select(Absence.person_id).where(
        Absence.cover_id == actor.id, Absence.starts_at <= now, Absence.ends_at > now
    )
    return or_(Action.owner_id == actor.id, Action.owner_id.in_(covered))


def keep_person(session: Session, values: dict[str, Any]) -> None:
    """Keep the newest revision of a person."""
    keep_newest(session, Person, Person.person_id, values)


def keep_absence(session: Session, values: dict[str, Any]) -> None:
    """Keep the newest revision of an absence."""
    keep_newest(session, Absence, Absence.absence_id, values)
