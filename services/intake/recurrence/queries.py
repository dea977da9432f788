"""What is answered about cases that may have come back. Nobody learns of an incident that they may not see."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import or_, select
from sqlalchemy.orm import Session, aliased

from services.contracts.taxonomy import RecurrenceAnswer, RecurrenceGround, Role, Stage
from services.intake.recurrence.store import Recurrence
from services.intake.store import Incident, visible_incident
from services.runtime import restriction
from services.runtime.actor import Actor
from services.runtime.errors import not_found


class GroundView(BaseModel):
    """A ground on which the two are alike."""

    ground: RecurrenceGround
    weight: int
    what: str = Field(description="What matched.")


class RecurrenceView(BaseModel):
    """The question whether a closed case has come back, with why it is asked, and the answer."""

    recurrence_id: UUID
    incident_id: UUID = Field(description="The new incident. It does not close before this is answered.")
    closed_incident_id: UUID
    closed_cycle: int
    closed_at: datetime
    grounds: list[GroundView]
    score: int
    policy_version: str
    asked_role: Role
    asked_at: datetime
    due_at: datetime
    answer: RecurrenceAnswer | None
    reason: str | None
    stage: Stage | None = Field(description="Where the closed case went on.")
    answered_by: UUID | None
    answered_at: datetime | None
    version: int


def view(row: Recurrence) -> RecurrenceView:
    """One question."""
    return RecurrenceView.model_validate(row, from_attributes=True)


def recurrences(session: Session, actor: Actor, incident_id: UUID) -> list[RecurrenceView]:
    """Those asked about an incident, and those in which it is the closed case, oldest first."""
    new, closed = aliased(Incident), aliased(Incident)
    rows: Iterable[Recurrence] = session.scalars(
        select(Recurrence)
        .join(new, new.incident_id == Recurrence.incident_id)
        .join(closed, closed.incident_id == Recurrence.closed_incident_id)
        .where(
            or_(Recurrence.incident_id == incident_id, Recurrence.closed_incident_id == incident_id),
            *(
                restriction.visible(
                    "intake", actor, one.incident_id, in_scope=actor.scope(one.location_id, one.region_id)
                )
                for one in (new, closed)
            ),
        )
        .order_by(Recurrence.recurrence_id)
    )
    return [view(row) for row in rows]


def visible_recurrence(session: Session, actor: Actor, recurrence_id: UUID, now: datetime) -> RecurrenceView:
    """One question about incidents that the actor sees both of, else 404."""
    row = session.get(Recurrence, recurrence_id)
    if row is None:
        raise not_found("recurrence")
    for incident_id in (row.incident_id, row.closed_incident_id):
        visible_incident(session, actor, incident_id, now=now, what="recurrence")
    return view(row)
