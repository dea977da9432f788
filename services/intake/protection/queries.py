"""What is answered about protections."""

from datetime import date, datetime
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from services.contracts.taxonomy import ProtectionEnding, ProtectionKind
from services.intake.protection.store import Protection, protections_of
from services.intake.store import visible_incident
from services.runtime.actor import Actor
from services.runtime.errors import not_found


class LookView(BaseModel):
    """A look after which it went on."""

    at: datetime
    by: UUID
    found: str
    medicines_reviewed_on: date | None
    medicines_not_reviewed_because: str | None


class ProtectionView(BaseModel):
    """One restriction or plan. It stands until `ended_at` is there."""

    protection_id: UUID
    incident_id: UUID
    kind: ProtectionKind
    concerns: str
    what: str
    reason: str
    least_restrictive: str | None
    agreed_with: str | None
    ends_when: str
    started_at: datetime
    look_again_at: datetime = Field(description="The provider's own standard, not a limit of the law.")
    placed_by: UUID
    placed_at: datetime
    history: list[LookView]
    late: int = Field(description="How often somebody was called because nobody looked.")
    ending: ProtectionEnding | None
    end_reason: str | None
    ended_by: UUID | None
    ended_at: datetime | None
    version: int


def view(row: Protection) -> ProtectionView:
    """One protection."""
    return ProtectionView.model_validate(row, from_attributes=True)


def protections(session: Session, incident_id: UUID) -> list[ProtectionView]:
    """Every protection of an incident, those that ended too."""
    return [view(row) for row in protections_of(session, incident_id)]


def visible_protection(session: Session, actor: Actor, protection_id: UUID, now: datetime) -> ProtectionView:
    """One protection of an incident that the actor sees, else 404."""
    row = session.get(Protection, protection_id)
    if row is None:
        raise not_found("protection")
    visible_incident(session, actor, row.incident_id, now=now, what="protection")
    return view(row)
