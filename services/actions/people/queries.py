"""Whose actions have to be handed over."""

from datetime import date, datetime
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from services.actions import policy
from services.actions.domain import ActionStatus
from services.actions.impact.domain import local_day
from services.actions.store import Action, Person
from services.runtime import pagination, restriction
from services.runtime.actor import Actor
from services.runtime.pagination import Page


class HandoverNeeded(BaseModel):
    """Somebody who has left or is about to leave still owns what is not finished."""

    person_id: UUID
    leaves_on: date | None
    left: bool
    actions: int
    earliest_due_at: datetime | None


def needed(session: Session, actor: Actor, *, now: datetime, limit: int, cursor: str | None) -> Page[HandoverNeeded]:
    """People of the policy's days before their last day, and those who have left, with open actions in sight."""
    rules = policy.current(session, actor.provider_id)
    today = local_day(now)
    query = (
        select(Person, func.count(), func.min(Action.due_at))
        .join(Action, Action.owner_id == Person.person_id)
        .where(Person.provider_id == actor.provider_id)
        .where(or_(Person.active.is_(False), Person.leaves_on <= today + rules.hand_over_before))
        .where(Action.status.not_in((ActionStatus.VERIFIED, ActionStatus.CANCELLED)))
        .where(
            restriction.visible(
                "actions", actor, Action.incident_id, in_scope=actor.scope(Action.location_id, Action.region_id)
            )
        )
        .group_by(Person.person_id)
        .order_by(Person.person_id)
        .limit(limit + 1)
    )
    after = pagination.decode(cursor)
    if after is not None:
        query = query.where(Person.person_id > after)
    rows = session.execute(query).all()
    items = [
        HandoverNeeded(
            person_id=person.person_id,
            leaves_on=person.leaves_on,
            left=not person.active or (person.leaves_on is not None and person.leaves_on < today),
            actions=count,
            earliest_due_at=earliest,
        )
        for person, count, earliest in rows[:limit]
    ]
    return Page(items=items, next=pagination.encode(items[-1].person_id) if len(rows) > limit else None)
