"""What is known of notices, by query."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.orm import Session

from services.directory.notices.store import Contact, Delivery
from services.runtime.actor import Actor
from services.runtime.errors import not_found

MOST = 200


class ContactView(BaseModel):
    """Where a person can be reached."""

    person_id: UUID
    email: str | None
    mobile: str | None
    version: int


class DeliveryView(BaseModel):
    """A notice over one channel; no address, no content."""

    notice_id: UUID
    person_id: UUID
    channel: str
    urgent: bool
    status: str
    error: str | None
    attempt: int
    first_at: datetime
    last_at: datetime


def _columns(view: type[BaseModel], row: object) -> dict[str, Any]:
    return {name: getattr(row, name) for name in view.model_fields}


def contact_view(contact: Contact) -> ContactView:
    """One contact."""
    return ContactView.model_validate(_columns(ContactView, contact))


def contact(session: Session, person_id: UUID) -> ContactView:
    """The contact of a person, or 404."""
    found = session.get(Contact, person_id)
    if found is None:
        raise not_found("contact")
    return contact_view(found)


def deliveries(session: Session, actor: Actor, *, unsent: bool) -> list[DeliveryView]:
    """The newest deliveries of the provider, or those that have not been sent."""
    query = select(Delivery).where(Delivery.provider_id == actor.provider_id)
    if unsent:
        query = query.where(Delivery.status != "sent")
    rows = session.scalars(query.order_by(Delivery.last_at.desc()).limit(MOST))
    return [DeliveryView.model_validate(_columns(DeliveryView, row)) for row in rows]
