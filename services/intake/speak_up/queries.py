"""What speaking up answers: to the sender, who has the code, and to those who review."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from services.intake import queries as intake
from services.intake.speak_up import policy
from services.intake.speak_up.commands import Author, Mode
from services.intake.speak_up.store import Concern, ConcernMessage, visible_concerns
from services.intake.store import Incident
from services.runtime import pagination, restriction
from services.runtime.actor import Actor
from services.runtime.pagination import Page


class MessageView(BaseModel):
    """One message. Staff are not named to the sender; `system` tells what a reporter is told at each stage."""

    author: Author
    text: str
    sent_at: datetime


class Conversation(BaseModel):
    """What the sender reads."""

    messages: list[MessageView]
    answer_due_at: datetime | None
    protection: str | None
    fair_blame: str


class ConcernSummary(BaseModel):
    """A concern in a list. No text."""

    concern_id: UUID
    location_id: UUID | None
    mode: Mode
    raised_at: datetime
    answer_due_at: datetime
    answered_at: datetime | None
    reviewer_id: UUID | None
    incident_id: UUID | None
    version: int


class ConcernView(ConcernSummary):
    """A concern as those who review it see it."""

    contact: str | None
    protection: str | None
    excluded: list[UUID] = Field(description="Who is kept away from it by name.")
    messages: list[MessageView]


def _columns(view: type[BaseModel], row: object) -> dict[str, Any]:
    return {name: getattr(row, name) for name in view.model_fields if hasattr(row, name)}


def conversation(session: Session, concern: Concern) -> Conversation:
    """All messages in order, and what the incident that was made of it tells its reporter."""
    return Conversation(
        messages=_messages(session, concern),
        answer_due_at=concern.answer_due_at if concern.answered_at is None else None,
        protection=concern.protection,
        fair_blame=policy.shipped().fair_blame,
    )


def summary(concern: Concern) -> ConcernSummary:
    """The list form of a concern."""
    return ConcernSummary.model_validate(_columns(ConcernSummary, concern))


def view(session: Session, concern: Concern) -> ConcernView:
    """The full form of a concern."""
    row = restriction.find(session, "intake", concern.concern_id)
    assert row is not None, "every concern is restricted from its first row"
    return ConcernView.model_validate(
        {**_columns(ConcernView, concern), "excluded": sorted(row.excluded), "messages": _messages(session, concern)}
    )


def concerns(session: Session, actor: Actor, *, limit: int, cursor: str | None) -> Page[ConcernSummary]:
    """Concerns that the actor may review, newest first."""
    query = (
        select(Concern)
        .where(Concern.provider_id == actor.provider_id, visible_concerns(actor))
        .order_by(Concern.concern_id.desc())
        .limit(limit + 1)
    )
    after = pagination.decode(cursor)
    if after is not None:
        query = query.where(Concern.concern_id < after)
    rows = list(session.scalars(query))
    items = [summary(row) for row in rows[:limit]]
    return Page(items=items, next=pagination.encode(items[-1].concern_id) if len(rows) > limit else None)


def _messages(session: Session, concern: Concern) -> list[MessageView]:
    rows = session.scalars(
        select(ConcernMessage)
        .where(ConcernMessage.concern_id == concern.concern_id)
        .order_by(ConcernMessage.message_id)
    )
    written = [MessageView(author=Author(row.author), text=row.text, sent_at=row.sent_at) for row in rows]
    incident = None if concern.incident_id is None else session.get(Incident, concern.incident_id)
    if incident is None:
        return written
    told = [
        MessageView(author=Author.SYSTEM, text=message.message, sent_at=message.sent_at)
        for message in intake.feedback(session, incident)
    ]
    return sorted([*written, *told], key=lambda message: message.sent_at)
