"""The table of links."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, or_
from sqlalchemy.orm import InstrumentedAttribute, Mapped, mapped_column

from services.intake.store import Table


class Link(Table):
    """Two incidents that somebody says belong together; which of the two is named first means nothing."""

    __tablename__ = "incident_link"

    link_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    incident_id: Mapped[UUID]
    other_id: Mapped[UUID]
    relation: Mapped[str]
    reason: Mapped[str]
    linked_by: Mapped[UUID]
    linked_at: Mapped[datetime]


def joins(one: UUID, other: UUID | InstrumentedAttribute[UUID]) -> ColumnElement[bool]:
    """The condition for a link between the two, whichever was named first."""
    return or_(
        and_(Link.incident_id == one, Link.other_id == other), and_(Link.other_id == one, Link.incident_id == other)
    )
