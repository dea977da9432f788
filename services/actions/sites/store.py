"""Where an action is to be done, how far it is there, and which other incidents it serves."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column

from services.actions.store import Table


class Location(Table):
    """What actions knows of a location, from directory's events."""

    __tablename__ = "location"

    location_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    region_id: Mapped[UUID | None]
    name: Mapped[str]
    active: Mapped[bool]
    revision: Mapped[int]


class Site(Table):
    """A location at which an action is to be done; `state` is open, done or not_applicable."""

    __tablename__ = "site"

    action_id: Mapped[UUID] = mapped_column(primary_key=True)
    location_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    region_id: Mapped[UUID | None]
    state: Mapped[str]
    note: Mapped[str | None]
    recorded_by: Mapped[UUID | None]
    recorded_at: Mapped[datetime | None]


class Served(Table):
    """Another incident that an action answers too, and the cycle of it in which it counts."""

    __tablename__ = "served"

    action_id: Mapped[UUID] = mapped_column(primary_key=True)
    incident_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    cycle: Mapped[int]
