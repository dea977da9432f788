"""What is answered about holds."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy.orm import Session

from services.contracts.taxonomy import HoldFor
from services.intake.holds.store import Hold, holds_of
from services.intake.store import visible_incident
from services.runtime.actor import Actor
from services.runtime.errors import not_found


class LookView(BaseModel):
    """A time at which they were asked again and had not agreed."""

    at: datetime
    by: UUID
    said: str


class HoldView(BaseModel):
    """One hold on internal fact-finding. It stands until `lifted_at` is there."""

    hold_id: UUID
    incident_id: UUID
    waits_for: HoldFor
    reason: str
    asked_at: datetime
    look_again_at: datetime
    placed_by: UUID
    placed_at: datetime
    answered_at: datetime | None
    answer: str | None
    lifted_by: UUID | None
    lifted_at: datetime | None
    history: list[LookView]
    version: int


def view(hold: Hold) -> HoldView:
    """One hold."""
    return HoldView.model_validate(hold, from_attributes=True)


def holds(session: Session, incident_id: UUID) -> list[HoldView]:
    """Every hold of an incident, those that were lifted too."""
    return [view(row) for row in holds_of(session, incident_id)]


def visible_hold(session: Session, actor: Actor, hold_id: UUID, now: datetime) -> HoldView:
    """One hold of an incident that the actor sees, else 404."""
    hold = session.get(Hold, hold_id)
    if hold is None:
        raise not_found("hold")
    visible_incident(session, actor, hold.incident_id, now=now, what="hold")
    return view(hold)
