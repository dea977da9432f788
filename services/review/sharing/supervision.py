"""Reflective supervision: that it took place is evidence; what was said is for the two people."""

import json
from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import ARRAY, Uuid, cast, exists, or_, select
from sqlalchemy.orm import Session

from services.contracts.taxonomy import Role
from services.review.commands import SERVICE, Strict
from services.review.domain import APPROVERS, REVIEWERS
from services.review.sharing import domain
from services.review.sharing.store import (
    Briefing,
    HeldRole,
    Location,
    Person,
    Supervision,
    SupervisionContent,
    visible_briefing,
)
from services.runtime import audit, pagination
from services.runtime.actor import Actor
from services.runtime.errors import invalid, not_found
from services.runtime.outbox import new_id
from services.runtime.pagination import Page
from services.runtime.text import LongText

SUPERVISORS = (Role.SHIFT_LEAD, *REVIEWERS)
"""Who may lead a reflective supervision."""


class Reflection(Strict):
    """A prompt, and what the worker said to it."""

    prompt: LongText
    said: LongText


class RecordSupervision(Strict):
    """A reflective supervision that took place. What was said is for the two people only."""

    worker_id: UUID
    location_id: UUID = Field(description="Where the worker works.")
    held_on: date
    topics: Annotated[list[UUID], Field(min_length=1, max_length=20)] = Field(
        description="The briefings whose learning was reflected on."
    )
    reflections: Annotated[list[Reflection], Field(min_length=1, max_length=20)]
    agreed: LongText | None = Field(default=None, description="What the two agreed.")
    next_on: date | None = None


class SupervisionFact(BaseModel):
    """That it took place. Nothing of what was said."""

    supervision_id: UUID
    supervisor_id: UUID
    worker_id: UUID
    location_id: UUID
    held_on: date
    next_on: date | None
    topics: list[UUID]
    recorded_at: datetime


class SupervisionView(SupervisionFact):
    """With what was said, for the two people."""

    reflections: list[Reflection]
    agreed: str | None


class Prompts(BaseModel):
    """What to reflect on together."""

    prompts: list[str]


def prompts(briefing: Briefing) -> Prompts:
    """What to reflect on, from a briefing."""
    return Prompts(prompts=domain.prompts(briefing.what_changes))


def record(session: Session, actor: Actor, command: RecordSupervision, now: datetime) -> Supervision:
    """Keep a supervision the caller led, of somebody who works there (422): it is evidence.

    The audit has the fact and a digest, nothing of what was said.
    """
    if command.worker_id == actor.id:
        raise invalid("worker_id", "is you", "Somebody else leads your own supervision and records it.")
    place = session.get(Location, command.location_id)
    if place is None or not actor.sees(place.location_id, place.region_id):
        raise invalid("location_id", "is not a location for which you work", "Give the location of the worker.")
    works_there = exists().where(
        HeldRole.person_id == command.worker_id,
        HeldRole.location_id == command.location_id,
        Person.person_id == HeldRole.person_id,
        Person.active,
    )
    if not session.scalar(select(works_there)):
        raise invalid(
            "worker_id",
            "is nobody who works at that location",
            "Choose from GET /people of directory. If they were registered a moment ago, try again in a few seconds.",
        )
    if command.held_on > now.date():
        raise invalid("held_on", "is in the future", "Record it once it has taken place.")
    if command.next_on is not None and command.next_on <= command.held_on:
        raise invalid("next_on", "is not after held_on", "Give the day of the next one, or leave it out.")
    for topic in command.topics:
        visible_briefing(session, actor, topic)
    row = Supervision(
        supervision_id=new_id(),
        provider_id=actor.provider_id,
        supervisor_id=actor.id,
        worker_id=command.worker_id,
        location_id=place.location_id,
        region_id=place.region_id,
        held_on=command.held_on,
        next_on=command.next_on,
        topics=list(dict.fromkeys(command.topics)),
        recorded_at=now,
    )
    session.add(row)
    session.flush()
    said = [one.model_dump() for one in command.reflections]
    session.add(
        SupervisionContent(
            supervision_id=row.supervision_id, provider_id=actor.provider_id, reflections=said, agreed=command.agreed
        )
    )
    audit.append(
        session,
        SERVICE,
        chain=row.supervision_id,
        actor=actor,
        action="supervision_recorded",
        subject=row.supervision_id,
        at=now,
        data={
            "worker_id": row.worker_id,
            "held_on": row.held_on,
            "topics": row.topics,
            "content_sha256": audit.digest(json.dumps([said, command.agreed], sort_keys=True, ensure_ascii=False)),
        },
    )
    return row


def fact(row: Supervision) -> SupervisionFact:
    """That it took place."""
    return SupervisionFact.model_validate(_columns(row))


def _columns(row: Supervision) -> dict[str, Any]:
    return {name: getattr(row, name) for name in SupervisionFact.model_fields}


def read(session: Session, actor: Actor, supervision_id: UUID) -> SupervisionView:
    """The whole, for the two people; 404 for everybody else, whatever their role."""
    row = session.get(Supervision, supervision_id)
    if row is None or actor.id not in (row.supervisor_id, row.worker_id):
        raise not_found("supervision")
    content = session.get_one(SupervisionContent, supervision_id)
    return SupervisionView.model_validate(
        {**_columns(row), "reflections": content.reflections, "agreed": content.agreed}
    )


def facts(
    session: Session, actor: Actor, *, briefing_id: UUID | None, limit: int, cursor: str | None
) -> Page[SupervisionFact]:
    """Which took place, newest first: one's own, and for those who approve reviews those in scope."""
    own = or_(Supervision.worker_id == actor.id, Supervision.supervisor_id == actor.id)
    wide = actor.roles.intersection(APPROVERS)
    query = (
        select(Supervision)
        .where(Supervision.provider_id == actor.provider_id)
        .where(or_(own, actor.scope(Supervision.location_id, Supervision.region_id)) if wide else own)
        .order_by(Supervision.supervision_id.desc())
        .limit(limit + 1)
    )
    if briefing_id is not None:
        query = query.where(Supervision.topics.op("@>")(cast([briefing_id], ARRAY(Uuid))))
    after = pagination.decode(cursor)
    if after is not None:
        query = query.where(Supervision.supervision_id < after)
    rows = list(session.scalars(query))
    items = [fact(row) for row in rows[:limit]]
    return Page(items=items, next=pagination.encode(items[-1].supervision_id) if len(rows) > limit else None)
